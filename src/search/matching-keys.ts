/** C-FIND matching keys as SQL conditions: every matching type of PS3.4 C.2.2.2, by the VR of the attribute. */
import type { DataSet } from "../dicom/data-set.ts";
import type { DateTimeVr } from "../dicom/date-time.ts";
import { documentKey, type KeptAttribute } from "../dicom/query-attributes.ts";
import { TAG } from "../dicom/tags.ts";
import type { QueryNegotiation } from "../dimse/ports.ts";
import { ALIAS_OF, QUERY_ATTRIBUTES, type QueryAttribute, RANGE_VRS } from "./attributes.ts";
import { and, type Condition, or, within } from "./condition.ts";
import { fuzzyNameCondition, nameCondition } from "./name-keys.ts";
import { refuse } from "./refuse.ts";
import { combinedCondition, requireSpanKey, spanCondition } from "./span-keys.ts";
import { integerCondition, isOnlyStars, textCondition, uidCondition } from "./text-keys.ts";

/** Values in one key. UIDs of a list: as many as an identifier has room for. */
const UIDS_MAX = 1000;
const VALUES_MAX = 64;
const VALUE_CHARACTERS_MAX = 1024;
const BINARY_VRS = new Set(["US", "SS", "UL", "SL"]);

/** A key's condition and the attribute it is on. */
export interface KeyCondition {
  readonly attribute: QueryAttribute;
  readonly condition: Condition;
}

/**
 * The conditions that the identifier asks for; universal keys and attributes that are only returned give none.
 *
 * @param attributes - the attributes that may be keys here
 * @throws KindredError `QUERY_INVALID` for a value that cannot be of its VR, naming the key
 */
export function matchingConditions(
  attributes: readonly QueryAttribute[],
  identifier: DataSet,
  negotiated: QueryNegotiation,
): KeyCondition[] {
  const combined = negotiated.dateTime ? combinedConditions(attributes, identifier) : [];
  const done = new Set(combined.flatMap((one) => one.tags));
  const single = attributes
    .filter((attribute) => !done.has(attribute.tag))
    .flatMap((attribute) => {
      const condition = matchingCondition(attribute, identifier, negotiated);
      return condition === undefined ? [] : [{ attribute, condition }];
    });
  return [...combined, ...single];
}

/** The condition of one key; undefined for universal matching. */
export function matchingCondition(
  attribute: QueryAttribute,
  identifier: DataSet,
  negotiated: QueryNegotiation,
): Condition | undefined {
  const { tag, vr, source } = attribute;
  if (source.kind === "computed") return undefined;
  if (vr === "SQ")
    return sequenceCondition(
      attribute,
      `${ALIAS_OF[attribute.level]}.query_attributes`,
      identifier,
      0,
    );
  const values = keyValues(identifier, tag, vr);
  if (values.length === 0) return undefined;
  if (vr === "PN") return personNames(attribute, values, negotiated);
  if (RANGE_VRS.has(vr)) {
    const zone = zoneOf(identifier);
    const sql = comparedSql(attribute);
    return or(
      values.map((value) => spanCondition(sql, requireSpanKey(tag, vr as DateTimeVr, value, zone))),
    );
  }
  switch (source.kind) {
    case "column":
      return valueCondition(attribute, source.sql, values);
    case "related":
      return within(
        `exists (select 1 from ${source.from} and `,
        parenthesized(valueCondition(attribute, source.value, values)),
        ")",
      );
    case "document":
      return listCondition(attribute, `${source.alias}.query_attributes`, values);
  }
}

/** The values of a key, without those that match everything; empty for universal matching. PS3.4 C.2.2.2.3. */
function keyValues(identifier: DataSet, tag: number, vr: string): string[] {
  const element = identifier.get(tag);
  if (element === undefined || element.value.length === 0) return [];
  const isBinary = BINARY_VRS.has(element.vr) || (BINARY_VRS.has(vr) && element.vr === "UN");
  const values = isBinary
    ? identifier.numbers(tag).map(String)
    : identifier.strings(tag).map((value) => value.trim());
  if (values.every((value) => value === "") || values.some(isOnlyStars)) return [];
  if (values.length > (vr === "UI" ? UIDS_MAX : VALUES_MAX)) refuse(tag, "has too many values");
  if (values.some((value) => value.length > VALUE_CHARACTERS_MAX)) refuse(tag, "is too long");
  if (values.some((value) => value.includes("\0"))) refuse(tag, "holds a NUL");
  return values.filter((value) => value !== "").map((value) => value.toWellFormed());
}

/** A condition on one text by VR. */
function valueCondition(
  { tag, vr }: KeptAttribute,
  valueSql: string,
  values: readonly string[],
): Condition {
  if (vr === "UI") return uidCondition(tag, valueSql, values);
  if (vr === "IS" || BINARY_VRS.has(vr)) return integerCondition(tag, valueSql, values);
  return textCondition(tag, vr, valueSql, values);
}

/** Any of the values in a document's list. */
function listCondition(
  attribute: KeptAttribute,
  documentSql: string,
  values: readonly string[],
): Condition {
  return within(
    `exists (select 1 from jsonb_array_elements_text(${documentSql} -> '${documentKey(attribute.tag)}') v(t) where `,
    valueCondition(attribute, "v.t", values),
    ")",
  );
}

/** One item, whose keys must all match in one and the same item of the entity. PS3.4 C.2.2.2.6. */
function sequenceCondition(
  attribute: KeptAttribute,
  documentSql: string,
  identifier: DataSet,
  depth: number,
): Condition | undefined {
  const { tag, items = [] } = attribute;
  const keys = identifier.items(tag);
  if (keys.length > 1) refuse(tag, "must hold one item");
  const inner =
    keys[0] === undefined ? undefined : itemCondition(items, `item${depth}.j`, keys[0], depth);
  if (inner === undefined) return undefined;
  return within(
    `exists (select 1 from jsonb_array_elements(${documentSql} -> '${documentKey(tag)}') item${depth}(j) where `,
    inner,
    ")",
  );
}

/** The condition of an item's keys on one item; undefined when all are universal. */
export function itemCondition(
  items: readonly KeptAttribute[],
  itemSql: string,
  key: DataSet,
  depth = 0,
): Condition | undefined {
  const conditions = items.flatMap((item) => {
    if (item.items !== undefined) return sequenceCondition(item, itemSql, key, depth + 1) ?? [];
    const values = keyValues(key, item.tag, item.vr);
    return values.length === 0 ? [] : [listCondition(item, itemSql, values)];
  });
  return conditions.length === 0 ? undefined : and(conditions);
}

function personNames(
  attribute: QueryAttribute,
  values: readonly string[],
  negotiated: QueryNegotiation,
): Condition | undefined {
  const { tag, level } = attribute;
  const isPatient = tag === TAG.PatientName;
  const list = `${ALIAS_OF[level]}.query_attributes #> '{search,${documentKey(tag)}}'`;
  const whole = isPatient ? `(${list} ->> 0)` : "n.t";
  const groups = isPatient ? PATIENT_NAME_GROUPS : groupsOf("n.t");
  const conditions = values.map((value) =>
    negotiated.fuzzyNames
      ? fuzzyNameCondition(tag, whole, value)
      : nameCondition(tag, groups, value),
  );
  const all = conditions.filter((condition) => condition !== undefined);
  if (all.length < conditions.length) return undefined;
  if (isPatient) return or(all);
  return within(
    `exists (select 1 from jsonb_array_elements_text(${list}) n(t) where `,
    or(all),
    ")",
  );
}

/** Columns of their own, each with its index. */
const PATIENT_NAME_GROUPS = [
  "s.patient_name_alphabetic",
  "s.patient_name_ideographic",
  "s.patient_name_phonetic",
] as const;

function groupsOf(nameSql: string): [string, string, string] {
  return [1, 2, 3].map((group) => `split_part(${nameSql}, '=', ${group})`) as [
    string,
    string,
    string,
  ];
}

/** SQL of what a date or time key is compared with: text of one length, so that order is order in time. */
function comparedSql({ tag, vr, level, source }: QueryAttribute): string {
  if (vr === "DA" && source.kind === "column") return source.sql;
  return `(${ALIAS_OF[level]}.query_attributes #>> '{search,${documentKey(tag)},0}') collate "C"`;
}

function zoneOf(identifier: DataSet): string | undefined {
  return identifier.string(TAG.TimezoneOffsetFromUTC) || undefined;
}

/** Dates with the times that belong to them. */
const PAIRS: readonly (readonly [number, number])[] = [
  [TAG.StudyDate, TAG.StudyTime],
  [TAG.SeriesDate, TAG.SeriesTime],
  [TAG.AcquisitionDate, TAG.AcquisitionTime],
  [TAG.ContentDate, TAG.ContentTime],
  [TAG.PerformedProcedureStepStartDate, TAG.PerformedProcedureStepStartTime],
];

function combinedConditions(
  attributes: readonly QueryAttribute[],
  identifier: DataSet,
): (KeyCondition & { tags: readonly number[] })[] {
  return PAIRS.flatMap((tags) => {
    const pair = tags.map((tag) => attributes.find((one) => one.tag === tag));
    const values = tags.map((tag) => keyValues(identifier, tag, "DA"));
    if (pair.includes(undefined) || values.some((value) => value.length !== 1)) return [];
    const [date, time] = pair as [QueryAttribute, QueryAttribute];
    const condition = combinedCondition(
      date.tag,
      { date: comparedSql(date), time: comparedSql(time) },
      { date: values[0]![0]!, time: values[1]![0]! },
    );
    if (condition === undefined) return [];
    return [{ attribute: date, condition, tags }];
  });
}

function parenthesized(condition: Condition): Condition {
  return within("(", condition, ")");
}

/** The attribute of a tag. */
export function attributeOf(tag: number): QueryAttribute | undefined {
  return QUERY_ATTRIBUTES.find((attribute) => attribute.tag === tag);
}
