/** Keys of text, code, number and UID VRs. PS3.4 C.2.2.2.1 to C.2.2.2.4. */
import { isValidUid } from "../dicom/uids.ts";
import { type Condition, or } from "./condition.ts";
import { refuse } from "./refuse.ts";

/** More runs of wildcards than this in one key are refused: each costs the database a search of its own. */
export const WILDCARDS_MAX = 16;

/** True when the key holds `*` or `?`. */
export function hasWildcard(value: string): boolean {
  return /[*?]/.test(value);
}

/** `*` alone is universal matching. PS3.4 C.2.2.2.4 note 1. */
export function isOnlyStars(value: string): boolean {
  return /^\*+$/.test(value);
}

/** `*` and `?` become LIKE's `%` and `_`; what LIKE would read as its own is escaped. */
export function likePattern(value: string): string {
  return value
    .replace(/[\\%_]/g, (special) => `\\${special}`)
    .replace(/\*+/g, "%")
    .replace(/\?/g, "_");
}

export function requireFewWildcards(tag: number, value: string): void {
  if ((value.match(/\*+/g) ?? []).length > WILDCARDS_MAX)
    refuse(tag, `has more than ${WILDCARDS_MAX} wildcards`);
}

/**
 * Text: equal, or like the pattern; any of several values. Case counts, but not in CS, which has no lower case
 * (PS3.5 6.2).
 */
export function textCondition(
  tag: number,
  vr: string,
  valueSql: string,
  values: readonly string[],
): Condition {
  const isCode = vr === "CS";
  const sql = isCode ? `upper(${valueSql})` : valueSql;
  const keys = isCode ? values.map((value) => value.toUpperCase()) : values;
  const equal = keys.filter((value) => !hasWildcard(value));
  const patterns = keys.filter(hasWildcard);
  for (const pattern of patterns) requireFewWildcards(tag, pattern);
  return or([
    ...(equal.length > 0 ? [anyOf(sql, equal)] : []),
    ...patterns.map((pattern) => ({ sql: `${sql} like ?`, values: [likePattern(pattern)] })),
  ]);
}

/** Numbers in text, compared as numbers: `05` is 5. */
export function integerCondition(
  tag: number,
  valueSql: string,
  values: readonly string[],
): Condition {
  const numbers = values.map((value) =>
    /^[+-]?\d{1,12}$/.test(value) ? Number(value) : undefined,
  );
  if (numbers.includes(undefined)) refuse(tag, "is not a whole number");
  const sql = `(case when ${valueSql} ~ '^[+-]{0,1}[0-9]{1,12}$' then (${valueSql})::bigint end)`;
  return anyOf(sql, numbers, "::bigint");
}

/** A UID or a list of UIDs. PS3.4 C.2.2.2.2. */
export function uidCondition(tag: number, valueSql: string, values: readonly string[]): Condition {
  if (!values.every(isValidUid)) refuse(tag, "is not a UID or a list of UIDs");
  return anyOf(valueSql, values);
}

function anyOf(sql: string, values: readonly unknown[], cast = ""): Condition {
  return values.length === 1
    ? { sql: `${sql} = ?${cast}`, values: [values[0]] }
    : { sql: `${sql} = any(?${cast === "" ? "" : `${cast}[]`})`, values: [[...values]] };
}
