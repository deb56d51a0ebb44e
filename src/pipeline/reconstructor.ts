/** Hands series to the reconstruction thread, one at a time; a thread that dies is replaced for the next series. */
import { Worker } from "node:worker_threads";
import { type ErrorCode, KindredError } from "../kernel/errors.ts";
import { besides, compileCacheEnvironment, fillCompileCache } from "../kernel/own-process.ts";
import { STATUSES } from "../kernel/statuses.ts";
import type {
  EarlyTask,
  ReconstructReply,
  ReconstructRequest,
  ReconstructResult,
  ReconstructTask,
} from "./reconstruct-task.ts";
import { SLICE_THREAD_MODULE } from "./slice-threads.ts";

export interface Reconstructor {
  run(task: ReconstructTask): Promise<ReconstructResult>;
  /** Begins with files of a series that still arrives, while nothing else is to be done. Nothing depends on it. */
  beginEarly(task: EarlyTask): void;
  stop(): Promise<void>;
}

/** V8 would let 48 MB of garbage pile up. */
const YOUNG_MEGABYTES_MAX = 12;
const THREAD_MODULE = besides(import.meta.url, "reconstruct-worker");

/**
 * @param dataDir - whose compile cache the threads use; without it each of them strips types and compiles for itself, which
 *   costs each of them some 20 MB
 */
export function createReconstructor(dataDir?: string): Reconstructor {
  const cache = dataDir === undefined ? undefined : compileCacheEnvironment(dataDir);
  let filled: Promise<void> | undefined;
  /** With the first slices of the first series; threads start after it. */
  const compiled = () => (filled ??= cache === undefined ? Promise.resolve() : compile(cache));
  const env = { ...process.env, ...cache };
  let worker: Worker | undefined;
  let isStopped = false;
  let tail: Promise<unknown> = Promise.resolve();

  const running = () => {
    if (worker !== undefined) return worker;
    const started = new Worker(THREAD_MODULE, {
      env,
      resourceLimits: { maxYoungGenerationSizeMb: YOUNG_MEGABYTES_MAX },
    });
    worker = started;
    const forget = () => {
      if (worker === started) worker = undefined;
    };
    // A series in work is told by its own listeners; one that only began is reconstructed from its files.
    started.on("error", forget).on("exit", forget);
    return started;
  };

  const runOne = (task: ReconstructTask) =>
    new Promise<ReconstructResult>((resolve, reject) => {
      const current = running();
      const done = () => {
        current.off("message", onMessage);
        current.off("error", onError);
        current.off("exit", onExit);
      };
      const onMessage = (reply: ReconstructReply) => {
        done();
        if ("result" in reply) resolve(reply.result);
        else reject(new KindredError(asCode(reply.error.code), reply.error.message));
      };
      const fail = (error: unknown) => {
        done();
        if (worker === current) worker = undefined;
        reject(
          new KindredError(
            "UNAVAILABLE",
            "The reconstruction thread died; the series is tried again",
            { cause: error },
          ),
        );
      };
      const onError = (error: unknown) => fail(error);
      const onExit = (code: number) => fail(new Error(`exit ${code}`));
      current.on("message", onMessage);
      current.on("error", onError);
      current.on("exit", onExit);
      current.postMessage({ series: task } satisfies ReconstructRequest);
    });

  return {
    run(task) {
      const result = tail.then(compiled).then(() => runOne(task));
      tail = result.catch(() => undefined);
      return result;
    },
    beginEarly(task) {
      void compiled().then(() => {
        if (!isStopped) running().postMessage({ early: task } satisfies ReconstructRequest);
      });
    },
    async stop() {
      isStopped = true;
      await worker?.terminate();
      worker = undefined;
    },
  };
}

async function compile(cache: ReturnType<typeof compileCacheEnvironment>): Promise<void> {
  for (const module of [THREAD_MODULE, SLICE_THREAD_MODULE]) await fillCompileCache(module, cache);
}

function asCode(code: string): ErrorCode {
  return code in STATUSES ? (code as ErrorCode) : "INTERNAL";
}
