/** Worker thread that reconstructs one series after the other: nothing of it runs on the thread that serves sockets. */
import { availableParallelism } from "node:os";
import { parentPort } from "node:worker_threads";
import { codeOf, messageOf } from "../kernel/errors.ts";
import { createEarlyWork } from "./early-series.ts";
import { reconstruct } from "./reconstruct.ts";
import type {
  ReconstructReply,
  ReconstructRequest,
  ReconstructResult,
  ReconstructTask,
} from "./reconstruct-task.ts";
import { createSliceThreads } from "./slice-threads.ts";

const THREADS_MAX = 8;
/** JPEG 2000 of the largest matrix takes seconds. */
const FRAME_SECONDS = 60;

/** While a series arrives, receiving it comes first. */
const EARLY_NICENESS = 19;

const options = {
  threads: Math.min(availableParallelism(), THREADS_MAX),
  frameSeconds: FRAME_SECONDS,
};
const threads = createSliceThreads({ ...options, niceness: 0 });
/** The series in work; one at a time. */
let current: Promise<unknown> | undefined;
const early = createEarlyWork(
  createSliceThreads({ ...options, niceness: EARLY_NICENESS }),
  async () => {
    while (current !== undefined) await current;
  },
);

async function done(task: ReconstructTask): Promise<ReconstructResult> {
  const begun = task.earlyKey === undefined ? undefined : await early.claim(task.earlyKey);
  try {
    return await reconstruct(task, threads, begun);
  } finally {
    await begun?.close();
  }
}

parentPort?.on("message", (request: ReconstructRequest) => {
  if ("early" in request) return early.take(request.early);
  current = done(request.series)
    .then((result): ReconstructReply => ({ result }))
    .catch(
      (error: unknown): ReconstructReply => ({
        error: { code: codeOf(error), message: messageOf(error) },
      }),
    )
    .then((reply) => {
      current = undefined;
      parentPort?.postMessage(reply);
    });
});
