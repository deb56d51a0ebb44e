/** `kindred volume` as people start it: on folders of anything, and on the archive of a node that runs or does not. */
import { cpSync, existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import { encodeFileMeta } from "../../../src/dicom/part10.ts";
import type { Node } from "../../../src/main.ts";
import type { VolumeVerdict } from "../../../src/volume/types.ts";
import { ctSeries, ctUids } from "../../support/ct-series.ts";
import { freePort } from "../../support/free-port.ts";
import { type Ended, kindred } from "../../support/kindred-command.ts";
import { readNifti } from "../../support/nifti-file.ts";
import {
  getJson,
  push,
  settings,
  startTestNode,
  temporaryFolder,
  waitFor,
} from "../../support/node-under-test.ts";
import { requireSharedData, SHARED_DATA } from "../../support/shared-data.ts";

interface Answer {
  readonly series: {
    readonly seriesInstanceUid: string;
    readonly files: number;
    readonly error: { code: string; message: string } | null;
    readonly volumes: {
      readonly ordinal: number;
      readonly verdict: VolumeVerdict;
      readonly usedCount: number;
      readonly axisCodes: string | null;
      readonly written: string[];
    }[];
  }[];
  readonly ignored: number;
  readonly copies: number;
}

const answerOf = ({ code, stdout, stderr }: Ended): Answer & { code: number } => {
  if (!stdout.startsWith("{")) throw new Error(`no JSON: ${stdout}${stderr}`);
  return { ...(JSON.parse(stdout) as Answer), code };
};

/** The files of a synthetic series, as Part 10 or as bare data sets. */
function writeSeries(folder: string, name: string, isPart10 = true): void {
  mkdirSync(folder, { recursive: true });
  for (const [index, one] of ctSeries({ name }).entries()) {
    const head = isPart10 ? encodeFileMeta(one) : Buffer.alloc(0);
    // Names do not say what a file is.
    writeFileSync(join(folder, `${name}-${index}`), Buffer.concat([head, one.dataSet]));
  }
}

describe("kindred volume on a folder", function () {
  this.timeout(120_000);

  it("finds series at any depth, with or without Part 10 header, and counts what is none", async () => {
    const folder = temporaryFolder();
    writeSeries(join(folder, "a/b/c"), "deep");
    writeSeries(folder, "bare", false);
    const copy = join(folder, "a/b/c/deep-0");
    cpSync(copy, join(folder, "z-copy"));
    writeFileSync(join(folder, "readme.txt"), "no DICOM");
    writeFileSync(join(folder, "empty"), "");
    writeFileSync(join(folder, "half"), readFileSync(copy).subarray(0, 140));
    writeFileSync(join(folder, "noise"), Buffer.alloc(300_000, 8));
    symlinkSync(folder, join(folder, "loop"));
    const answer = answerOf(await kindred("volume", folder, "--json"));
    expect([answer.code, answer.ignored, answer.copies]).to.deep.equal([0, 4, 1]);
    expect(answer.series.map((one) => one.seriesInstanceUid)).to.have.members(
      ["deep", "bare"].map((name) => ctUids(name).series),
    );
    for (const { files, volumes, error } of answer.series) {
      expect([files, volumes.length, error]).to.deep.equal([12, 1, null]);
      const [{ verdict, axisCodes, usedCount }] = volumes as [Answer["series"][0]["volumes"][0]];
      expect([verdict.outcome, axisCodes, usedCount]).to.deep.equal(["ok", "LPS", 12]);
      expect(verdict.sizeVoxels).to.deep.equal([12, 48, 48]);
    }
  });

  it("writes a picture and NIfTI, plain and compressed alike, and says so", async () => {
    const folder = temporaryFolder();
    writeSeries(join(folder, "in"), "written");
    const [png, plain, packed] = ["a.png", "b.nii", "c.nii.gz"].map((name) => join(folder, name));
    const first = await kindred("volume", join(folder, "in"), "--png", png!, "--nifti", plain!);
    const second = await kindred("volume", join(folder, "in"), "--nifti", packed!);
    expect([first.code, second.code], first.stderr + second.stderr).to.deep.equal([0, 0]);
    for (const words of ["usable as received", `wrote ${png}`, `wrote ${plain}`, "Not for diagno"])
      expect(first.stdout).to.include(words);
    expect(readFileSync(png!).subarray(1, 4).toString("latin1")).to.equal("PNG");
    const [a, b] = [readNifti(plain!), readNifti(packed!)];
    expect([a.size, a.affine]).to.deep.equal([b.size, b.affine]);
    expect(a.size).to.deep.equal([48, 48, 12]);
    for (let i = 0; i < 48 * 48 * 12; i += 7) expect(a.at(i)).to.equal(b.at(i));
    // The core of the box, and the air around it.
    expect([a.at(24 + 48 * 24), a.at(0)]).to.deep.equal([40, -1000]);
  });

  it("writes nothing for a volume that is refused or not there, and exits with 65", async () => {
    const folder = temporaryFolder();
    const series = ctSeries({ name: "refused", slices: 3 });
    mkdirSync(join(folder, "in"));
    for (const [index, one] of series.entries())
      writeFileSync(
        join(folder, "in", `${index}.dcm`),
        Buffer.concat([encodeFileMeta(one), one.dataSet]),
      );
    const out = join(folder, "out.nii");
    const refused = await kindred("volume", join(folder, "in"), "--nifti", out);
    expect(refused.code, refused.stderr).to.equal(65);
    expect(refused.stdout).to.include("A volume needs at least 4 slices.");
    writeSeries(join(folder, "good"), "good");
    const absent = await kindred(
      ...["volume", join(folder, "good"), "--nifti", out, "--ordinal", "2"],
    );
    expect(absent.code).to.equal(65);
    expect(existsSync(out)).to.equal(false);
  });

  for (const [name, argv] of [
    ["nothing to look at", ["volume"]],
    ["neither a folder nor a UID", ["volume", "/no/such/folder"]],
    ["an ordinal that is none", ["volume", "/tmp", "--ordinal", "0"]],
    ["a NIfTI name of another kind", ["volume", "/tmp", "--nifti", "x.img"]],
    ["a picture of another kind", ["volume", "/tmp", "--png", "x.jpg"]],
  ] as const) {
    it(`is a usage error with ${name}`, async () => {
      expect((await kindred(...argv)).code).to.equal(64);
    });
  }

  it("says so when there is no DICOM, or no place to write to", async () => {
    const folder = temporaryFolder();
    writeFileSync(join(folder, "a"), "text");
    const nothing = await kindred("volume", folder);
    expect([nothing.code, nothing.stderr.includes("among 1 files")]).to.deep.equal([65, true]);
    writeSeries(join(folder, "in"), "unwritable");
    const path = join(folder, "no/such/folder/x.nii");
    const unwritable = await kindred("volume", join(folder, "in"), "--nifti", path);
    expect([unwritable.code, unwritable.stderr.includes("There is no folder")]).to.deep.equal([
      64,
      true,
    ]);
    mkdirSync(join(folder, "taken.nii"));
    const taken = await kindred(
      ...["volume", join(folder, "in"), "--nifti", join(folder, "taken.nii")],
    );
    expect(taken.code, "not written, so not done").to.equal(70);
    expect(existsSync(join(folder, "taken.nii.partial"))).to.equal(false);
  });
});

describe("kindred volume on real series", function () {
  this.timeout(120_000);
  before(function () {
    requireSharedData(this);
  });

  it("keeps two reconstructions of one study apart, each with files of its own", async () => {
    const folder = temporaryFolder();
    const source = join(SHARED_DATA, "ct-01-chest-siemens-two-recons");
    const argv = ["volume", source, "--json", "--png", join(folder, "chest.png")];
    const answer = answerOf(await kindred(...argv));
    expect(answer.code).to.equal(0);
    expect(answer.series.map((one) => one.volumes[0]!.verdict.sizeVoxels)).to.deep.equal([
      [30, 512, 512],
      [30, 512, 512],
    ]);
    const written = answer.series.flatMap((one) => one.volumes.flatMap((two) => two.written));
    expect(written).to.deep.equal(
      ["chest.png", "chest-series2.png"].map((name) => join(folder, name)),
    );
    for (const path of written) expect(existsSync(path), path).to.equal(true);
  });

  it("says why of what is no volume, in words", async () => {
    const { code, stdout } = await kindred("volume", join(SHARED_DATA, "ct-14-localizer-siemens"));
    expect(code).to.equal(65);
    expect(stdout).to.include("not usable, nothing was computed");
    expect(stdout).to.include("localizer (scout) images");
  });

  for (const folder of [
    "malformed-01",
    "charset-01",
    "nonct-01",
    "sr-01",
    "ct-13-odd-single-files",
  ])
    it(`goes through ${folder} without harm`, async () => {
      const { code, stdout, stderr } = await kindred("volume", join(SHARED_DATA, folder));
      expect(code, stdout + stderr).to.equal(65);
      expect(stdout + stderr).not.to.match(/\n {4}at .*:\d+:\d+/);
    });
});

describe("kindred volume on the archive", function () {
  this.timeout(120_000);
  let node: Node;
  let file: string;
  let dataDir: string;
  let isRunning = false;
  const { series } = ctUids("archived");
  before(async () => {
    dataDir = temporaryFolder();
    const ports = { dicom: await freePort(), http: await freePort() };
    const options = { dataDir, extra: { http: { port: ports.http } } };
    ({ node } = await startTestNode(options));
    isRunning = true;
    file = join(temporaryFolder(), "config.json");
    writeFileSync(
      file,
      JSON.stringify({ ...settings(options, ports), http: { port: ports.http } }),
    );
    await push(node.dicom, ctSeries({ name: "archived" }));
    await waitFor(
      () => getJson<{ state: string }>(node, `/api/v1/series/${series}`),
      (one) => one.state === "reported",
    );
  });
  after(async () => {
    if (isRunning) await node.stop();
  });

  const look = async () => answerOf(await kindred("volume", series, "--config", file, "--json"));

  it("asks a running node, and reads the files where they lie", async () => {
    const answer = await look();
    expect([answer.code, answer.series[0]!.files]).to.deep.equal([0, 12]);
    expect(answer.series[0]!.volumes[0]!.verdict).to.deep.equal(
      (await getJson<{ verdict: unknown }>(node, `/api/v1/series/${series}`)).verdict,
    );
  });

  it("says that a series is not there", async () => {
    const { code, stderr } = await kindred("volume", "1.2.3.4.5", "--config", file);
    expect([code, stderr.trim()]).to.deep.equal([65, "kindred: No such series here"]);
  });

  it("opens the database when no node runs, and makes none where there is no archive", async () => {
    await node.stop();
    isRunning = false;
    expect((await look()).series[0]!.volumes[0]!.verdict.outcome).to.equal("ok");
    const nowhere = join(temporaryFolder(), "none");
    const argv = ["volume", series, "--config", file, "--set", `dataDir=${nowhere}`];
    const { code, stderr } = await kindred(...argv);
    expect([code, stderr.includes("No node answers")]).to.deep.equal([69, true]);
    expect(existsSync(nowhere)).to.equal(false);
  });
});
