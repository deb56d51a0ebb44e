/**
 * From the depths of a stack's slices to an even grid: regular, with slices missing, or with a spacing that changes.
 * The usual gap is the finest one that many gaps have, so that no slice is lost between two planes of the grid.
 */
import { finding, rounded, slicesText } from "./findings.ts";
import { SAME_POSITION_MM, type VolumeRules } from "./rules.ts";
import { isSpacing } from "./slice-checks.ts";
import type { VerdictFinding } from "./types.ts";

/** A size of gap is usual when at least two gaps, and this part of all, have it. */
const USUAL_PART = 0.2;
/** So many wide gaps in a row are a wider spacing, not slices that went missing one by one. */
const WIDE_ROW = 4;
/** A gap this much wider than both beside it is a hole, where the spacing changes along the stack. */
const HOLE_RATIO = 1.5;
/** Slices nearer than this part of the usual gap belong to different stacks. */
const GAP_RATIO_MIN = 0.1;
/** An even grid under an uneven stack has at most so many planes a slice; no scanner comes near it. */
const PLANES_PER_SLICE_MAX = 8;
/** What rounding adds to a tolerance, mm. */
const ROUNDING_MM = 1e-4;

export interface Spacing {
  /** Place of each slice in steps of the grid, ascending from 0; fractions where the spacing changes. */
  readonly places: readonly number[];
  readonly stepMm: number;
  readonly planes: number;
  readonly refusals: readonly VerdictFinding[];
  /** What was corrected. */
  readonly corrections: readonly VerdictFinding[];
}

/** @param depthsMm - of the slices along the normal, ascending; at least one */
export function judgeSpacing(depthsMm: readonly number[], rules: VolumeRules): Spacing {
  const gaps = depthsMm.slice(1).map((depth, i) => depth - depthsMm[i]!);
  const distinct = gaps.filter((gap) => gap >= SAME_POSITION_MM);
  const same = gaps.length - distinct.length;
  if (same > 0) {
    const message =
      distinct.length === 0
        ? "All slices lie at one position: a time series (bolus tracking, perfusion), not a volume."
        : "Slices share a position and differ: a second phase, a repeated scan or a time series.";
    return broken(depthsMm.length, [finding("DUPLICATE_POSITION", same, "1", message)]);
  }
  if (gaps.length === 0) return broken(1, []);
  const usualMm = usualGap(gaps, rules);
  if (!isSpacing(usualMm)) {
    const message = "The distance between slices is absurd.";
    return broken(depthsMm.length, [finding("IRREGULAR_SPACING", usualMm, "mm", message)]);
  }
  return (
    onWholeSteps(depthsMm, gaps, usualMm, rules) ?? onFractions(depthsMm, gaps, usualMm, rules)
  );
}

/** How far a slice may lie off the grid; a quarter of a step is the most that still tells two planes apart. */
export function toleranceMm(stepMm: number, rules: VolumeRules): number {
  const wanted = Math.max(rules.positionToleranceMm, rules.positionTolerance * stepMm);
  return Math.min(wanted, stepMm / 4) + ROUNDING_MM;
}

/** Every gap is a whole number of steps: a regular stack, perhaps with slices missing. */
function onWholeSteps(
  depthsMm: readonly number[],
  gaps: readonly number[],
  usualMm: number,
  rules: VolumeRules,
): Spacing | undefined {
  const steps = gaps.map((gap) => Math.round(gap / usualMm));
  if (steps.includes(0) || hasWideRow(steps)) return undefined;
  const places = [0];
  for (const count of steps) places.push(places.at(-1)! + count);
  const place = places.at(-1)!;
  const first = depthsMm[0]!;
  // From end to end: the last slice lands where it is, and roundings of single positions do not add up.
  const stepMm = (depthsMm.at(-1)! - first) / place;
  const tolerance = toleranceMm(stepMm, rules);
  const isOff = depthsMm.some(
    (depth, k) => Math.abs(depth - first - places[k]! * stepMm) > tolerance,
  );
  if (isOff) return undefined;
  const missing = place - gaps.length;
  if (missing === 0) return { places, stepMm, planes: place + 1, refusals: [], corrections: [] };
  return withHoles(
    { places, stepMm, planes: place + 1, refusals: [], corrections: [] },
    missing,
    Math.max(...steps) - 1,
    `a gap of up to ${rounded(Math.max(...gaps))} mm where ${rounded(stepMm)} mm is usual`,
    rules,
  );
}

/** The spacing changes: slices keep their places, planes of the grid are mixed from the two around them. */
function onFractions(
  depthsMm: readonly number[],
  gaps: readonly number[],
  usualMm: number,
  rules: VolumeRules,
): Spacing {
  const extentMm = depthsMm.at(-1)! - depthsMm[0]!;
  const steps = Math.max(1, Math.round(extentMm / usualMm));
  const stepMm = extentMm / steps;
  const largest = gaps.reduce((most, gap) => Math.max(most, gap), 0);
  const smallest = gaps.reduce((least, gap) => Math.min(least, gap), Number.POSITIVE_INFINITY);
  const holes = holesOf(gaps);
  const missing = holes.reduce((sum, count) => sum + count, 0);
  const isTooUneven =
    largest > rules.gapRatioMax * usualMm ||
    smallest < GAP_RATIO_MIN * usualMm ||
    steps + 1 > PLANES_PER_SLICE_MAX * depthsMm.length;
  const text = `The distance between slices changes: from ${rounded(smallest)} to ${rounded(largest)} mm, where ${rounded(usualMm)} mm is usual`;
  const reason = finding("IRREGULAR_SPACING", largest, "mm", `${text}.`);
  if (isTooUneven) return broken(depthsMm.length, [reason]);
  const irregular = finding(
    "IRREGULAR_SPACING",
    largest,
    "mm",
    `${text}; the volume was put on an even grid of ${rounded(stepMm)} mm.`,
  );
  const first = depthsMm[0]!;
  // Exactly whole at the end, whatever the division says.
  const places = depthsMm.map((depth, k) =>
    k === depthsMm.length - 1 ? steps : (depth - first) / stepMm,
  );
  const spacing: Spacing = {
    places,
    stepMm,
    planes: steps + 1,
    refusals: [],
    corrections: [irregular],
  };
  if (missing === 0) return spacing;
  const why = "gaps much wider than those beside them";
  const bridged = withHoles(spacing, missing, Math.max(...holes), why, rules);
  // The number of holes alone would hide that the spacing is not known for sure.
  return bridged.refusals.length === 0
    ? bridged
    : { ...bridged, refusals: [...bridged.refusals, reason] };
}

/** Bridged if few enough are missing, else refused. */
function withHoles(
  spacing: Spacing,
  missing: number,
  longest: number,
  why: string,
  rules: VolumeRules,
): Spacing {
  const text = `${slicesText(missing)} ${missing === 1 ? "is" : "are"} missing (${why})`;
  const whole = spacing.places.length + missing;
  const isFew = longest <= rules.missingRunMax && missing <= rules.missingPartMax * whole;
  const told = (end: string) => finding("MISSING_SLICES", missing, "1", `${text}${end}`);
  if (!isFew) return broken(spacing.places.length, [told(": more than may be bridged.")]);
  const bridged = told("; bridged from the slices beside.");
  return { ...spacing, corrections: [...spacing.corrections, bridged] };
}

function broken(count: number, refusals: readonly VerdictFinding[]): Spacing {
  return {
    places: Array.from({ length: count }, (_, k) => k),
    stepMm: 0,
    planes: count,
    refusals,
    corrections: [],
  };
}

/** The mean of the finest sort of gaps that is usual; without any, the median. */
function usualGap(gaps: readonly number[], rules: VolumeRules): number {
  const sorted = [...gaps].sort((a, b) => a - b);
  const fewest = Math.max(2, USUAL_PART * gaps.length);
  for (let start = 0; start < sorted.length; ) {
    // Both ends of a gap may be off, each way.
    const end = sorted[start]! + 2 * toleranceMm(sorted[start]!, rules);
    let next = start;
    let sum = 0;
    while (next < sorted.length && sorted[next]! <= end) sum += sorted[next++]!;
    if (next - start >= fewest) return sum / (next - start);
    start = next;
  }
  // The lower of two: of one gap and a wider one, the wider one is the hole.
  return sorted[(sorted.length - 1) >> 1]!;
}

/** Wide gaps one after the other, all of one width. */
function hasWideRow(steps: readonly number[]): boolean {
  let row = 0;
  for (const [i, count] of steps.entries()) {
    row = count > 1 && count === steps[i - 1] ? row + 1 : count > 1 ? 1 : 0;
    if (row >= WIDE_ROW) return true;
  }
  return false;
}

/** How many slices are missing in each hole of a stack whose spacing changes. */
function holesOf(gaps: readonly number[]): number[] {
  return gaps.flatMap((gap, i) => {
    // At an end there is one neighbour; the next but one stands for the other.
    const before = gaps[i - 1] ?? gaps[i + 2];
    const after = gaps[i + 1] ?? gaps[i - 2];
    if (before === undefined || after === undefined) return [];
    const beside = Math.max(before, after);
    return gap > HOLE_RATIO * beside ? [Math.max(1, Math.round(gap / beside) - 1)] : [];
  });
}
