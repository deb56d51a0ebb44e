/** The slice threads as the reconstruction uses them. */
import { KindredError, messageOf } from "../kernel/errors.ts";
import { besides } from "../kernel/own-process.ts";
import type { HuCounts } from "../volume/histogram.ts";
import type { ReductionPlan } from "../volume/reduction-plan.ts";
import type { ScannedFrame } from "./scan-files.ts";
import type {
  FrameToRead,
  ReductionSet,
  SliceAnswer,
  SliceJob,
  SliceThreadData,
} from "./slice-work.ts";
import { createThreadPool } from "./thread-pool.ts";

export interface SliceThreads {
  /**
   * Digests of the stored values of some frames, by index; one that cannot be decoded has none.
   *
   * @param indices - of the frames
   */
  digests(
    frames: readonly ScannedFrame[],
    indices: readonly number[],
  ): Promise<ReadonlyMap<number, string>>;
  /**
   * Reads, decodes and reduces frames, several at a time.
   *
   * @param onSlice - called for one after the other in the order given, with undefined for a frame that cannot be decoded;
   *   the planes are written over when it has returned
   * @param known - writes the planes of a slice that was reduced before and gives its counts; undefined for one that was not
   * @returns for each frame that cannot be decoded why; undefined for the others
   */
  reduce(
    frames: readonly { readonly frame: ScannedFrame; readonly k: number }[],
    set: Omit<ReductionSet, "id">,
    onSlice: (k: number, slice: ReducedSlice | undefined) => void,
    known?: (k: number, planes: readonly Float32Array[]) => HuCounts | undefined,
  ): Promise<readonly (string | undefined)[]>;
  stop(): Promise<void>;
}

export interface ReducedSlice extends SliceAnswer {
  /** One a plan. */
  readonly planes: readonly Float32Array[];
}

export interface SliceThreadsOptions {
  readonly threads: number;
  /** Added to the niceness of the threads, 0 to 19. */
  readonly niceness: number;
  /** Longest time that one frame may take. */
  readonly frameSeconds: number;
}

/** Frames given out for each thread: it never waits for the next, also when another one's takes longer. */
const FRAMES_A_THREAD = 4;
export const SLICE_THREAD_MODULE = besides(import.meta.url, "slice-thread");
const IDLE_SECONDS = 60;
const HEAP_MEGABYTES_MAX = 512;

export function createSliceThreads(options: SliceThreadsOptions): SliceThreads {
  const pool = createThreadPool<SliceJob, SliceAnswer>({
    script: SLICE_THREAD_MODULE,
    workerData: { niceness: options.niceness } satisfies SliceThreadData,
    threads: options.threads,
    jobSeconds: options.frameSeconds,
    idleSeconds: IDLE_SECONDS,
    heapMegabytesMax: HEAP_MEGABYTES_MAX,
  });
  const window = options.threads * FRAMES_A_THREAD;
  let nextSet = 1;
  const ids = new WeakMap<readonly ReductionPlan[], number>();
  /** The same for the same plans: what a thread has set up for them, megabytes, serves again. */
  const idOf = (plans: readonly ReductionPlan[]): number => {
    const id = ids.get(plans) ?? nextSet++;
    ids.set(plans, id);
    return id;
  };
  /**
   * Of the last reduction. A series that arrives is reduced a few slices at a time, and shared memory is given back only when
   * the garbage of all threads is collected.
   */
  let spare: Float32Array[][] = [];
  const takePlaces = (lengths: readonly number[]): Float32Array[][] => {
    const places = spare;
    spare = [];
    const fits =
      places[0]?.length === lengths.length &&
      lengths.every((length, i) => places[0]![i]!.length === length);
    return fits ? places : Array.from({ length: window }, () => lengths.map(sharedPlane));
  };

  /**
   * At most `window` jobs lie between the first that was not taken and the last that was given out: one that takes long
   * holds up the others rather than letting their results pile up.
   *
   * @returns for each job why it failed
   */
  const inOrder = async <T>(
    jobs: readonly T[],
    answerOf: (one: T, at: number) => Promise<SliceAnswer>,
    onAnswer: (one: T, answer: SliceAnswer | undefined, at: number) => void,
  ): Promise<(string | undefined)[]> => {
    const reasons: (string | undefined)[] = jobs.map(() => undefined);
    const answers: Promise<SliceAnswer | KindredError>[] = [];
    const start = (at: number) => {
      const one = jobs[at];
      // Settled by its turn, which may be long after it failed.
      if (one !== undefined) answers[at % window] = answerOf(one, at).catch(asKindredError);
    };
    for (let at = 0; at < window; at++) start(at);
    for (const [at, one] of jobs.entries()) {
      const answer = await answers[at % window]!;
      if (!(answer instanceof KindredError)) onAnswer(one, answer, at);
      else {
        if (answer.code !== "DATASET_UNREADABLE") throw answer;
        reasons[at] = answer.message;
        onAnswer(one, undefined, at);
      }
      start(at + window);
    }
    return reasons;
  };

  return {
    async digests(frames, indices) {
      const found = new Map<number, string>();
      await inOrder(
        indices,
        (index) => pool.run({ do: "digest", frame: toRead(frames[index]!) }),
        (index, answer) => {
          if (answer?.digest !== undefined) found.set(index, answer.digest);
        },
      );
      return found;
    },
    async reduce(frames, wanted, onSlice, known) {
      const set: ReductionSet = { ...wanted, id: idOf(wanted.plans) };
      const lengths = wanted.plans.map(planeLength);
      const places = takePlaces(lengths);
      const reasons = await inOrder(
        frames,
        ({ frame, k }, at) => {
          const planes = places[at % window]!;
          const counts = known?.(k, planes);
          if (counts !== undefined) return Promise.resolve({ counts });
          return pool.run({ do: "reduce", frame: toRead(frame), k, set, planes });
        },
        ({ k }, answer, at) => {
          const planes = places[at % window]!;
          // A thread that was given up may still write into them.
          if (answer === undefined) places[at % window] = lengths.map(sharedPlane);
          onSlice(k, answer && { ...answer, planes });
        },
      );
      // Only here: where this throws, threads may still be at work.
      spare = places;
      return reasons;
    },
    stop: () => pool.stop(),
  };
}

/** Without the facts of the file's other frames, which would be copied each time. */
function toRead({ path, header, plane }: ScannedFrame): FrameToRead {
  const { transferSyntaxUid, pixelData } = header;
  return { path, transferSyntaxUid, pixelData, plane };
}

function planeLength({ rows, columns }: ReductionPlan): number {
  return rows.sampling.outputs * columns.sampling.outputs;
}

function sharedPlane(length: number): Float32Array {
  return new Float32Array(new SharedArrayBuffer(length * Float32Array.BYTES_PER_ELEMENT));
}

function asKindredError(error: unknown): KindredError {
  if (error instanceof KindredError) return error;
  return new KindredError("INTERNAL", messageOf(error), { cause: error });
}
