/** What may be asked for by query and retrieve: from the table that the queries themselves use. */
import { formatTag, keywordOf } from "../../dicom/tags.ts";
import { attributeRows, LEVELS, QUERY_ATTRIBUTES, UNIQUE_KEY } from "../../search/attributes.ts";
import { markdownTable } from "./table.ts";

export function queryKeysTable(): string {
  const rows = attributeRows().map((row, at) => {
    const items = QUERY_ATTRIBUTES[at]!.items?.map((one) => keywordOf(one.tag)) ?? [];
    return [
      row.level,
      formatTag(row.tag),
      row.keyword,
      row.vr,
      row.key,
      row.matching.length === 0
        ? "none: it is returned"
        : ["universal", ...row.matching].join(", "),
      items.join(", "),
    ];
  });
  return markdownTable(["level", "tag", "keyword", "VR", "key", "matching", "of the items"], rows);
}

export function retrieveKeysTable(): string {
  const rows = LEVELS.map((level) => [
    level,
    level === "PATIENT" ? "Patient Root" : "Patient Root, Study Root",
    formatTag(UNIQUE_KEY[level]),
    keywordOf(UNIQUE_KEY[level]),
    level === "PATIENT" ? "single value" : "single value, list of UID",
  ]);
  return markdownTable(["level", "information model", "tag", "unique key", "values"], rows);
}
