/**
 * Reduced planes of one series, made while it still arrives and kept in a file that nobody else sees. A plane is used when
 * the plan that the whole series asks for reduces its slice in the very same way, and forgotten otherwise: a tilt or a
 * different spacing shows only when all slices are there.
 */
import { readSync, writeSync } from "node:fs";
import { type FileHandle, mkdir, open, rm } from "node:fs/promises";
import { dirname } from "node:path";
import { type HuCounts, noCounts } from "../volume/histogram.ts";
import type { ReductionPlan } from "../volume/reduction-plan.ts";
import type { ScannedFrame } from "./scan-files.ts";
import type { ReducedSlice } from "./slice-threads.ts";

/** Planes of one series; what comes after is reduced when the series is complete. */
export const EARLY_BYTES_MAX = 1_073_741_824;

/** Series whose planes are kept; the one without news for the longest time is given up. */
export const EARLY_SERIES_MAX = 4;

export interface EarlyPlanes {
  /** For a stack whose slices lie straight above each other. */
  readonly plans: readonly ReductionPlan[];
  /** Copies the planes; they are not kept where there is no room. */
  keep(frame: ScannedFrame, slice: ReducedSlice): void;
  /**
   * What was kept of a frame, when plans reduce it as it was reduced.
   *
   * @param k - place of the slice in the plans
   * @param planes - written, one a plan
   */
  read(
    frame: ScannedFrame,
    plans: readonly ReductionPlan[],
    k: number,
    planes: readonly Float32Array[],
  ): HuCounts | undefined;
  /** Slices of which something was read. */
  readonly usedCount: number;
  close(): Promise<void>;
}

/** @param path - of a new file, which has no name any more when this returns */
export async function createEarlyPlanes(
  path: string,
  plans: readonly ReductionPlan[],
): Promise<EarlyPlanes> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  const file: FileHandle = await open(path, "wx+", 0o600);
  await rm(path);
  const lengths = plans.map(
    ({ rows, columns }) => rows.sampling.outputs * columns.sampling.outputs,
  );
  const planeValues = lengths.reduce((sum, length) => sum + length, 0);
  const empty = noCounts();
  const buffer = Buffer.alloc(4 * (planeValues + empty.histogram.length + 2));
  // Behind the planes: some kilobytes a slice would be much memory for thousands of them.
  const counted = new Uint32Array(buffer.buffer, buffer.byteOffset + 4 * planeValues);
  const parts = lengths.map((length, i) => {
    const before = lengths.slice(0, i).reduce((sum, one) => sum + one, 0);
    return new Float32Array(buffer.buffer, buffer.byteOffset + 4 * before, length);
  });
  const ways = plans.map((plan) => wayOf(plan, 0));
  /** Where in the file. */
  const kept = new Map<string, number>();
  const nameOf = ({ path, plane }: ScannedFrame) => `${plane.frameIndex} ${path}`;
  const used = new Set<string>();
  return {
    plans,
    get usedCount() {
      return used.size;
    },
    keep(frame, { planes, counts }) {
      const at = kept.size * buffer.length;
      if (counts === undefined || at + buffer.length > EARLY_BYTES_MAX || kept.has(nameOf(frame)))
        return;
      for (const [i, part] of parts.entries()) part.set(planes[i]!);
      counted.set(counts.histogram);
      counted.set([counts.voxels, counts.below], counts.histogram.length);
      // Into the page cache, of a file without a name: a write that fails costs the early start only.
      if (writeSync(file.fd, buffer, 0, buffer.length, at) !== buffer.length) return;
      kept.set(nameOf(frame), at);
    },
    read(frame, wanted, k, planes) {
      const at = kept.get(nameOf(frame));
      if (at === undefined || wanted.length !== ways.length) return undefined;
      if (!wanted.every((plan, i) => wayOf(plan, k) === ways[i])) return undefined;
      if (readSync(file.fd, buffer, 0, buffer.length, at) !== buffer.length) return undefined;
      for (const [i, part] of parts.entries()) planes[i]!.set(part);
      used.add(nameOf(frame));
      const [voxels = 0, below = 0] = counted.subarray(-2);
      return { histogram: counted.slice(0, -2), voxels, below };
    },
    close: () => file.close(),
  };
}

/** Everything that decides what becomes of slice k in its plane. */
function wayOf({ rows, columns, pointwise, airValue, resampling }: ReductionPlan, k: number) {
  const axes = [rows, columns].map(({ sampling, inputs, isFlipped, shifts }) => {
    return [sampling, inputs, isFlipped, shifts[k]];
  });
  return JSON.stringify([axes, pointwise, airValue, resampling]);
}
