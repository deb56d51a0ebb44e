import { inflateSync } from "node:zlib";
import { expect } from "chai";
import fc from "fast-check";
import { drawViews, pictureSpacingMm, pictureSteps } from "../../../src/volume/picture.ts";
import { encodePng } from "../../../src/volume/png.ts";
import { applySteps } from "../../../src/volume/steps.ts";
import type { CtVolume } from "../../../src/volume/types.ts";
import { AXIAL } from "../../support/axial.ts";
import { viewsOf } from "../../support/body-views.ts";

/** 1 mm voxels of -1000 to 999 HU; `order` names the axes x, y, z. */
function noisyVolume(
  order: string,
  flips: readonly boolean[],
  size: readonly [number, number, number],
  seed: number,
): CtVolume {
  const directions = { L: [1, 0, 0], P: [0, 1, 0], S: [0, 0, 1] } as const;
  const axes = [...order].map((code, i) =>
    directions[code as "L"].map((part) => (flips[i] ? -part : part)),
  );
  let state = seed >>> 0;
  const voxelsZyx = Int16Array.from({ length: size[0] * size[1] * size[2] }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return ((state >>> 8) % 2000) - 1000;
  });
  return {
    voxelsZyx,
    sizeVoxels: size,
    spacingMm: [1, 1, 1],
    originLps: [3, -4, 5],
    axesZyx: axes.reverse() as unknown as CtVolume["axesZyx"],
  };
}

const WINDOW = { centerHu: 0, widthHu: 400 };

describe("pictures of a volume", () => {
  it("have square pixels, head up and anterior up, for a stack stored feet first too", () => {
    // Bright in the topmost slice only; the first slice stored is the topmost.
    const voxelsZyx = new Int16Array(3 * 4 * 4).fill(-1000).fill(1000, 0, 16);
    const volume: CtVolume = {
      voxelsZyx,
      sizeVoxels: [3, 4, 4],
      spacingMm: [2, 1, 1],
      originLps: [0, 0, 0],
      axesZyx: [
        [0, 0, -1],
        [0, 1, 0],
        [-1, 0, 0],
      ],
    };
    const { sizeVoxels, planes } = viewsOf(volume);
    const { axial, coronal, sagittal } = drawViews(sizeVoxels, planes, WINDOW);
    expect([axial.width, axial.height]).to.deep.equal([4, 4]);
    for (const picture of [coronal, sagittal]) {
      expect([picture.width, picture.height]).to.deep.equal([4, 6]);
      expect(picture.pixels[0]).to.equal(255);
      expect(picture.pixels[4 * 5]).to.equal(0);
    }
  });

  it("project the brightest voxel along each axis, with its place on the other two", () => {
    const [z, y, x] = [1, 3, 4];
    const voxelsZyx = new Int16Array(3 * 5 * 7).fill(-1000);
    voxelsZyx[(z * 5 + y) * 7 + x] = 100;
    const volume: CtVolume = {
      voxelsZyx,
      sizeVoxels: [3, 5, 7],
      spacingMm: [1, 1, 1],
      originLps: [0, 0, 0],
      axesZyx: AXIAL,
    };
    const bright = (image: { width: number; pixels: Uint8Array }) => {
      const at = [...image.pixels.keys()].filter((i) => image.pixels[i]! > 0);
      return at.map((i) => [Math.floor(i / image.width), i % image.width]);
    };
    const views = viewsOf(volume);
    const { axial, coronal, sagittal } = drawViews(views.sizeVoxels, views.projections, WINDOW);
    expect(bright(axial)).to.deep.equal([[y, x]]);
    expect(bright(coronal), "head up").to.deep.equal([[2 - z, x]]);
    expect(bright(sagittal)).to.deep.equal([[2 - z, y]]);
    expect(axial.pixels[y * 7 + x]).to.equal(191);
  });

  it("stay small whatever the volume is, and never finer than a millimeter", () => {
    fc.assert(
      fc.property(
        fc.tuple(fc.integer({ min: 1, max: 20_000 }), fc.integer({ min: 1, max: 4096 })),
        fc.tuple(
          fc.double({ min: 0.001, max: 1000, noNaN: true }),
          fc.double({ min: 0.001, max: 1000, noNaN: true }),
        ),
        ([slices, side], [gapMm, pixelMm]) => {
          const mm = pictureSpacingMm({
            sizeVoxels: [slices, side, side],
            spacingMm: [gapMm, pixelMm, pixelMm],
          });
          expect(mm).to.be.at.least(1);
          expect(Math.round((slices * gapMm) / mm)).to.be.at.most(600);
          expect(Math.round((side * pixelMm) / mm)).to.be.at.most(220);
        },
      ),
    );
  });

  it("show the middle and the brightest of the volume that the steps make, whatever axes it is stored in", () => {
    const axes = ["L", "P", "S"].flatMap((first) =>
      ["L", "P", "S"].flatMap((second) => ["L", "P", "S"].map((third) => first + second + third)),
    );
    const orders = axes.filter((codes) => new Set(codes).size === 3);
    const side = fc.integer({ min: 2, max: 7 });
    fc.assert(
      fc.property(
        fc.constantFrom(...orders),
        fc.tuple(fc.boolean(), fc.boolean(), fc.boolean()),
        fc.tuple(side, side, side),
        fc.integer(),
        (order, flips, size, seed) => {
          const volume = noisyVolume(order, flips, size, seed);
          const even = applySteps(volume, pictureSteps(volume));
          const { sizeVoxels, planes, projections } = viewsOf(volume);
          expect(sizeVoxels).to.deep.equal(even.sizeVoxels);
          const [depth, rows, columns] = sizeVoxels;
          const at = (z: number, y: number, x: number) =>
            even.voxelsZyx[(z * rows + y) * columns + x]!;
          const most = (count: number, of: (i: number) => number) =>
            Math.max(...Array.from({ length: count }, (_, i) => of(i)));
          for (let z = 0; z < depth; z++)
            for (let y = 0; y < rows; y++)
              for (let x = 0; x < columns; x++) {
                expect(planes.axial(y, x)).to.be.closeTo(at(depth >> 1, y, x), 0.05);
                expect(planes.coronal(z, x)).to.be.closeTo(at(z, rows >> 1, x), 0.05);
                expect(planes.sagittal(z, y)).to.be.closeTo(at(z, y, columns >> 1), 0.05);
                const brightest = [
                  [projections.axial(y, x), most(depth, (i) => at(i, y, x))],
                  [projections.coronal(z, x), most(rows, (i) => at(z, i, x))],
                  [projections.sagittal(z, y), most(columns, (i) => at(z, y, i))],
                ] as const;
                for (const [shown, wanted] of brightest) expect(shown).to.be.closeTo(wanted, 0.05);
              }
        },
      ),
      { numRuns: 60 },
    );
  });

  it("become PNG files that hold the same pixels", () => {
    const pixels = Uint8Array.from({ length: 5 * 3 * 3 }, (_, i) => (i * 37) % 256);
    const png = encodePng({ width: 5, height: 3, channels: 3, pixels });
    expect(png.subarray(0, 8).toString("latin1")).to.equal("\x89PNG\r\n\x1a\n");
    expect(png.subarray(12, 16).toString()).to.equal("IHDR");
    expect([png.readUInt32BE(16), png.readUInt32BE(20), png[24], png[25]]).to.deep.equal([
      5, 3, 8, 2,
    ]);
    const length = png.readUInt32BE(33);
    const lines = inflateSync(png.subarray(41, 41 + length));
    expect([lines[0], lines[16], lines[32]], "no filter").to.deep.equal([0, 0, 0]);
    const back = Uint8Array.from({ length: 45 }, (_, i) => lines[i + 1 + Math.floor(i / 15)]!);
    expect(back).to.deep.equal(pixels);
    expect(() => encodePng({ width: 5, height: 3, channels: 1, pixels })).to.throw(RangeError);
  });
});
