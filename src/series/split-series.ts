/**
 * One series → the stacks of slices that can be volumes, and what is left out with the reason. Splitting too much is as
 * wrong as too little: docs/volumes.md says when a difference splits. Pure; nothing depends on the order of the slices.
 */
import { finding, rounded, slicesText } from "../volume/findings.ts";
import { byUid } from "../volume/geometry.ts";
import { DEFAULT_RULES, SAME_POSITION_MM } from "../volume/rules.ts";
import { isDerived, isReformat, type SliceKind } from "../volume/slice-kind.ts";
import type { SlicePlane, VerdictFinding } from "../volume/types.ts";
import { length, subtract } from "../volume/vectors.ts";
import { findLayers, LAYERS_MAX, type Layer } from "./layers.ts";
import { groupSlices, type PlacedSlice, positionsOf, type SliceGroups } from "./slice-groups.ts";

export interface SplitOptions {
  /** Digest of the stored pixel values of a slice; undefined when it is not known. */
  readonly digestOf: (index: number) => string | undefined;
  /** Fewest slices that make a volume. */
  readonly slicesMin: number;
  /** Widest gap that a volume may have, against the usual one. */
  readonly gapRatioMax?: number;
}

export interface VolumeCandidate {
  /** Of the list of planes, ascending along the normal; at least one. */
  readonly indices: readonly number[];
  /** Says which of several it is, e.g. "kernel B70f"; empty when there is one. */
  readonly label: string;
  /** To be told with the verdict of the volume. */
  readonly findings: readonly VerdictFinding[];
}

export interface ExcludedSlices {
  readonly code: string;
  readonly indices: readonly number[];
  readonly message: string;
}

export interface SplitSeries {
  /** The one with the most slices first. Never empty unless there are no planes: what is refused needs a reason. */
  readonly candidates: readonly VolumeCandidate[];
  /** What belongs to no candidate; its findings stand with each of them. */
  readonly excluded: readonly ExcludedSlices[];
}

const EXCLUDED_KINDS: Readonly<Record<Exclude<SliceKind, "slice">, readonly [string, string]>> = {
  localizer: ["EXCLUDED_LOCALIZER", "Localizer (scout) images are not part of the volume"],
  color: ["EXCLUDED_COLOR", "Pages in color (dose, protocol) are not part of the volume"],
  processed: [
    "EXCLUDED_PROCESSED",
    "Projections, renderings, maps or screen saves are not part of the volume",
  ],
  notHu: ["EXCLUDED_NOT_HU", "Images that are not in Hounsfield units are not part of the volume"],
};

/**
 * Slices that share a position with another one of their stack: whether they are copies, only their pixels tell.
 *
 * @returns indices, ascending
 */
export function collidingSlices(planes: readonly SlicePlane[]): number[] {
  return groupSlices(planes)
    .groups.flatMap((group) => positionsOf(group).filter((one) => one.length > 1))
    .flatMap((one) => one.map(({ index }) => index))
    .sort((a, b) => a - b);
}

/** @param planes - all frames of one series, in any order */
export function splitSeries(planes: readonly SlicePlane[], options: SplitOptions): SplitSeries {
  const slicesMin = Math.max(2, options.slicesMin);
  const excluded: ExcludedSlices[] = [];
  const leaveOut = (code: string, indices: readonly number[], why: string) => {
    if (indices.length === 0) return;
    const sorted = [...indices].sort((a, b) => a - b);
    excluded.push({ code, indices: sorted, message: `${why} (${imagesText(sorted.length)}).` });
  };
  const sorted = withoutReformats(planes, slicesMin, leaveOut);
  for (const [kind, indices] of sorted.others)
    leaveOut(EXCLUDED_KINDS[kind][0], indices, EXCLUDED_KINDS[kind][1]);
  leaveOut("EXCLUDED_UNPLACED", sorted.unplaced, "Slices without a usable position are left out");
  const isVolume = (slices: readonly unknown[]) => slices.length >= slicesMin;
  const large = sorted.groups.filter(isVolume);
  const groups = large.length > 0 ? large : sorted.groups.slice(0, 1);
  const strays = sorted.groups.filter((group) => !groups.includes(group)).flat();
  leaveOut(
    "EXCLUDED_STRAY",
    [...strays.map(({ index }) => index), ...sorted.scattered],
    "Single slices in another plane, matrix or pixel size are left out",
  );
  if (groups.length === 0) return { candidates: onlyOthers(excluded), excluded: excluded.slice(1) };
  const stacks = groups.flatMap((group) => stacksOf(group, options, slicesMin, leaveOut));
  // By name where there are as many: ordinals of volumes must not depend on the order of arrival.
  stacks.sort(
    (a, b) =>
      b.indices.length - a.indices.length || byUid(planes[a.indices[0]!]!, planes[b.indices[0]!]!),
  );
  const surplus = stacks.splice(LAYERS_MAX);
  leaveOut(
    "EXCLUDED_SURPLUS",
    surplus.flatMap(({ indices }) => indices),
    `A series makes at most ${LAYERS_MAX} volumes; the smallest ones are left out`,
  );
  const told = excluded.map(({ code, indices, message }) =>
    finding(code, indices.length, "1", message),
  );
  return {
    candidates: stacks.map((one) => ({ ...one, findings: [...one.findings, ...told] })),
    excluded,
  };
}

/** A series without a slice: what it has most of is judged, and refused with its reason. */
function onlyOthers(excluded: ExcludedSlices[]): VolumeCandidate[] {
  if (excluded.length === 0) return [];
  excluded.sort((a, b) => b.indices.length - a.indices.length);
  const [most, ...rest] = excluded;
  const findings = rest.map(({ code, indices, message }) =>
    finding(code, indices.length, "1", message),
  );
  return [{ indices: most!.indices, label: "", findings }];
}

/** Where the scanner's own slices make a volume, reformats of them are left out. */
function withoutReformats(
  planes: readonly SlicePlane[],
  slicesMin: number,
  leaveOut: (code: string, indices: readonly number[], why: string) => void,
): SliceGroups {
  const all = groupSlices(planes);
  const hasOwn = all.groups.some(
    (group) => group.filter(({ plane }) => !isDerived(plane)).length >= slicesMin,
  );
  if (!hasOwn) return all;
  const reformats = new Set<SlicePlane>();
  const indices: number[] = [];
  for (const group of all.groups) {
    const isMade = group.every(({ plane }) => isDerived(plane));
    for (const { plane, index } of group) {
      if (!isMade && !isReformat(plane)) continue;
      reformats.add(plane);
      indices.push(index);
    }
  }
  leaveOut("EXCLUDED_REFORMAT", indices, "Reformats made from the slices are left out");
  return indices.length === 0 ? all : groupSlices(planes, (plane) => !reformats.has(plane));
}

function stacksOf(
  group: readonly PlacedSlice[],
  options: SplitOptions,
  slicesMin: number,
  leaveOut: (code: string, indices: readonly number[], why: string) => void,
): VolumeCandidate[] {
  const { kept, copies } = withoutCopies(group, options.digestOf);
  const { layers, repeated } = findLayers(kept, slicesMin);
  leaveOut(
    "EXCLUDED_REPEATED",
    repeated.map(({ index }) => index),
    "Slices that repeat the place of others and are too few for a volume are left out",
  );
  const ratio = options.gapRatioMax ?? DEFAULT_RULES.gapRatioMax;
  return layers.flatMap((layer) =>
    cutRegions(layer.slices, slicesMin, ratio).map((region, number, regions) => {
      const duplicates = region.slices.reduce(
        (sum, { index }) => sum + (copies.get(index) ?? 0),
        0,
      );
      const place = regions.length > 1 ? `region ${number + 1}` : "";
      return {
        indices: region.slices.map(({ index }) => index),
        label: [layer.label, place].filter(Boolean).join(", "),
        findings: [
          ...duplicateFinding(duplicates),
          ...phaseFinding(layer),
          ...regionFinding(region.gapMm, regions.length),
        ],
      };
    }),
  );
}

/** Of slices of one volume with one position, rescale and pixels, one is kept: not a lossy one, then the first by name. */
function withoutCopies(
  group: readonly PlacedSlice[],
  digestOf: (index: number) => string | undefined,
): { kept: PlacedSlice[]; copies: ReadonlyMap<number, number> } {
  const copies = new Map<number, number>();
  const kept = positionsOf(group).flatMap((run) => {
    if (run.length === 1) return run;
    const seen = new Map<string, PlacedSlice>();
    // Stable: slices at one depth stand in the order of their names only where the depth is the very same.
    const ranked = [...run].sort(
      (a, b) =>
        Number(a.plane.isLossy) - Number(b.plane.isLossy) ||
        Number(isDerived(a.plane)) - Number(isDerived(b.plane)) ||
        byUid(a.plane, b.plane),
    );
    return ranked.filter((slice) => {
      const digest = digestOf(slice.index);
      if (digest === undefined) return true;
      const { plane } = slice;
      // A blank slice is the same in every phase and with every kernel, and must not be taken from one of them.
      const key = JSON.stringify([
        digest,
        plane.rescaleSlope,
        plane.rescaleIntercept,
        plane.kernel,
        plane.temporalPosition,
        plane.acquisitionNumber,
      ]);
      const first = seen.get(key);
      if (first === undefined) {
        seen.set(key, slice);
        return true;
      }
      const apart = length(subtract(slice.plane.positionLpsMm!, first.plane.positionLpsMm!));
      if (apart >= SAME_POSITION_MM) return true;
      copies.set(first.index, (copies.get(first.index) ?? 0) + 1);
      return false;
    });
  });
  return { kept: kept.sort((a, b) => a.depthMm - b.depthMm), copies };
}

/**
 * Two regions of the body scanned one after the other: a gap that nothing could fill, from one acquisition to the very
 * next. Where numbers of acquisitions are left out, slices are missing instead.
 */
function cutRegions(
  slices: readonly PlacedSlice[],
  slicesMin: number,
  gapRatioMax: number,
): { slices: readonly PlacedSlice[]; gapMm: number }[] {
  const gaps = slices.slice(1).map((slice, i) => slice.depthMm - slices[i]!.depthMm);
  const usualMm = [...gaps].sort((a, b) => a - b)[gaps.length >> 1] ?? 0;
  const cuts = gaps.flatMap((gap, i) => {
    const [before, after] = [slices[i]!.plane, slices[i + 1]!.plane];
    const step = Math.abs((before.acquisitionNumber ?? 0) - (after.acquisitionNumber ?? 0));
    return gap > gapRatioMax * usualMm && step === 1 ? [i + 1] : [];
  });
  const edges = [0, ...cuts, slices.length];
  const regions = edges.slice(1).map((end, i) => slices.slice(edges[i]!, end));
  if (cuts.length === 0 || regions.some((region) => region.length < slicesMin))
    return [{ slices, gapMm: 0 }];
  return regions.map((region, i) => ({
    slices: region,
    gapMm: gaps[(cuts[i] ?? cuts.at(-1)!) - 1]!,
  }));
}

function duplicateFinding(count: number): VerdictFinding[] {
  if (count === 0) return [];
  const message = `${slicesText(count)} came twice with the same pixels; one of each was used.`;
  return [finding("DUPLICATE_SLICES", count, "1", message)];
}

function phaseFinding({ volumes, differsIn, label }: Layer): VerdictFinding[] {
  if (volumes < 2) return [];
  const message = `The series holds ${volumes} volumes that lie over each other, told apart by ${differsIn}; this is ${label}.`;
  return [finding("PHASES", volumes, "1", message)];
}

function regionFinding(gapMm: number, count: number): VerdictFinding[] {
  if (count < 2) return [];
  const message = `The series holds ${count} regions that lie apart, the next one by ${rounded(gapMm)} mm; each is a volume.`;
  return [finding("SEPARATE_REGIONS", gapMm, "mm", message)];
}

function imagesText(count: number): string {
  return count === 1 ? "1 image" : `${count} images`;
}
