import { expect } from "chai";
import type { Profile } from "../../../src/encoder/manifest.ts";
import { preprocess, volumeSteps } from "../../../src/encoder/preprocess.ts";
import { goldenInput } from "../../../src/encoder/vector.ts";
import type { CtVolume } from "../../../src/volume/types.ts";
import { AXIAL } from "../../support/axial.ts";

const volume: CtVolume = {
  voxelsZyx: Int16Array.of(-1000, -400, 0, 40, 80, 3000),
  sizeVoxels: [1, 2, 3],
  spacingMm: [1, 1, 1],
  originLps: [0, 0, 0],
  axesZyx: AXIAL,
};

describe("input of several channels", () => {
  const profile: Profile = {
    id: "windows",
    ops: [
      { op: "cropPad", sizeVoxels: [1, 2, 3], value: -1024 },
      {
        op: "windows",
        windows: [
          { center: 40, width: 80 },
          { center: -600, width: 1600 },
        ],
        range: [-1, 1],
      },
    ],
    shape: [1, 2, 1, 2, 3],
    tiling: { mode: "none" },
  };

  it("has a channel a window, one after the other, cut at the window's edges", () => {
    const { tensor, shape } = preprocess(volume, profile);
    expect(shape).to.deep.equal([1, 2, 1, 2, 3]);
    expect(tensor).to.have.length(12);
    const wanted = [-1, -1, -1, 0, 1, 1, -0.5, 0.25, 0.75, 0.8, 0.85, 1];
    wanted.forEach((value, i) => {
      expect(tensor[i]).to.be.closeTo(value, 1e-6);
    });
    expect(volumeSteps(profile)).to.deep.equal(profile.ops.slice(0, 1));
  });

  it("has a golden input whose first channel is that of one channel, and whose second differs", () => {
    const [one, two] = [
      goldenInput(5, [1, 1, 9, 8, 10], [0, 1]),
      goldenInput(5, [1, 2, 9, 8, 10], [0, 1]),
    ];
    expect(two).to.have.length(2 * one.length);
    expect(two.subarray(0, one.length)).to.deep.equal(one);
    expect(two.subarray(one.length)).not.to.deep.equal(one);
  });
});
