/** The profile of phantom-vle. A test compares it with the manifest of the bundle. */
import type { Profile } from "../../src/encoder/manifest.ts";

/** Input 480 × 320 × 416 mm. */
export const PROFILE: Profile = {
  id: "trunk-and-head-5x4x4mm",
  ops: [
    { op: "reorient", axes: "LPS" },
    { op: "resample", spacingMm: [5, 4, 4], antialias: true },
    { op: "cropPad", sizeVoxels: [96, 80, 104], value: -1024 },
    { op: "clipHu", min: -1024, max: 1500 },
    { op: "scale", multiply: 0.001, add: 0 },
  ],
  shape: [1, 1, 96, 80, 104],
  tiling: { mode: "none" },
};
