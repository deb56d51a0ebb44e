/**
 * One code path for both engines: a pg.Pool, unnamed statements, no session state. The embedded engine has one
 * connection, so a query inside a transaction must go through it; a context guard says so instead of hanging.
 */
import { AsyncLocalStorage } from "node:async_hooks";
import { readFileSync } from "node:fs";
import pg from "pg";
import type { Config } from "../config/schema.ts";
import { KindredError } from "../kernel/errors.ts";
import type { Logger } from "../kernel/log.ts";
import { type BoundedDatabase, createBounded } from "./bounded.ts";
import { type EmbeddedServer, startEmbedded } from "./embedded.ts";
import {
  asLimitError,
  type QueryDatabase,
  type TransactionLimit,
  transactionLimit,
} from "./limited-queries.ts";
import type { Queryable } from "./queryable.ts";
import { asDatabaseError, run } from "./run.ts";

export interface Database extends QueryDatabase {
  readonly serverVersion: string;
  /** Where the embedded database's socket is, for receiver processes; undefined with PostgreSQL. */
  readonly socketFolder: string | undefined;
  /** For single statements that somebody waits for. */
  readonly bounded: BoundedDatabase;
  /** For queries of peers: each statement is given up after `querySeconds`, which is `QUERY_TOO_SLOW`. */
  readonly limited: QueryDatabase;
  /** Runs work with the plain client of pg, for libraries that want one (migrations). */
  withClient<T>(work: (client: pg.ClientBase) => Promise<T>): Promise<T>;
  /** The transaction this call stands in, if any: libraries that ask the database meanwhile must use it. */
  current(): Queryable;
  /** @throws KindredError `DB_UNAVAILABLE` */
  check(): Promise<void>;
  close(): Promise<void>;
}

const INT8_OID = 20;
const EMBEDDED_CONNECTIONS = 4;
const WATCHDOG_PERIOD_MS = 15_000;
const WATCHDOG_LIMIT_MS = 120_000;

/**
 * Connects to PostgreSQL, or starts the embedded database.
 *
 * @param options.socketFolder - of an embedded database that another process of the node has started
 * @param options.connectionsMax - of the embedded database's own and of processes that share it
 * @param options.sync - false: a commit of the embedded database does not wait for the disk
 * @throws KindredError `DB_UNAVAILABLE`
 */
export async function openDatabase(options: {
  config: Config["database"];
  dataDir: string;
  log: Logger;
  socketFolder?: string | undefined;
  connectionsMax?: number;
  sync?: boolean;
}): Promise<Database> {
  const { config, log } = options;
  const url =
    config.urlFile === undefined ? config.url : readFileSync(config.urlFile, "utf8").trim();
  const isOwner = url === undefined && options.socketFolder === undefined;
  const embedded = isOwner
    ? await startEmbedded(options.dataDir, log, {
        connectionsMax: options.connectionsMax ?? EMBEDDED_CONNECTIONS,
        sync: options.sync ?? true,
      })
    : undefined;
  const socketFolder = embedded?.socketFolder ?? options.socketFolder;
  const types = {
    getTypeParser: (oid: number, format?: "text" | "binary") =>
      oid === INT8_OID ? Number : pg.types.getTypeParser(oid, format as "text"),
  };
  const shared = {
    connectionTimeoutMillis: config.connectSeconds * 1000,
    types: types as pg.CustomTypesConfig,
  };
  const pool = new pg.Pool(
    socketFolder === undefined
      ? { ...shared, connectionString: url, max: config.poolMax }
      : {
          ...shared,
          host: socketFolder,
          port: 5432,
          user: "postgres",
          database: "postgres",
          max: 1,
          // The one connection stays: no timer a query.
          idleTimeoutMillis: 0,
        },
  );
  // An idle connection that breaks is replaced by the next query.
  pool.on("error", (error) =>
    log.warn(
      { event: "database.connection_lost", err: error.message },
      "a database connection was lost",
    ),
  );
  try {
    return await wrap(pool, { embedded, socketFolder }, config, log);
  } catch (error) {
    await pool.end().catch(() => undefined);
    await embedded?.stop();
    throw error;
  }
}

interface Transaction {
  readonly tx: Queryable;
  isOpen: boolean;
}

async function wrap(
  pool: pg.Pool,
  {
    embedded,
    socketFolder,
  }: { embedded: EmbeddedServer | undefined; socketFolder: string | undefined },
  config: Config["database"],
  log: Logger,
): Promise<Database> {
  const context = new AsyncLocalStorage<Transaction>();
  const engine = socketFolder === undefined ? "postgresql" : "embedded";
  const openTransaction = () => {
    const entered = context.getStore();
    return entered?.isOpen === true ? entered.tx : undefined;
  };
  const direct: Queryable = { query: (text, values) => run(pool, text, values) };
  const outside = <T>(ask: () => Promise<T>): Promise<T> =>
    openTransaction() === undefined
      ? ask()
      : Promise.reject(
          new KindredError("INTERNAL", "Inside a transaction use its tx, not the database"),
        );
  const inner = createBounded(pool, config, engine);
  const bounded: BoundedDatabase = {
    query: (text, values) => outside(() => inner.query(text, values)),
    openStatement: (text, values) => outside(() => inner.openStatement(text, values)),
  };
  async function transaction<T>(
    work: (tx: Queryable) => Promise<T>,
    limit: TransactionLimit = { begin: "begin", waitMs: 0 },
  ): Promise<T> {
    if (openTransaction() !== undefined)
      throw new KindredError("INTERNAL", "Transactions are not nested");
    return withClient(pool, async (client) => {
      const tx: Queryable = { query: (text, values) => run(client, text, values, limit.waitMs) };
      const entered: Transaction = { tx, isOpen: true };
      await run(client, limit.begin, undefined, limit.waitMs);
      try {
        const result = await context.run(entered, () => work(tx));
        await run(client, "commit", undefined, limit.waitMs);
        return result;
      } catch (error) {
        // On a connection that is given up, which rolls back too, nobody waits for an answer.
        if (!isUnusable(error)) await client.query("rollback").catch(() => undefined);
        throw error;
      } finally {
        entered.isOpen = false;
      }
    });
  }
  const limit = transactionLimit(engine, config.querySeconds);
  const asLimit = (error: unknown): never => {
    throw asLimitError(error, engine, config.querySeconds);
  };
  const limited: QueryDatabase = {
    engine,
    // The embedded database has no limit to set, and one session: others may come between two statements.
    query: <Row>(text: string, values?: readonly unknown[]) =>
      (engine === "embedded"
        ? withClient(pool, (client) => run<Row>(client, text, values, limit.waitMs))
        : transaction((tx) => tx.query<Row>(text, values), limit)
      ).catch(asLimit),
    transaction: (work) => transaction(work, limit).catch(asLimit),
  };
  const database: Database = {
    engine,
    serverVersion: "",
    socketFolder,
    query: (text, values) => outside(() => direct.query(text, values)),
    bounded,
    limited,
    current: () => openTransaction() ?? direct,
    transaction: (work) => transaction(work),
    withClient: (work) => withClient(pool, work),
    async check() {
      await bounded.query("select 1");
    },
    async close() {
      clearInterval(watchdog);
      await pool.end();
      await embedded?.stop();
    },
  };
  const watchdog = setInterval(() => void watch(pool, embedded, log), WATCHDOG_PERIOD_MS);
  watchdog.unref();
  const { rows } = await database.query<{ server_version: string }>("show server_version");
  return Object.assign(database, { serverVersion: rows[0]!.server_version });
}

async function withClient<T>(
  pool: pg.Pool,
  work: (client: pg.PoolClient) => Promise<T>,
): Promise<T> {
  const client = await pool.connect().catch(asDatabaseError);
  let broken: Error | undefined;
  const onError = (error: Error) => {
    broken = error;
  };
  client.on("error", onError);
  try {
    return await work(client);
  } catch (error) {
    if (isUnusable(error)) broken ??= error;
    throw error;
  } finally {
    client.off("error", onError);
    client.release(broken);
  }
}

/** The connection broke, or the answer to a statement is still due on it. */
function isUnusable(error: unknown): error is KindredError {
  return error instanceof KindredError && error.code === "DB_UNAVAILABLE";
}

/** An embedded engine that does not answer is killed; its process is started again and loses nothing acknowledged. */
async function watch(
  pool: pg.Pool,
  embedded: EmbeddedServer | undefined,
  log: Logger,
): Promise<void> {
  if (embedded === undefined || pool.idleCount === 0) return;
  const timer = setTimeout(() => {
    log.error(
      { event: "database.stuck" },
      "the embedded database does not answer; it is restarted",
    );
    embedded.restart();
  }, WATCHDOG_LIMIT_MS);
  await pool.query("select 1").catch(() => undefined);
  clearTimeout(timer);
}
