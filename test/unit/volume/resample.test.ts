import { expect } from "chai";
import fc from "fast-check";
import { cropPad } from "../../../src/volume/crop-pad.ts";
import { reorient, resample } from "../../../src/volume/resample.ts";
import type { CtVolume } from "../../../src/volume/types.ts";

type Triple = readonly [number, number, number];

function volumeOf(size: Triple, valueAt: (z: number, y: number, x: number) => number): CtVolume {
  const voxelsZyx = new Int16Array(size[0] * size[1] * size[2]);
  let i = 0;
  for (let z = 0; z < size[0]; z++)
    for (let y = 0; y < size[1]; y++)
      for (let x = 0; x < size[2]; x++) voxelsZyx[i++] = valueAt(z, y, x);
  return {
    voxelsZyx,
    sizeVoxels: size,
    spacingMm: [5, 0.7, 0.8],
    originLps: [10, 20, 30],
    axesZyx: [
      [0, 0, 1],
      [0, 1, 0],
      [1, 0, 0],
    ],
  };
}
const noise = (size: Triple) =>
  volumeOf(size, (z, y, x) => ((z * 7919 + y * 104729 + x * 1299709) % 2003) - 1000);

/** Straight from the definition, one output voxel at a time, no separation. */
function slowly(volume: CtVolume, to: Triple, antialias: boolean): number[] {
  const from = volume.sizeVoxels;
  const weights = (axis: 0 | 1 | 2, i: number) => {
    const ratio = from[axis] / to[axis];
    const support = antialias ? Math.max(1, ratio) : 1;
    const all = Array.from({ length: from[axis] }, (_, j) =>
      Math.max(0, 1 - Math.abs(j + 0.5 - (i + 0.5) * ratio) / support),
    );
    const sum = all.reduce((a, b) => a + b);
    return all.map((w) => w / sum);
  };
  const out: number[] = [];
  for (let z = 0; z < to[0]; z++)
    for (let y = 0; y < to[1]; y++)
      for (let x = 0; x < to[2]; x++) {
        const [wz, wy, wx] = [weights(0, z), weights(1, y), weights(2, x)];
        let sum = 0;
        for (const [k, a] of wz.entries())
          for (const [j, b] of wy.entries())
            for (const [i, c] of wx.entries())
              sum += a * b * c * volume.voxelsZyx[(k * from[1] + j) * from[2] + i]!;
        out.push(sum);
      }
  return out;
}

const side = fc.integer({ min: 1, max: 7 });

describe("resampling", () => {
  it("agrees with the definition, shrinking and growing, with and without anti-alias", () => {
    fc.assert(
      fc.property(
        fc.tuple(side, side, side),
        fc.tuple(side, side, side),
        fc.boolean(),
        (from, to, antialias) => {
          const volume = noise(from);
          const got = resample(volume, { sizeVoxels: to, antialias }).voxelsZyx;
          const expected = slowly(volume, to, antialias);
          for (const [i, value] of expected.entries()) expect(got[i]).to.be.closeTo(value, 0.01);
        },
      ),
      { numRuns: 60 },
    );
  });

  it("agrees with torch interpolate on a line (align_corners false)", () => {
    const line = volumeOf([1, 1, 4], (_z, _y, x) => [0, 10, 20, 100][x]!);
    const grown = resample(line, { sizeVoxels: [1, 1, 8], antialias: false }).voxelsZyx;
    expect([...grown]).to.deep.equal([0, 2.5, 7.5, 12.5, 17.5, 40, 80, 100]);
    const shrunk = resample(line, { sizeVoxels: [1, 1, 2], antialias: false }).voxelsZyx;
    expect([...shrunk]).to.deep.equal([5, 60]);
  });

  it("says the spacing it made, and keeps the edges of the field of view", () => {
    const made = resample(noise([4, 6, 8]), { spacingMm: [2.4, 1.4, 1.6], antialias: true });
    expect(made.sizeVoxels).to.deep.equal([8, 3, 4]);
    expect(made.spacingMm.map((mm) => Number(mm.toFixed(6)))).to.deep.equal([2.4, 1.4, 1.6]);
    expect(made.originLps[0]).to.be.closeTo(10 + 0.4, 1e-9);
    expect(made.originLps[2]).to.be.closeTo(30 - 1.3, 1e-9);
  });

  it("refuses a size that no memory holds", () => {
    expect(() =>
      resample(noise([2, 2, 2]), { spacingMm: [1e-6, 1e-6, 1e-6], antialias: false }),
    ).to.throw("too large");
  });

  it("crops and pads centred", () => {
    const source = Float32Array.of(1, 2, 3, 4, 5);
    expect([...cropPad(source, [1, 1, 5], [1, 1, 2], 0)]).to.deep.equal([2, 3]);
    expect([...cropPad(source, [1, 1, 5], [1, 2, 8], -9)]).to.deep.equal([
      -9, 1, 2, 3, 4, 5, -9, -9, -9, -9, -9, -9, -9, -9, -9, -9,
    ]);
  });
});

describe("turning a volume", () => {
  it("leaves a head-first supine stack as it is for LPS", () => {
    const volume = noise([2, 3, 4]);
    expect(reorient(volume, "LPS")).to.equal(volume);
  });

  it("turns there and back to the same volume", () => {
    const volume = noise([2, 3, 4]);
    for (const codes of ["RAS", "SAR", "PIR", "ILP"]) {
      const turned = reorient(volume, codes);
      expect(turned.sizeVoxels).to.have.members([2, 3, 4]);
      expect(turned.voxelsZyx).to.not.deep.equal(volume.voxelsZyx);
      expect(reorient(turned, "LPS")).to.deep.equal({
        ...volume,
        originLps: reorient(turned, "LPS").originLps,
      });
    }
  });

  it("moves the origin to the voxel that becomes the first", () => {
    const turned = reorient(
      volumeOf([2, 3, 4], (z, y, x) => z * 100 + y * 10 + x),
      "RAS",
    );
    expect(turned.voxelsZyx[0]).to.equal(23);
    expect(turned.originLps[0]).to.be.closeTo(10 + 3 * 0.8, 1e-9);
    expect(turned.originLps[1]).to.be.closeTo(20 + 2 * 0.7, 1e-9);
    expect(() => reorient(turned, "LLS")).to.throw("Axis codes");
  });
});
