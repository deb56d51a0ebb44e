/**
 * Queries that somebody outside thought up: a time limit on each statement, so that no query keeps the database, or its
 * connection, for as long as it likes. PostgreSQL stops such a statement. The embedded database cannot: its timers do not
 * fire while a statement runs, and nothing reaches its one session meanwhile. There the asking side alone gives up.
 */
import { KindredError } from "../kernel/errors.ts";
import type { Queryable } from "./queryable.ts";
import { StatementTimeout } from "./run.ts";

/** What searching needs of a database. */
export interface QueryDatabase extends Queryable {
  readonly engine: "embedded" | "postgresql";
  /** Runs work in a transaction: committed when it resolves, rolled back when it rejects. */
  transaction<T>(work: (tx: Queryable) => Promise<T>): Promise<T>;
}

/** Time beyond the limit after which PostgreSQL, which should have stopped the statement, counts as hanging. */
const GRACE_MS = 5_000;
const QUERY_CANCELED = "57014";

/** How a transaction begins, and how long each of its statements is waited for (ms). */
export interface TransactionLimit {
  readonly begin: string;
  readonly waitMs: number;
}

export function transactionLimit(
  engine: QueryDatabase["engine"],
  seconds: number,
): TransactionLimit {
  const limitMs = Math.ceil(seconds * 1000);
  return engine === "embedded"
    ? { begin: "begin", waitMs: limitMs }
    : {
        begin: `begin; set local statement_timeout = ${limitMs}`,
        waitMs: limitMs + GRACE_MS,
      };
}

/** An error of a statement under a limit: `QUERY_TOO_SLOW` when the limit was its cause. */
export function asLimitError(
  error: unknown,
  engine: QueryDatabase["engine"],
  seconds: number,
): unknown {
  const cause = error instanceof KindredError ? error.cause : undefined;
  const isStopped = (cause as { code?: string } | undefined)?.code === QUERY_CANCELED;
  const isGivenUp = cause instanceof StatementTimeout;
  return isStopped || (isGivenUp && engine === "embedded")
    ? new KindredError("QUERY_TOO_SLOW", `Stopped after ${seconds} s: narrow the query`, {
        cause: error,
      })
    : error;
}
