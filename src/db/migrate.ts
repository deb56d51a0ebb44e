/** Migrations by node-pg-migrate: numbered plain SQL, forward only, one at a time over all processes. */
import { readdir } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { runner } from "node-pg-migrate";
import { KindredError, messageOf } from "../kernel/errors.ts";
import type { Database } from "./database.ts";

const FOLDER = fileURLToPath(new URL("../../migrations/", import.meta.url));
const TABLE = "kindred_migration";

/** Migrations that have not run yet, in order. @throws KindredError `DB_UNAVAILABLE` when the schema is newer */
export async function pendingMigrations(
  database: Database,
  folder: string = FOLDER,
): Promise<string[]> {
  const files = (await readdir(folder))
    .filter((name) => name.endsWith(".sql"))
    .map((name) => name.slice(0, -4))
    .sort();
  const { rows: tables } = await database.query("select to_regclass($1) as name", [TABLE]);
  if ((tables[0] as { name: string | null }).name === null) return files;
  const { rows } = await database.query<{ name: string }>(`select name from ${TABLE} order by id`);
  const unknown = rows.find((row) => !files.includes(row.name));
  if (unknown !== undefined) {
    throw new KindredError(
      "DB_UNAVAILABLE",
      `The database was made by a newer Kindred (migration ${unknown.name}): run that version, or restore a backup`,
    );
  }
  return files.filter((name) => !rows.some((row) => row.name === name));
}

/** Runs what is pending; safe when several nodes start at once. */
export async function migrate(database: Database, folder: string = FOLDER): Promise<void> {
  if ((await pendingMigrations(database, folder)).length === 0) return;
  const quiet = { debug() {}, info() {}, warn() {}, error() {} };
  try {
    await database.withClient((client) =>
      runner({
        dbClient: client,
        dir: folder,
        migrationsTable: TABLE,
        direction: "up",
        advisoryLockMode: "wait",
        checkOrder: true,
        // The embedded engine has one session, in which an advisory lock excludes nobody; its folder lock does.
        noLock: database.engine === "embedded",
        logger: quiet,
      }),
    );
  } catch (error) {
    const text = messageOf(error);
    const remedy =
      /vector/.test(text) && /extension|control file/.test(text)
        ? ": install pgvector on the database server"
        : "";
    throw new KindredError("DB_UNAVAILABLE", `A migration failed${remedy} (${text})`, {
      cause: error,
    });
  }
}
