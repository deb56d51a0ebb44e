/** One statement on a connection or a pool, and what its errors mean. */
import type pg from "pg";
import { KindredError } from "../kernel/errors.ts";

/** No answer came within the limit of a statement. */
export class StatementTimeout extends Error {
  constructor() {
    super("no answer in time");
  }
}

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
  // With a limit in its options pg would copy them property by property.
  const answer =
    values === undefined ? on.query<pg.QueryResultRow>(text) : on.query(text, [...values]);
  const result = await (limitMs === 0 ? answer : within(answer, limitMs)).catch(asDatabaseError);
  // Several statements in one text give several results: their rows in order.
  const results = Array.isArray(result) ? (result as pg.QueryResult[]) : [result];
  const rowCount = results.reduce((sum, one) => sum + (one.rowCount ?? 0), 0);
  const command = results.at(-1)?.command ?? "";
  return { rows: results.flatMap((one) => one.rows as Row[]), rowCount, command };
}

/** The connection is of no use afterwards: the answer may still come. */
async function within<T>(answer: Promise<T>, limitMs: number): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new StatementTimeout()), limitMs);
  });
  try {
    return await Promise.race([answer, late]);
  } finally {
    clearTimeout(timer);
  }
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
