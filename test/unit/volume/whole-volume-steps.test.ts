import { expect } from "chai";
import fc from "fast-check";
import { planReduction } from "../../../src/volume/reduction-plan.ts";
import { applySteps, type VolumeStep } from "../../../src/volume/steps.ts";
import type { CtVolume } from "../../../src/volume/types.ts";
import { AXIAL } from "../../support/axial.ts";

const volumes = fc
  .record({
    size: fc.tuple(
      fc.integer({ min: 1, max: 6 }),
      fc.integer({ min: 1, max: 6 }),
      fc.integer({ min: 1, max: 6 }),
    ),
    values: fc.array(fc.integer({ min: -1024, max: 3000 }), { minLength: 216, maxLength: 216 }),
    isFloat: fc.boolean(),
  })
  .map(({ size, values, isFloat }): CtVolume => {
    const used = values.slice(0, size[0] * size[1] * size[2]);
    return {
      voxelsZyx: isFloat ? Float32Array.from(used) : Int16Array.from(used),
      sizeVoxels: size,
      spacingMm: [3, 2, 1],
      originLps: [10, 20, 30],
      axesZyx: AXIAL,
    };
  });

describe("steps that need the whole volume", () => {
  it("zscore gives mean 0 and standard deviation 1, and 0 where all voxels are alike", () => {
    const property = fc.property(volumes, (volume) => {
      const before = volume.voxelsZyx.slice();
      const { voxelsZyx } = applySteps(volume, [{ op: "zscore", epsilon: 0 }]);
      expect(volume.voxelsZyx).to.deep.equal(before);
      const mean = average(voxelsZyx);
      expect(mean).to.be.closeTo(0, 1e-4);
      const deviation = Math.sqrt(average(voxelsZyx.map((value) => (value - mean) ** 2)));
      const isFlat = before.every((value) => value === before[0]);
      expect(deviation).to.be.closeTo(isFlat ? 0 : 1, 1e-3);
    });
    fc.assert(property);
  });

  it("zscore adds epsilon to the standard deviation", () => {
    const volume: CtVolume = {
      voxelsZyx: Float32Array.of(-2, 2),
      sizeVoxels: [1, 1, 2],
      spacingMm: [1, 1, 1],
      originLps: [0, 0, 0],
      axesZyx: AXIAL,
    };
    const { voxelsZyx } = applySteps(volume, [{ op: "zscore", epsilon: 2 }]);
    expect([...voxelsZyx]).to.deep.equal([-0.5, 0.5]);
  });

  it("foregroundCrop keeps every voxel above the value at its place, in the smallest box", () => {
    const property = fc.property(
      volumes,
      fc.integer({ min: -1100, max: 3100 }),
      (volume, above) => {
        const cut = applySteps(volume, [{ op: "foregroundCrop", above }]);
        const places = placesOf(volume).filter(([, value]) => value > above);
        if (places.length === 0) expect(cut).to.equal(volume);
        else {
          expect(placesOf(cut).filter(([, value]) => value > above)).to.deep.equal(places);
          for (const axis of [0, 1, 2]) {
            const along = places.map(([at]) => at[axis]!);
            const spacing = volume.spacingMm[2 - axis]!;
            const extent = Math.round((Math.max(...along) - Math.min(...along)) / spacing) + 1;
            expect(cut.sizeVoxels[2 - axis]).to.equal(extent);
          }
        }
      },
    );
    fc.assert(property);
  });

  for (const step of [
    { op: "zscore", epsilon: 0 },
    { op: "foregroundCrop", above: 0 },
  ] satisfies VolumeStep[])
    it(`${step.op} before the resampling asks for the native volume, after it does not`, () => {
      const geometry = {
        sizeVoxels: [2, 4, 5],
        spacingMm: [1, 1, 1],
        originLps: [0, 0, 0],
        axesZyx: AXIAL,
        placements: [0, 1].map((z) => ({ z, row: 0, column: 0 })),
      } as const;
      const resample = { op: "resample", sizeVoxels: [2, 2, 2], antialias: true } as const;
      const slice = { rows: 4, columns: 5 };
      expect(planReduction(geometry, [step, resample], slice)).to.equal(null);
      expect(planReduction(geometry, [resample, step], slice)!.rest).to.deep.equal([step]);
    });
});

function average(values: ArrayLike<number>): number {
  return Array.from(values).reduce((sum, value) => sum + value, 0) / values.length;
}

/** Position [x, y, z] in mm and value of each voxel, in their order. */
function placesOf({ voxelsZyx, sizeVoxels, spacingMm, originLps }: CtVolume): [number[], number][] {
  const [, rows, columns] = sizeVoxels;
  return Array.from(voxelsZyx, (value, i): [number[], number] => {
    const index = [i % columns, Math.floor(i / columns) % rows, Math.floor(i / columns / rows)];
    return [index.map((n, axis) => originLps[axis]! + n * spacingMm[2 - axis]!), value];
  });
}
