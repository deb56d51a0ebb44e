/**
 * Slices shifted against each other in-plane: a gantry tilt, or a bed at an angle, moves each slice by the same step
 * along rows and columns. The shift is measured from the positions; Gantry/Detector Tilt is nominal and "not intended
 * for mathematical computations" (PS3.3 C.8.2.1).
 */
import { finding, rounded } from "./findings.ts";
import { SAME_POSITION_MM, type VolumeRules } from "./rules.ts";
import type { VerdictFinding } from "./types.ts";

/** A drift over the whole stack below this part of a pixel changes nothing that can be seen. */
const DRIFT_PIXELS_MIN = 0.25;
/** Two positions rounded to a tenth of a millimetre may drift by this much, mm. */
const DRIFT_MM_MIN = 0.1001;
/** What rounded positions of single slices may add beside the line, mm. */
const SHIFT_MM_MIN = 0.1501;

export interface Shear {
  /** Rows and columns of the grid on which each slice's first voxel lies; not negative, 0 for the least. */
  readonly rows: readonly number[];
  readonly columns: readonly number[];
  /** Where the grid's first voxel lies from the first slice's, along columns (y) and rows (x), mm. */
  readonly originYxMm: readonly [number, number];
  /** Rows and columns that the grid has more than a slice. */
  readonly moreRows: number;
  readonly moreColumns: number;
  /** Angle between the stack's line and the normal, degrees; null for a single position. */
  readonly tiltDegrees: number | null;
  readonly refusals: readonly VerdictFinding[];
  readonly corrections: readonly VerdictFinding[];
}

/**
 * @param depthsMm - along the normal, ascending
 * @param ysMm - along a column, of each slice; `xsMm` - along a row
 * @param spacingMm - `[rows, columns]`
 */
export function judgeShear(
  depthsMm: readonly number[],
  ysMm: readonly number[],
  xsMm: readonly number[],
  spacingMm: readonly [number, number],
  rules: VolumeRules,
): Shear {
  const last = depthsMm.length - 1;
  const extentMm = depthsMm[last]! - depthsMm[0]!;
  const none = depthsMm.map(() => 0);
  const straight: Shear = {
    rows: none,
    columns: none,
    originYxMm: [0, 0],
    moreRows: 0,
    moreColumns: 0,
    tiltDegrees: null,
    refusals: [],
    corrections: [],
  };
  if (extentMm < SAME_POSITION_MM) return straight;
  const drift = [ysMm[last]! - ysMm[0]!, xsMm[last]! - xsMm[0]!] as const;
  const slopes = drift.map((mm) => mm / extentMm) as [number, number];
  const tiltDegrees = rounded((Math.atan(Math.hypot(...slopes)) * 180) / Math.PI);
  const isTilted = drift.some(
    (mm, axis) =>
      Math.abs(mm) > Math.max(DRIFT_MM_MIN, DRIFT_PIXELS_MIN * spacingMm[axis as 0 | 1]),
  );
  let worstMm = 0;
  for (const [k, depth] of depthsMm.entries()) {
    const along = depth - depthsMm[0]!;
    const off = Math.hypot(
      ysMm[k]! - ysMm[0]! - slopes[0] * along,
      xsMm[k]! - xsMm[0]! - slopes[1] * along,
    );
    worstMm = Math.max(worstMm, off);
  }
  const refusals: VerdictFinding[] = [];
  const limitMm = Math.max(SHIFT_MM_MIN, Math.min(...spacingMm) * rules.shiftPixelsMax);
  if (worstMm > limitMm) {
    const message = `Slices are shifted sideways against each other by up to ${rounded(worstMm)} mm.`;
    refusals.push(finding("SHIFTED_SLICES", worstMm, "mm", message));
  }
  const text = `Slices are sheared by ${tiltDegrees} degrees, as by a tilted gantry`;
  if (isTilted && tiltDegrees > rules.tiltDegreesMax) {
    const message = `${text}, more than can be corrected.`;
    refusals.push(finding("GANTRY_TILT", tiltDegrees, "deg", message));
  }
  if (!isTilted || refusals.length > 0) return { ...straight, tiltDegrees, refusals };
  const shifts = slopes.map((slope, axis) => {
    // A drift too small to be seen along one direction stays out of it: slices are moved only where they must be.
    const isStill =
      Math.abs(drift[axis]!) <= Math.max(DRIFT_MM_MIN, DRIFT_PIXELS_MIN * spacingMm[axis as 0 | 1]);
    const mm = isStill ? none : depthsMm.map((depth) => slope * (depth - depthsMm[0]!));
    const least = Math.min(mm[0]!, mm[last]!);
    const pixels = mm.map((one) => (one - least) / spacingMm[axis as 0 | 1]);
    return { least, pixels, more: Math.ceil(Math.max(pixels[0]!, pixels[last]!) - 1e-6) };
  });
  const corrected = finding("GANTRY_TILT", tiltDegrees, "deg", `${text}; they were put straight.`);
  return {
    rows: shifts[0]!.pixels,
    columns: shifts[1]!.pixels,
    originYxMm: [shifts[0]!.least, shifts[1]!.least],
    moreRows: shifts[0]!.more,
    moreColumns: shifts[1]!.more,
    tiltDegrees,
    refusals,
    corrections: [corrected],
  };
}
