/** The steps that make a model's input of a volume: the plain reference that every faster way must equal. */
import { KindredError } from "../kernel/errors.ts";
import { type CentringFlavour, cropPadVolume } from "./crop-pad.ts";
import { cropForeground } from "./foreground.ts";
import { reorient, resample } from "./resample.ts";
import { type Resampling, samplingOf, type Triple } from "./sampling.ts";
import type { CtVolume } from "./types.ts";

/** One step. Sizes and spacings are `[slices, rows, columns]`. */
export type VolumeStep =
  | { readonly op: "reorient"; readonly axes: string }
  | ({ readonly op: "resample" } & Resampling)
  | { readonly op: "clipHu"; readonly min: number; readonly max: number }
  | { readonly op: "scale"; readonly multiply: number; readonly add: number }
  | { readonly op: "zscore"; readonly epsilon: number }
  | { readonly op: "foregroundCrop"; readonly above: number }
  | {
      readonly op: "cropPad";
      readonly sizeVoxels: Triple;
      readonly value: number;
      readonly flavour?: CentringFlavour | undefined;
    };

/** Voxels that a step may end in: 512 × 512 × 512, half a gigabyte of floats. */
export const STEP_VOXELS_MAX = 134_217_728;
/** Voxels that resampling a whole volume may hold at a time before it has reduced the slices. */
const WORK_VOXELS_MAX = 4 * STEP_VOXELS_MAX;

/**
 * Applies the steps in their order.
 *
 * @param isOurs - true when the voxels of the volume may be overwritten
 * @throws KindredError `NOT_A_VOLUME` when the volume is so long or wide that a spacing would need absurd memory,
 * `MODEL_INVALID` when axis codes are none
 */
export function applySteps(
  volume: CtVolume,
  steps: readonly VolumeStep[],
  isOurs = false,
): CtVolume {
  let current = volume;
  for (const step of steps) {
    const mayOverwrite = isOurs || current.voxelsZyx !== volume.voxelsZyx;
    current = apply(current, step, mayOverwrite);
  }
  return current;
}

function apply(volume: CtVolume, step: VolumeStep, mayOverwrite: boolean): CtVolume {
  switch (step.op) {
    case "reorient":
      return reorient(volume, step.axes);
    case "resample":
      refuseHuge(volume, step);
      return resample(volume, step);
    case "clipHu": {
      const [from, to] = floats(volume.voxelsZyx, mayOverwrite);
      clip(from, to, step.min, step.max);
      return { ...volume, voxelsZyx: to };
    }
    case "scale": {
      const [from, to] = floats(volume.voxelsZyx, mayOverwrite);
      scale(from, to, step.multiply, step.add);
      return { ...volume, voxelsZyx: to };
    }
    case "zscore": {
      const [from, to] = floats(volume.voxelsZyx, mayOverwrite);
      zscore(from, to, step.epsilon);
      return { ...volume, voxelsZyx: to };
    }
    case "foregroundCrop":
      return cropForeground(volume, step.above);
    case "cropPad": {
      const voxelsZyx = toFloat(volume.voxelsZyx);
      return cropPadVolume({ ...volume, voxelsZyx }, step.sizeVoxels, step.value, step.flavour);
    }
  }
}

/** Bounds the allocation before `resample` makes it. */
function refuseHuge(volume: CtVolume, step: Resampling): void {
  const [z, y, x] = samplingOf(volume, step);
  const plane = y.outputs * x.outputs;
  if (plane * z.outputs > STEP_VOXELS_MAX || plane * z.inputs > WORK_VOXELS_MAX)
    throw new KindredError(
      "NOT_A_VOLUME",
      "The volume is too large for the spacing that the model asks for",
    );
}

export function toFloat(voxels: Int16Array | Float32Array): Float32Array {
  return voxels instanceof Float32Array ? voxels : Float32Array.from(voxels);
}

function floats(
  voxels: Int16Array | Float32Array,
  mayOverwrite: boolean,
): [Int16Array | Float32Array, Float32Array] {
  if (mayOverwrite && voxels instanceof Float32Array) return [voxels, voxels];
  return [voxels, new Float32Array(voxels.length)];
}

function clip(from: Int16Array | Float32Array, to: Float32Array, min: number, max: number): void {
  for (let i = 0; i < to.length; i++) to[i] = Math.min(Math.max(from[i]!, min), max);
}

function scale(
  from: Int16Array | Float32Array,
  to: Float32Array,
  multiply: number,
  add: number,
): void {
  for (let i = 0; i < to.length; i++) to[i] = from[i]! * multiply + add;
}

/** Standard deviation of all voxels (not of a sample), summed in double precision. */
function zscore(from: Int16Array | Float32Array, to: Float32Array, epsilon: number): void {
  let sum = 0;
  for (let i = 0; i < from.length; i++) sum += from[i]!;
  const mean = sum / from.length;
  let squares = 0;
  for (let i = 0; i < from.length; i++) squares += (from[i]! - mean) ** 2;
  const deviation = Math.sqrt(squares / from.length) + epsilon;
  // Of one value everywhere, what remains is 0 and not NaN.
  for (let i = 0; i < to.length; i++) to[i] = deviation > 0 ? (from[i]! - mean) / deviation : 0;
}
