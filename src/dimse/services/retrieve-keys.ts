/**
 * The identifier of a C-MOVE or C-GET: level and unique keys, checked. PS3.4 C.4.2.1.4, C.4.2.2 (C.4.3 likewise). Other
 * attributes are no keys of a retrieve and are not looked at; nor are unique keys below the level.
 */
import type { DataSet } from "../../dicom/data-set.ts";
import { keywordOf, TAG } from "../../dicom/tags.ts";
import { isValidUid } from "../../dicom/uids.ts";
import { KindredError } from "../../kernel/errors.ts";
import type { InformationModel, QueryRetrieveLevel, RetrieveKeys } from "../ports.ts";

/** Unique keys from the top. PS3.4 C.6.1.1, C.6.2.1. */
const LEVELS: readonly { readonly level: QueryRetrieveLevel; readonly tag: number }[] = [
  { level: "PATIENT", tag: TAG.PatientID },
  { level: "STUDY", tag: TAG.StudyInstanceUID },
  { level: "SERIES", tag: TAG.SeriesInstanceUID },
  { level: "IMAGE", tag: TAG.SOPInstanceUID },
];

/**
 * @param isRelational - relational retrieve was agreed by extended negotiation: keys above the level may be left out, and
 *   may be lists (PS3.4 C.5.2.1, C.5.3.1)
 * @throws KindredError `QUERY_INVALID` with what is wrong
 */
export function retrieveKeysOf(
  identifier: DataSet,
  model: InformationModel,
  isRelational: boolean,
): RetrieveKeys {
  const first = model === "PATIENT_ROOT" ? 0 : 1;
  const asked = identifier.string(TAG.QueryRetrieveLevel)?.trim();
  const at = LEVELS.findIndex((one) => one.level === asked);
  if (at < first) {
    const names = LEVELS.slice(first).map((one) => one.level);
    throw new KindredError(
      "QUERY_INVALID",
      `Query/Retrieve Level must be ${names.slice(0, -1).join(", ")} or IMAGE`,
    );
  }
  const found = LEVELS.map(({ level, tag }, index) => {
    if (index < first || index > at) return undefined;
    const values = identifier.strings(tag).map((value) => value.trim());
    // A list of Patient IDs is allowed nowhere; without relational retrieve, lists stand at the level only.
    const isList = level !== "PATIENT" && (index === at || isRelational);
    const isNeeded = index === at || !isRelational;
    return valuesOf(tag, values, { level: LEVELS[at]!.level, isList, isNeeded });
  });
  return {
    level: LEVELS[at]!.level,
    patientId: found[0]?.[0],
    studyInstanceUids: found[1],
    seriesInstanceUids: found[2],
    sopInstanceUids: found[3],
  };
}

function valuesOf(
  tag: number,
  values: readonly string[],
  rule: { readonly level: string; readonly isList: boolean; readonly isNeeded: boolean },
): readonly string[] | undefined {
  const keyword = keywordOf(tag);
  if (values.every((value) => value === "")) {
    if (!rule.isNeeded) return undefined;
    throw new KindredError("QUERY_INVALID", `${keyword} is needed at level ${rule.level}`);
  }
  if (values.length > 1 && !rule.isList)
    throw new KindredError("QUERY_INVALID", `${keyword} must be one value`);
  if (tag === TAG.PatientID) {
    // Unique keys match as single values only: a wildcard taken literally would find nothing, and say success.
    if (/[*?]/.test(values[0]!))
      throw new KindredError("QUERY_INVALID", `${keyword} must be without wildcards`);
  } else if (!values.every(isValidUid)) {
    throw new KindredError("QUERY_INVALID", `${keyword} must hold UIDs only`);
  }
  return [...new Set(values)];
}
