import { expect } from "chai";
import {
  compareVolumes,
  niftiFile,
  tensorFile,
  viewFile,
} from "../../../src/pipeline/reconstruct-task.ts";
import type { VerdictOutcome } from "../../../src/volume/types.ts";

const entry = (outcome: VerdictOutcome, sliceCount: number, label: string) => ({
  verdict: { outcome, findings: [], spacingMm: null, sizeVoxels: null, tiltDegrees: null },
  sliceCount,
  label,
});

describe("several volumes of a series", () => {
  it("are ordered: accepted before refused, then most slices, then the earliest label", () => {
    const right = [
      entry("corrected", 100, "a"),
      entry("ok", 50, "a"),
      entry("ok", 50, "b"),
      entry("ok", 4, ""),
      entry("refused", 900, "a"),
      entry("refused", 1, "a"),
    ];
    for (let turn = 0; turn < right.length; turn++) {
      const turned = [...right.slice(turn), ...right.slice(0, turn)].reverse();
      expect(turned.sort(compareVolumes)).to.deep.equal(right);
    }
  });

  it("have files of their own, whose names say the ordinal", () => {
    expect(tensorFile("/work/123", 1)).not.to.equal(tensorFile("/work/123", 2));
    expect(tensorFile("/work/1", 12)).not.to.equal(tensorFile("/work/11", 2));
    for (const [path, ordinal, expected] of [
      ["a/head.nii.gz", 1, "a/head.nii.gz"],
      ["a/head.nii.gz", 2, "a/head-2.nii.gz"],
      ["a.nii/head.nii", 10, "a.nii/head-10.nii"],
      ["head", 3, "head-3"],
    ] as const)
      expect(niftiFile(path, ordinal)).to.equal(expected);
    expect(viewFile("a/b.png", "series2")).to.equal("a/b-series2.png");
    expect(viewFile("a/b.png", "")).to.equal("a/b.png");
  });
});
