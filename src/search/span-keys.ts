/** Keys of dates and times: single value and range matching, apart or combined. PS3.4 C.2.2.2.1, C.2.2.2.5. */
import { type DateTimeVr, joinDateTime, parseSpanKey, type SpanKey } from "../dicom/date-time.ts";
import { and, type Condition } from "./condition.ts";
import { refuse } from "./refuse.ts";

/** @throws KindredError `QUERY_INVALID` when it is neither a value of the VR nor a range of such, early to late */
export function requireSpanKey(
  tag: number,
  vr: DateTimeVr,
  value: string,
  zone: string | undefined,
): SpanKey {
  const key = parseSpanKey(vr, value, zone);
  return key !== undefined && isOrdered(key)
    ? key
    : refuse(tag, `is neither a ${vr} value nor a range from earlier to later`);
}

function isOrdered(key: SpanKey): boolean {
  return key.from === undefined || key.to === undefined || key.from <= key.to;
}

/** @param valueSql - SQL of the first moment of the stored value; empty or null when it is not known */
export function spanCondition(valueSql: string, key: SpanKey): Condition {
  if (key.from !== undefined && key.from === key.to)
    return { sql: `${valueSql} = ?`, values: [key.from] };
  const parts: string[] = [];
  const values: string[] = [];
  if (key.from === undefined) parts.push(`${valueSql} <> ''`);
  else {
    parts.push(`${valueSql} >= ?`);
    values.push(key.from);
  }
  if (key.to !== undefined) {
    parts.push(`${valueSql} <= ?`);
    values.push(key.to);
  }
  return { sql: parts.join(" and "), values };
}

/**
 * A date and a time that are ranges of one form (closed, or open at the same end) as one range of moments, from the
 * first date and time to the last. PS3.4 C.2.2.2.5.4. The date alone comes first, for its index.
 *
 * @returns undefined when they are not, and are to be matched apart
 * @throws KindredError `QUERY_INVALID` when the first moment is later than the last
 */
export function combinedCondition(
  tag: number,
  sql: { date: string; time: string },
  key: { date: string; time: string },
): Condition | undefined {
  const date = parseSpanKey("DA", key.date);
  const time = parseSpanKey("TM", key.time);
  if (date === undefined || time === undefined || !isOneForm(date, time)) return undefined;
  const moments = {
    isRange: true,
    ...(date.from === undefined ? {} : { from: joinDateTime(date.from, time.from) }),
    ...(date.to === undefined ? {} : { to: joinDateTime(date.to, time.to) }),
  };
  if (!isOrdered(moments)) refuse(tag, "and its time are not a range from earlier to later");
  const onDate = spanCondition(sql.date, date);
  const unknownTime = joinDateTime("", undefined);
  const atMoment = spanCondition(
    `(${sql.date} || coalesce(${sql.time}, '${unknownTime}'))`,
    moments,
  );
  return and([onDate, atMoment]);
}

function isOneForm(date: SpanKey, time: SpanKey): boolean {
  return (
    date.isRange &&
    time.isRange &&
    (date.from === undefined) === (time.from === undefined) &&
    (date.to === undefined) === (time.to === undefined)
  );
}
