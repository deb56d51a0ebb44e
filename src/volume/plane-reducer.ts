/** In-plane reduction: a slice as it was stored → the plane that each plan makes of it. Runs on any thread. */
import { KindredError } from "../kernel/errors.ts";
import { type AxisWeights, isWhole, shifted, turned } from "./axis-weights.ts";
import { AIR_HU, type StoredValues } from "./intensity.ts";
import { type Conversion, createPlaneKernel, type PlaneKernel } from "./plane-kernel.ts";
import { type PlaneAxis, pointwiseOf, type ReductionPlan } from "./reduction-plan.ts";
import { weightsOf } from "./resample.ts";
import type { Resampling } from "./sampling.ts";
import type { SlicePlane } from "./types.ts";
import { createWasmPlaneKernel } from "./wasm-kernel.ts";

/** What makes Hounsfield units of a slice. */
export type SliceIntensity = Pick<
  SlicePlane,
  "rescaleSlope" | "rescaleIntercept" | "paddingValue" | "paddingRangeLimit"
>;

export interface PlaneReducer {
  /**
   * @param k - which slice of the order
   * @param stored - `[row][column]` flattened
   * @param to - planes to write, one a plan; default: new ones
   * @returns one plane a plan, `[row][column]` of the stack's axes, values less the plan's `airValue`
   * @throws KindredError `NOT_A_VOLUME` when the slice is of another size
   */
  reduce(
    k: number,
    stored: StoredValues,
    intensity: SliceIntensity,
    to?: readonly Float32Array[],
  ): Float32Array[];
}

/** Shifts whose weights are kept; a tilted stack has another one for each slice. */
const SHIFTS_MAX = 16;

/**
 * One for all profiles of a site, so that a slice is read and taken in once.
 *
 * @param plans - of one stack
 * @param options.plain - the TypeScript kernel even where there is a faster one
 */
export function createPlaneReducer(
  plans: readonly ReductionPlan[],
  options: { plain?: boolean } = {},
): PlaneReducer {
  const rows = plans[0]?.rows.inputs ?? 0;
  const columns = plans[0]?.columns.inputs ?? 0;
  const isOneStack = plans.every((p) => p.rows.inputs === rows && p.columns.inputs === columns);
  if (!isOneStack) throw new RangeError("plans of different stacks");
  const kernel: PlaneKernel =
    (options.plain ? null : createWasmPlaneKernel(rows, columns)) ??
    createPlaneKernel(rows, columns);
  const axes = plans.map((plan) => ({
    y: weightsByShift(plan.rows, plan.resampling),
    x: weightsByShift(plan.columns, plan.resampling),
  }));
  return {
    reduce(k, stored, intensity, to) {
      if (stored.length !== rows * columns)
        throw new KindredError("NOT_A_VOLUME", "A slice has another size than the volume's");
      let taken: Conversion | undefined;
      return plans.map((plan, i) => {
        const plane =
          to?.[i] ?? new Float32Array(plan.rows.sampling.outputs * plan.columns.sampling.outputs);
        const conversion = conversionOf(plan, intensity);
        if (taken === undefined || !isSame(taken, conversion)) kernel.convert(stored, conversion);
        taken = conversion;
        kernel.reduce(axes[i]!.y(k), axes[i]!.x(k), plane);
        return plane;
      });
    },
  };
}

function isSame(a: Conversion, b: Conversion): boolean {
  return (Object.keys(a) as (keyof Conversion)[]).every((key) => a[key] === b[key]);
}

/** HU of 16 bits, the plan's pointwise steps and the difference to air in one. */
function conversionOf(plan: ReductionPlan, intensity: SliceIntensity): Conversion {
  const { multiply, add, low, high } = plan.pointwise;
  const all = pointwiseOf([
    {
      op: "scale",
      multiply: intensity.rescaleSlope ?? 1,
      add: intensity.rescaleIntercept ?? 0,
    },
    { op: "clipHu", min: AIR_HU, max: 32767 },
    { op: "scale", multiply, add },
    { op: "clipHu", min: low, max: high },
    { op: "scale", multiply: 1, add: -plan.airValue },
  ]);
  const padding = intensity.paddingValue;
  const limit = intensity.paddingRangeLimit ?? padding;
  if (padding === undefined || limit === undefined)
    return { ...all, paddingLow: Number.POSITIVE_INFINITY, paddingHigh: Number.NEGATIVE_INFINITY };
  return {
    ...all,
    paddingLow: Math.min(padding, limit),
    paddingHigh: Math.max(padding, limit),
  };
}

/** The weights of slice k along one axis; made when first asked for. */
function weightsByShift(axis: PlaneAxis, to: Resampling): (k: number) => AxisWeights {
  const { sampling, inputs, isFlipped } = axis;
  const straight = weightsOf(sampling, to);
  const grid = trimmed(isFlipped ? turned(straight, sampling.inputs) : straight);
  const kept = new Map<number, AxisWeights>();
  return (k) => {
    const exact = axis.shifts[k]!;
    const shift = isWhole(exact) ? Math.round(exact) : exact;
    let weights = kept.get(shift);
    if (weights === undefined) {
      if (kept.size >= SHIFTS_MAX) kept.clear();
      const isPlain = shift === 0 && inputs === sampling.inputs;
      weights = isPlain ? grid : shifted(grid, inputs, shift);
      kept.set(shift, weights);
    }
    return weights;
  };
}

/** The same weights without taps that are zero for every output. */
function trimmed(w: AxisWeights): AxisWeights {
  const outputs = w.start.length;
  const firsts = new Int32Array(outputs);
  let taps = 1;
  for (let o = 0; o < outputs; o++) {
    const of = w.weight.subarray(o * w.taps, (o + 1) * w.taps);
    const first = of.findIndex((value) => value !== 0);
    const last = of.findLastIndex((value) => value !== 0);
    firsts[o] = Math.max(0, first);
    taps = Math.max(taps, last - first + 1);
  }
  const start = new Int32Array(outputs);
  const weight = new Float32Array(outputs * taps);
  for (let o = 0; o < outputs; o++) {
    const skip = Math.min(firsts[o]!, w.taps - taps);
    start[o] = w.start[o]! + skip;
    weight.set(w.weight.subarray(o * w.taps + skip, o * w.taps + skip + taps), o * taps);
  }
  return { taps, start, weight };
}
