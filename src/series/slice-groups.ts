/**
 * Slices that could lie on one grid: one orientation, matrix, pixel spacing and Stack ID. What differs in one of these
 * is never one volume.
 */
import { byUid } from "../volume/geometry.ts";
import { isOrthonormal, isSameOrientation, normalOf } from "../volume/orientation.ts";
import { ORIENTATION_TOLERANCE, SAME_POSITION_MM } from "../volume/rules.ts";
import {
  hasOrientation,
  hasPosition,
  isSameMatrix,
  isSameSpacing,
  isSpacing,
} from "../volume/slice-checks.ts";
import { isDerived, kindOf, type SliceKind } from "../volume/slice-kind.ts";
import type { SlicePlane } from "../volume/types.ts";
import { dot } from "../volume/vectors.ts";

/** A radial reformat has a plane for each image; more groups than this are no stacks any more. */
const GROUPS_MAX = 256;

/** One slice with its place along the normal of its group. */
export interface PlacedSlice {
  /** Of the list of planes. */
  readonly index: number;
  readonly plane: SlicePlane;
  readonly depthMm: number;
}

export interface SliceGroups {
  /** Each ascending along its normal, at one place by name; the largest group first. */
  readonly groups: readonly (readonly PlacedSlice[])[];
  /** Indices of images that are no slices, by what they are. */
  readonly others: ReadonlyMap<Exclude<SliceKind, "slice">, readonly number[]>;
  /** Indices of slices without a usable position, orientation, spacing or matrix. */
  readonly unplaced: readonly number[];
  /** Indices of slices in more planes than can be told apart. */
  readonly scattered: readonly number[];
}

/** @param isTaken - false leaves a slice out of the groups */
export function groupSlices(
  planes: readonly SlicePlane[],
  isTaken: (plane: SlicePlane) => boolean = () => true,
): SliceGroups {
  const others = new Map<Exclude<SliceKind, "slice">, number[]>();
  const unplaced: number[] = [];
  const scattered: number[] = [];
  const groups: PlacedSlice[][] = [];
  const byName = planes.map((_, index) => index).sort((a, b) => byUid(planes[a]!, planes[b]!));
  for (const index of byName) {
    const plane = planes[index]!;
    if (!isTaken(plane)) continue;
    const kind = kindOf(plane);
    if (kind !== "slice") {
      const same = others.get(kind);
      if (same === undefined) others.set(kind, [index]);
      else same.push(index);
      continue;
    }
    if (!isPlaceable(plane)) {
      unplaced.push(index);
      continue;
    }
    const group = groups.find((one) => belongsTo(plane, one[0]!.plane));
    if (group === undefined && groups.length === GROUPS_MAX) {
      scattered.push(index);
      continue;
    }
    // The depth of all is measured along the first one's normal.
    const first = group === undefined ? plane : group[0]!.plane;
    const placed = { index, plane, depthMm: dot(plane.positionLpsMm!, normalOf(first)) };
    if (group === undefined) groups.push([placed]);
    else group.push(placed);
  }
  for (const group of groups) group.sort((a, b) => a.depthMm - b.depthMm);
  // Of groups as large, the scanner's own slices first.
  groups.sort(
    (a, b) =>
      b.length - a.length ||
      Number(isDerived(a[0]!.plane)) - Number(isDerived(b[0]!.plane)) ||
      byUid(a[0]!.plane, b[0]!.plane),
  );
  return { groups, others, unplaced, scattered };
}

function isPlaceable(plane: SlicePlane): boolean {
  return (
    hasPosition(plane) &&
    hasOrientation(plane) &&
    isOrthonormal(plane) &&
    plane.rows > 0 &&
    plane.columns > 0 &&
    (plane.pixelSpacingMm?.every(isSpacing) ?? false)
  );
}

function belongsTo(plane: SlicePlane, first: SlicePlane): boolean {
  return (
    isSameMatrix(plane, first) &&
    plane.stackId === first.stackId &&
    isSameSpacing(plane, first) &&
    // Half of what the judge of a stack allows: two slices that agree with the first agree with each other.
    isSameOrientation(plane, first, ORIENTATION_TOLERANCE / 2)
  );
}

/** Runs of slices at one place, one or more each, in the order of a group. */
export function positionsOf(slices: readonly PlacedSlice[]): PlacedSlice[][] {
  const runs: PlacedSlice[][] = [];
  let last = Number.NEGATIVE_INFINITY;
  for (const slice of slices) {
    if (slice.depthMm - last >= SAME_POSITION_MM) runs.push([slice]);
    else runs.at(-1)!.push(slice);
    last = slice.depthMm;
  }
  return runs;
}
