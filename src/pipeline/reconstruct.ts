/**
 * One series → its volumes: headers, split, verdicts, and of each accepted stack the inputs of the models. The planes of a
 * volume are made by slice threads and mixed here. Slices that cannot be decoded are left out, and what remains is judged
 * again: a gap that they leave is bridged or refused like any other.
 */
import { rm, writeFile } from "node:fs/promises";
import { canReadFrames } from "../dicom/pixels/frame-source.ts";
import { KindredError } from "../kernel/errors.ts";
import { collidingSlices, splitSeries, type VolumeCandidate } from "../series/split-series.ts";
import { finding, slicesText } from "../volume/findings.ts";
import { examineSlices } from "../volume/geometry.ts";
import { axisCodes } from "../volume/resample.ts";
import type { StackGeometry, VerdictFinding, VolumeVerdict } from "../volume/types.ts";
import { buildVolume } from "./build-volume.ts";
import type { EarlyPlanes } from "./early-planes.ts";
import type { EarlySeries } from "./early-series.ts";
import {
  compareVolumes,
  type ReconstructedVolume,
  type ReconstructResult,
  type ReconstructTask,
  tensorFile,
} from "./reconstruct-task.ts";
import { type ScannedFrame, scanFiles } from "./scan-files.ts";
import type { SliceThreads } from "./slice-threads.ts";
import { niftiPath, volumePicture, writeNifti } from "./volume-views.ts";

/** What one round finds unreadable is left out of the next; a third one finds nothing new unless the disk gives way. */
const ROUNDS_MAX = 4;

/**
 * When it returns, the tensors of every accepted volume lie in their files.
 *
 * @param early - what was done while the series arrived
 * @throws KindredError `NOT_FOUND` when a file is gone, `DATASET_UNREADABLE` when other slices fail each time they are read,
 *   `MODEL_INVALID` and `NOT_A_VOLUME` of a profile that does not fit
 */
export async function reconstruct(
  task: ReconstructTask,
  threads: SliceThreads,
  early?: EarlySeries,
): Promise<ReconstructResult> {
  const { frames, unreadable } = await scanFiles(task.paths, early?.headers);
  const planes = frames.map((frame) => frame.plane);
  const digests = await threads.digests(frames, collidingSlices(planes));
  const { candidates } = splitSeries(planes, {
    ...task.rules,
    digestOf: (index) => digests.get(index),
  });
  const stacks = candidates.length > 0 ? candidates : [NO_SLICES];
  const lost = new Map<number, string>();
  for (let round = 0; round < ROUNDS_MAX; round++) {
    const judged = stacks.map((stack) => judge(task, frames, stack, unreadable, lost));
    judged.sort(compareVolumes);
    const lostBefore = lost.size;
    const volumes: ReconstructedVolume[] = [];
    for (const stack of judged) {
      const volume = await build(task, threads, stack, volumes.length + 1, lost, early?.planes);
      if (volume !== null) volumes.push(volume);
    }
    if (lost.size === lostBefore) return { volumes, earlySlices: early?.planes?.usedCount ?? 0 };
    // In the next round a volume may have another ordinal, or be refused.
    await removeFiles(task, volumes);
  }
  throw new KindredError("DATASET_UNREADABLE", [...lost.values()].at(-1)!);
}

async function removeFiles(
  { outputs, views }: ReconstructTask,
  volumes: readonly ReconstructedVolume[],
): Promise<void> {
  for (const { ordinal } of volumes) {
    for (const { tensorPrefix } of outputs)
      await rm(tensorFile(tensorPrefix, ordinal), { force: true });
    if (views?.nifti !== undefined) await rm(niftiPath(views.nifti, ordinal), { force: true });
  }
}

const NO_SLICES: VolumeCandidate = { indices: [], label: "", findings: [] };

interface JudgedStack {
  readonly label: string;
  readonly verdict: VolumeVerdict;
  /** Slices that were judged. */
  readonly sliceCount: number;
  readonly geometry: StackGeometry | null;
  /** In the order of the geometry; indices are of the series' frames. */
  readonly slices: readonly { readonly index: number; readonly frame: ScannedFrame }[];
}

function judge(
  task: ReconstructTask,
  frames: readonly ScannedFrame[],
  { indices, label, findings }: VolumeCandidate,
  unreadable: readonly string[],
  lost: ReadonlyMap<number, string>,
): JudgedStack {
  const left = indices.filter((index) => !lost.has(index));
  const leftOut = [
    ...unreadableFinding(unreadable),
    ...corruptFinding(indices.flatMap((index) => lost.get(index) ?? [])),
  ];
  const examined = examineSlices(
    left.map((index) => frames[index]!.plane),
    { ...task.rules, canDecode: canReadFrames, findings: [...leftOut, ...findings] },
  );
  const { geometry, order } = examined;
  // What is left out of a volume is a correction of it.
  const isCorrected = examined.verdict.outcome === "ok" && leftOut.length > 0;
  return {
    label,
    verdict: isCorrected ? { ...examined.verdict, outcome: "corrected" } : examined.verdict,
    sliceCount: left.length,
    geometry,
    slices: order.map((at) => ({ index: left[at]!, frame: frames[left[at]!]! })),
  };
}

function unreadableFinding(reasons: readonly string[]): VerdictFinding[] {
  if (reasons.length === 0) return [];
  const files = reasons.length === 1 ? "1 file" : `${reasons.length} files`;
  const message = `${files} cannot be read and were left out: ${sentence(reasons[0]!)}`;
  return [finding("UNREADABLE_FILES", reasons.length, "1", message)];
}

function corruptFinding(reasons: readonly string[]): VerdictFinding[] {
  if (reasons.length === 0) return [];
  const message = `The pixels of ${slicesText(reasons.length)} cannot be decoded; left out: ${sentence(reasons[0]!)}`;
  return [finding("CORRUPT_SLICES", reasons.length, "1", message)];
}

function sentence(reason: string): string {
  return reason.endsWith(".") ? reason : `${reason}.`;
}

/**
 * @param lost - gets the slices that cannot be decoded
 * @returns null when there are such
 */
async function build(
  task: ReconstructTask,
  threads: SliceThreads,
  stack: JudgedStack,
  ordinal: number,
  lost: Map<number, string>,
  early: EarlyPlanes | undefined,
): Promise<ReconstructedVolume | null> {
  const { geometry, label, slices, verdict } = stack;
  if (geometry === null)
    return {
      ordinal,
      label,
      verdict,
      usedCount: 0,
      sopInstanceUids: [],
      keySlice: null,
      axisCodes: null,
      picture: null,
    };
  const nifti = task.views?.nifti;
  const wantsNifti = nifti !== undefined && (nifti.ordinal === null || nifti.ordinal === ordinal);
  const built = await buildVolume(
    threads,
    geometry,
    slices.map(({ frame }) => frame),
    {
      profiles: task.outputs.map(({ profile }) => profile),
      onTensor: (i, { buffer, byteOffset, byteLength }) => {
        const bytes = new Uint8Array(buffer, byteOffset, byteLength);
        const path = tensorFile(task.outputs[i]!.tensorPrefix, ordinal);
        return writeFile(path, bytes, { mode: 0o600 });
      },
      picture: task.views?.picture ?? false,
      native: wantsNifti,
      early,
    },
  );
  if ("failed" in built) {
    for (const { k, reason } of built.failed) lost.set(slices[k]!.index, reason);
    return null;
  }
  if (built.native !== null) await writeNifti(built.native, ordinal, nifti);
  const told = { ...verdict, findings: [...verdict.findings, ...built.findings] };
  const key = slices[Math.floor(slices.length / 2)]!.frame.plane;
  return {
    ordinal,
    label,
    verdict: told,
    usedCount: slices.length,
    sopInstanceUids: [...new Set(slices.map(({ frame }) => frame.plane.sopInstanceUid))],
    keySlice: {
      sopInstanceUid: key.sopInstanceUid,
      rows: key.rows,
      columns: key.columns,
      ...(key.numberOfFrames > 1 ? { frameNumber: key.frameIndex + 1 } : {}),
    },
    axisCodes: axisCodes(geometry),
    picture: built.views && volumePicture(built.views, { ordinal, label, verdict: told }),
  };
}
