/** A thread for tests of the pool: does what its job says. */
import { parentPort, threadId } from "node:worker_threads";
import type { PoolReply, PoolRequest } from "../../src/pipeline/thread-pool.ts";

export interface PoolJob {
  readonly do: "answer" | "refuse" | "poison" | "hang" | "exit" | "exhaust";
  readonly value: number;
}

export interface PoolAnswer {
  readonly value: number;
  readonly threadId: number;
}

parentPort?.postMessage({ isReady: true } satisfies PoolReply<PoolAnswer>);
parentPort?.on("message", ({ call, job }: PoolRequest<PoolJob>) => {
  const reply = (answer: PoolReply<PoolAnswer>) => parentPort?.postMessage(answer);
  const error = { code: "DATASET_UNREADABLE", message: `job ${job.value}` };
  switch (job.do) {
    case "answer":
      return reply({ call, result: { value: job.value, threadId } });
    case "refuse":
      return reply({ call, error, mustDiscard: false });
    case "poison":
      return reply({ call, error, mustDiscard: true });
    case "hang":
      for (;;);
    case "exit":
      return process.exit(3);
    case "exhaust": {
      const kept: unknown[] = [];
      for (;;) kept.push(Array.from({ length: 1000 }, (_, i) => ({ i })));
    }
  }
});
