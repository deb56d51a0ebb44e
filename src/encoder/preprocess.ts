/** Volume → input tensor, exactly as the profile lists its steps. */
import { KindredError } from "../kernel/errors.ts";
import { applySteps, toFloat, type VolumeStep } from "../volume/steps.ts";
import type { CtVolume } from "../volume/types.ts";
import type { PreprocessOp, Profile } from "./manifest.ts";

export interface InputTensor {
  /** `[1][channels][slices][rows][columns]` flattened. */
  readonly tensor: Float32Array;
  readonly shape: readonly number[];
}

type Windows = Extract<PreprocessOp, { op: "windows" }>;

/** The steps of a profile that make a volume of a volume: all but the windows, which make channels. */
export function volumeSteps(profile: Profile): VolumeStep[] {
  return profile.ops.filter((one) => one.op !== "windows");
}

/**
 * @throws KindredError `MODEL_INVALID` when the steps do not end in the profile's shape, `NOT_A_VOLUME` when the
 * volume is so long or wide that the profile's spacing would need absurd memory
 */
export function preprocess(volume: CtVolume, profile: Profile): InputTensor {
  return inputTensor(applySteps(volume, volumeSteps(profile)), profile);
}

/**
 * The tensor of a volume that went through the profile's {@link volumeSteps}.
 *
 * @throws KindredError `MODEL_INVALID` when it does not have the profile's shape
 */
export function inputTensor(volume: CtVolume, profile: Profile): InputTensor {
  const { shape } = profile;
  const isRight = volume.sizeVoxels.every((n, i) => n === shape[i + 2]);
  if (!isRight)
    throw new KindredError(
      "MODEL_INVALID",
      `The steps of profile ${profile.id} end in ${volume.sizeVoxels.join("×")}, not ${shape.slice(2).join("×")}`,
    );
  const last = profile.ops.at(-1);
  const tensor =
    last?.op === "windows" ? stacked(volume.voxelsZyx, last) : toFloat(volume.voxelsZyx);
  return { tensor, shape };
}

/** A channel a window: `[channels][slices][rows][columns]` flattened. */
function stacked(voxels: Int16Array | Float32Array, { windows, range }: Windows): Float32Array {
  const tensor = new Float32Array(windows.length * voxels.length);
  const [low, high] = range;
  for (const [channel, { center, width }] of windows.entries()) {
    const start = channel * voxels.length;
    const multiply = (high - low) / width;
    const from = center - width / 2;
    for (let i = 0; i < voxels.length; i++) {
      const value = low + (voxels[i]! - from) * multiply;
      tensor[start + i] = Math.min(Math.max(value, low), high);
    }
  }
  return tensor;
}
