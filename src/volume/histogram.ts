/**
 * Do the values look like Hounsfield units? A coarse histogram over a volume shows air and soft tissue where they must
 * be; a wrong rescale moves or stretches them. It is a warning only: a phantom or a bone alone may look odd and be right.
 */
import { finding } from "./findings.ts";
import { AIR_HU, type StoredValues, toHounsfield } from "./intensity.ts";
import type { SlicePlane, VerdictFinding } from "./types.ts";

const BIN_HU = 10;
const BINS = 512;
/** A prime, so that no row or column of a matrix is met again and again. */
const STRIDE = 61;

/** Air, and lung as well, lies below this; soft tissue and fat lie in the next range; HU. */
const AIR_BELOW_HU = -600;
const AIR_PEAK_HU = -1000;
const AIR_PEAK_TOLERANCE_HU = 100;
/** Lung alone, in a narrow field, has its peak here. */
const LUNG_PEAK_HU_MAX = -700;
const SOFT_HU = [-300, 300] as const;
const SOFT_PEAK_HU_MAX = 200;
const DENSE_ABOVE_HU = 800;
/** Parts of the voxels that make a judgement worth a word. */
const AIR_PART_MIN = 0.05;
const SOFT_PART_MIN = 0.01;
const DENSE_PART_MAX = 0.2;
/** A scan without any air, the table's surroundings included, is a narrow one inside the body, or shifted upwards. */
const NO_AIR_PART = 0.001;
const AIRLESS_DENSE_PART_MAX = 0.05;
const OUTSIDE_PART_MIN = 0.001;

/**
 * @param counts - of a histogram
 * @returns `HU_SUSPECT` with the HU of the peak that is not where it must be; nothing for an empty histogram
 */
export function judgeHistogram(counts: Uint32Array): VerdictFinding[] {
  const total = counts.reduce((sum, one) => sum + one, 0);
  if (total === 0) return [];
  const partOf = (lowHu: number, highHu: number) => {
    const part = counts.subarray(binOf(lowHu), binOf(highHu));
    return part.reduce((sum, one) => sum + one, 0) / total;
  };
  const suspect = (hu: number, message: string) => [finding("HU_SUSPECT", hu, "[hnsf'U]", message)];
  const why = "values may not be Hounsfield units";
  // The first bin holds what was filled with air, which says nothing of the scan.
  const airPeak = peakIn(counts, AIR_HU + BIN_HU, AIR_BELOW_HU);
  const airPart = partOf(AIR_HU + BIN_HU, AIR_BELOW_HU);
  const isAirOff = airPeak > LUNG_PEAK_HU_MAX || airPeak < AIR_PEAK_HU - AIR_PEAK_TOLERANCE_HU;
  if (airPart >= AIR_PART_MIN && isAirOff)
    return suspect(airPeak, `The peak of air lies at ${airPeak} HU: ${why}.`);
  const all = peakIn(counts, AIR_BELOW_HU, AIR_HU + BINS * BIN_HU);
  const densePart = partOf(DENSE_ABOVE_HU, AIR_HU + BINS * BIN_HU);
  if (partOf(AIR_HU, AIR_BELOW_HU) < NO_AIR_PART && densePart > AIRLESS_DENSE_PART_MAX)
    return suspect(all, `There is no air, and much that is as dense as bone: ${why}.`);
  if (densePart > DENSE_PART_MAX)
    return suspect(all, `A large part of the volume is denser than bone: ${why}.`);
  const softPeak = peakIn(counts, ...SOFT_HU);
  if (partOf(...SOFT_HU) < SOFT_PART_MIN)
    return suspect(all, `There is no soft tissue around 0 HU: ${why}.`);
  if (Math.abs(softPeak) > SOFT_PEAK_HU_MAX)
    return suspect(softPeak, `The peak of soft tissue lies at ${softPeak} HU: ${why}.`);
  return [];
}

/** What is counted of the slices of a volume. */
export interface HuCounts {
  /** By 10 HU from −1024; what is above the last bin is in it. */
  readonly histogram: Uint32Array;
  /** Sampled voxels, and those of them that are below air and no padding. */
  voxels: number;
  below: number;
}

export function noCounts(): HuCounts {
  return { histogram: new Uint32Array(BINS), voxels: 0, below: 0 };
}

// The same memory for every slice: fresh arrays of thousands of slices lie around until the next garbage collection.
const VOXELS_AT_ONCE = 4096;
const signed = new Int16Array(VOXELS_AT_ONCE);
const unsigned = new Uint16Array(signed.buffer);
const voxels = new Float32Array(VOXELS_AT_ONCE);

/** Counts of one slice as it was stored: every 61st voxel, padding as air. */
export function countStored(stored: StoredValues, slice: SlicePlane): HuCounts {
  const counts = noCounts();
  counts.voxels = Math.ceil(stored.length / STRIDE);
  const sampled = stored instanceof Int16Array ? signed : unsigned;
  for (let from = 0; from < counts.voxels; from += VOXELS_AT_ONCE) {
    const length = Math.min(VOXELS_AT_ONCE, counts.voxels - from);
    for (let i = 0; i < length; i++) sampled[i] = stored[(from + i) * STRIDE]!;
    counts.below += toHounsfield(sampled.subarray(0, length), slice, voxels, 0);
    for (let i = 0; i < length; i++) {
      const bin = Math.floor((voxels[i]! - AIR_HU) / BIN_HU);
      counts.histogram[Math.min(BINS - 1, bin)]!++;
    }
  }
  return counts;
}

export function addCounts(to: HuCounts, from: HuCounts): void {
  for (let bin = 0; bin < BINS; bin++) to.histogram[bin]! += from.histogram[bin]!;
  to.voxels += from.voxels;
  to.below += from.below;
}

/** `HU_SUSPECT` and `OUTSIDE_CIRCLE`, see there. */
export function judgeCounts(counts: HuCounts): VerdictFinding[] {
  return [...judgeHistogram(counts.histogram), ...judgeOutside(counts.below, counts.voxels)];
}

/** @param belowCount - what `toHounsfield` returned, summed over the slices; `voxels` - of these slices */
export function judgeOutside(belowCount: number, voxels: number): VerdictFinding[] {
  if (voxels === 0 || belowCount / voxels < OUTSIDE_PART_MIN) return [];
  const percent = (100 * belowCount) / voxels;
  const message =
    "Voxels outside the circle of the scan have values below air that are not declared as padding; they are taken as air.";
  return [finding("OUTSIDE_CIRCLE", Math.round(percent * 10) / 10, "%", message)];
}

function binOf(hu: number): number {
  return Math.max(0, Math.min(BINS, Math.round((hu - AIR_HU) / BIN_HU)));
}

/** Middle of the fullest bin, HU. */
function peakIn(counts: Uint32Array, lowHu: number, highHu: number): number {
  let best = binOf(lowHu);
  for (let bin = best + 1; bin < binOf(highHu); bin++) if (counts[bin]! > counts[best]!) best = bin;
  return AIR_HU + best * BIN_HU + BIN_HU / 2;
}
