/** Slices reduced a few at a time, as they come while a series arrives. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import { encodeFileMeta } from "../../../src/dicom/part10.ts";
import { loadBundle } from "../../../src/encoder/bundle.ts";
import { volumeSteps } from "../../../src/encoder/preprocess.ts";
import { shared } from "../../../src/pipeline/build-volume.ts";
import { type ScannedFrame, scanFiles } from "../../../src/pipeline/scan-files.ts";
import { createSliceThreads, type SliceThreads } from "../../../src/pipeline/slice-threads.ts";
import { stackAxes } from "../../../src/volume/orientation.ts";
import { planReduction, type ReductionPlan } from "../../../src/volume/reduction-plan.ts";
import { ctSeries } from "../../support/ct-series.ts";
import { temporaryFolder } from "../../support/node-under-test.ts";

const SLICES = 8;
const ROWS = 512;

describe("slices reduced a few at a time", function () {
  this.timeout(120_000);
  let threads: SliceThreads;
  let frames: readonly ScannedFrame[];
  let plans: readonly ReductionPlan[];

  before(async () => {
    threads = createSliceThreads({ threads: 1, niceness: 0, frameSeconds: 60 });
    const folder = temporaryFolder();
    const paths = ctSeries({ name: "parts", slices: SLICES, rows: ROWS }).map((one, i) => {
      const path = join(folder, `${i}.dcm`);
      writeFileSync(path, Buffer.concat([encodeFileMeta(one), one.dataSet]));
      return path;
    });
    frames = (await scanFiles(paths)).frames;
    const { manifest } = await loadBundle("models/layout-fingerprint");
    const geometry = {
      sizeVoxels: [1, ROWS, ROWS],
      spacingMm: [1, 0.7, 0.7],
      originLps: [0, 0, 0],
      axesZyx: stackAxes([frames[0]!.plane]),
      placements: [{ z: 0, row: 0, column: 0 }],
    } as const;
    const matrix = { rows: ROWS, columns: ROWS };
    plans = manifest.profiles.map((one) =>
      shared(planReduction(geometry, volumeSteps(one), matrix)!),
    );
  });
  after(() => threads.stop());

  /** Planes of all slices, reduced `atOnce` at a time. */
  async function reduced(atOnce: number): Promise<number[][]> {
    const planes: number[][] = [];
    for (let from = 0; from < SLICES; from += atOnce)
      await threads.reduce(
        frames.slice(from, from + atOnce).map((frame) => ({ frame, k: 0 })),
        { plans, wantsStored: false },
        (_, slice) => planes.push([...slice!.planes[0]!]),
      );
    return planes;
  }

  it("come out the same however many at a time", async () => {
    const all = await reduced(SLICES);
    expect(all).to.have.length(SLICES);
    expect(new Set(all.map(String)).size).to.be.above(1);
    for (const atOnce of [1, 3]) expect(await reduced(atOnce)).to.deep.equal(all);
  });

  it("lie in the same memory each time: shared memory is given back late", async () => {
    const memories = new Set<ArrayBufferLike>();
    for (let i = 0; i < 20; i++)
      await threads.reduce(
        frames.map((frame) => ({ frame, k: 0 })),
        { plans, wantsStored: false },
        (_, slice) => memories.add(slice!.planes[0]!.buffer),
      );
    expect(memories.size).to.be.within(1, SLICES);
  });
});
