/**
 * Linear resampling of one axis as a sparse matrix: row o says of which inputs output o is made. Matrices can be turned
 * and put behind the shift of a slice, so that correction and resampling are one pass.
 */

/** Output o is the sum over t of `weight[o · taps + t] · input[start[o] + t]`; all of these inputs exist. */
export interface AxisWeights {
  readonly taps: number;
  readonly start: Int32Array;
  readonly weight: Float32Array;
}

/**
 * Weights from `inputs` to `outputs` samples; output o looks at `first + o · scale`, in input steps. Beyond the ends it
 * sees the end sample. With anti-alias the triangle filter widens to the scale and is normalized at the ends, as torch does.
 *
 * @param first - where output 0 looks; default: half-pixel centers, so that the edges of the axis stay where they are
 */
export function axisWeights(
  inputs: number,
  outputs: number,
  scale: number,
  antialias: boolean,
  first = 0.5 * scale - 0.5,
): AxisWeights {
  const support = antialias ? Math.max(1, scale) : 1;
  const taps = Math.min(inputs, Math.ceil(support) * 2 + 1);
  const start = new Int32Array(outputs);
  const weight = new Float32Array(outputs * taps);
  for (let i = 0; i < outputs; i++) {
    const center = first + i * scale;
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
 * Each output is the plain mean of all inputs that its part of the axis touches, also those that it touches with an edge
 * only: torch's `interpolate(mode="area")`, which is adaptive average pooling.
 */
export function areaWeights(inputs: number, outputs: number): AxisWeights {
  const taps = Math.min(inputs, Math.ceil(inputs / outputs) + 1);
  const start = new Int32Array(outputs);
  const weight = new Float32Array(outputs * taps);
  for (let o = 0; o < outputs; o++) {
    const from = Math.floor((o * inputs) / outputs);
    const to = Math.ceil(((o + 1) * inputs) / outputs);
    start[o] = Math.min(from, inputs - taps);
    weight.fill(1 / (to - from), o * taps + from - start[o]!, o * taps + to - start[o]!);
  }
  return { taps, start, weight };
}

/** The same outputs from inputs that are counted from the other end. */
export function turned(w: AxisWeights, inputs: number): AxisWeights {
  const start = w.start.map((from) => inputs - w.taps - from);
  const weight = new Float32Array(w.weight.length);
  for (let o = 0; o < start.length; o++) {
    for (let t = 0; t < w.taps; t++)
      weight[o * w.taps + t] = w.weight[o * w.taps + w.taps - 1 - t]!;
  }
  return { taps: w.taps, start, weight };
}

/**
 * Weights on the samples of a slice that lies `shift` steps up the grid, from weights on the grid: their product with
 * linear interpolation. What looks more than half a sample past the slice has no weight: there is air.
 *
 * @param inputs - samples of the slice along this axis
 */
export function shifted(grid: AxisWeights, inputs: number, shift: number): AxisWeights {
  const taps = Math.min(inputs, grid.taps + 1);
  const start = new Int32Array(grid.start.length);
  const weight = new Float32Array(start.length * taps);
  for (let o = 0; o < start.length; o++) {
    const from = grid.start[o]!;
    start[o] = Math.max(0, Math.min(inputs - taps, Math.floor(from - shift)));
    const base = o * taps - start[o]!;
    for (let t = 0; t < grid.taps; t++) {
      const w = grid.weight[o * grid.taps + t]!;
      if (w === 0) continue;
      const at = sampleAt(from + t - shift, inputs);
      if (at === undefined) continue;
      weight[base + at.index]! += w * (1 - at.fraction);
      if (at.fraction > 0) weight[base + at.index + 1]! += w * at.fraction;
    }
  }
  return { taps, start, weight };
}

export interface Between {
  readonly index: number;
  /** Part of the way to the next one; 0 at the last. */
  readonly fraction: number;
}

/** Where a position lies among samples; undefined when it is more than half a sample outside. */
export function sampleAt(position: number, samples: number): Between | undefined {
  if (position < -0.5 || position > samples - 0.5) return undefined;
  const at = Math.min(Math.max(position, 0), samples - 1);
  const index = Math.floor(at);
  return { index, fraction: at - index };
}

/** Nearer than this, in steps, is at: positions come out of divisions. */
const SAME_STEP = 1e-6;

export function isWhole(steps: number): boolean {
  return Math.abs(steps - Math.round(steps)) < SAME_STEP;
}

/** For each plane of a grid of `planes`, between which of the ascending positions it lies. */
export function planesBetween(positions: readonly number[], planes: number): Between[] {
  const last = positions.length - 1;
  let index = 0;
  return Array.from({ length: planes }, (_, plane) => {
    while (index < last && positions[index + 1]! <= plane + SAME_STEP) index++;
    const from = positions[index]!;
    if (index === last || plane - from < SAME_STEP) return { index, fraction: 0 };
    return { index, fraction: (plane - from) / (positions[index + 1]! - from) };
  });
}
