/** What the judge of a stack tolerates, corrects and refuses. Each number is argued in docs/volumes.md. */

export interface VolumeRules {
  /** Fewest slices that make a volume. */
  readonly slicesMin: number;
  /** A slice may lie this far off an even grid, or `positionTolerance` of a step if that is more, mm. */
  readonly positionToleranceMm: number;
  /** Part of a step of the grid. */
  readonly positionTolerance: number;
  /** A slice may lie this far beside the line of its stack, in pixels. */
  readonly shiftPixelsMax: number;
  /** Largest gantry tilt that is corrected, degrees. */
  readonly tiltDegreesMax: number;
  /** Largest angle between an axis of the grid and the body axis next to it, degrees. */
  readonly obliqueDegreesMax: number;
  /** Largest gap between slices against the finest usual one that is filled where the spacing changes. */
  readonly gapRatioMax: number;
  /** Most slices missing in one place that are bridged. */
  readonly missingRunMax: number;
  /** Most slices missing in all that are bridged, as a part of the slices of the whole stack. */
  readonly missingPartMax: number;
}

export const DEFAULT_RULES: VolumeRules = {
  slicesMin: 4,
  positionToleranceMm: 0.1,
  positionTolerance: 0.01,
  shiftPixelsMax: 0.5,
  tiltDegreesMax: 45,
  obliqueDegreesMax: 45,
  gapRatioMax: 3,
  missingRunMax: 2,
  missingPartMax: 0.05,
};

/** Two slices nearer than this are at one position, mm: less than any scanner's step, more than rounding. */
export const SAME_POSITION_MM = 0.01;
/** Direction cosines may differ by this much inside a stack: half a millimetre at the edge of a large field. */
export const ORIENTATION_TOLERANCE = 2e-3;
export const SLICES_MAX = 20_000;
export const VOXELS_MAX = 2_147_483_648;
