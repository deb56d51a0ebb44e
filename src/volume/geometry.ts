/**
 * Judges a set of slices and orders them. Only positions and orientations count; Instance Number and Slice Location
 * are ignored, because scanners disagree about both. What this version cannot place exactly it refuses, with all the
 * reasons. PS3.3 C.7.6.2.1.1; tolerances as in docs/volumes.md.
 */
import {
  checkSlices,
  checkUniform,
  hasOrientation,
  hasPosition,
  isHeaderRead,
  isSpacing,
} from "./slice-checks.ts";
import type { SlicePlane, StackGeometry, Vector3, VerdictFinding, VolumeVerdict } from "./types.ts";
import { cross, dot, length, scaled, subtract } from "./vectors.ts";

/** Direction cosines may differ by this much inside a series, and from unit length. */
const ORIENTATION_TOLERANCE = 1e-3;
/** A gap may depart from the median by this part of it, or by GAP_TOLERANCE_MM. */
const GAP_TOLERANCE = 0.01;
const GAP_TOLERANCE_MM = 0.05;
/** Two slices nearer than this are at one position. */
const SAME_POSITION_MM = 0.01;
/** The tolerance of a gap of several steps grows no further, or every long gap would be a whole multiple. */
const STEPS_TOLERANCE_MAX = 5;
/** How far a slice may lie off the line from first to last, in pixels. */
const SHIFT_PIXELS_MAX = 0.5;
const TILT_TOLERANCE_DEGREES = 0.1;
/** Cosine between the normal and the body axis above which a stack is axial. */
const AXIAL_COSINE_MIN = 0.9;
const SLICES_MAX = 20_000;
const VOXELS_MAX = 2_147_483_648;

export interface ExaminedSlices {
  readonly verdict: VolumeVerdict;
  /** Indices into the slices, ascending along the normal; empty when they cannot be ordered. */
  readonly order: readonly number[];
  /** Null when refused. */
  readonly geometry: StackGeometry | null;
}

const refusal = (
  code: string,
  value: number | null,
  unit: string,
  message: string,
): VerdictFinding => ({ code, value, unit, message });

/**
 * Collects all findings; they do not depend on the order of the slices.
 *
 * @param slices - one entry an instance, in any order
 * @param options.slicesMin - fewest slices that make a volume
 */
export function examineSlices(
  slices: readonly SlicePlane[],
  options: { slicesMin: number },
): ExaminedSlices {
  const refusals: VerdictFinding[] = [];
  // One slice has no distance to a next one, whatever the site allows.
  const slicesMin = Math.max(2, options.slicesMin);
  if (slices.length < slicesMin) {
    refusals.push(
      refusal("TOO_FEW_SLICES", slices.length, "1", `A volume needs at least ${slicesMin} slices.`),
    );
  }
  if (slices.length > SLICES_MAX) {
    const message = "The series has more slices than can be handled.";
    return refused([refusal("TOO_MANY_SLICES", slices.length, "1", message)], [], null);
  }
  if (slices.length === 0) return refused(refusals, [], null);
  refusals.push(...checkSlices(slices));
  const reference = referenceOf(slices.filter(isHeaderRead));
  if (reference === undefined) return refused(refusals, [], null);
  refusals.push(...checkUniform(slices, reference));
  if (!slices.every((slice) => hasPosition(slice) && hasOrientation(slice)))
    return refused(refusals, [], null);
  const stack = placeStack(slices, reference);
  refusals.push(...stack.refusals);
  const first = slices[stack.order[0]!]!;
  const voxels = slices.length * first.rows * first.columns;
  if (voxels > VOXELS_MAX)
    refusals.push(
      refusal("TOO_LARGE", voxels, "1", "The volume has more voxels than can be handled."),
    );
  if (refusals.length > 0) return refused(refusals, stack.order, stack.tiltDegrees);
  const spacing = first.pixelSpacingMm!;
  const geometry: StackGeometry = {
    sizeVoxels: [slices.length, first.rows, first.columns],
    spacingMm: [stack.gapMm, spacing[0], spacing[1]],
    originLps: first.positionLpsMm!,
    axesZyx: [stack.normal, unit(columnDirection(reference)), unit(rowDirection(reference))],
    placements: stack.order.map((_, z) => ({ z, row: 0, column: 0 })),
  };
  const verdict: VolumeVerdict = {
    outcome: "ok",
    findings: notes(slices),
    spacingMm: geometry.spacingMm,
    sizeVoxels: geometry.sizeVoxels,
    tiltDegrees: stack.tiltDegrees,
  };
  return { verdict, order: stack.order, geometry };
}

function refused(
  findings: readonly VerdictFinding[],
  order: readonly number[],
  tiltDegrees: number | null,
): ExaminedSlices {
  return {
    verdict: { outcome: "refused", findings, spacingMm: null, sizeVoxels: null, tiltDegrees },
    order,
    geometry: null,
  };
}

/** What is worth knowing about an accepted volume. */
function notes(slices: readonly SlicePlane[]): VerdictFinding[] {
  const padded = slices.find((slice) => slice.paddingValue !== undefined);
  return padded === undefined
    ? []
    : [
        refusal(
          "PADDING",
          padded.paddingValue!,
          "1",
          "Voxels outside the scan carry a padding value; they are taken as air.",
        ),
      ];
}

interface Stack {
  readonly order: readonly number[];
  readonly normal: Vector3;
  readonly gapMm: number;
  readonly tiltDegrees: number | null;
  readonly refusals: readonly VerdictFinding[];
}

function rowDirection(slice: SlicePlane): Vector3 {
  return slice.orientation!.slice(0, 3) as unknown as Vector3;
}

function columnDirection(slice: SlicePlane): Vector3 {
  return slice.orientation!.slice(3, 6) as unknown as Vector3;
}

/** The slice the others are compared with: picked by UID, so that the order of arrival changes nothing. */
function referenceOf(slices: readonly SlicePlane[]): SlicePlane | undefined {
  const [first, ...others] = slices;
  if (first === undefined) return undefined;
  return others.reduce((best, slice) => (compareUid(slice, best) < 0 ? slice : best), first);
}

function placeStack(slices: readonly SlicePlane[], first: SlicePlane): Stack {
  const normal = normalOf(first);
  const refusals: VerdictFinding[] = [];
  const skewed = slices.filter((slice) => !isOrthonormal(slice)).length;
  if (skewed > 0)
    refusals.push(
      refusal(
        "BAD_ORIENTATION",
        skewed,
        "1",
        "Image Orientation (Patient) is not two perpendicular unit vectors.",
      ),
    );
  const strays = slices.filter((slice) =>
    slice.orientation!.some(
      (value, i) => Math.abs(value - first.orientation![i]!) > ORIENTATION_TOLERANCE,
    ),
  ).length;
  if (strays > 0)
    refusals.push(refusal("MIXED_ORIENTATION", strays, "1", "Slices have different orientations."));
  const leastAxial = slices.reduce((least, one) => Math.min(least, Math.abs(normalOf(one)[2])), 1);
  if (leastAxial < AXIAL_COSINE_MIN) {
    const degrees = (Math.acos(leastAxial) * 180) / Math.PI;
    refusals.push(refusal("NOT_AXIAL", round(degrees), "deg", "Slices are not axial."));
  }
  const depth = slices.map((slice) => dot(slice.positionLpsMm!, normal));
  const order = slices
    .map((_, index) => index)
    .sort((a, b) => depth[a]! - depth[b]! || compareUid(slices[a]!, slices[b]!));
  const gaps = order.slice(1).map((index, i) => depth[index]! - depth[order[i]!]!);
  const distinct = gaps.filter((gap) => gap >= SAME_POSITION_MM);
  // The mean, not the median: the last slice lands where it is.
  const gapMm = gaps.reduce((sum, gap) => sum + gap, 0) / Math.max(1, gaps.length);
  if (strays === 0)
    refusals.push(
      ...duplicates(gaps.length - distinct.length),
      ...judgeGaps(distinct, median(distinct)),
      ...shifts(slices, order, first),
    );
  const tiltDegrees = strays === 0 ? tiltOf(slices, order, normal) : null;
  if (tiltDegrees !== null && tiltDegrees > TILT_TOLERANCE_DEGREES) {
    refusals.push(
      refusal(
        "GANTRY_TILT",
        tiltDegrees,
        "deg",
        `Slices are sheared by a gantry tilt of ${tiltDegrees} degrees; this version does not correct it.`,
      ),
    );
  }
  return { order, normal, gapMm, tiltDegrees, refusals };
}

function judgeGaps(gaps: readonly number[], medianMm: number): VerdictFinding[] {
  if (gaps.length === 0) return [];
  if (!isSpacing(medianMm)) {
    const message = "The distance between slices is absurd.";
    return [refusal("IRREGULAR_SPACING", round(medianMm), "mm", message)];
  }
  const tolerance = Math.max(GAP_TOLERANCE * medianMm, GAP_TOLERANCE_MM);
  const irregular = gaps.filter((gap) => Math.abs(gap - medianMm) > tolerance);
  if (irregular.length === 0) return [];
  // A missing slice leaves a gap of a whole number of steps.
  const areMultiples = irregular.every((gap) => {
    const steps = Math.round(gap / medianMm);
    const toleranceMm = tolerance * Math.min(steps, STEPS_TOLERANCE_MAX);
    return steps >= 2 && Math.abs(gap - steps * medianMm) <= toleranceMm;
  });
  const largest = round(Math.max(...irregular));
  if (areMultiples) {
    const missing = irregular.reduce((sum, gap) => sum + Math.round(gap / medianMm) - 1, 0);
    return [
      refusal(
        "MISSING_SLICES",
        missing,
        "1",
        `${missing} slices are missing: the largest gap is ${largest} mm where ${round(medianMm)} mm is usual.`,
      ),
    ];
  }
  return [
    refusal(
      "IRREGULAR_SPACING",
      largest,
      "mm",
      `The distance between slices changes: up to ${largest} mm where ${round(medianMm)} mm is usual.`,
    ),
  ];
}

function duplicates(count: number): VerdictFinding[] {
  if (count === 0) return [];
  const message = "Slices share a position (a second phase, a re-send, or a time series).";
  return [refusal("DUPLICATE_POSITION", count, "1", message)];
}

/** A stack may bend between its ends, which the tilt from end to end does not show. */
function shifts(
  slices: readonly SlicePlane[],
  order: readonly number[],
  reference: SlicePlane,
): VerdictFinding[] {
  const normal = normalOf(reference);
  const from = slices[order[0]!]!.positionLpsMm!;
  const way = subtract(slices[order.at(-1)!]!.positionLpsMm!, from);
  const rise = dot(way, normal);
  const limitMm = Math.min(...(reference.pixelSpacingMm ?? [])) * SHIFT_PIXELS_MAX;
  if (rise < SAME_POSITION_MM) return [];
  let worstMm = 0;
  for (const slice of slices) {
    const offset = subtract(slice.positionLpsMm!, from);
    const onLine = scaled(way, dot(offset, normal) / rise);
    worstMm = Math.max(worstMm, length(subtract(offset, onLine)));
  }
  if (!(worstMm > limitMm)) return [];
  const message = `Slices are shifted sideways by up to ${round(worstMm)} mm.`;
  return [refusal("SHIFTED_SLICES", round(worstMm), "mm", message)];
}

/** Angle between the way from first to last slice and the normal, degrees; null for a single position. */
function tiltOf(
  slices: readonly SlicePlane[],
  order: readonly number[],
  normal: Vector3,
): number | null {
  const way = subtract(slices[order.at(-1)!]!.positionLpsMm!, slices[order[0]!]!.positionLpsMm!);
  const distance = length(way);
  if (distance < SAME_POSITION_MM) return null;
  return round((Math.acos(Math.min(1, Math.abs(dot(way, normal)) / distance)) * 180) / Math.PI);
}

function normalOf(slice: SlicePlane): Vector3 {
  return unit(cross(rowDirection(slice), columnDirection(slice)));
}

function isOrthonormal(slice: SlicePlane): boolean {
  const [row, column] = [rowDirection(slice), columnDirection(slice)];
  return (
    Math.abs(length(row) - 1) <= ORIENTATION_TOLERANCE &&
    Math.abs(length(column) - 1) <= ORIENTATION_TOLERANCE &&
    Math.abs(dot(row, column)) <= ORIENTATION_TOLERANCE
  );
}

/** Of a zero vector, the body axis: the slice is refused for it elsewhere. */
function unit(vector: Vector3): Vector3 {
  const norm = length(vector);
  return norm > 0 ? scaled(vector, 1 / norm) : [0, 0, 1];
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  if (sorted.length === 0) return 0;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

function round(value: number): number {
  return Math.round(value * 1e4) / 1e4;
}

function compareUid(a: SlicePlane, b: SlicePlane): number {
  return a.sopInstanceUid < b.sopInstanceUid ? -1 : a.sopInstanceUid > b.sopInstanceUid ? 1 : 0;
}
