import { readFileSync } from "node:fs";
import { expect } from "chai";
import { PROFILE } from "../../../bench/phantom-vle/steps.ts";
import {
  coarse,
  SPLIT_SEEDS,
  type Split,
  trainingStudy,
} from "../../../bench/phantom-vle/training-population.ts";
import { preprocess } from "../../../src/encoder/preprocess.ts";
import { phantomVolume } from "../../../src/phantom/phantom-volume.ts";
import { population } from "../../../src/phantom/population.ts";

const SPLITS = Object.keys(SPLIT_SEEDS) as Split[];
const MANIFEST = new URL("../../../models/phantom-vle/model.json", import.meta.url);
/** Seeds of the demo and of the tests that paint. */
const SEEDS_ELSEWHERE = [1, 2, 3, 5, 7, 8, 20_261_124];

describe("phantoms that phantom-vle learns from", () => {
  it("are the same for the same index, in the study and in the voxels", () => {
    for (const split of SPLITS)
      expect(trainingStudy(split, 7)).to.deep.equal(trainingStudy(split, 7));
    const tensorOf = () => preprocess(phantomVolume(coarse(trainingStudy("val", 4))), PROFILE);
    expect(Buffer.from(tensorOf().tensor.buffer)).to.deep.equal(
      Buffer.from(tensorOf().tensor.buffer),
    );
  });

  it("share no body between splits, nor with any population of the demo and the tests", () => {
    const bodies = SPLITS.flatMap((split) =>
      Array.from({ length: 300 }, (_, index) => trainingStudy(split, index).patient.bodyKey),
    );
    expect(new Set(bodies).size).to.equal(SPLITS.length * 300);
    const elsewhere = SEEDS_ELSEWHERE.flatMap((seed) =>
      population(seed, 60).map((study) => study.patient.bodyKey),
    );
    expect(elsewhere.filter((body) => bodies.includes(body))).to.deep.equal([]);
  });

  it("show every finding often, and nothing at all sometimes", () => {
    const studies = Array.from({ length: 600 }, (_, index) => trainingStudy("train", index));
    const counts = new Map<string, number>();
    for (const { findings } of studies)
      for (const code of new Set(findings.map((finding) => finding.code)))
        counts.set(code, (counts.get(code) ?? 0) + 1);
    expect(counts.size).to.equal(11);
    for (const [code, count] of counts) expect(count, code).to.be.within(30, 400);
    expect(studies.filter((study) => study.findings.length === 0).length).to.be.within(20, 200);
  });

  it("are painted on half the grid when coarse, and stay the same patient", () => {
    const study = trainingStudy("train", 11);
    const { acquisition, ...same } = coarse(study);
    expect(same).to.deep.equal((({ acquisition: _, ...rest }) => rest)(study));
    expect(acquisition.columns).to.equal(study.acquisition.columns / 2);
    expect(acquisition.columns * acquisition.pixelMm).to.be.closeTo(
      study.acquisition.columns * study.acquisition.pixelMm,
      1e-9,
    );
  });

  it("go through the very profile of the bundle", () => {
    const manifest = JSON.parse(readFileSync(MANIFEST, "utf8")) as { profiles: unknown[] };
    expect(manifest.profiles).to.deep.equal([PROFILE]);
  });
});
