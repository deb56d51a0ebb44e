import { expect } from "chai";
import {
  locate,
  newCanvas,
  type Point,
  paintEllipsoid,
  paintTube,
  smoothPath,
  ZONES,
} from "../../../src/phantom/canvas.ts";
import { randomFrom } from "../../../src/phantom/random.ts";
import { growTree } from "../../../src/phantom/vessel-tree.ts";

const GRID = { columns: 64, rows: 64, slices: 40, pixelMm: 2, sliceMm: 2.5, bottomMm: -50 };
const POSE = {
  scale: [1.05, 0.95, 1.1],
  centerMm: [4, -3],
  rotation: 0.05,
  warpMm: 2.5,
  phases: [1, 2, 3, 4],
} as const;

/** The same without deformation, which would change volumes by some percent. */
const RIGID = { ...POSE, warpMm: 0 };

describe("phantom shapes", () => {
  it("finds the voxel of a place in a turned and warped patient", () => {
    const canvas = newCanvas(GRID, POSE);
    const { nx, ny } = canvas;
    for (const point of [
      [0, 0, 0],
      [30, -20, 10],
      [-35, 28, -30],
    ] as const) {
      const [i, j, k] = locate(canvas, point);
      const [x, y, z] = [Math.round(i), Math.round(j), Math.round(k)];
      expect(canvas.xCol[z * nx + x]! + canvas.xRow[z * ny + y]!).to.be.closeTo(point[0], 1.2);
      expect(canvas.yRow[z * ny + y]! + canvas.yCol[z * nx + x]!).to.be.closeTo(point[1], 1.2);
      expect(canvas.zs[z]!).to.be.closeTo(point[2], 1.3);
    }
  });

  it("paints an ellipsoid of the right volume, scaled with the patient", () => {
    const canvas = newCanvas(GRID, RIGID);
    paintEllipsoid(canvas, [2, 3, 1], [20, 14, 17], { hu: 50, label: 9 });
    const voxels = canvas.labels.filter((label) => label === 9).length;
    const expected = (4 / 3) * Math.PI * 20 * 14 * 17 * 1.05 * 0.95 * 1.1;
    expect((voxels * 2 * 2 * 2.5) / expected).to.be.closeTo(1, 0.05);
  });

  it("keeps the mass of a tube through its soft edge", () => {
    const canvas = newCanvas(GRID, RIGID);
    paintTube(canvas, [0, 0, -30], [5, 8, 30], 6, 6, { hu: 0, label: 1 });
    const mass = canvas.hu.reduce((sum, hu) => sum + (hu + 1000) / 1000, 0) * 2 * 2 * 2.5;
    const length = Math.hypot(5, 8, 60);
    const expected = (Math.PI * 36 * length + (4 / 3) * Math.PI * 216) * 1.05 * 0.95 * 1.1;
    expect(mass / expected).to.be.closeTo(1, 0.06);
  });

  it("paints only in the compartments that the ink allows", () => {
    const canvas = newCanvas(GRID, POSE);
    paintEllipsoid(canvas, [0, 0, 0], [20, 20, 20], { hu: 50, label: 9, zones: ZONES.lungs });
    expect(canvas.labels.every((label) => label === 0)).to.equal(true);
  });

  it("draws a path through all of its knots", () => {
    const knots = [
      [0, 0, 0, 3],
      [10, 4, 2, 2],
      [15, 20, 4, 1],
    ] as const;
    const path = smoothPath(knots, 4);
    expect(path).to.have.length(9);
    for (const knot of knots) expect(path).to.deep.include([...knot]);
  });

  it("leads a tree to every target, thinner with every branching", () => {
    const random = randomFrom("tree");
    const targets = Array.from(
      { length: 100 },
      (): Point => [random.range(-50, 50), random.range(-50, 50), random.range(-50, 50)],
    );
    const branches = growTree([0, 0, 80], targets, { twigRadiusMm: 0.7, stride: 0.4 }, random);
    for (const target of targets)
      expect(branches.some((b) => distance(b.to, target) < 1e-9)).to.equal(true);
    expect(branches[0]!.fromRadiusMm).to.be.closeTo(0.7 * 100 ** (1 / 2.7), 1e-9);
    for (const branch of branches) expect(branch.toRadiusMm).to.be.lessThan(branch.fromRadiusMm);
  });
});

function distance(a: Point, b: Point): number {
  return Math.hypot(a[0] - b[0], a[1] - b[1], a[2] - b[2]);
}
