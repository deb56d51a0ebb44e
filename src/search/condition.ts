/** Building blocks of conditions: SQL with `?` for each value, values only ever as parameters. */
import type { Condition } from "../db/nearest.ts";

export type { Condition };

/** A condition on one text, given the SQL of the text. */
export type Predicate = (valueSql: string) => Condition;

export function or(conditions: readonly Condition[]): Condition {
  return joined(conditions, " or ");
}

export function and(conditions: readonly Condition[]): Condition {
  return joined(conditions, " and ");
}

function joined(conditions: readonly Condition[], word: string): Condition {
  if (conditions.length === 1) return conditions[0]!;
  return {
    sql: conditions.map((one) => `(${one.sql})`).join(word),
    values: conditions.flatMap((one) => one.values),
  };
}

/** The condition stands inside other SQL: `before` and `after` hold no `?`. */
export function within(before: string, condition: Condition, after: string): Condition {
  return { sql: `${before}${condition.sql}${after}`, values: condition.values };
}

/** Numbers the placeholders `$n` after those that `values` holds already, and adds the values to it. */
export function bind(condition: Condition, values: unknown[]): string {
  let next = 0;
  return condition.sql.replace(/\?/g, () => `$${values.push(condition.values[next++])}`);
}
