/**
 * Statements that somebody waits for: a connection is tried for `connectSeconds`, a statement given up after `statementSeconds`, also when the
 * database hangs rather than breaks. Whoever gets `DB_UNAVAILABLE` must know whether the statement may have run: `details.isSent` false
 * says that it has not, and will not.
 */
import type pg from "pg";
import type { Config } from "../config/schema.ts";
import { KindredError, messageOf } from "../kernel/errors.ts";
import type { Queryable } from "./queryable.ts";
import { run } from "./run.ts";

export interface BoundedDatabase extends Queryable {
  /**
   * Runs a statement in a transaction of its own and leaves it open, for a short time: it keeps its locks, and the one session of the
   * embedded database, until it is ended. PostgreSQL ends it by itself when nobody does for `statementSeconds`.
   *
   * @throws whatever the statement throws; it is rolled back, and a `DB_UNAVAILABLE` has `details.isSent` false
   */
  openStatement(text: string, values: readonly (string | number)[]): Promise<OpenStatement>;
}

/** One of the two must be called, once. */
export interface OpenStatement {
  /** @throws KindredError `DB_UNAVAILABLE`: the statement stands or it does not, as for one that was sent */
  commit(): Promise<void>;
  /** Nothing of the statement stays. Never rejects: a connection that does not answer is given up. */
  rollback(): Promise<void>;
}

export function createBounded(
  pool: pg.Pool,
  config: Config["database"],
  engine: "embedded" | "postgresql",
): BoundedDatabase {
  const limitMs = config.statementSeconds * 1000;
  // The embedded database's only clients are processes of this node, whose end it sees.
  const begin =
    engine === "embedded"
      ? "begin"
      : `begin; set local idle_in_transaction_session_timeout = ${Math.ceil(limitMs)}`;
  return {
    async query<Row>(text: string, values?: readonly unknown[]) {
      const { client, release } = await take(pool, config);
      return ending(release, run<Row>(client, text, values, limitMs));
    },
    async openStatement(text, values) {
      const { client, release } = await take(pool, config);
      const rollback = () =>
        run(client, "rollback", undefined, limitMs).then(
          () => release(),
          (error: unknown) => release(asError(error)),
        );
      try {
        await run(client, `${begin}; ${inlined(client, text, values)}`, undefined, limitMs);
      } catch (error) {
        // What is given up with its connection needs no answer to a rollback.
        if (error instanceof KindredError) release(error);
        else await rollback();
        throw error instanceof KindredError ? asNotSent(error) : error;
      }
      return {
        rollback,
        async commit() {
          const { command } = await ending(release, run(client, "commit", undefined, limitMs));
          if (command !== "COMMIT") throw new KindredError("INTERNAL", `${command} for a commit`);
        },
      };
    },
  };
}

/**
 * The statement with its values in it, so that it goes in one message with the begin: the embedded database works through each message
 * by itself.
 */
function inlined(
  client: pg.ClientBase,
  text: string,
  values: readonly (string | number)[],
): string {
  return text.replace(/\$(\d)/g, (_, position: string) => {
    const value = values[Number(position) - 1];
    if (typeof value === "string") return client.escapeLiteral(value);
    if (Number.isSafeInteger(value)) return String(value);
    throw new KindredError("INTERNAL", `The statement has no text or integer $${position}`);
  });
}

type Release = (broken?: Error) => void;

/** Gives the connection back with the end of the work: one whose answer is still due must not serve the next statement. */
async function ending<T>(release: Release, work: Promise<T>): Promise<T> {
  try {
    const result = await work;
    release();
    return result;
  } catch (error) {
    release(error instanceof KindredError ? error : undefined);
    throw error;
  }
}

async function take(
  pool: pg.Pool,
  config: Config["database"],
): Promise<{ client: pg.PoolClient; release: Release }> {
  const client = await connectWithin(pool, config.connectSeconds * 1000);
  let broken: Error | undefined;
  // A connection that breaks says so beside the statement's own error; without a listener it would end the process.
  const onError = (error: Error) => {
    broken = error;
  };
  client.on("error", onError);
  return {
    client,
    release(error) {
      client.off("error", onError);
      client.release(broken ?? error);
    },
  };
}

const CONNECT_PAUSE_MS = 100;

/** A database that restarts refuses connections for a moment: that is waited out. */
async function connectWithin(pool: pg.Pool, limitMs: number): Promise<pg.PoolClient> {
  const deadline = performance.now() + limitMs;
  for (;;) {
    try {
      return await pool.connect();
    } catch (error) {
      if (performance.now() + CONNECT_PAUSE_MS >= deadline) {
        throw new KindredError(
          "DB_UNAVAILABLE",
          `The database is away (${messageOf(error)}): see /readyz and kindred doctor`,
          { details: { isSent: false }, cause: error },
        );
      }
    }
    await new Promise((resolve) => setTimeout(resolve, CONNECT_PAUSE_MS));
  }
}

const asError = (error: unknown): Error =>
  error instanceof Error ? error : new Error(String(error));

/** Whatever became of it: nobody commits it. */
function asNotSent(error: KindredError): KindredError {
  return new KindredError(error.code, error.message, {
    details: { ...error.details, isSent: false },
    cause: error.cause,
  });
}
