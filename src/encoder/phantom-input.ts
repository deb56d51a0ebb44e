/** The input that a computed scan makes: what proves the steps of a profile, not the graphs alone. */
import { stackAxes } from "../volume/orientation.ts";
import type { CtVolume } from "../volume/types.ts";
import type { Golden, Profile } from "./manifest.ts";
import { preprocess } from "./preprocess.ts";
import { goldenInput } from "./vector.ts";

export type PhantomGolden = Extract<Golden, { kind: "phantom" }>;

/**
 * The native volume of a golden vector of kind `phantom`: `blocks-and-noise` of its size and range, Hounsfield units,
 * each value rounded to a whole number as ⌊value + 0.5⌋; slices follow the normal of `imageOrientation` (row × column).
 */
export function phantomVolume(golden: PhantomGolden): CtVolume {
  const { sizeVoxels, spacingMm, imageOrientation, seed, range } = golden;
  const values = goldenInput(seed, [1, 1, ...sizeVoxels], range);
  return {
    voxelsZyx: Int16Array.from(values, (value) => Math.floor(value + 0.5)),
    sizeVoxels,
    spacingMm,
    originLps: [0, 0, 0],
    axesZyx: stackAxes([{ orientation: imageOrientation }]),
  };
}

/**
 * @returns `[1][channels][slices][rows][columns]` flattened, of the profile's shape
 * @throws what `preprocess` throws
 */
export function phantomInput(golden: PhantomGolden, profile: Profile): Float32Array {
  return preprocess(phantomVolume(golden), profile).tensor;
}
