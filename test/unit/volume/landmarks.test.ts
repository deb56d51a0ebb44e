/**
 * Markers at known places of the body come back at these places: Gaussian balls are rendered into slices of any geometry,
 * the slices are judged and assembled, and the middle of each ball is found in the volume.
 */
import { expect } from "chai";
import { type Random, randomFrom } from "../../../src/phantom/random.ts";
import { createVolumeBuilder } from "../../../src/volume/assemble.ts";
import { examineSlices } from "../../../src/volume/geometry.ts";
import { axisCodes } from "../../../src/volume/resample.ts";
import type { SlicePlane, StackGeometry, Vector3 } from "../../../src/volume/types.ts";
import { added, cross, dot, length, scaled, subtract } from "../../../src/volume/vectors.ts";
import { plane } from "./planes.ts";

const GEOMETRIES = 200;
const AIR_HU = -1024;
const BALL_HU = 1000;
/** Of a ball, in voxels along each axis of the slices: wide enough for linear mixing, and for gaps of twice the step. */
const SIGMA_VOXELS = 2;
/** The search for a ball ends here, in sigmas. */
const REACH = 2.5;

interface Scan {
  readonly planes: SlicePlane[];
  readonly images: Float64Array[];
  readonly balls: readonly Vector3[];
  readonly codes: readonly string[];
}

/** Head first or feet first, supine, prone or on a side, turned a little; rows and columns at right angles. */
function randomAxes(random: Random): { x: Vector3; y: Vector3; z: Vector3 } {
  const turns = random.integer(4);
  let [x, y]: Vector3[] = [
    [1, 0, 0],
    [0, 1, 0],
  ];
  for (let i = 0; i < turns; i++) [x, y] = [y!, scaled(x!, -1)];
  if (random.integer(2)) x = scaled(x!, -1);
  if (random.integer(4) === 0) [x, y] = [turnedToCoronal(x!), turnedToCoronal(y!)];
  for (const axis of [0, 1, 2]) {
    const angle = (random.range(-20, 20) * Math.PI) / 180;
    [x, y] = [rotated(x!, axis, angle), rotated(y!, axis, angle)];
  }
  return { x: x!, y: y!, z: cross(x!, y!) };
}

function turnedToCoronal([x, y, z]: Vector3): Vector3 {
  return [x, z, -y];
}

function rotated(vector: Vector3, axis: number, angle: number): Vector3 {
  const result = [...vector] as [number, number, number];
  const [a, b] = [(axis + 1) % 3, (axis + 2) % 3];
  result[a] = Math.cos(angle) * vector[a]! - Math.sin(angle) * vector[b]!;
  result[b] = Math.sin(angle) * vector[a]! + Math.cos(angle) * vector[b]!;
  return result;
}

function randomScan(random: Random): Scan {
  const { x, y, z } = randomAxes(random);
  const [rows, columns] = [28 + random.integer(12), 28 + random.integer(12)];
  const pixelMm = [random.range(0.4, 1.2), random.range(0.4, 1.2)] as const;
  const stepMm = random.range(0.6, 4);
  const codes: string[] = [];
  // Depths of the slices, then what happens to them.
  let depths = Array.from({ length: 24 + random.integer(12) }, (_, k) => k * stepMm);
  const kind = random.integer(4);
  if (kind === 1) {
    // The second half is thicker.
    const half = depths.length >> 1;
    const ratio = random.range(1.3, 1.9);
    depths = depths.map((d, k) => (k <= half ? d : depths[half]! + (d - depths[half]!) * ratio));
    codes.push("IRREGULAR_SPACING");
  } else if (kind === 2) {
    const gone = 2 + random.integer(depths.length - 4);
    depths = depths.filter((_, k) => k !== gone);
    codes.push("MISSING_SLICES");
  }
  const isTilted = random.integer(2) === 1;
  const tilt = isTilted ? (random.range(4, 25) * (random.integer(2) ? 1 : -1) * Math.PI) / 180 : 0;
  const way = random.range(0, 2 * Math.PI);
  if (isTilted) codes.push("GANTRY_TILT");
  const shear = added(
    scaled(y, Math.tan(tilt) * Math.sin(way)),
    scaled(x, Math.tan(tilt) * Math.cos(way)),
  );
  const base: Vector3 = [random.range(-200, 200), random.range(-200, 200), random.range(-900, 900)];
  const jitter = (): Vector3 =>
    [0, 1, 2].map(() => random.range(-0.05, 0.05) / Math.sqrt(3)) as unknown as Vector3;
  const exact = depths.map((d) => added(base, added(scaled(z, d), scaled(shear, d))));
  const sigmas = [SIGMA_VOXELS * stepMm, SIGMA_VOXELS * pixelMm[0], SIGMA_VOXELS * pixelMm[1]];
  // Balls lie where slices cover them whole: around the middle of some slices.
  const balls = [0.3, 0.5, 0.7].map((part) => {
    const middle = exact[Math.round(part * (exact.length - 1))]!;
    const inPlane = added(
      scaled(y, pixelMm[0] * (rows / 2 + random.range(-4, 4))),
      scaled(x, pixelMm[1] * (columns / 2 + random.range(-4, 4))),
    );
    return added(middle, added(inPlane, scaled(z, random.range(-0.5, 0.5) * stepMm)));
  });
  const images = exact.map((position) => {
    const hu = new Float64Array(rows * columns);
    for (let i = 0; i < rows; i++)
      for (let j = 0; j < columns; j++) {
        const at = added(position, added(scaled(y, i * pixelMm[0]), scaled(x, j * pixelMm[1])));
        let sum = 0;
        for (const ball of balls) {
          const d = subtract(at, ball);
          const q = [z, y, x].reduce(
            (total, axis, n) => total + (dot(d, axis) / sigmas[n]!) ** 2,
            0,
          );
          sum += Math.exp(-q / 2);
        }
        hu[i * columns + j] = AIR_HU + (BALL_HU - AIR_HU) * sum;
      }
    return hu;
  });
  const planes = exact.map((position, k) =>
    plane(k, {
      rows,
      columns,
      pixelSpacingMm: pixelMm,
      rescaleIntercept: 0,
      isSigned: true,
      positionLpsMm: added(position, jitter()),
      orientation: [...x, ...y].map(
        (v) => v + random.range(-1, 1) * 1e-5,
      ) as unknown as SlicePlane["orientation"],
    }),
  );
  return { planes, images, balls, codes };
}

/** Middle of a ball in LPS, from the voxels around where it shall be. */
function foundAt(
  voxels: ArrayLike<number>,
  geometry: StackGeometry,
  ball: Vector3,
  otherBalls: readonly Vector3[],
): Vector3 {
  const [depth, rows, columns] = geometry.sizeVoxels;
  const { spacingMm, axesZyx, originLps } = geometry;
  const from = subtract(ball, originLps);
  const middle = axesZyx.map((axis, n) => dot(from, axis) / spacingMm[n]!);
  const reach = REACH * SIGMA_VOXELS;
  let sum = 0;
  let at: Vector3 = [0, 0, 0];
  const sides = [depth, rows, columns];
  const [low, high] = [
    middle.map((m) => Math.max(0, Math.ceil(m - reach))),
    middle.map((m, n) => Math.min(sides[n]! - 1, Math.floor(m + reach))),
  ];
  for (let k = low[0]!; k <= high[0]!; k++)
    for (let i = low[1]!; i <= high[1]!; i++)
      for (let j = low[2]!; j <= high[2]!; j++) {
        const lps = [k, i, j].reduce<Vector3>(
          (place, index, n) => added(place, scaled(axesZyx[n]!, index * spacingMm[n]!)),
          originLps,
        );
        // The skirts of the other balls are left to them.
        const own = length(subtract(lps, ball));
        if (otherBalls.some((other) => length(subtract(lps, other)) < own)) continue;
        const weight = Math.max(
          0,
          voxels[(k * rows + i) * columns + j]! - AIR_HU - 0.25 * (BALL_HU - AIR_HU),
        );
        sum += weight;
        at = added(at, scaled(lps, weight));
      }
  return scaled(at, 1 / sum);
}

describe("landmarks", () => {
  it(`come back within half a voxel from ${GEOMETRIES} geometries`, function () {
    this.timeout(120_000);
    const random = randomFrom("landmarks");
    const seen = { worst: 0, corrected: 0, codes: new Set<string>() };
    for (let n = 0; n < GEOMETRIES; n++) {
      const { planes, images, balls, codes } = randomScan(random);
      // Arrival in a random order.
      const arrival = planes.map((_, k) => k);
      for (let i = arrival.length - 1; i > 0; i--) {
        const j = random.integer(i + 1);
        [arrival[i], arrival[j]] = [arrival[j]!, arrival[i]!];
      }
      const { verdict, geometry, order } = examineSlices(
        arrival.map((k) => planes[k]!),
        { slicesMin: 4 },
      );
      const text = `geometry ${n}: ${JSON.stringify(verdict.findings)}`;
      expect(verdict.outcome, text).to.equal(codes.length > 0 ? "corrected" : "ok");
      expect(
        verdict.findings.map(({ code }) => code),
        text,
      ).to.include.members([...codes]);
      for (const code of axisCodes(geometry!)) seen.codes.add(code);
      const slices = arrival.map((k) => planes[k]!);
      const builder = createVolumeBuilder(geometry!, order, slices);
      for (const [index, k] of arrival.entries())
        builder.addSlice(index, Int16Array.from(images[k]!, Math.round));
      const voxels = builder.finish().voxelsZyx;
      for (const ball of balls) {
        const found = foundAt(
          voxels,
          geometry!,
          ball,
          balls.filter((other) => other !== ball),
        );
        const off = subtract(found, ball);
        for (const [axis, direction] of geometry!.axesZyx.entries()) {
          const voxelsOff = Math.abs(dot(off, direction)) / geometry!.spacingMm[axis as 0 | 1 | 2];
          seen.worst = Math.max(seen.worst, voxelsOff);
          expect(voxelsOff, `${text} axis ${axis}`).to.be.lessThan(0.5);
        }
      }
      if (verdict.outcome === "corrected") seen.corrected++;
    }
    expect(seen.corrected).to.be.within(GEOMETRIES / 2, GEOMETRIES - 10);
    expect([...seen.codes], "every direction was met").to.have.members([..."LRPASI"]);
    console.log(`      worst ${seen.worst.toFixed(2)} voxels, ${seen.corrected} corrected`);
  });
});
