/** An accepted stack → the input of each model, views for the picture, and the native volume when it is wanted. */
import type { Profile } from "../encoder/manifest.ts";
import { inputTensor, preprocess, volumeSteps } from "../encoder/preprocess.ts";
import { createVolumeBuilder } from "../volume/assemble.ts";
import { createDepthMixer } from "../volume/depth-mixer.ts";
import { addCounts, judgeCounts, noCounts } from "../volume/histogram.ts";
import { type BodyViews, pictureSteps } from "../volume/picture.ts";
import { planReduction, type ReductionPlan } from "../volume/reduction-plan.ts";
import type { VolumeStep } from "../volume/steps.ts";
import type { CtVolume, StackGeometry, VerdictFinding } from "../volume/types.ts";
import { createViewsMixer } from "../volume/views-mixer.ts";
import type { EarlyPlanes } from "./early-planes.ts";
import type { ScannedFrame } from "./scan-files.ts";
import type { SliceThreads } from "./slice-threads.ts";

export interface BuildWanted {
  readonly profiles: readonly Profile[];
  /**
   * Takes the tensor of a profile, `[1][channels][slices][rows][columns]` flattened. Called for one after the other, so that no two
   * of them need be in memory.
   */
  readonly onTensor: (profile: number, tensor: Float32Array) => Promise<void>;
  /** Views for people. */
  readonly picture: boolean;
  readonly native: boolean;
  /** What was reduced before the series was complete. */
  readonly early: EarlyPlanes | undefined;
}

export interface BuiltVolume {
  readonly views: BodyViews | null;
  readonly native: CtVolume | null;
  /** What the values look like. */
  readonly findings: readonly VerdictFinding[];
}

export interface Unreadable {
  /** Slices of the order that cannot be decoded. */
  readonly failed: readonly { readonly k: number; readonly reason: string }[];
}

/**
 * @param frames - of the stack, in the geometry's order
 * @returns what was built, or which slices cannot be decoded
 * @throws KindredError of a profile that does not fit
 */
export async function buildVolume(
  threads: SliceThreads,
  geometry: StackGeometry,
  frames: readonly ScannedFrame[],
  wanted: BuildWanted,
): Promise<BuiltVolume | Unreadable> {
  const { rows, columns } = frames[0]!.plane;
  const planOf = (steps: readonly VolumeStep[]) =>
    planReduction(geometry, steps, { rows, columns });
  const plans = wanted.profiles.map((profile) => planOf(volumeSteps(profile)));
  const picturePlan = wanted.picture ? planOf(pictureSteps(geometry)) : null;
  const wantsNative = wanted.native || plans.includes(null);
  const builder = wantsNative
    ? createVolumeBuilder(
        geometry,
        frames.map((_, k) => k),
        frames.map((frame) => frame.plane),
      )
    : null;
  const mixers = plans.map((plan) => plan && createDepthMixer(plan));
  const views = picturePlan && createViewsMixer(picturePlan);
  const folded = [...plans, picturePlan].filter((one) => one !== null);
  const takers = [...mixers, views].filter((one) => one !== null);
  const counts = noCounts();
  let isBroken = false;
  // Every slice is read, also one that no model makes anything of: the verdict does not depend on who asks for it.
  const jobs = frames.map((frame, k) => ({ frame, k }));
  const reasons = await threads.reduce(
    jobs,
    { plans: folded.map(shared), wantsStored: wantsNative },
    (k, slice) => {
      // Without one slice the rest is only decoded to find others that fail.
      isBroken ||= slice === undefined;
      if (slice === undefined || isBroken) return;
      for (const [i, taker] of takers.entries()) taker.add(k, slice.planes[i]!);
      if (slice.stored !== undefined) builder?.addSlice(k, slice.stored);
      addCounts(counts, slice.counts!);
    },
    (k, planes) => {
      if (wantsNative || wanted.early === undefined) return undefined;
      return wanted.early.read(frames[k]!, folded, k, planes);
    },
  );
  const failed = jobs.flatMap(({ k }, i) => {
    const reason = reasons[i];
    return reason === undefined ? [] : [{ k, reason }];
  });
  if (failed.length > 0) return { failed };
  const native = builder?.finish() ?? null;
  takers.length = 0;
  for (const [i, profile] of wanted.profiles.entries()) {
    const mixed = mixers[i]?.finish();
    mixers[i] = null;
    const { tensor } = mixed ? inputTensor(mixed, profile) : preprocess(native!, profile);
    await wanted.onTensor(i, tensor);
  }
  return {
    views: views?.finish() ?? null,
    native: wanted.native ? native : null,
    findings: judgeCounts(counts),
  };
}

/** Arrays that threads share instead of copying them with every slice. */
export function shared(plan: ReductionPlan): ReductionPlan {
  const share = (shifts: Float64Array): Float64Array => {
    const copy = new Float64Array(new SharedArrayBuffer(shifts.byteLength));
    copy.set(shifts);
    return copy;
  };
  const { rows, columns, depth } = plan;
  return {
    ...plan,
    rows: { ...rows, shifts: share(rows.shifts) },
    columns: { ...columns, shifts: share(columns.shifts) },
    // Only mixing along z needs it.
    depth: { ...depth, from: EMPTY, sample: EMPTY, weight: new Float32Array(0) },
    rest: [],
  };
}

const EMPTY = new Int32Array(0);
