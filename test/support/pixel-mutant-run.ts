/** Plays mutants through header scan, frame source and codecs in a thread that is thrown away after a codec's failure. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Worker } from "node:worker_threads";
import type { MutantOutcome } from "./pixel-mutant-thread.ts";
import { pixelMutants } from "./pixel-mutants.ts";

export interface MutantFigures {
  readonly decoded: number;
  readonly refused: number;
  /** Threads thrown away after a codec's failure. */
  readonly discarded: number;
  /** `name: what` of every crash, hang, wrong size or error without a reason. */
  readonly violations: readonly string[];
  readonly slowestMs: number;
  readonly residentMbMax: number;
  /** Reasons and how often each was given, numbers left out. */
  readonly reasons: ReadonlyMap<string, number>;
}

/** A good 512 × 512 frame takes 0.2 s at most. */
const TIME_LIMIT_MS = 10_000;

export async function playMutants(seed: string, count: number): Promise<MutantFigures> {
  const folder = mkdtempSync(join(tmpdir(), "kindred-mutants-"));
  const path = join(folder, "mutant.dcm");
  const violations: string[] = [];
  const reasons = new Map<string, number>();
  const states = { decoded: 0, refused: 0, violation: 0 };
  let [discarded, slowestMs, residentMbMax] = [0, 0, 0];
  let worker = start();
  let played = 0;
  for (const { name, bytes } of pixelMutants(seed)) {
    if (played++ === count) break;
    writeFileSync(path, bytes);
    const startedMs = performance.now();
    const outcome = await outcomeIn(worker, path);
    slowestMs = Math.max(slowestMs, performance.now() - startedMs);
    residentMbMax = Math.max(residentMbMax, process.memoryUsage.rss() / 1_048_576);
    states[outcome.state]++;
    if (outcome.state === "violation") violations.push(`${name}: ${outcome.message}`);
    if (outcome.state === "refused") {
      const reason = outcome.message.replace(/\d+/g, "N").slice(0, 90);
      reasons.set(reason, (reasons.get(reason) ?? 0) + 1);
    }
    if (!outcome.mustDiscard) continue;
    discarded++;
    await worker.terminate();
    worker = start();
  }
  await worker.terminate();
  rmSync(folder, { recursive: true });
  const { decoded, refused } = states;
  return { decoded, refused, discarded, violations, slowestMs, residentMbMax, reasons };
}

function start(): Worker {
  return new Worker(new URL("pixel-mutant-thread.ts", import.meta.url));
}

function outcomeIn(worker: Worker, path: string): Promise<MutantOutcome> {
  return new Promise((resolve) => {
    const done = (outcome: MutantOutcome) => {
      clearTimeout(timer);
      worker.off("message", done).off("error", onError).off("exit", onExit);
      resolve(outcome);
    };
    const violation = (message: string) => done({ state: "violation", message, mustDiscard: true });
    const onError = (error: Error) => violation(`the thread failed: ${error.message}`);
    const onExit = () => violation("the thread ended");
    const timer = setTimeout(() => violation(`no answer in ${TIME_LIMIT_MS} ms`), TIME_LIMIT_MS);
    worker.on("message", done).on("error", onError).on("exit", onExit);
    worker.postMessage(path);
  });
}
