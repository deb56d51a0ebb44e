/** Answers of a C-FIND: the requested attributes that are supported, and those the standard adds. PS3.4 C.4.1.1.3.2. */
import { DataSet } from "../dicom/data-set.ts";
import { documentKey, type KeptAttribute, type KeptDocument } from "../dicom/query-attributes.ts";
import { TAG } from "../dicom/tags.ts";
import type { QueryRetrieveLevel } from "../dimse/ports.ts";
import { ALIAS_OF, type QueryAttribute } from "./attributes.ts";
import { bind } from "./condition.ts";
import { itemCondition } from "./matching-keys.ts";

/** Of an identifier, but no keys. PS3.4 C.4.1.1.3.1. */
const NO_KEYS: ReadonlySet<number> = new Set([
  TAG.SpecificCharacterSet,
  TAG.QueryRetrieveLevel,
  TAG.QueryRetrieveView,
  TAG.RetrieveAETitle,
  TAG.InstanceAvailability,
  TAG.TimezoneOffsetFromUTC,
]);

/** True when a key is not supported for existence or for matching: FF01H instead of FF00H. PS3.4 C.4.1.1.4. */
export function hasUnsupportedKeys(
  identifier: DataSet,
  returned: readonly QueryAttribute[],
  matched: readonly QueryAttribute[],
): boolean {
  return [...identifier.elements.values()].some((element) => {
    const { tag } = element;
    if (NO_KEYS.has(tag) || (tag & 0xffff) === 0) return false;
    const attribute = returned.find((one) => one.tag === tag);
    if (attribute === undefined) return !matched.some((one) => one.tag === tag);
    if (attribute.source.kind === "computed") return identifier.strings(tag).join("").trim() !== "";
    const items = identifier.items(tag);
    return items.some((item) => hasUnsupportedItemKeys(item, attribute.items ?? []));
  });
}

function hasUnsupportedItemKeys(item: DataSet, known: readonly KeptAttribute[]): boolean {
  return [...item.elements.values()].some((element) => {
    const attribute = known.find((one) => one.tag === element.tag);
    if (attribute === undefined) return element.tag !== TAG.SpecificCharacterSet;
    const items = item.items(element.tag);
    return items.some((inner) => hasUnsupportedItemKeys(inner, attribute.items ?? []));
  });
}

/** The columns `a0`, `a1`, … of a statement, one for each attribute; their values are added to `values`. */
export function answerColumns(
  wanted: readonly QueryAttribute[],
  identifier: DataSet,
  values: unknown[],
): string[] {
  return wanted.map((one, index) => `${columnSql(one, identifier, values)} as a${index}`);
}

function columnSql(attribute: QueryAttribute, identifier: DataSet, values: unknown[]): string {
  const { tag, level, source, items } = attribute;
  switch (source.kind) {
    case "column":
    case "computed":
      return source.sql;
    case "related":
      return `(select string_agg(distinct ${source.value}, '\\' order by ${source.value}) from ${source.from})`;
    case "document": {
      const list = `${ALIAS_OF[level]}.query_attributes -> '${documentKey(tag)}'`;
      const key = items === undefined ? undefined : identifier.items(tag)[0];
      const condition = key === undefined ? undefined : itemCondition(items!, "item0.j", key);
      if (condition === undefined) return list;
      // Only the items that match are answered. PS3.4 C.2.2.2.6.
      return `(select jsonb_agg(item0.j) from jsonb_array_elements(${list}) item0(j) where ${bind(condition, values)})`;
    }
  }
}

/** One answer from a row with the columns of {@link answerColumns}. Values not known are answered empty. */
export function answer(
  row: Readonly<Record<string, unknown>>,
  wanted: readonly QueryAttribute[],
  query: { identifier: DataSet; level: QueryRetrieveLevel; retrieveAeTitle: string },
): DataSet {
  const dataSet = new DataSet()
    .setString(TAG.SpecificCharacterSet, "CS", "ISO_IR 192")
    .setString(TAG.QueryRetrieveLevel, "CS", query.level)
    .setString(TAG.RetrieveAETitle, "AE", query.retrieveAeTitle)
    .setString(TAG.InstanceAvailability, "CS", "ONLINE");
  wanted.forEach((attribute, index) => {
    setValue(dataSet, attribute, row[`a${index}`], query.identifier.items(attribute.tag)[0]);
  });
  return dataSet;
}

function setValue(
  dataSet: DataSet,
  { tag, vr, items }: KeptAttribute,
  value: unknown,
  requested: DataSet | undefined,
): void {
  if (items !== undefined) {
    const found = (value ?? []) as readonly KeptDocument[];
    dataSet.setItems(
      tag,
      found.map((item) => itemOf(item, items, requested)),
    );
    return;
  }
  const texts = Array.isArray(value) ? value.map(String) : String(value ?? "").split("\\");
  if (vr === "US") dataSet.setBytes(tag, vr, unsignedShorts(texts));
  else dataSet.setString(tag, vr, texts);
}

/** The requested attributes of an item; all of them when none was named (a zero-length item or sequence). */
function itemOf(
  item: KeptDocument,
  items: readonly KeptAttribute[],
  requested: DataSet | undefined,
): DataSet {
  const named = [...(requested?.elements.keys() ?? [])];
  const isAll = named.every((tag) => tag === TAG.SpecificCharacterSet);
  const dataSet = new DataSet();
  for (const attribute of items) {
    if (!isAll && requested?.has(attribute.tag) !== true) continue;
    const value = item[documentKey(attribute.tag)];
    if (isAll && value === undefined) continue;
    setValue(dataSet, attribute, value, requested?.items(attribute.tag)[0]);
  }
  return dataSet;
}

function unsignedShorts(texts: readonly string[]): Uint8Array {
  const numbers = texts.filter((text) => /^\d{1,5}$/.test(text)).map(Number);
  return new Uint8Array(Buffer.concat(numbers.map((one) => Buffer.of(one & 0xff, one >>> 8))));
}
