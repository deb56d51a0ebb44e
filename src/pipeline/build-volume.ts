/** An accepted stack → the input of each model, a reduced volume for the picture, and the native volume when it is wanted. */
import type { Profile } from "../encoder/manifest.ts";
import { inputTensor, preprocess, volumeSteps } from "../encoder/preprocess.ts";
import { createVolumeBuilder } from "../volume/assemble.ts";
import { createDepthMixer } from "../volume/depth-mixer.ts";
import { addCounts, judgeCounts, noCounts } from "../volume/histogram.ts";
import { planReduction, type ReductionPlan } from "../volume/reduction-plan.ts";
import type { VolumeStep } from "../volume/steps.ts";
import type { CtVolume, StackGeometry, VerdictFinding } from "../volume/types.ts";
import type { ScannedFrame } from "./scan-files.ts";
import type { SliceThreads } from "./slice-threads.ts";

export interface BuildWanted {
  readonly profiles: readonly Profile[];
  /** Steps to a volume for people; null when there is none to be shown. */
  readonly pictureSteps: readonly VolumeStep[] | null;
  readonly native: boolean;
}

export interface BuiltVolume {
  /** For each profile the tensor `[1][channels][slices][rows][columns]` flattened. */
  readonly tensors: readonly Float32Array[];
  readonly picture: CtVolume | null;
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
  const recipes = [
    ...wanted.profiles.map(volumeSteps),
    ...(wanted.pictureSteps === null ? [] : [wanted.pictureSteps]),
  ];
  const plans = recipes.map((steps) => planReduction(geometry, steps, { rows, columns }));
  const folded = plans.filter((plan): plan is ReductionPlan => plan !== null);
  const wantsNative = wanted.native || folded.length < plans.length;
  const builder = wantsNative
    ? createVolumeBuilder(
        geometry,
        frames.map((_, k) => k),
        frames.map((frame) => frame.plane),
      )
    : null;
  const mixers = folded.map((plan) => createDepthMixer(plan));
  const counts = noCounts();
  let isBroken = false;
  // Every slice is read, also one that no model makes anything of: the verdict does not depend on who asks for it.
  const jobs = frames.map((frame, k) => ({ frame, k }));
  const reasons = await threads.reduce(
    jobs,
    { plans: folded.map(shared), wantsStored: wantsNative },
    (k, answer) => {
      // Without one slice the rest is only decoded to find others that fail: its planes would wait in vain.
      isBroken ||= answer === undefined;
      if (answer === undefined || isBroken) return;
      for (const [i, mixer] of mixers.entries()) mixer.add(k, answer.planes![i]!);
      if (answer.stored !== undefined) builder?.addSlice(k, answer.stored);
      addCounts(counts, answer.counts!);
    },
  );
  const failed = jobs.flatMap(({ k }, i) => {
    const reason = reasons[i];
    return reason === undefined ? [] : [{ k, reason }];
  });
  if (failed.length > 0) return { failed };
  const native = builder?.finish() ?? null;
  const mixed = mixers.map((mixer) => mixer.finish());
  let next = 0;
  const volumes = plans.map((plan) => (plan === null ? null : mixed[next++]!));
  return {
    tensors: wanted.profiles.map((profile, i) => {
      const volume = volumes[i];
      if (volume == null) return preprocess(native!, profile).tensor;
      return inputTensor(volume, profile).tensor;
    }),
    picture: wanted.pictureSteps === null ? null : volumes.at(-1)!,
    native: wanted.native ? native : null,
    findings: judgeCounts(counts),
  };
}

/** Arrays that threads share instead of copying them with every slice. */
function shared(plan: ReductionPlan): ReductionPlan {
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
