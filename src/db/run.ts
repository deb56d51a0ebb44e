/** One statement on a connection or a pool, and what its errors mean. */
import type pg from "pg";
import { KindredError } from "../kernel/errors.ts";

/**
 * @param limitMs - 0 waits for ever
 * @returns `command` of the last statement, such as COMMIT
 */
export async function run<Row>(
  on: pg.Pool | pg.ClientBase,
  text: string,
  values?: readonly unknown[],
  limitMs = 0,
): Promise<{ rows: Row[]; rowCount: number; command: string }> {
  const asked = {
    text,
    ...(values === undefined ? {} : { values: [...values] }),
    ...(limitMs === 0 ? {} : { query_timeout: limitMs }),
  };
  const result = await on.query(asked).catch(asDatabaseError);
  // Several statements in one text give several results: their rows in order.
  const results = Array.isArray(result) ? (result as pg.QueryResult[]) : [result];
  const rowCount = results.reduce((sum, one) => sum + (one.rowCount ?? 0), 0);
  const command = results.at(-1)?.command ?? "";
  return { rows: results.flatMap((one) => one.rows as Row[]), rowCount, command };
}

/** SQLSTATE classes that mean "away": connection, resources, operator intervention. */
const AWAY = /^(?:08|53|57|58)/;

/** Errors of the statement itself keep their SQLSTATE; everything about the connection becomes "away". */
export function asDatabaseError(error: unknown): never {
  const code = (error as { code?: unknown }).code;
  const isStatement = typeof code === "string" && /^[0-9A-Z]{5}$/.test(code) && !AWAY.test(code);
  if (isStatement || error instanceof KindredError) throw error;
  const text = error instanceof Error ? error.message : String(error);
  throw new KindredError(
    "DB_UNAVAILABLE",
    `The database is away (${text}): see /readyz and kindred doctor`,
    { cause: error },
  );
}
