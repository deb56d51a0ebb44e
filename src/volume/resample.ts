/**
 * Reorientation, separable linear resampling and cropping: the plain reference in TypeScript. Sampling follows the
 * half-pixel convention (output i looks at (i + 0.5) · scale − 0.5); with anti-alias the triangle filter widens to the
 * scale and is normalized at the edges, as torch does.
 */
import { KindredError } from "../kernel/errors.ts";
import { assertAxes } from "./axes.ts";
import { type AxisWeights, areaWeights, axisWeights } from "./axis-weights.ts";
import {
  type AxisSampling,
  checkSize,
  outsideOf,
  type Resampling,
  samplingOf,
  type Triple,
} from "./sampling.ts";
import type { CtVolume, Vector3 } from "./types.ts";
import { added, cross, dot, scaled } from "./vectors.ts";

/** Axis letters by LPS component and sign: +x is L(eft), +y P(osterior), +z S(uperior). */
const LETTERS: readonly (readonly [string, string])[] = [
  ["L", "R"],
  ["P", "A"],
  ["S", "I"],
];

/** Codes of the x, y and z axes of a volume, e.g. "LPS": the direction in which each index grows. */
export function axisCodes(volume: Pick<CtVolume, "axesZyx">): string {
  return [...volume.axesZyx]
    .reverse()
    .map((axis) => {
      const main = axis.reduce(
        (best, value, i) => (Math.abs(value) > Math.abs(axis[best]!) ? i : best),
        0,
      );
      return LETTERS[main]![axis[main]! >= 0 ? 0 : 1];
    })
    .join("");
}

const DIRECTIONS: Readonly<Record<string, Vector3>> = {
  L: [1, 0, 0],
  R: [-1, 0, 0],
  P: [0, 1, 0],
  A: [0, -1, 0],
  S: [0, 0, 1],
  I: [0, 0, -1],
};

const PERMUTATIONS = [
  [0, 1, 2],
  [0, 2, 1],
  [1, 0, 2],
  [1, 2, 0],
  [2, 0, 1],
  [2, 1, 0],
] as const;

/**
 * Turns a volume by flips and permutes, no resampling: each axis comes as near to its wanted direction as can be.
 *
 * @param wanted - x, y and z: where each index shall grow to, e.g. "LPS" (head-first supine as DICOM stores it)
 * @returns the same object when it already points that way
 * @throws KindredError `MODEL_INVALID` when the letters do not name three different body axes
 */
export function reorient(volume: CtVolume, wanted: string): CtVolume {
  const { from, isFlipped, grid } = orientationOf(volume, wanted);
  if (from.every((axis, to) => axis === to) && !isFlipped.includes(true)) return volume;
  const size = volume.sizeVoxels;
  const steps: Triple = [size[1] * size[2], size[2], 1];
  let start = 0;
  for (const [to, axis] of from.entries())
    if (isFlipped[to]) start += (size[axis]! - 1) * steps[axis]!;
  const stepsZyx = from.map((axis, to) => steps[axis]! * (isFlipped[to] ? -1 : 1));
  const voxelsZyx = gather(volume.voxelsZyx, start, stepsZyx as unknown as Triple, grid.sizeVoxels);
  return { voxelsZyx, ...grid };
}

export interface Turn {
  /** For each new axis z, y, x the old axis it is. */
  readonly from: Triple;
  /** For each new axis whether it counts from the other end. */
  readonly isFlipped: readonly boolean[];
  readonly grid: Omit<CtVolume, "voxelsZyx">;
}

/** How {@link reorient} turns a grid, and the grid that comes of it. */
export function orientationOf(old: Omit<CtVolume, "voxelsZyx">, wanted: string): Turn {
  const { sizeVoxels, spacingMm, axesZyx } = old;
  const directions = directionsOf(wanted);
  let from: Triple = PERMUTATIONS[0];
  let bestFit = 0;
  for (const candidate of PERMUTATIONS) {
    let fit = 0;
    for (const [to, axis] of candidate.entries()) {
      fit += Math.abs(dot(directions[to]!, axesZyx[axis]!));
    }
    // By a clear margin, so that an axis at 45 degrees does not turn on a rounding error.
    if (fit > bestFit + 1e-6) [from, bestFit] = [candidate, fit];
  }
  const isFlipped = from.map((axis, to) => dot(directions[to]!, axesZyx[axis]!) < 0);
  let originLps = old.originLps;
  for (const [to, axis] of from.entries()) {
    if (!isFlipped[to]) continue;
    const lastMm = (sizeVoxels[axis]! - 1) * spacingMm[axis]!;
    originLps = added(originLps, scaled(axesZyx[axis]!, lastMm));
  }
  const turned = <T>(of: (axis: number, sign: number) => T) =>
    from.map((axis, to) => of(axis, isFlipped[to] ? -1 : 1)) as unknown as [T, T, T];
  const grid = {
    sizeVoxels: turned((axis) => sizeVoxels[axis]!),
    spacingMm: turned((axis) => spacingMm[axis]!),
    originLps,
    axesZyx: turned((axis, sign) => scaled(axesZyx[axis]!, sign)),
  };
  assertAxes(grid, wanted);
  return { from, isFlipped, grid };
}

/** Wanted directions in the order z, y, x of letters in the order x, y, z. */
function directionsOf(letters: string): readonly Vector3[] {
  const [x, y, z] = [...letters].map((letter) => DIRECTIONS[letter]);
  const isRight = letters.length === 3 && x && y && z && Math.abs(dot(cross(x, y), z)) === 1;
  if (!isRight) {
    const message = 'Axis codes need one of LR, one of PA and one of SI, such as "LPS"';
    throw new KindredError("MODEL_INVALID", message);
  }
  return [z, y, x];
}

/** Copies voxels in another order: `start` is the first, `step` how far the next one of each axis is. */
export function gather(
  from: Int16Array | Float32Array,
  start: number,
  [stepZ, stepY, stepX]: Triple,
  [depth, rows, columns]: Triple,
): Int16Array | Float32Array {
  const to =
    from instanceof Int16Array ? new Int16Array(from.length) : new Float32Array(from.length);
  let target = 0;
  for (let z = 0; z < depth; z++) {
    for (let y = 0; y < rows; y++) {
      let source = start + z * stepZ + y * stepY;
      for (let x = 0; x < columns; x++, source += stepX) to[target++] = from[source]!;
    }
  }
  return to;
}

/**
 * Resamples to a spacing or to a size, slice by slice in-plane and then along z, so that no full-size float copy of
 * the native volume exists. With the torch flavour the edges of the field of view stay where they are.
 *
 * @throws KindredError `NOT_A_VOLUME` when the result would be empty or absurdly large
 */
export function resample(volume: CtVolume, to: Resampling): CtVolume & { voxelsZyx: Float32Array } {
  const [depth, rows, columns] = volume.sizeVoxels;
  const axes = samplingOf(volume, to);
  const target = axes.map((axis) => axis.outputs) as unknown as Triple;
  const [outDepth, outRows, outColumns] = target;
  checkSize([depth, outRows, outColumns]);
  const [z, y, x] = axes.map((axis) => weightsOf(axis, to)) as [
    AxisWeights,
    AxisWeights,
    AxisWeights,
  ];
  const plane = outRows * outColumns;
  const reduced = new Float32Array(depth * plane);
  const rowsReduced = new Float32Array(rows * outColumns);
  for (let k = 0; k < depth; k++) {
    reduceRows(volume.voxelsZyx, k * rows * columns, rows, columns, x, rowsReduced, outColumns);
    reduceColumns(rowsReduced, y, reduced, k * plane, outRows, outColumns);
  }
  const voxelsZyx = new Float32Array(outDepth * plane);
  for (let k = 0; k < outDepth; k++) mixSlices(reduced, z, k, plane, voxelsZyx);
  fillOutside(voxelsZyx, axes, to);
  return { voxelsZyx, ...resampledGrid(volume, axes) };
}

/** Weights of one sampled axis. */
export function weightsOf(axis: AxisSampling, to: Resampling): AxisWeights {
  if (to.flavour === "area") return areaWeights(axis.inputs, axis.outputs);
  return axisWeights(axis.inputs, axis.outputs, axis.scale, to.antialias, axis.first);
}

/** The grid that the samples lie on. */
export function resampledGrid(
  grid: Omit<CtVolume, "voxelsZyx">,
  axes: readonly [AxisSampling, AxisSampling, AxisSampling],
): Omit<CtVolume, "voxelsZyx"> {
  let originLps = grid.originLps;
  for (const i of [0, 1, 2] as const)
    originLps = added(originLps, scaled(grid.axesZyx[i], axes[i].first * grid.spacingMm[i]));
  return {
    sizeVoxels: axes.map((axis) => axis.outputs) as unknown as Triple,
    spacingMm: axes.map((axis) => axis.spacingMm) as unknown as Triple,
    originLps,
    axesZyx: grid.axesZyx,
  };
}

/** Gives the samples that lie outside the scan the flavour's value, in place; `voxels` is `[z][y][x]` of the sampled axes. */
export function fillOutside(
  voxels: Float32Array,
  axes: readonly [AxisSampling, AxisSampling, AxisSampling],
  to: Resampling,
): void {
  const value = to.outsideValue ?? 0;
  const [depth, rows, columns] = axes.map((axis) => axis.outputs) as [number, number, number];
  const [outsideZ, outsideY, outsideX] = axes.map((axis) => outsideOf(axis, to));
  for (const z of outsideZ!) voxels.fill(value, z * rows * columns, (z + 1) * rows * columns);
  for (let z = 0; z < depth; z++) {
    for (const y of outsideY!) {
      const from = (z * rows + y) * columns;
      voxels.fill(value, from, from + columns);
    }
    for (const x of outsideX!) {
      for (let y = 0; y < rows; y++) voxels[(z * rows + y) * columns + x] = value;
    }
  }
}

function reduceRows(
  from: Int16Array | Float32Array,
  offset: number,
  rows: number,
  columns: number,
  w: AxisWeights,
  to: Float32Array,
  outColumns: number,
): void {
  const { taps, start, weight } = w;
  for (let row = 0; row < rows; row++) {
    const source = offset + row * columns;
    const target = row * outColumns;
    for (let i = 0; i < outColumns; i++) {
      const first = source + start[i]!;
      let sum = 0;
      for (let t = 0; t < taps; t++) sum += from[first + t]! * weight[i * taps + t]!;
      to[target + i] = sum;
    }
  }
}

function reduceColumns(
  from: Float32Array,
  w: AxisWeights,
  to: Float32Array,
  offset: number,
  outRows: number,
  columns: number,
): void {
  const { taps, start, weight } = w;
  for (let i = 0; i < outRows; i++) {
    const target = offset + i * columns;
    for (let t = 0; t < taps; t++) {
      const factor = weight[i * taps + t]!;
      if (factor === 0) continue;
      const source = (start[i]! + t) * columns;
      for (let c = 0; c < columns; c++) to[target + c]! += from[source + c]! * factor;
    }
  }
}

function mixSlices(
  from: Float32Array,
  w: AxisWeights,
  k: number,
  plane: number,
  to: Float32Array,
): void {
  const target = k * plane;
  for (let t = 0; t < w.taps; t++) {
    const factor = w.weight[k * w.taps + t]!;
    if (factor === 0) continue;
    const source = (w.start[k]! + t) * plane;
    for (let i = 0; i < plane; i++) to[target + i]! += from[source + i]! * factor;
  }
}
