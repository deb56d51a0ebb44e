import { copyFileSync, readdirSync, readFileSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { expect } from "chai";
import { bySeries, filesBelow } from "../../../src/cli/volume/dicom-files.ts";
import { encodeFileMeta } from "../../../src/dicom/part10.ts";
import { loadBundle } from "../../../src/encoder/bundle.ts";
import type { Profile } from "../../../src/encoder/manifest.ts";
import { createEarlyWork } from "../../../src/pipeline/early-series.ts";
import { type ReconstructResult, tensorFile } from "../../../src/pipeline/reconstruct-task.ts";
import { createReconstructor } from "../../../src/pipeline/reconstructor.ts";
import { createSliceThreads } from "../../../src/pipeline/slice-threads.ts";
import { ctSeries } from "../../support/ct-series.ts";
import { temporaryFolder } from "../../support/node-under-test.ts";
import { requireSharedData, SHARED_DATA } from "../../support/shared-data.ts";

describe("slices reduced while their series arrives", function () {
  this.timeout(300_000);
  const reconstructor = createReconstructor();
  const folder = temporaryFolder();
  let profiles: readonly Profile[];
  let number = 0;
  before(async () => {
    profiles = (await loadBundle("models/layout-fingerprint")).manifest.profiles;
  });
  after(() => reconstructor.stop());

  /** With `early` the reconstructor first hears of these paths, and is given the time for them. */
  async function reconstruct(
    paths: readonly string[],
    early: readonly string[] = [],
    begun = { profiles, folder },
    milliseconds = 500,
  ) {
    const key = `series/${++number}`;
    const tensorPrefix = join(folder, `tensor-${number}`);
    if (early.length > 0) {
      // In two lots, as they come.
      for (const some of [early.slice(0, 3), early.slice(3)])
        reconstructor.beginEarly({ key, paths: some, picture: true, ...begun });
      await delay(milliseconds);
    }
    const result = await reconstructor.run({
      paths,
      rules: { slicesMin: 4 },
      outputs: profiles.map((profile) => ({ profile, tensorPrefix })),
      views: { picture: true },
      earlyKey: key,
    });
    const accepted = result.volumes.filter(({ verdict }) => verdict.outcome !== "refused");
    return {
      result,
      tensors: accepted.map(({ ordinal }) => readFileSync(tensorFile(tensorPrefix, ordinal))),
    };
  }

  function expectSame(
    one: { result: ReconstructResult; tensors: Buffer[] },
    other: { result: ReconstructResult; tensors: Buffer[] },
  ): void {
    expect(one.result.volumes).to.deep.equal(other.result.volumes);
    expect(one.tensors.map((bytes) => bytes.toString("base64"))).to.deep.equal(
      other.tensors.map((bytes) => bytes.toString("base64")),
    );
  }

  function written(name: string): string[] {
    const own = temporaryFolder();
    return ctSeries({ name, slices: 24, rows: 32, core: 8 }).map((one, index) => {
      const path = join(own, `${index}.dcm`);
      writeFileSync(path, Buffer.concat([encodeFileMeta(one), one.dataSet]));
      return path;
    });
  }

  it("make the same volume, whichever of them were in time, and leave no file behind", async () => {
    const paths = written("early");
    const late = await reconstruct(paths);
    expect(late.result.earlySlices).to.equal(0);
    for (const early of [paths, paths.slice(5), [...paths].reverse().slice(0, 9)]) {
      // They come last on a busy machine.
      const waits = [500, 2_000, 8_000, 30_000];
      for (const wait of waits) {
        const some = await reconstruct(paths, early, { profiles, folder }, wait);
        expectSame(some, late);
        if (some.result.earlySlices === early.length) break;
        expect(wait, `${some.result.earlySlices} of ${early.length}`).not.to.equal(waits.at(-1));
      }
    }
    expect(readdirSync(folder).filter((name) => name.startsWith("early"))).to.deep.equal([]);
  });

  it("change nothing of what is judged: a slice cut off, files that are none, a series never completed", async () => {
    const paths = written("cut");
    truncateSync(paths[7]!, 2_000);
    const noise = join(temporaryFolder(), "noise.dcm");
    writeFileSync(noise, Buffer.alloc(5_000, 7));
    const all = [...paths, noise];
    const late = await reconstruct(all);
    for (let k = 0; k < 6; k++)
      reconstructor.beginEarly({
        key: `never/${k}`,
        paths: paths.slice(0, 4),
        profiles,
        picture: true,
        folder,
      });
    const early = await reconstruct(all, all);
    expectSame(early, late);
    expect(early.result.earlySlices).to.be.at.most(23);
  });

  it("are not used for models that were not there, nor where there is no room for them", async () => {
    const paths = written("other");
    const late = await reconstruct(paths);
    const others = [
      { profiles: [], folder },
      { profiles, folder: join(paths[0]!, "no-folder") },
    ];
    for (const other of others) {
      const early = await reconstruct(paths, paths, other);
      expectSame(early, late);
      expect(early.result.earlySlices).to.equal(0);
    }
  });

  it("are given up with their file when nothing more is heard of their series", async () => {
    const paths = written("idle");
    // Threads are of one work: it ends them when it has nothing left.
    const own = () => createSliceThreads({ threads: 1, niceness: 0, frameSeconds: 60 });
    const [threads, others] = [own(), own()];
    const task = { paths, profiles, picture: true, folder };
    try {
      const work = createEarlyWork(threads, async () => undefined, 0.3);
      work.take({ key: "idle", ...task });
      const kept = createEarlyWork(others, async () => undefined);
      kept.take({ key: "kept", ...task });
      await delay(3_000);
      expect(await work.claim("idle")).to.equal(undefined);
      const claimed = await kept.claim("kept");
      expect(claimed?.headers.size).to.be.above(0);
      await claimed!.close();
    } finally {
      await threads.stop();
      await others.stop();
    }
  });

  describe("of real series", () => {
    before(function () {
      requireSharedData(this);
    });
    for (const name of ["ct-01", "ct-02", "ct-03", "ct-05", "ct-06", "ct-08", "ct-10", "ct-12"])
      it(`make the same volumes (${name})`, async () => {
        const at = readdirSync(SHARED_DATA).find((one) => one.startsWith(name))!;
        const { series } = await bySeries((await filesBelow(`${SHARED_DATA}/${at}`)).sort());
        for (const { paths } of series) {
          // Files are taken by name: a copy of the folder has other names, as an archive has.
          const own = temporaryFolder();
          const copies = paths.map((path, index) => {
            const copy = join(own, `${index}`);
            copyFileSync(path, copy);
            return copy;
          });
          const late = await reconstruct(copies);
          expectSame(await reconstruct(copies, copies), late);
        }
      });
  });
});
