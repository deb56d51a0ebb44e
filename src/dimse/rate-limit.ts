/** Token buckets: how often something may happen, with the clock as an argument. */
import { RATE_KEYS_MAX } from "../kernel/limits.ts";

/** So many a second on average, and at most `burst` at once. */
export interface Rate {
  readonly perSecond: number;
  readonly burst: number;
}

/** Tokens left at a moment; negative ones are owed. */
export interface Bucket {
  readonly tokens: number;
  readonly atMs: number;
}

function filled(bucket: Bucket | undefined, rate: Rate, nowMs: number): number {
  if (bucket === undefined) return rate.burst;
  // A clock that steps back gives nothing and takes nothing.
  const elapsedMs = Math.max(0, nowMs - bucket.atMs);
  return Math.min(rate.burst, bucket.tokens + (elapsedMs / 1000) * rate.perSecond);
}

/** Takes a token if there is one. @param bucket - undefined: never used, full */
export function take(
  bucket: Bucket | undefined,
  rate: Rate,
  nowMs: number,
): { readonly bucket: Bucket; readonly isTaken: boolean } {
  const tokens = filled(bucket, rate, nowMs);
  const isTaken = tokens >= 1;
  return { bucket: { tokens: isTaken ? tokens - 1 : tokens, atMs: nowMs }, isTaken };
}

/** Takes a token in any case, and says how long to wait until it is there. */
export function reserve(
  bucket: Bucket | undefined,
  rate: Rate,
  nowMs: number,
): { readonly bucket: Bucket; readonly waitMs: number } {
  const tokens = filled(bucket, rate, nowMs) - 1;
  const waitMs = tokens >= 0 ? 0 : (-tokens / rate.perSecond) * 1000;
  return { bucket: { tokens, atMs: nowMs }, waitMs };
}

/** A rate of events a minute; a tenth of them may come at once. */
export function perMinute(count: number): Rate {
  return { perSecond: count / 60, burst: Math.max(1, count / 10) };
}

/** A bucket for each key that was seen lately: addresses, peers, kinds of log lines. */
export class RateLimits {
  readonly #buckets = new Map<string, Bucket>();

  get size(): number {
    return this.#buckets.size;
  }

  /** True when the event may happen. */
  take(key: string, rate: Rate, nowMs: number): boolean {
    const { bucket, isTaken } = take(this.#buckets.get(key), rate, nowMs);
    this.#keep(key, bucket);
    return isTaken;
  }

  /** Milliseconds until the event may happen; it is counted already. */
  reserve(key: string, rate: Rate, nowMs: number): number {
    const { bucket, waitMs } = reserve(this.#buckets.get(key), rate, nowMs);
    this.#keep(key, bucket);
    return waitMs;
  }

  /** The key used longest ago makes room: its bucket is the fullest, so little is forgotten. */
  #keep(key: string, bucket: Bucket): void {
    this.#buckets.delete(key);
    this.#buckets.set(key, bucket);
    if (this.#buckets.size <= RATE_KEYS_MAX) return;
    const [oldest] = this.#buckets.keys();
    if (oldest !== undefined) this.#buckets.delete(oldest);
  }
}
