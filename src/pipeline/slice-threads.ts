/** The slice threads as the reconstruction uses them. */
import { KindredError } from "../kernel/errors.ts";
import type { ScannedFrame } from "./scan-files.ts";
import type { FrameToRead, ReductionSet, SliceAnswer, SliceJob } from "./slice-work.ts";
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
   * Reads, decodes and reduces frames in the order given, several at a time.
   *
   * @param onAnswer - called as they come, which may be another order; with undefined for a frame that cannot be decoded
   * @returns for each frame that cannot be decoded why; undefined for the others
   */
  reduce(
    frames: readonly { readonly frame: ScannedFrame; readonly k: number }[],
    set: Omit<ReductionSet, "id">,
    onAnswer: (k: number, answer: SliceAnswer | undefined) => void,
  ): Promise<readonly (string | undefined)[]>;
  stop(): Promise<void>;
}

export interface SliceThreadsOptions {
  readonly threads: number;
  /** Longest time that one frame may take. */
  readonly frameSeconds: number;
}

/** Frames given out for each thread: it never waits for the next, and what comes early is little. */
const FRAMES_A_THREAD = 3;
const IDLE_SECONDS = 60;
const HEAP_MEGABYTES_MAX = 512;

export function createSliceThreads(options: SliceThreadsOptions): SliceThreads {
  // The same extension as this file: .ts from source, .js from dist.
  const extension = import.meta.url.endsWith(".ts") ? ".ts" : ".js";
  const pool = createThreadPool<SliceJob, SliceAnswer>({
    script: new URL(`./slice-thread${extension}`, import.meta.url),
    threads: options.threads,
    jobSeconds: options.frameSeconds,
    idleSeconds: IDLE_SECONDS,
    heapMegabytesMax: HEAP_MEGABYTES_MAX,
  });
  const atOnce = options.threads * FRAMES_A_THREAD;
  let nextSet = 1;

  /** @returns for each job why it failed */
  const inOrder = async <T>(
    jobs: readonly T[],
    toJob: (one: T) => SliceJob,
    onAnswer: (one: T, answer: SliceAnswer | undefined) => void,
  ): Promise<(string | undefined)[]> => {
    const reasons: (string | undefined)[] = jobs.map(() => undefined);
    let next = 0;
    const goOn = async () => {
      for (let at = next++; at < jobs.length; at = next++) {
        try {
          onAnswer(jobs[at]!, await pool.run(toJob(jobs[at]!)));
        } catch (error) {
          if (!(error instanceof KindredError) || error.code !== "DATASET_UNREADABLE") {
            next = jobs.length;
            throw error;
          }
          reasons[at] = error.message;
          onAnswer(jobs[at]!, undefined);
        }
      }
    };
    await Promise.all(Array.from({ length: atOnce }, goOn));
    return reasons;
  };

  return {
    async digests(frames, indices) {
      const found = new Map<number, string>();
      await inOrder(
        indices,
        (index) => ({ do: "digest", frame: toRead(frames[index]!) }),
        (index, answer) => {
          if (answer?.digest !== undefined) found.set(index, answer.digest);
        },
      );
      return found;
    },
    reduce(frames, wanted, onAnswer) {
      const set: ReductionSet = { ...wanted, id: nextSet++ };
      return inOrder(
        frames,
        ({ frame, k }) => ({ do: "reduce", frame: toRead(frame), k, set }),
        ({ k }, answer) => onAnswer(k, answer),
      );
    },
    stop: () => pool.stop(),
  };
}

/** Without the facts of the file's other frames, which would be copied each time. */
function toRead({ path, header, plane }: ScannedFrame): FrameToRead {
  const { transferSyntaxUid, pixelData } = header;
  return { path, transferSyntaxUid, pixelData, plane };
}
