/** `kindred embed` as people start it, with the built-in model. */
import { mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { encodeFileMeta } from "../../../src/dicom/part10.ts";
import { type CtSeriesOptions, ctSeries, ctUids } from "../../support/ct-series.ts";
import { stagedManifest, writeBundle } from "../../support/graph-bundle.ts";
import { kindred } from "../../support/kindred-command.ts";
import { temporaryFolder } from "../../support/node-under-test.ts";

interface Answer {
  readonly model: { readonly id: string; readonly bundleDigest: string; readonly profile: string };
  readonly series: readonly {
    readonly source: string;
    readonly seriesInstanceUid: string;
    readonly volumes: readonly {
      readonly vector: number[] | null;
      readonly provider: string;
      readonly inapplicable: readonly string[];
    }[];
  }[];
}

function writeSeries(root: string, options: CtSeriesOptions, isReversed = false): string {
  const folder = join(root, options.name);
  mkdirSync(folder, { recursive: true });
  const series = ctSeries(options);
  if (isReversed) series.reverse();
  for (const [index, one] of series.entries())
    writeFileSync(join(folder, `${index}`), Buffer.concat([encodeFileMeta(one), one.dataSet]));
  return folder;
}

const MODEL = ["--model", "layout-fingerprint"];
const leftBehind = () => readdirSync(tmpdir()).filter((name) => name.startsWith("kindred-embed-"));

describe("kindred embed", function () {
  this.timeout(120_000);

  it("gives unit vectors that depend on the pixels alone, source by source, and keeps nothing", async () => {
    const root = temporaryFolder();
    const folders = [
      writeSeries(root, { name: "one" }),
      writeSeries(root, { name: "same-pixels" }, true),
      writeSeries(root, { name: "other-pixels", core: 4 }),
    ];
    const before = leftBehind();
    const ended = await kindred("embed", ...folders, ...MODEL, "--json");
    expect(ended.code, ended.stderr).to.equal(0);
    const { model, series } = JSON.parse(ended.stdout) as Answer;
    expect(model).to.include({ id: "layout-fingerprint", profile: "whole-body-6mm" });
    expect(model.bundleDigest).to.match(/^[0-9a-f]{64}$/);
    expect(series.map((one) => one.source)).to.deep.equal(folders);
    expect(series.map((one) => one.seriesInstanceUid)).to.deep.equal(
      ["one", "same-pixels", "other-pixels"].map((name) => ctUids(name).series),
    );
    const [one, same, other] = series.map(({ volumes }) => volumes[0]!.vector!);
    expect(one).to.have.length(256);
    expect(Math.hypot(...one!)).to.be.closeTo(1, 1e-6);
    expect(same).to.deep.equal(one);
    expect(other).to.not.deep.equal(one);
    expect(leftBehind().filter((name) => !before.includes(name))).to.deep.equal([]);
  });

  it("gives no vector of a volume that is refused, and exits with 65", async () => {
    const folder = writeSeries(temporaryFolder(), { name: "short", slices: 3 });
    const ended = await kindred("embed", folder, ...MODEL, "--json");
    expect(ended.code, ended.stderr).to.equal(65);
    const { series } = JSON.parse(ended.stdout) as Answer;
    expect(series[0]!.volumes[0]!.vector).to.equal(null);
    const words = await kindred("embed", folder, ...MODEL);
    expect(words.stdout).to.include("A volume needs at least 4 slices.");
  });

  it("gives no vector of a volume that the model is not made for, as a node would not", async () => {
    const root = temporaryFolder();
    const folder = writeSeries(root, { name: "small" });
    const picky = {
      ...stagedManifest("picky"),
      applicability: { modalities: ["CT"], slicesMin: 99 },
    };
    writeBundle(join(root, "models"), picky);
    const argv = ["embed", folder, "--model", "picky", "--set", `encoder.modelsDir=${root}/models`];
    const ended = await kindred(...argv, "--json");
    expect(ended.code, ended.stderr).to.equal(65);
    const [volume] = (JSON.parse(ended.stdout) as Answer).series[0]!.volumes;
    expect(volume!.vector).to.equal(null);
    expect(volume!.inapplicable).to.have.length(1);
    expect((await kindred(...argv)).stdout).to.match(/does not apply: .* the model needs 99/);
  });

  it("says which model, profile or series there is not", async () => {
    const root = temporaryFolder();
    const folder = writeSeries(root, { name: "there" });
    mkdirSync(join(root, "empty"));
    const rows: readonly [string[], number, string][] = [
      [["embed", folder], 64, "Name the model"],
      [["embed", "/no/such/folder", ...MODEL], 64, "neither a folder nor the UID"],
      [["embed", folder, ...MODEL, "--profile", "none"], 64, "it has whole-body-6mm"],
      [["embed", folder, "--model", "nobodys"], 69, "no such bundle"],
      [["embed", join(root, "empty"), ...MODEL], 65, "There is no CT series here"],
    ];
    for (const [argv, code, words] of rows) {
      const ended = await kindred(...argv);
      expect(ended.code, argv.join(" ")).to.equal(code);
      expect(ended.stderr).to.include(words);
    }
  });
});
