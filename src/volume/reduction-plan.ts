/**
 * How the slices of a stack become a model's input without the volume in between: what each slice adds to which samples.
 * A plan is plain data, small, and can be posted to a thread.
 *
 * Correction of the stack and resampling are both linear in (HU − air), so that their product is one sparse matrix an
 * axis. Values travel as differences to air: outside a slice they are zero.
 */
import { KindredError } from "../kernel/errors.ts";
import { isWhole, planesBetween, turned as turnedWeights } from "./axis-weights.ts";
import { AIR_HU } from "./intensity.ts";
import { orientationOf, resampledGrid, type Turn, weightsOf } from "./resample.ts";
import { type AxisSampling, type Resampling, samplingOf, type Triple } from "./sampling.ts";
import { STEP_VOXELS_MAX, type VolumeStep } from "./steps.ts";
import type { CtVolume, StackGeometry } from "./types.ts";

/** `min(max(multiply · HU + add, low), high)`: whatever clips and scales come before the resampling. */
export interface Pointwise {
  readonly multiply: number;
  readonly add: number;
  readonly low: number;
  readonly high: number;
}

/** One in-plane axis of the stack's grid. */
export interface PlaneAxis {
  readonly sampling: AxisSampling;
  /** Samples of a slice along it. */
  readonly inputs: number;
  /** True when samples count from the other end of the grid. */
  readonly isFlipped: boolean;
  /** For each slice of the order, where on the grid its first sample lies. */
  readonly shifts: Float64Array;
}

export interface ReductionPlan {
  readonly slices: number;
  /** Down the rows (y) and along them (x), of the stack. */
  readonly rows: PlaneAxis;
  readonly columns: PlaneAxis;
  readonly pointwise: Pointwise;
  /** What air is after `pointwise`. */
  readonly airValue: number;
  readonly resampling: Resampling;
  /** Slice k adds `weight[i]` of itself to sample `sample[i]` along z, for i from `from[k]` to `from[k + 1]`. */
  readonly depth: {
    readonly samples: number;
    readonly from: Int32Array;
    readonly sample: Int32Array;
    readonly weight: Float32Array;
  };
  /** For each axis of the result z, y, x: which axis of the stack it is. */
  readonly axisFrom: Triple;
  /** Of the result, in its axes. */
  readonly axes: readonly [AxisSampling, AxisSampling, AxisSampling];
  readonly grid: Omit<CtVolume, "voxelsZyx">;
  /** Steps that remain on the reduced volume. */
  readonly rest: readonly VolumeStep[];
}

/** Steps that no slice can do by itself. */
const NEEDS_ALL: ReadonlySet<VolumeStep["op"]> = new Set(["cropPad", "zscore", "foregroundCrop"]);

/**
 * @param geometry - the corrected grid of the stack and where its slices lie
 * @param steps - the profile's, in their order
 * @param slice - matrix of each slice
 * @returns null when the steps need the native volume: they do not resample, crop before they do, or clip values that
 * only interpolation between slices or pixels makes
 * @throws KindredError `NOT_A_VOLUME` when the result would be absurdly large, `MODEL_INVALID` when axis codes are none
 */
export function planReduction(
  geometry: StackGeometry,
  steps: readonly VolumeStep[],
  slice: { readonly rows: number; readonly columns: number },
): ReductionPlan | null {
  const at = steps.findIndex((step) => step.op === "resample");
  const resampling = steps[at];
  const before = steps.slice(0, Math.max(0, at));
  if (resampling?.op !== "resample" || before.some((step) => NEEDS_ALL.has(step.op))) return null;
  const pointwise = pointwiseOf(before);
  const isClipped = pointwise.low > Number.NEGATIVE_INFINITY || pointwise.high < Infinity;
  if (isClipped && !isOneToOne(geometry)) return null;
  const unturned: Turn = {
    from: [0, 1, 2],
    isFlipped: [false, false, false],
    grid: gridOf(geometry),
  };
  const turn = before.reduce<Turn>(
    (soFar, step) => (step.op === "reorient" ? turnedBy(soFar, step.axes) : soFar),
    unturned,
  );
  const axes = samplingOf(turn.grid, resampling);
  if (axes.reduce((voxels, axis) => voxels * axis.outputs, 1) > STEP_VOXELS_MAX)
    throw new KindredError(
      "NOT_A_VOLUME",
      "The volume is too large for the spacing that the model asks for",
    );
  const { placements } = geometry;
  const planeAxis = (stackAxis: 1 | 2): PlaneAxis => {
    const to = turn.from.indexOf(stackAxis);
    return {
      sampling: axes[to]!,
      inputs: stackAxis === 1 ? slice.rows : slice.columns,
      isFlipped: turn.isFlipped[to]!,
      shifts: Float64Array.from(placements, (one) => (stackAxis === 1 ? one.row : one.column)),
    };
  };
  const depthTo = turn.from.indexOf(0);
  return {
    slices: placements.length,
    rows: planeAxis(1),
    columns: planeAxis(2),
    pointwise,
    airValue: Math.min(
      Math.max(AIR_HU * pointwise.multiply + pointwise.add, pointwise.low),
      pointwise.high,
    ),
    resampling,
    depth: depthOf(
      placements.map((one) => one.z),
      axes[depthTo]!,
      turn.isFlipped[depthTo]!,
      resampling,
    ),
    axisFrom: turn.from,
    axes,
    grid: resampledGrid(turn.grid, axes),
    rest: steps.slice(at + 1),
  };
}

/** True when every plane of the grid is one slice, and every voxel one of its pixels or outside of it. */
export function isOneToOne({ sizeVoxels, placements }: StackGeometry): boolean {
  return (
    placements.length === sizeVoxels[0] &&
    placements.every((one) => isWhole(one.z) && isWhole(one.row) && isWhole(one.column))
  );
}

function gridOf({ placements: _, ...grid }: StackGeometry): Omit<CtVolume, "voxelsZyx"> {
  return grid;
}

function turnedBy(before: Turn, axes: string): Turn {
  const next = orientationOf(before.grid, axes);
  return {
    from: next.from.map((axis) => before.from[axis]!) as unknown as Triple,
    isFlipped: next.from.map((axis, to) => before.isFlipped[axis] !== next.isFlipped[to]),
    grid: next.grid,
  };
}

/** Clips and scales in one; other steps are passed over. */
export function pointwiseOf(steps: readonly VolumeStep[]): Pointwise {
  let [multiply, add, low, high] = [1, 0, Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY];
  const clamp = (value: number, min: number, max: number) => Math.min(Math.max(value, min), max);
  for (const step of steps) {
    if (step.op === "clipHu") {
      low = clamp(low, step.min, step.max);
      high = clamp(high, step.min, step.max);
    } else if (step.op === "scale") {
      multiply *= step.multiply;
      add = add * step.multiply + step.add;
      // Zero times infinity is no number.
      const bounds = [low, high].map((bound) =>
        step.multiply === 0 ? step.add : bound * step.multiply + step.add,
      );
      low = Math.min(...bounds);
      high = Math.max(...bounds);
    }
  }
  return { multiply, add, low, high };
}

/** Interpolation between slices and resampling along z in one matrix, listed by slice. */
function depthOf(
  positions: readonly number[],
  sampling: AxisSampling,
  isFlipped: boolean,
  to: Resampling,
): ReductionPlan["depth"] {
  const straight = weightsOf(sampling, to);
  const { taps, start, weight } = isFlipped ? turnedWeights(straight, sampling.inputs) : straight;
  const between = planesBetween(positions, sampling.inputs);
  const adds: Map<number, number>[] = positions.map(() => new Map());
  const add = (slice: number, sample: number, w: number) => {
    if (w !== 0) adds[slice]!.set(sample, (adds[slice]!.get(sample) ?? 0) + w);
  };
  for (let o = 0; o < sampling.outputs; o++) {
    for (let t = 0; t < taps; t++) {
      const w = weight[o * taps + t]!;
      const { index, fraction } = between[start[o]! + t]!;
      add(index, o, w * (1 - fraction));
      if (fraction > 0) add(index + 1, o, w * fraction);
    }
  }
  const from = new Int32Array(positions.length + 1);
  adds.forEach((one, k) => {
    from[k + 1] = from[k]! + one.size;
  });
  return {
    samples: sampling.outputs,
    from,
    sample: Int32Array.from(adds.flatMap((one) => [...one.keys()])),
    weight: Float32Array.from(adds.flatMap((one) => [...one.values()])),
  };
}
