/**
 * Reorientation, separable linear resampling and cropping: the plain reference in TypeScript. Sampling follows the
 * half-pixel convention (output i looks at (i + 0.5) · scale − 0.5); with anti-alias the triangle filter widens to the
 * scale and is normalized at the edges, as torch does.
 */
import { KindredError } from "../kernel/errors.ts";
import type { CtVolume, Vector3 } from "./types.ts";
import { added, cross, dot, scaled } from "./vectors.ts";

type Triple = readonly [number, number, number];

/** Voxels of a resampled or padded volume; more is a wrong profile, not a scan. */
const VOXELS_MAX = 2_147_483_648;

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
  const { sizeVoxels, spacingMm, axesZyx } = volume;
  const directions = directionsOf(wanted);
  let sources: Triple = PERMUTATIONS[0];
  let bestFit = 0;
  for (const candidate of PERMUTATIONS) {
    let fit = 0;
    for (const [to, from] of candidate.entries()) {
      fit += Math.abs(dot(directions[to]!, axesZyx[from]!));
    }
    // By a clear margin, so that an axis at 45 degrees does not turn on a rounding error.
    if (fit > bestFit + 1e-6) [sources, bestFit] = [candidate, fit];
  }
  const isFlipped = sources.map((from, to) => dot(directions[to]!, axesZyx[from]!) < 0);
  if (sources === PERMUTATIONS[0] && !isFlipped.includes(true)) return volume;
  const steps: Triple = [sizeVoxels[1] * sizeVoxels[2], sizeVoxels[2], 1];
  let start = 0;
  let originLps = volume.originLps;
  for (const [to, from] of sources.entries()) {
    if (!isFlipped[to]) continue;
    const last = sizeVoxels[from]! - 1;
    start += last * steps[from]!;
    originLps = added(originLps, scaled(axesZyx[from]!, last * spacingMm[from]!));
  }
  const turned = <T>(of: (from: number, sign: number) => T) =>
    sources.map((from, to) => of(from, isFlipped[to] ? -1 : 1)) as unknown as [T, T, T];
  const size = turned((from) => sizeVoxels[from]!);
  const stepsZyx = turned((from, sign) => steps[from]! * sign);
  return {
    voxelsZyx: gather(volume.voxelsZyx, start, stepsZyx, size),
    sizeVoxels: size,
    spacingMm: turned((from) => spacingMm[from]!),
    originLps,
    axesZyx: turned((from, sign) => scaled(axesZyx[from]!, sign)),
  };
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

function gather(
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

/** Weights of one axis: for output i the inputs `start[i] … start[i] + taps − 1`. */
interface Weights {
  readonly taps: number;
  readonly start: Int32Array;
  readonly weight: Float32Array;
}

/** Weights from `inputs` to `outputs` samples, `scale` input steps an output step. */
export function axisWeights(
  inputs: number,
  outputs: number,
  scale: number,
  antialias: boolean,
): Weights {
  const support = antialias ? Math.max(1, scale) : 1;
  const taps = Math.min(inputs, Math.ceil(support) * 2 + 1);
  const start = new Int32Array(outputs);
  const weight = new Float32Array(outputs * taps);
  for (let i = 0; i < outputs; i++) {
    const center = (i + 0.5) * scale - 0.5;
    // Without anti-alias torch clamps the position to the first and last sample; so does the normalization here.
    const at = antialias ? center : Math.min(Math.max(center, 0), inputs - 1);
    start[i] = Math.max(
      0,
      Math.min(inputs - taps, Math.floor(at - support) + (support > 1 ? 1 : 0)),
    );
    let sum = 0;
    for (let t = 0; t < taps; t++) {
      const w = Math.max(0, 1 - Math.abs(start[i]! + t - at) / support);
      weight[i * taps + t] = w;
      sum += w;
    }
    for (let t = 0; t < taps; t++)
      weight[i * taps + t] = sum > 0 ? weight[i * taps + t]! / sum : t === 0 ? 1 : 0;
  }
  return { taps, start, weight };
}

/**
 * Resamples to a spacing or to a size, slice by slice in-plane and then along z, so that no full-size float copy of
 * the native volume exists. The edges of the field of view stay where they are.
 *
 * @throws KindredError `NOT_A_VOLUME` when the result would be empty or absurdly large
 */
export function resample(
  volume: CtVolume,
  to: { spacingMm?: Triple | undefined; sizeVoxels?: Triple | undefined; antialias: boolean },
): CtVolume & { voxelsZyx: Float32Array } {
  const size = volume.sizeVoxels;
  const target = (to.sizeVoxels ??
    size.map((n, i) =>
      Math.max(1, Math.round((n * volume.spacingMm[i]!) / to.spacingMm![i]!)),
    )) as Triple;
  const scales = size.map((n, i) =>
    to.sizeVoxels === undefined ? to.spacingMm![i]! / volume.spacingMm[i]! : n / target[i]!,
  );
  checkSize(target);
  checkSize([size[0], target[1], target[2]]);
  const [depth, rows, columns] = size;
  const [outDepth, outRows, outColumns] = target;
  const x = axisWeights(columns, outColumns, scales[2]!, to.antialias);
  const y = axisWeights(rows, outRows, scales[1]!, to.antialias);
  const z = axisWeights(depth, outDepth, scales[0]!, to.antialias);
  const plane = outRows * outColumns;
  const reduced = new Float32Array(depth * plane);
  const rowsReduced = new Float32Array(rows * outColumns);
  for (let k = 0; k < depth; k++) {
    reduceRows(volume.voxelsZyx, k * rows * columns, rows, columns, x, rowsReduced, outColumns);
    reduceColumns(rowsReduced, y, reduced, k * plane, outRows, outColumns);
  }
  const voxelsZyx = new Float32Array(outDepth * plane);
  for (let k = 0; k < outDepth; k++) mixSlices(reduced, z, k, plane, voxelsZyx);
  const spacingMm = size.map((n, i) =>
    to.sizeVoxels === undefined ? to.spacingMm![i]! : (n * volume.spacingMm[i]!) / target[i]!,
  ) as unknown as Triple;
  let originLps = volume.originLps;
  for (const axis of [0, 1, 2] as const) {
    // Half-pixel centers: the first sample is the middle of the first, larger or smaller, voxel.
    const shiftMm = ((scales[axis]! - 1) / 2) * volume.spacingMm[axis];
    originLps = added(originLps, scaled(volume.axesZyx[axis], shiftMm));
  }
  return { ...volume, voxelsZyx, sizeVoxels: target, spacingMm, originLps };
}

function checkSize(size: Triple): void {
  const isWhole = size.every((side) => Number.isInteger(side) && side >= 1);
  if (isWhole && size[0] * size[1] * size[2] <= VOXELS_MAX) return;
  const message = "A resampled volume would be empty or too large; check the sizes of the profile";
  throw new KindredError("NOT_A_VOLUME", message);
}

function reduceRows(
  from: Int16Array | Float32Array,
  offset: number,
  rows: number,
  columns: number,
  w: Weights,
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
  w: Weights,
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
  w: Weights,
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

/** Cuts or fills each axis around its middle; of an odd difference the smaller half is at the start. */
export function cropPad(
  voxels: Float32Array,
  size: Triple,
  target: Triple,
  value: number,
): Float32Array {
  checkSize(target);
  const out = new Float32Array(target[0] * target[1] * target[2]).fill(value);
  const shift = size.map((n, i) => Math.trunc((target[i]! - n) / 2));
  for (let z = 0; z < size[0]; z++) {
    const toZ = z + shift[0]!;
    if (toZ < 0 || toZ >= target[0]) continue;
    for (let y = 0; y < size[1]; y++) {
      const toY = y + shift[1]!;
      if (toY < 0 || toY >= target[1]) continue;
      const fromX = Math.max(0, -shift[2]!);
      const toX = Math.max(0, shift[2]!);
      const count = Math.min(size[2] - fromX, target[2] - toX);
      const source = (z * size[1] + y) * size[2] + fromX;
      out.set(voxels.subarray(source, source + count), (toZ * target[1] + toY) * target[2] + toX);
    }
  }
  return out;
}
