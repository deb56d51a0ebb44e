/** Hands series to the reconstruction thread, one at a time; a thread that dies is replaced for the next series. */
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

export function createReconstructor(): Reconstructor {
  let worker: Worker | undefined;
  let tail: Promise<unknown> = Promise.resolve();

  const running = () => {
    if (worker !== undefined) return worker;
    // The same extension as this file: .ts from source, .js from dist.
    const extension = import.meta.url.endsWith(".ts") ? ".ts" : ".js";
    const started = new Worker(new URL(`./reconstruct-worker${extension}`, import.meta.url));
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
      const result = tail.then(() => runOne(task));
      tail = result.catch(() => undefined);
      return result;
    },
    beginEarly(task) {
      running().postMessage({ early: task } satisfies ReconstructRequest);
    },
    async stop() {
      await worker?.terminate();
      worker = undefined;
    },
  };
}

function asCode(code: string): ErrorCode {
  return code in STATUSES ? (code as ErrorCode) : "INTERNAL";
}
