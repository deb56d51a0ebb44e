/**
 * Durable jobs by pg-boss, on the same database as everything else, so that a job can be enqueued in the transaction
 * that makes it necessary. A job may run twice after a crash: handlers must be idempotent.
 */
import { type Db, type JobWithMetadata, PgBoss } from "pg-boss";
import type { Database } from "../db/database.ts";
import type { Queryable } from "../db/queryable.ts";
import type { Clock } from "../kernel/clock.ts";
import { codeOf, messageOf } from "../kernel/errors.ts";
import type { Logger } from "../kernel/log.ts";
import type { Metrics } from "../kernel/metrics.ts";
import { STATUSES } from "../kernel/statuses.ts";

export interface JobContext {
  readonly jobId: string;
  /** 1 for the first run. */
  readonly attempt: number;
  readonly signal: AbortSignal;
}

export interface JobKind<Payload> {
  readonly retryLimit: number;
  readonly retryDelaySeconds: number;
  readonly retryDelaySecondsMax?: number;
  readonly retryBackoff: boolean;
  readonly concurrency: number;
  /** Errors whose retry class is permanent end the job at once. */
  handler(payload: Payload, context: JobContext): Promise<void>;
}

export interface Queue {
  define<Payload extends object>(kind: string, options: JobKind<Payload>): void;
  /** Creates the queues and begins to work. Call after every define. */
  start(): Promise<void>;
  stop(): Promise<void>;
  /** @param options.key - while a job with this key waits or runs, a second one is not made */
  enqueue(
    kind: string,
    payload: object,
    options?: { key?: string; tx?: Queryable; startAfterSeconds?: number },
  ): Promise<void>;
  counts(): Promise<{ kind: string; state: string; count: number }[]>;
  failed(limit: number): Promise<{ kind: string; id: string; error: string; at: Date }[]>;
}

/** How often somebody looks whether any job waits: one query for all workers. */
const LOOK_MS = 500;
/** Each worker asks by itself as well, should nobody have woken it. */
const POLL_SECONDS = 30;
const EXPIRE_SECONDS = 3_600;
const HEARTBEAT_SECONDS = 20;
const STOP_MS_MAX = 20_000;

export function createQueue(options: {
  database: Database;
  log: Logger;
  metrics: Metrics;
  clock: Clock;
}): Queue {
  const { database, log, metrics } = options;
  const adapter = (on: () => Queryable): Db => ({
    executeSql: (text, values) => on().query(text, values),
  });
  const boss = new PgBoss({
    // Inside a transaction pg-boss's own look-ups go through it: the embedded engine has one connection.
    db: adapter(() => database.current()),
    backend: database.engine === "embedded" ? "pglite" : "postgres",
    schedule: false,
    reindex: false,
    monitorVacuum: false,
    superviseIntervalSeconds: 10,
    monitorIntervalSeconds: 10,
  });
  boss.on("error", (error) =>
    log.warn({ event: "queue.error", err: messageOf(error) }, "the job queue had an error"),
  );
  const kinds = new Map<string, JobKind<object>>();
  /** Ids of the workers of each kind. */
  const workers = new Map<string, string[]>();
  let timer: NodeJS.Timeout | undefined;

  const wake = (kind: string) => {
    for (const id of workers.get(kind) ?? []) boss.notifyWorker(id);
  };
  /** A worker that polls costs a query each time; a dozen of them would be most of what an idle database does. */
  const look = async () => {
    try {
      const { rows } = await database.query<{ name: string }>(
        "select distinct name from pgboss.job where state < 'active' and start_after <= now()",
      );
      for (const { name } of rows) wake(name);
    } catch {
      // The database is away: everybody else says so.
    }
    if (timer !== undefined) timer = setTimeout(() => void look(), LOOK_MS).unref();
  };

  const work = async (kind: string, job: JobWithMetadata<object>, signal: AbortSignal) => {
    const stopTimer = metrics.jobSeconds.startTimer({ kind });
    try {
      await kinds
        .get(kind)!
        .handler(job.data, { jobId: job.id, attempt: job.retryCount + 1, signal });
      stopTimer({ outcome: "ok" });
    } catch (error) {
      stopTimer({ outcome: "failed" });
      if (STATUSES[codeOf(error)].retry !== "permanent" || codeOf(error) === "INTERNAL")
        throw error;
      // No retry can help: leave the job visible as failed.
      await boss.fail(kind, job.id, { message: messageOf(error) });
      await database.query(
        "update pgboss.job set state = 'failed' where id = $1 and name = $2 and state in ('retry', 'active')",
        [job.id, kind],
      );
    }
  };

  return {
    define(kind, one) {
      kinds.set(kind, one as unknown as JobKind<object>);
    },
    async start() {
      await boss.start();
      for (const [kind, one] of kinds) {
        const settings = {
          retryLimit: one.retryLimit,
          retryDelay: Math.max(1, Math.round(one.retryDelaySeconds)),
          retryBackoff: one.retryBackoff,
          ...(one.retryDelaySecondsMax === undefined
            ? {}
            : { retryDelayMax: Math.round(one.retryDelaySecondsMax) }),
          expireInSeconds: EXPIRE_SECONDS,
          heartbeatSeconds: HEARTBEAT_SECONDS,
          deleteAfterSeconds: 7 * 86_400,
        };
        await boss.createQueue(kind, { ...settings, policy: "exclusive" });
        await boss.updateQueue(kind, settings);
      }
      await takeOver(database);
      for (const [kind, one] of kinds) {
        const settings = { includeMetadata: true, pollingIntervalSeconds: POLL_SECONDS } as const;
        const ids: string[] = [];
        workers.set(kind, ids);
        // One call a worker: only what a call returns can be woken.
        for (let n = 0; n < one.concurrency; n++)
          ids.push(
            await boss.work(kind, settings, async ([job]: JobWithMetadata<object>[]) =>
              work(kind, job!, job!.signal),
            ),
          );
      }
      timer = setTimeout(() => void look(), LOOK_MS).unref();
    },
    async stop() {
      clearTimeout(timer);
      timer = undefined;
      await boss.stop({ graceful: true, timeout: STOP_MS_MAX, close: false });
    },
    async enqueue(kind, payload, settings = {}) {
      const { tx, key, startAfterSeconds } = settings;
      await boss.send(kind, payload, {
        ...(key === undefined ? {} : { singletonKey: key }),
        ...(startAfterSeconds === undefined ? {} : { startAfter: startAfterSeconds }),
        ...(tx === undefined ? {} : { db: adapter(() => tx) }),
      });
      // In a transaction nobody sees it yet.
      if (tx === undefined && startAfterSeconds === undefined) wake(kind);
    },
    async counts() {
      const { rows } = await database.query<{ kind: string; state: string; count: number }>(
        "select name as kind, state::text as state, count(*)::int as count from pgboss.job group by 1, 2 order by 1, 2",
      );
      return rows;
    },
    async failed(limit) {
      const { rows } = await database.query<{
        kind: string;
        id: string;
        error: string | null;
        at: Date;
      }>(
        `select name as kind, id::text as id, output->>'message' as error, completed_on as at
         from pgboss.job where state = 'failed' order by completed_on desc limit $1`,
        [limit],
      );
      return rows.map((row) => ({ ...row, error: row.error ?? "" }));
    },
  };
}

/**
 * Jobs that were running when the process was killed go back to waiting. Only on the embedded engine, where the
 * folder lock proves that no other worker lives; on a shared server the missing heartbeat frees them.
 */
async function takeOver(database: Database): Promise<void> {
  if (database.engine !== "embedded") return;
  await database.query(
    "update pgboss.job set state = 'retry', start_after = now() where state = 'active'",
  );
}
