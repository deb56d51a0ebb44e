/** Volume → input tensor, exactly as the profile lists its steps. */
import { KindredError } from "../kernel/errors.ts";
import { applySteps, toFloat } from "../volume/steps.ts";
import type { CtVolume } from "../volume/types.ts";
import type { Profile } from "./manifest.ts";

export interface InputTensor {
  /** `[1][1][slices][rows][columns]` flattened. */
  readonly tensor: Float32Array;
  readonly shape: readonly number[];
}

/**
 * @throws KindredError `MODEL_INVALID` when the steps do not end in the profile's shape, `NOT_A_VOLUME` when the
 * volume is so long or wide that the profile's spacing would need absurd memory
 */
export function preprocess(volume: CtVolume, profile: Profile): InputTensor {
  return inputTensor(applySteps(volume, profile.ops), profile);
}

/**
 * The tensor of a volume that went through the profile's steps.
 *
 * @throws KindredError `MODEL_INVALID` when it does not have the profile's shape
 */
export function inputTensor(volume: CtVolume, profile: Profile): InputTensor {
  const shape = profile.shape;
  const isRight = volume.sizeVoxels.every((n, i) => n === shape[i + 2]);
  if (!isRight)
    throw new KindredError(
      "MODEL_INVALID",
      `The steps of profile ${profile.id} end in ${volume.sizeVoxels.join("×")}, not ${shape.slice(2).join("×")}`,
    );
  return { tensor: toFloat(volume.voxelsZyx), shape };
}
