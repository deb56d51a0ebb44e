/**
 * Threads that may be thrown away. A codec that met a bad frame cannot be trusted any more, one may never come back, and one
 * may take its thread with it: each time the job at fault fails alone, and the thread is replaced for the jobs behind it.
 *
 * Each thread has one job at work and one waiting, so that it never idles between two.
 */
import { Worker } from "node:worker_threads";
import { type ErrorCode, KindredError, messageOf } from "../kernel/errors.ts";
import { STATUSES } from "../kernel/statuses.ts";

/** What a thread is sent. */
export interface PoolRequest<Job> {
  readonly call: number;
  readonly job: Job;
}

/** What a thread says: that it is loaded, then its answers in the order of the requests. */
export type PoolReply<Result> =
  | { readonly isReady: true }
  | { readonly call: number; readonly result: Result }
  | {
      readonly call: number;
      readonly error: { readonly code: string; readonly message: string };
      /** The thread is not to be used again. */
      readonly mustDiscard: boolean;
    };

export interface ThreadPool<Job, Result> {
  /**
   * @throws KindredError of the job; `DATASET_UNREADABLE` when the job took too long or its thread died under it;
   *   `UNAVAILABLE` when no thread could be started, which is not the job's fault, or when the pool was stopped
   */
  run(job: Job): Promise<Result>;
  /** Ends all threads; the next job starts new ones. */
  stop(): Promise<void>;
}

export interface ThreadPoolOptions {
  readonly script: URL;
  readonly workerData?: unknown;
  readonly threads: number;
  /** A job that takes longer is given up with its thread. */
  readonly jobSeconds: number;
  /** Threads without a job for this long are ended. */
  readonly idleSeconds: number;
  /** JavaScript heap of one thread. */
  readonly heapMegabytesMax: number;
}

interface Call<Job, Result> {
  readonly number: number;
  readonly job: Job;
  resolve(result: Result): void;
  reject(error: KindredError): void;
}

interface Thread<Job, Result> {
  readonly worker: Worker;
  /** The first is at work. */
  readonly calls: Call<Job, Result>[];
  isReady: boolean;
  timer: NodeJS.Timeout | undefined;
}

/** Garbage of a job is little: V8 would let 48 MB of it pile up in each thread. */
const YOUNG_MEGABYTES_MAX = 6;
/** At work and waiting. */
const CALLS_A_THREAD = 2;

export function createThreadPool<Job, Result>(options: ThreadPoolOptions): ThreadPool<Job, Result> {
  const threads = new Set<Thread<Job, Result>>();
  const waiting: Call<Job, Result>[] = [];
  let nextCall = 1;
  let idleTimer: NodeJS.Timeout | undefined;

  const start = (): Thread<Job, Result> => {
    const worker = new Worker(options.script, {
      workerData: options.workerData,
      resourceLimits: {
        maxOldGenerationSizeMb: options.heapMegabytesMax,
        maxYoungGenerationSizeMb: YOUNG_MEGABYTES_MAX,
      },
    });
    // Whoever waits for a job holds the process; an idle thread does not.
    worker.unref();
    const thread: Thread<Job, Result> = { worker, calls: [], isReady: false, timer: undefined };
    worker.on("message", (reply: PoolReply<Result>) => answered(thread, reply));
    worker.once("error", (error) => lost(thread, messageOf(error)));
    worker.once("exit", (code) => lost(thread, `it ended with ${code}`));
    threads.add(thread);
    return thread;
  };

  /** The head of the thread's calls begins. */
  const begin = (thread: Thread<Job, Result>) => {
    clearTimeout(thread.timer);
    if (thread.calls.length === 0) return;
    thread.timer = setTimeout(
      () => lost(thread, `it took longer than ${options.jobSeconds} seconds`),
      options.jobSeconds * 1000,
    );
  };

  const answered = (thread: Thread<Job, Result>, reply: PoolReply<Result>) => {
    if (!threads.has(thread)) return;
    if ("isReady" in reply) {
      thread.isReady = true;
      return begin(thread);
    }
    if (thread.calls[0]?.number !== reply.call) return;
    const call = thread.calls.shift()!;
    if ("result" in reply) call.resolve(reply.result);
    else call.reject(new KindredError(asCode(reply.error.code), reply.error.message));
    if ("error" in reply && reply.mustDiscard) discard(thread);
    else begin(thread);
    dispatch();
  };

  /** The job at work is at fault; the one behind it is not. */
  const lost = (thread: Thread<Job, Result>, why: string) => {
    if (!threads.has(thread)) return;
    const fault = thread.isReady
      ? new KindredError("DATASET_UNREADABLE", `Decoding was given up: ${why}`)
      : new KindredError("UNAVAILABLE", `A decoding thread could not be started: ${why}`);
    thread.calls.shift()?.reject(fault);
    discard(thread);
    dispatch();
  };

  const discard = (thread: Thread<Job, Result>) => {
    threads.delete(thread);
    clearTimeout(thread.timer);
    waiting.unshift(...thread.calls.splice(0));
    void thread.worker.terminate();
  };

  const dispatch = () => {
    clearTimeout(idleTimer);
    // First to a thread without work, a new one if need be: two jobs on one thread while another idles would be no gain.
    for (let depth = 0; depth < CALLS_A_THREAD && waiting.length > 0; depth++) {
      for (const thread of threads) if (thread.calls.length === depth) give(thread);
      while (threads.size < options.threads && waiting.length > 0) give(start());
    }
    if ([...threads].every((thread) => thread.calls.length === 0)) {
      idleTimer = setTimeout(() => void endAll(), options.idleSeconds * 1000);
      idleTimer.unref();
    }
  };

  const give = (thread: Thread<Job, Result>) => {
    const call = waiting.shift();
    if (call === undefined) return;
    thread.calls.push(call);
    const request: PoolRequest<Job> = { call: call.number, job: call.job };
    thread.worker.postMessage(request);
    if (thread.calls.length === 1) begin(thread);
  };

  const endAll = async () => {
    const ended = [...threads];
    threads.clear();
    await Promise.all(
      ended.map(async (thread) => {
        clearTimeout(thread.timer);
        const stopped = new KindredError(
          "UNAVAILABLE",
          "The node stops; the series is tried again",
        );
        for (const call of thread.calls.splice(0)) call.reject(stopped);
        await thread.worker.terminate();
      }),
    );
  };

  return {
    run: (job) =>
      new Promise<Result>((resolve, reject) => {
        waiting.push({ number: nextCall++, job, resolve, reject });
        dispatch();
      }),
    async stop() {
      clearTimeout(idleTimer);
      const stopped = new KindredError("UNAVAILABLE", "The node stops; the series is tried again");
      for (const call of waiting.splice(0)) call.reject(stopped);
      await endAll();
    },
  };
}

function asCode(code: string): ErrorCode {
  return code in STATUSES ? (code as ErrorCode) : "INTERNAL";
}
