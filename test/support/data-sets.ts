/** Data sets written as records, and what they are negotiated with. */
import { DataSet } from "../../src/dicom/data-set.ts";
import { TAG, vrOf } from "../../src/dicom/tags.ts";
import type { QueryNegotiation } from "../../src/dimse/ports.ts";

export const PLAIN: QueryNegotiation = { relational: false, dateTime: false, fuzzyNames: false };

/** Keyword → value as text, a number (US), or one record an item. */
export type Values = Readonly<{ [K in keyof typeof TAG]?: string | number | readonly Values[] }>;

/** The data set, in UTF-8. */
export function dataSetOf(values: Values): DataSet {
  return itemOf(values).setString(TAG.SpecificCharacterSet, "CS", "ISO_IR 192");
}

function itemOf(values: Values): DataSet {
  const dataSet = new DataSet();
  for (const [keyword, value] of Object.entries(values)) {
    const tag = TAG[keyword as keyof typeof TAG];
    if (typeof value === "number")
      dataSet.setBytes(tag, "US", Uint8Array.of(value & 0xff, value >>> 8));
    else if (typeof value === "string") dataSet.setString(tag, vrOf(tag), value);
    else dataSet.setItems(tag, value.map(itemOf));
  }
  return dataSet;
}
