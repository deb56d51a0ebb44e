/**
 * Dates and times as texts of one length, whose order is the order in time. A value of less precision (PS3.5 6.2: "a
 * component that is omitted is null") stands for the whole span it names: `10` is 10:00:00 to 10:59:60.999999.
 */

/** First and last moment of a value, in the form of its VR: YYYYMMDD, HHMMSS.FFFFFF or YYYYMMDDHHMMSS.FFFFFF. */
export interface Span {
  readonly from: string;
  readonly to: string;
}

/** A key's span; an end that is left out is open. */
export interface SpanKey {
  readonly from?: string;
  readonly to?: string;
  /** It was written as a range, with a hyphen. */
  readonly isRange: boolean;
}

export type DateTimeVr = "DA" | "TM" | "DT";

const ZERO_FRACTION = "000000";
const LAST_FRACTION = "999999";

/** DA; the form YYYY.MM.DD of ACR-NEMA 300 is read too (PS3.5 6.2 note 1). */
function dateSpan(text: string): Span | undefined {
  const match = /^(\d{4})(\.?)(\d{2})\2(\d{2})$/.exec(text);
  if (match === null) return undefined;
  const [, year, , month, day] = match;
  if (!isDate(Number(year), Number(month), Number(day))) return undefined;
  const date = `${year}${month}${day}`;
  return { from: date, to: date };
}

/** TM; the form HH:MM:SS of ACR-NEMA 300 is read too. Second 60 is the leap second. */
function timeSpan(text: string): Span | undefined {
  const match = /^(\d{2})(?:(:?)(\d{2})(?:\2(\d{2})(?:\.(\d{1,6}))?)?)?$/.exec(text);
  if (match === null) return undefined;
  const [, hour = "", , minute, second, fraction] = match;
  if (Number(hour) > 23 || Number(minute ?? 0) > 59 || Number(second ?? 0) > 60) return undefined;
  return {
    from: `${hour}${minute ?? "00"}${second ?? "00"}.${(fraction ?? "").padEnd(6, "0")}`,
    to: `${hour}${minute ?? "59"}${second ?? "60"}.${(fraction ?? "").padEnd(6, "9")}`,
  };
}

const DATE_TIME =
  /^(\d{4})(?:(\d{2})(?:(\d{2})(?:(\d{2})(?:(\d{2})(?:(\d{2})(?:\.(\d{1,6}))?)?)?)?)?)?(?:([+-])(\d{2})(\d{2}))?$/;

/**
 * DT in UTC. A value without offset is in the time zone named by Timezone Offset From UTC (0008,0201) of its data
 * set, else in the zone of this machine (PS3.5 6.2: "the local timezone of the application creating it").
 */
function dateTimeSpan(text: string, zone: string | undefined): Span | undefined {
  const match = DATE_TIME.exec(text);
  if (match === null) return undefined;
  const [, year, month, day, hour, minute, second, fraction] = match;
  const parts = [year, month, day, hour, minute, second].map((part) =>
    part === undefined ? undefined : Number(part),
  );
  const [y = 0, mo = 1, d = 1, h = 0, mi = 0, s = 0] = parts;
  if (y < 1000 || !isDate(y, mo, d) || h > 23 || mi > 59 || s > 60) return undefined;
  const suffix = match[8] === undefined ? zone : `${match[8]}${match[9]}${match[10]}`;
  const offset = offsetMinutes(suffix);
  if (suffix !== undefined && offset === undefined) return undefined;
  const at = (values: readonly number[]) => {
    const [a, b, ...rest] = values as [number, number, number, number, number, number];
    return offset === undefined
      ? new Date(a, b - 1, ...rest).getTime()
      : Date.UTC(a, b - 1, ...rest) - offset * 60_000;
  };
  const first = [y, mo, d, h, mi, s];
  const precision = parts.indexOf(undefined);
  const next = [...first];
  next[(precision < 0 ? 6 : precision) - 1]! += 1;
  return {
    from: `${utc(at(first))}.${(fraction ?? "").padEnd(6, "0")}`,
    to:
      fraction === undefined
        ? `${utc(at(next) - 1000)}.${LAST_FRACTION}`
        : `${utc(at(first))}.${fraction.padEnd(6, "9")}`,
  };
}

/** −1200 to +1400 in minutes; undefined when there is none or it is out of range. PS3.5 6.2, DT note 1. */
function offsetMinutes(suffix: string | undefined): number | undefined {
  const match = /^([+-])(\d{2})(\d{2})$/.exec(suffix ?? "");
  if (match === null) return undefined;
  const minutes = (Number(match[2]) * 60 + Number(match[3])) * (match[1] === "-" ? -1 : 1);
  return Number(match[3]) < 60 && minutes >= -720 && minutes <= 840 ? minutes : undefined;
}

function utc(milliseconds: number): string {
  return new Date(milliseconds).toISOString().slice(0, 19).replace(/\D/g, "");
}

const DAYS = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

/** Of the Gregorian calendar, also before it began. */
function isDate(year: number, month: number, day: number): boolean {
  if (month < 1 || month > 12 || day < 1) return false;
  const isLeap = year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0);
  return day <= DAYS[month - 1]! + (month === 2 && isLeap ? 1 : 0);
}

/** The span of one value; undefined when it is not of its VR. */
export function spanOf(vr: DateTimeVr, text: string, zone?: string | undefined): Span | undefined {
  switch (vr) {
    case "DA":
      return dateSpan(text);
    case "TM":
      return timeSpan(text);
    case "DT":
      return dateTimeSpan(text, zone);
  }
}

/**
 * A key: one value or a range (PS3.4 C.2.2.2.1, C.2.2.2.5). A range includes the whole span of its upper end; that
 * its lower end is not the later one is for the caller to check, who may combine it with another. Undefined when it
 * is neither.
 */
export function parseSpanKey(
  vr: DateTimeVr,
  text: string,
  zone?: string | undefined,
): SpanKey | undefined {
  const ends = splitRange(vr, text);
  if (ends === undefined) return undefined;
  const [low, high] = ends;
  if (high === undefined) {
    const span = spanOf(vr, low, zone);
    return span === undefined ? undefined : { ...span, isRange: false };
  }
  const from = low === "" ? undefined : spanOf(vr, low, zone)?.from;
  const to = high === "" ? undefined : spanOf(vr, high, zone)?.to;
  const isMalformed = (low !== "" && from === undefined) || (high !== "" && to === undefined);
  if (isMalformed || (low === "" && high === "")) return undefined;
  return {
    isRange: true,
    ...(from === undefined ? {} : { from }),
    ...(to === undefined ? {} : { to }),
  };
}

/** In DT a hyphen and four digits up to 1400 are an offset: no year is that early. PS3.4 C.2.2.2.5.3. */
const DT_RANGE =
  /^(\d{4,14}(?:\.\d{1,6})?(?:[+-](?:0\d|1[0-4])[0-5]\d(?!\d))?)?(?: *(-) *(\d{4,14}(?:\.\d{1,6})?(?:[+-]\d{4})?)?)?$/;

function splitRange(vr: DateTimeVr, text: string): [string] | [string, string] | undefined {
  if (vr === "DT") {
    const match = DT_RANGE.exec(text);
    if (match === null || (match[1] === undefined && match[3] === undefined)) return undefined;
    return match[2] === undefined ? [match[1]!] : [match[1] ?? "", match[3] ?? ""];
  }
  const ends = text.split("-").map((end) => end.trim());
  if (ends.length > 2) return undefined;
  return ends as [string] | [string, string];
}

/** A date and a time as one text that can be compared; a time that is not known counts as midnight. */
export function joinDateTime(date: string, time: string | undefined): string {
  return `${date}${time ?? `000000.${ZERO_FRACTION}`}`;
}
