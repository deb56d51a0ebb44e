import { expect } from "chai";
import { inapplicable, type NativeGrid } from "../../../src/encoder/applicability.ts";

const grid: NativeGrid = { sizeVoxels: [40, 512, 500], spacingMm: [5, 0.8, 0.7] };
const modalities: "CT"[] = ["CT"];

describe("applicability", () => {
  for (const [name, wanted, reason] of [
    ["nothing asked", {}, undefined],
    ["as many slices as are needed", { slicesMin: 40 }, undefined],
    ["too few slices", { slicesMin: 41 }, "the volume has 40 slices, and the model needs 41"],
    ["a spacing at the limit", { spacingMmMax: [5, 0.8, 0.7] }, undefined],
    [
      "slices too far apart",
      { spacingMmMax: [4.9, 9, 9] },
      "the spacing along the slices is 5 mm, and the model takes at most 4.9 mm",
    ],
    ["an extent at the limit", { extentMmMin: [200, 409.6, 350] }, undefined],
    [
      "too short",
      { extentMmMin: [201, 1, 1] },
      "the extent along the slices is 200 mm, and the model needs 201 mm",
    ],
    [
      "too narrow",
      { extentMmMin: [1, 1, 351] },
      "the extent along the columns is 350 mm, and the model needs 351 mm",
    ],
  ] as [string, object, string | undefined][])
    it(`judges ${name}`, () => {
      const reasons = inapplicable({ modalities, ...wanted }, grid);
      expect(reasons).to.deep.equal(reason === undefined ? [] : [reason]);
    });

  it("tells all that does not fit", () => {
    const wanted = {
      modalities,
      slicesMin: 99,
      spacingMmMax: [1, 1, 1] as [number, number, number],
    };
    expect(inapplicable(wanted, grid)).to.have.length(2);
  });
});
