import { expect } from "chai";
import { randomFrom } from "../../../src/phantom/random.ts";
import { assertAxes } from "../../../src/volume/axes.ts";
import { reorient } from "../../../src/volume/resample.ts";
import type { CtVolume, Vector3 } from "../../../src/volume/types.ts";
import { cross, length, scaled } from "../../../src/volume/vectors.ts";

const unit = (v: Vector3) => scaled(v, 1 / length(v));

describe("axes of a volume", () => {
  it("point where a turn shall bring them, from wherever they are", () => {
    const random = randomFrom("axes");
    const vector = (): Vector3 => [random.normal(0, 1), random.normal(0, 1), random.normal(0, 1)];
    for (let n = 0; n < 500; n++) {
      const x = unit(vector());
      const z = unit(cross(x, vector()));
      const volume: CtVolume = {
        voxelsZyx: new Int16Array(24),
        sizeVoxels: [2, 3, 4],
        spacingMm: [1, 1, 1],
        originLps: [0, 0, 0],
        axesZyx: [z, cross(z, x), x],
      };
      const isClear = volume.axesZyx.every((axis) => Math.max(...axis.map(Math.abs)) > 0.72);
      if (!isClear) continue;
      for (const wanted of ["LPS", "RAS", "SAR"])
        expect(() => assertAxes(reorient(volume, wanted), wanted)).to.not.throw();
    }
  });

  it("are proved wrong by any other direction, length or angle", () => {
    const axesZyx: CtVolume["axesZyx"] = [
      [0, 0, 1],
      [0, 1, 0],
      [1, 0, 0],
    ];
    assertAxes({ axesZyx }, "LPS");
    for (const wanted of ["RPS", "LAS", "LPI", "PLS", "LP", "LPX", "LPSL"])
      expect(() => assertAxes({ axesZyx }, wanted), wanted)
        .to.throw(wanted)
        .with.property("code", "INTERNAL");
    const [z, y, x] = axesZyx;
    expect(() => assertAxes({ axesZyx: [z, y, [0.99, 0, 0]] }, "LPS")).to.throw();
    expect(() => assertAxes({ axesZyx: [z, unit([0.01, 1, 0]), x] }, "LPS")).to.throw();
  });
});
