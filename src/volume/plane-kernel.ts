/** What is done with one slice and one plane, in plain TypeScript: the reference of the WebAssembly kernel. */
import type { AxisWeights } from "./axis-weights.ts";
import type { StoredValues } from "./intensity.ts";

/** Stored value → `min(max(multiply · stored + add, low), high)`; from `paddingLow` to `paddingHigh` it is 0. */
export interface Conversion {
  readonly multiply: number;
  readonly add: number;
  readonly low: number;
  readonly high: number;
  /** Above `paddingHigh` when nothing is padding. */
  readonly paddingLow: number;
  readonly paddingHigh: number;
}

/** Works on one slice at a time, in memory of its own. */
export interface PlaneKernel {
  /** Takes a slice in, `[row][column]` of the size it was made for. */
  convert(stored: StoredValues, conversion: Conversion): void;
  /** `y · slice · x`, written to `to`: `[row][column]` of as many as the weights have outputs. */
  reduce(y: AxisWeights, x: AxisWeights, to: Float32Array): void;
}

/** Adds weighted planes to the planes of a volume, `[z][y · x]`. */
export interface MixKernel {
  readonly voxels: Float32Array;
  /** Takes a plane in, of the length it was made for. */
  take(plane: Float32Array): void;
  /** Adds the plane that was taken in, times `weight`, to plane `z`. */
  add(z: number, weight: number): void;
}

export function createPlaneKernel(rows: number, columns: number): PlaneKernel {
  const values = new Float32Array(rows * columns);
  const line = new Float32Array(columns);
  return {
    convert: (stored, conversion) => convert(stored, conversion, values),
    reduce(y, x, to) {
      const outColumns = x.start.length;
      for (let row = 0; row < y.start.length; row++) {
        sumRows(values, columns, y, row, line);
        sumAlong(line, x, to, row * outColumns);
      }
    },
  };
}

export function createMixKernel(planes: number, planeLength: number): MixKernel {
  const voxels = new Float32Array(planes * planeLength);
  let taken = new Float32Array(planeLength);
  return {
    voxels,
    take(plane) {
      taken = plane as Float32Array<ArrayBuffer>;
    },
    add: (z, weight) => mix(voxels, z * planeLength, taken, weight),
  };
}

// Small loops of one shape each: inlined in a larger function they run several times slower.
function convert(stored: StoredValues, conversion: Conversion, to: Float32Array): void {
  const { multiply, add, low, high, paddingLow, paddingHigh } = conversion;
  for (let i = 0; i < stored.length; i++) {
    const value = stored[i]!;
    to[i] =
      value >= paddingLow && value <= paddingHigh
        ? 0
        : Math.min(Math.max(value * multiply + add, low), high);
  }
}

function sumRows(
  values: Float32Array,
  columns: number,
  y: AxisWeights,
  row: number,
  line: Float32Array,
): void {
  line.fill(0);
  for (let t = 0; t < y.taps; t++) {
    const factor = y.weight[row * y.taps + t]!;
    if (factor === 0) continue;
    const from = (y.start[row]! + t) * columns;
    for (let c = 0; c < columns; c++) line[c]! += values[from + c]! * factor;
  }
}

function sumAlong(line: Float32Array, x: AxisWeights, to: Float32Array, at: number): void {
  const { taps, start, weight } = x;
  for (let o = 0; o < start.length; o++) {
    const from = start[o]!;
    let sum = 0;
    for (let t = 0; t < taps; t++) sum += line[from + t]! * weight[o * taps + t]!;
    to[at + o] = sum;
  }
}

function mix(to: Float32Array, at: number, plane: Float32Array, weight: number): void {
  for (let i = 0; i < plane.length; i++) to[at + i]! += plane[i]! * weight;
}
