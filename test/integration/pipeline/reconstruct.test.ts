import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import { encodeFileMeta } from "../../../src/dicom/part10.ts";
import type { BulkInstance } from "../../../src/dimse/bulk-sender.ts";
import { loadBundle } from "../../../src/encoder/bundle.ts";
import type { Profile } from "../../../src/encoder/manifest.ts";
import { tensorFile } from "../../../src/pipeline/reconstruct-task.ts";
import { createReconstructor } from "../../../src/pipeline/reconstructor.ts";
import { ctSeries } from "../../support/ct-series.ts";
import { temporaryFolder } from "../../support/node-under-test.ts";

const SLICES = 40;

describe("a series with slices that cannot be decoded", function () {
  this.timeout(60_000);
  const reconstructor = createReconstructor();
  let profile: Profile;
  before(async () => {
    profile = (await loadBundle("models/layout-fingerprint")).manifest.profiles[0]!;
  });
  after(() => reconstructor.stop());

  async function reconstruct(instances: readonly BulkInstance[]) {
    const folder = temporaryFolder();
    const paths = instances.map((one, index) => {
      const path = join(folder, `${index}.dcm`);
      writeFileSync(path, Buffer.concat([encodeFileMeta(one), one.dataSet]));
      return path;
    });
    const tensorPrefix = join(folder, "tensor");
    const { volumes } = await reconstructor.run({
      paths,
      rules: { slicesMin: 4 },
      outputs: [{ profile, tensorPrefix }],
    });
    const tensors = [1, 2, 3].filter((ordinal) => existsSync(tensorFile(tensorPrefix, ordinal)));
    const codes = volumes.map(({ verdict }) => verdict.findings.map((one) => one.code));
    return { volumes, codes, tensors, first: () => readFileSync(tensorFile(tensorPrefix, 1)) };
  }
  /** Its Pixel Data are there and end too early. */
  const cut = (one: BulkInstance) => ({ ...one, dataSet: one.dataSet.subarray(0, -500) });
  const series = (name: string) => ctSeries({ name, slices: SLICES, rows: 16, core: 4 });
  /** Another kernel, in the place of the first one: a volume of its own. */
  const withKernel = (one: BulkInstance, kernel: string) => {
    const at = one.dataSet.indexOf(Buffer.from([0x20, 0x00, 0x0d, 0x00]));
    const element = Buffer.from(`\x18\x00\x10\x12SH\x04\x00${kernel}`, "latin1");
    const dataSet = Buffer.concat([one.dataSet.subarray(0, at), element, one.dataSet.subarray(at)]);
    return { ...one, dataSet };
  };

  it("bridges the gap of one, and says so", async () => {
    const whole = series("whole");
    const good = await reconstruct(whole);
    expect(good.volumes.map(({ verdict }) => verdict.outcome)).to.deep.equal(["ok"]);
    const bad = await reconstruct(whole.map((one, k) => (k === 17 ? cut(one) : one)));
    expect(bad.volumes.map(({ verdict }) => verdict.outcome)).to.deep.equal(["corrected"]);
    expect(bad.codes[0]).to.include.members(["CORRUPT_SLICES", "MISSING_SLICES"]);
    expect(bad.volumes[0]!.usedCount).to.equal(SLICES - 1);
    expect(bad.volumes[0]!.verdict.sizeVoxels).to.deep.equal(good.volumes[0]!.verdict.sizeVoxels);
    expect(bad.first().length).to.equal(good.first().length);
  });

  it("shortens the volume when it is at an end", async () => {
    const { volumes, codes } = await reconstruct(
      series("end").map((one, k) => (k === 0 ? cut(one) : one)),
    );
    expect(volumes[0]!.verdict.outcome).to.equal("corrected");
    expect(codes[0]).to.deep.equal(["CORRUPT_SLICES"]);
    expect(volumes[0]!.verdict.sizeVoxels![0]).to.equal(SLICES - 1);
  });

  it("numbers volumes anew when one falls away, and leaves no tensor of the old number", async () => {
    const sharp = series("sharp").map((one) => withKernel(one, "B70f"));
    const soft = series("soft").slice(0, SLICES - 1);
    const others = soft.map((one) => withKernel(one, "B40f"));
    const both = await reconstruct([...sharp, ...others]);
    expect(both.volumes.map((one) => [one.label, one.usedCount])).to.deep.equal([
      ["kernel B70f", SLICES],
      ["kernel B40f", SLICES - 1],
    ]);
    expect(both.tensors).to.deep.equal([1, 2]);
    const damaged = sharp.map((one, k) => (k % 5 === 2 ? cut(one) : one));
    const one = await reconstruct([...damaged, ...others]);
    expect(one.volumes.map(({ label, verdict }) => [label, verdict.outcome])).to.deep.equal([
      ["kernel B40f", "ok"],
      ["kernel B70f", "refused"],
    ]);
    expect(one.codes[1]).to.include.members(["MISSING_SLICES", "CORRUPT_SLICES"]);
    expect(one.tensors).to.deep.equal([1]);
  });
});
