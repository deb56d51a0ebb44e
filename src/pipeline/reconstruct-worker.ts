/** Worker thread that reconstructs one series after the other: nothing of it runs on the thread that serves sockets. */
import { availableParallelism } from "node:os";
import { parentPort } from "node:worker_threads";
import { codeOf, messageOf } from "../kernel/errors.ts";
import { reconstruct } from "./reconstruct.ts";
import type { ReconstructReply, ReconstructTask } from "./reconstruct-task.ts";
import { createSliceThreads } from "./slice-threads.ts";

const THREADS_MAX = 8;
/** JPEG 2000 of the largest matrix takes seconds. */
const FRAME_SECONDS = 60;

const threads = createSliceThreads({
  threads: Math.min(availableParallelism(), THREADS_MAX),
  frameSeconds: FRAME_SECONDS,
});

parentPort?.on("message", (task: ReconstructTask) => {
  void reconstruct(task, threads)
    .then((result): ReconstructReply => ({ result }))
    .catch(
      (error: unknown): ReconstructReply => ({
        error: { code: codeOf(error), message: messageOf(error) },
      }),
    )
    .then((reply) => parentPort?.postMessage(reply));
});
