/**
 * When is a series done? Quiet for long enough, open for too long, or told so. The decision is SQL over rows, so
 * a restart loses nothing. Whatever closes a series enqueues its first job in the same transaction.
 */
import type { Config } from "../config/schema.ts";
import type { Database } from "../db/database.ts";
import type { Queryable } from "../db/queryable.ts";
import { completeDueSeries, completeSeries, type SeriesRevision } from "../db/series.ts";
import type { Clock } from "../kernel/clock.ts";

const CLOSED_AT_ONCE_MAX = 100;

export interface Completion {
  /** Closes every series that is due; returns how many. */
  closeDue(): Promise<number>;
  /** Closes one series now; false when it is not receiving. */
  closeNow(seriesInstanceUid: string): Promise<boolean>;
}

/** @param onComplete - enqueues the next job inside the given transaction */
export function createCompletion(options: {
  config: Config["series"];
  database: Database;
  clock: Clock;
  onComplete: (tx: Queryable, at: SeriesRevision) => Promise<void>;
}): Completion {
  const { config, database, clock, onComplete } = options;
  return {
    closeDue: () =>
      database.transaction(async (tx) => {
        const closed = await completeDueSeries(tx, {
          now: clock.now(),
          quietSeconds: config.quietSeconds,
          ceilingSeconds: config.ceilingSeconds,
          limit: CLOSED_AT_ONCE_MAX,
        });
        for (const at of closed) await onComplete(tx, at);
        return closed.length;
      }),
    closeNow: (uid) =>
      database.transaction(async (tx) => {
        const closed = await completeSeries(tx, uid);
        for (const at of closed) await onComplete(tx, at);
        return closed.length > 0;
      }),
  };
}
