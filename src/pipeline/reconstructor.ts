/** Hands series to the reconstruction thread, one at a time; a thread that dies is replaced for the next series. */
import { execFile } from "node:child_process";
import { mkdir } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { Worker } from "node:worker_threads";
import { type ErrorCode, KindredError } from "../kernel/errors.ts";
import { STATUSES } from "../kernel/statuses.ts";
import type {
  EarlyTask,
  ReconstructReply,
  ReconstructRequest,
  ReconstructResult,
  ReconstructTask,
} from "./reconstruct-task.ts";

export interface Reconstructor {
  run(task: ReconstructTask): Promise<ReconstructResult>;
  /** Begins with files of a series that still arrives, while nothing else is to be done. Nothing depends on it. */
  beginEarly(task: EarlyTask): void;
  stop(): Promise<void>;
}

/** V8 would let 48 MB of garbage pile up. */
const YOUNG_MEGABYTES_MAX = 12;
/** Threads start after it. */
const COMPILE_MS_MAX = 30_000;

/**
 * @param compileCache - folder where Node keeps compiled modules; without it each of the threads strips types and compiles
 *   for itself, which costs each of them some 20 MB
 */
export function createReconstructor(compileCache?: string): Reconstructor {
  let filled: Promise<void> | undefined;
  /** With the first slices of the first series. */
  const compiled = () =>
    (filled ??= compileCache === undefined ? Promise.resolve() : fillCache(compileCache));
  const env =
    compileCache === undefined ? process.env : { ...process.env, NODE_COMPILE_CACHE: compileCache };
  let worker: Worker | undefined;
  let isStopped = false;
  let tail: Promise<unknown> = Promise.resolve();

  const running = () => {
    if (worker !== undefined) return worker;
    const started = new Worker(threadFile("reconstruct-worker"), {
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

/** Has a process of its own load what the threads will load. Never rejects: without a cache all goes on. */
async function fillCache(folder: string): Promise<void> {
  const env = { ...process.env, NODE_COMPILE_CACHE: folder };
  const options = { env, timeout: COMPILE_MS_MAX, killSignal: "SIGKILL" as const };
  await mkdir(folder, { recursive: true, mode: 0o700 }).catch(() => undefined);
  // Without a parent to listen to they have nothing to do, and end when they are loaded.
  for (const name of ["reconstruct-worker", "slice-thread"])
    await new Promise<void>((done) =>
      execFile(process.execPath, [threadFile(name)], options, () => done()),
    );
}

/** The same extension as this file: .ts from source, .js from dist. */
function threadFile(name: string): string {
  const extension = import.meta.url.endsWith(".ts") ? ".ts" : ".js";
  return fileURLToPath(new URL(`./${name}${extension}`, import.meta.url));
}

function asCode(code: string): ErrorCode {
  return code in STATUSES ? (code as ErrorCode) : "INTERNAL";
}
