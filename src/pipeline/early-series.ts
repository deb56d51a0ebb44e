/**
 * Work on series that still arrive, on the reconstruction thread: headers are read and slices reduced as soon as they are
 * on disk, so that a complete series needs little more than mixing along z. All of it may be wrong or too late; then the
 * series is reconstructed as if nothing had been done.
 */
import { join } from "node:path";
import { LentBytes } from "../dicom/file-bytes.ts";
import { canReadFrames } from "../dicom/pixels/frame-source.ts";
import { readSliceFile, type SliceFileHeader } from "../dicom/slice-file.ts";
import { volumeSteps } from "../encoder/preprocess.ts";
import { stackAxes } from "../volume/orientation.ts";
import { pictureSteps } from "../volume/picture.ts";
import { planReduction, type ReductionPlan } from "../volume/reduction-plan.ts";
import type { SlicePlane, StackGeometry } from "../volume/types.ts";
import { shared } from "./build-volume.ts";
import { createEarlyPlanes, EARLY_SERIES_MAX, type EarlyPlanes } from "./early-planes.ts";
import type { EarlyTask } from "./reconstruct-task.ts";
import type { ScannedFrame } from "./scan-files.ts";
import type { SliceThreads } from "./slice-threads.ts";

/** What was found out about a series while it arrived. */
export interface EarlySeries {
  /** By path. */
  readonly headers: ReadonlyMap<string, SliceFileHeader>;
  readonly planes: EarlyPlanes | undefined;
  close(): Promise<void>;
}

export interface EarlyWork {
  /** Reads and reduces the task's files when nothing else is to be done. */
  take(task: EarlyTask): void;
  /** Ends the work on a series and gives what there is of it, to be closed by the caller. */
  claim(key: string): Promise<EarlySeries | undefined>;
}

/** Files between two looks whether a complete series waits. */
const FILES_AT_ONCE = 16;
/** Multi-frame files come whole: there is little to begin early with. */
const FRAMES_MAX = 64;
/** A series that is refused for its header, or whose job waits this long, is not worth its disk. */
const IDLE_SECONDS = 600;

interface Begun {
  readonly headers: Map<string, SliceFileHeader>;
  readonly waiting: string[];
  planes: EarlyPlanes | undefined;
  /** True when slices of the first kind cannot be reduced without the rest, or there is no room for them. */
  isHeadersOnly: boolean;
  /** Work in progress. */
  running: Promise<void> | undefined;
  isClaimed: boolean;
  /** Resolves when it is claimed. */
  readonly claimed: PromiseWithResolvers<void>;
  /** Gives it up. */
  idle: NodeJS.Timeout | undefined;
}

/**
 * @param threads - for this work alone: they are ended when there is none
 * @param untilIdle - resolves when no complete series is reconstructed
 * @param idleSeconds - without news of a series after which its work is given up
 */
export function createEarlyWork(
  threads: SliceThreads,
  untilIdle: () => Promise<void>,
  idleSeconds = IDLE_SECONDS,
): EarlyWork {
  const begun = new Map<string, Begun>();
  let fileNumber = 0;

  const workOn = async (series: Begun, task: EarlyTask) => {
    const lent = new LentBytes();
    while (series.waiting.length > 0) {
      // A series that is claimed is the very one that the thread is busy with.
      await Promise.race([untilIdle(), series.claimed.promise]);
      if (series.isClaimed) return;
      const paths = series.waiting.splice(0, FILES_AT_ONCE);
      const frames: ScannedFrame[] = [];
      for (const path of paths) {
        // What cannot be read now is judged when the series is complete.
        const header = await readSliceFile(path, lent).catch(() => undefined);
        if (header === undefined || header.planes.length > FRAMES_MAX) continue;
        series.headers.set(path, header);
        for (const plane of header.planes) frames.push({ path, header, plane });
      }
      const usable = frames.filter((frame) => isPlain(frame.plane));
      if (usable.length === 0 || series.isHeadersOnly) continue;
      if (series.planes === undefined) {
        const plans = earlyPlans(usable[0]!.plane, task);
        series.isHeadersOnly = plans === undefined;
        if (plans === undefined) continue;
        const path = join(task.folder, `early-${process.pid}-${Date.now()}-${fileNumber++}`);
        series.planes = await createEarlyPlanes(path, plans);
      }
      const { planes } = series;
      const fitting = usable.filter(({ plane }) => fits(plane, planes.plans[0]!));
      let next = 0;
      // To these plans each slice is the first of a stack.
      await threads.reduce(
        fitting.map((frame) => ({ frame, k: 0 })),
        { plans: planes.plans, wantsStored: false },
        (_, slice) => {
          const frame = fitting[next++]!;
          if (slice !== undefined) planes.keep(frame, slice);
        },
      );
    }
  };

  const claim = async (key: string): Promise<EarlySeries | undefined> => {
    const series = begun.get(key);
    if (series === undefined) return undefined;
    begun.delete(key);
    clearTimeout(series.idle);
    series.isClaimed = true;
    series.claimed.resolve();
    await series.running;
    // The thread that reconstructs has threads of its own; these would only hold memory.
    if (begun.size === 0) await threads.stop();
    const { headers, planes } = series;
    return { headers, planes, close: async () => planes?.close() };
  };

  const giveUp = (key: string) => void claim(key).then((given) => given?.close());

  return {
    take(task) {
      const series: Begun = begun.get(task.key) ?? {
        headers: new Map(),
        waiting: [],
        planes: undefined,
        isHeadersOnly: false,
        running: undefined,
        isClaimed: false,
        claimed: Promise.withResolvers<void>(),
        idle: undefined,
      };
      clearTimeout(series.idle);
      series.idle = setTimeout(() => giveUp(task.key), idleSeconds * 1000).unref();
      begun.delete(task.key);
      begun.set(task.key, series);
      const oldest = begun.keys().next().value;
      if (oldest !== undefined && begun.size > EARLY_SERIES_MAX) giveUp(oldest);
      series.waiting.push(...task.paths);
      series.running ??= workOn(series, task)
        // Whatever it was, the series is reconstructed without.
        .catch(() => {
          series.isHeadersOnly = true;
          series.waiting.length = 0;
        })
        .finally(() => {
          series.running = undefined;
        });
    },
    claim,
  };
}

function isPlain(plane: SlicePlane): boolean {
  return (
    plane.samplesPerPixel === 1 &&
    plane.orientation !== undefined &&
    plane.pixelSpacingMm !== undefined &&
    canReadFrames(plane.transferSyntaxUid)
  );
}

function fits(plane: SlicePlane, plan: ReductionPlan): boolean {
  return plane.rows === plan.rows.inputs && plane.columns === plan.columns.inputs;
}

/** Plans of a stack of slices like this one; undefined when they need the native volume. */
function earlyPlans(plane: SlicePlane, { profiles, picture }: EarlyTask) {
  const [mmY, mmX] = plane.pixelSpacingMm!;
  const { rows, columns } = plane;
  const geometry: StackGeometry = {
    sizeVoxels: [1, rows, columns],
    spacingMm: [1, mmY, mmX],
    originLps: [0, 0, 0],
    axesZyx: stackAxes([plane]),
    placements: [{ z: 0, row: 0, column: 0 }],
  };
  const steps = [...profiles.map(volumeSteps), ...(picture ? [pictureSteps(geometry)] : [])];
  const plans = steps.map((one) => planReduction(geometry, one, { rows, columns }));
  const folded = plans.filter((plan): plan is ReductionPlan => plan !== null);
  return folded.length === plans.length && folded.length > 0 ? folded.map(shared) : undefined;
}
