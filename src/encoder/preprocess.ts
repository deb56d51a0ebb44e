/** Volume → input tensor, exactly as the profile lists its steps. */
import { KindredError } from "../kernel/errors.ts";
import { cropPad, reorient, resample } from "../volume/resample.ts";
import type { CtVolume } from "../volume/types.ts";
import { INPUT_VOXELS_MAX, type PreprocessOp, type Profile } from "./manifest.ts";

/** Voxels that resampling may hold at a time before it has reduced the slices. */
const WORK_VOXELS_MAX = 4 * INPUT_VOXELS_MAX;

/**
 * @returns the tensor `[1][1][slices][rows][columns]` flattened
 * @throws KindredError `MODEL_INVALID` when the steps do not end in the profile's shape, `NOT_A_VOLUME` when the
 * volume is so long or wide that the profile's spacing would need absurd memory
 */
export function preprocess(
  volume: CtVolume,
  profile: Profile,
): { tensor: Float32Array; shape: readonly number[] } {
  let current = volume;
  for (const op of profile.ops) current = apply(current, op);
  const shape = profile.shape;
  const isRight = current.sizeVoxels.every((n, i) => n === shape[i + 2]);
  if (!isRight)
    throw new KindredError(
      "MODEL_INVALID",
      `The steps of profile ${profile.id} end in ${current.sizeVoxels.join("×")}, not ${shape.slice(2).join("×")}`,
    );
  return { tensor: toFloat(current.voxelsZyx), shape };
}

function apply(volume: CtVolume, op: PreprocessOp): CtVolume {
  switch (op.op) {
    case "reorient":
      return reorient(volume, op.axes);
    case "resample":
      refuseHuge(volume, op);
      return resample(volume, op);
    case "clipHu":
      return { ...volume, voxelsZyx: clipped(toFloat(volume.voxelsZyx), op.min, op.max) };
    case "scale":
      return { ...volume, voxelsZyx: linear(toFloat(volume.voxelsZyx), op.multiply, op.add) };
    case "cropPad":
      return croppedOrPadded(volume, op.sizeVoxels, op.value);
  }
}

/** Bounds the allocation before `resample` makes it. */
function refuseHuge(volume: CtVolume, op: Extract<PreprocessOp, { op: "resample" }>): void {
  const target = volume.sizeVoxels.map(
    (n, i) => op.sizeVoxels?.[i] ?? (n * volume.spacingMm[i]!) / op.spacingMm![i]!,
  );
  const plane = target[1]! * target[2]!;
  if (plane * target[0]! > INPUT_VOXELS_MAX || plane * volume.sizeVoxels[0] > WORK_VOXELS_MAX)
    throw new KindredError(
      "NOT_A_VOLUME",
      "The volume is too large for the spacing that the model asks for",
    );
}

function croppedOrPadded(
  volume: CtVolume,
  size: readonly [number, number, number],
  value: number,
): CtVolume {
  const from = volume.sizeVoxels;
  const originLps = [...volume.originLps] as [number, number, number];
  for (const axis of [0, 1, 2] as const) {
    const shift = Math.floor((size[axis] - from[axis]) / 2) * volume.spacingMm[axis];
    for (const i of [0, 1, 2] as const) originLps[i] -= shift * volume.axesZyx[axis][i];
  }
  return {
    ...volume,
    sizeVoxels: size,
    originLps,
    voxelsZyx: cropPad(toFloat(volume.voxelsZyx), from, size, value),
  };
}

function toFloat(voxels: Int16Array | Float32Array): Float32Array {
  return voxels instanceof Float32Array ? voxels : Float32Array.from(voxels);
}

function clipped(voxels: Float32Array, min: number, max: number): Float32Array {
  const out = new Float32Array(voxels.length);
  for (let i = 0; i < voxels.length; i++) {
    out[i] = Math.min(Math.max(voxels[i]!, min), max);
  }
  return out;
}

function linear(voxels: Float32Array, multiply: number, add: number): Float32Array {
  const out = new Float32Array(voxels.length);
  for (let i = 0; i < voxels.length; i++) out[i] = voxels[i]! * multiply + add;
  return out;
}
