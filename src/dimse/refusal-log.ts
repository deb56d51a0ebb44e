/**
 * Log lines about what was refused: one for each, but a flood leaves only some of each kind, with the number of those
 * left out, so that no peer can fill the disk. Metrics count all of them.
 */
import type { Logger } from "../kernel/log.ts";
import { type Rate, RateLimits } from "./rate-limit.ts";

const LINES: Rate = { perSecond: 1, burst: 50 };

export interface Refusal {
  /** Dotted constant. */
  readonly event: string;
  readonly [fact: string]: unknown;
}

export class RefusalLog {
  readonly #log: Logger;
  readonly #nowMs: () => number;
  readonly #limits = new RateLimits();
  readonly #leftOut = new Map<string, number>();

  constructor(log: Logger, nowMs: () => number) {
    this.#log = log;
    this.#nowMs = nowMs;
  }

  /** @param kind - lines of one kind share a limit: constants of ours, never text from outside */
  warn(kind: string, refusal: Refusal, message: string): void {
    this.#write("warn", kind, refusal, message);
  }

  /** For faults of ours that a peer may bring about again and again. */
  error(kind: string, refusal: Refusal, message: string): void {
    this.#write("error", kind, refusal, message);
  }

  /** For what is no refusal but comes as often as a stranger likes. */
  info(kind: string, refusal: Refusal, message: string): void {
    this.#write("info", kind, refusal, message);
  }

  #write(level: "error" | "warn" | "info", kind: string, refusal: Refusal, message: string): void {
    const suppressed = this.#leftOut.get(kind) ?? 0;
    if (!this.#limits.take(kind, LINES, this.#nowMs())) {
      this.#leftOut.set(kind, suppressed + 1);
      return;
    }
    this.#leftOut.delete(kind);
    this.#log[level](suppressed === 0 ? refusal : { ...refusal, suppressed }, message);
  }
}
