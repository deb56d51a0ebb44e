/**
 * What is kept of a header for queries besides the columns of the archive's tables: one JSON document a level. A
 * value is a list of texts under its tag (eight hex digits), a sequence a list of such documents. `search` holds
 * what is compared instead of the value: folded person names, dates and times of one length (see date-time.ts).
 */
import type { DataSet } from "./data-set.ts";
import { type DateTimeVr, spanOf } from "./date-time.ts";
import { foldName } from "./person-name.ts";
import { TAG, vrOf } from "./tags.ts";

export type QueryLevel = "patient" | "study" | "series" | "instance";

export interface KeptAttribute {
  readonly tag: number;
  /** Its name in a document: see {@link documentKey}. */
  readonly key: string;
  readonly vr: string;
  /** The attributes kept of each item, when it is a sequence. */
  readonly items?: readonly KeptAttribute[];
}

/** Attributes of one level: lists of texts, lists of items, and `search`. */
export type KeptDocument = {
  readonly [key: string]: readonly (string | KeptDocument)[] | SearchKeys;
};
export type SearchKeys = { readonly [tag: string]: readonly string[] };
export type QueryAttributes = Readonly<Record<QueryLevel, KeptDocument>>;

const kept = (tag: number): KeptAttribute => ({ tag, key: documentKey(tag), vr: vrOf(tag) });
const sequence = (tag: number, items: readonly KeptAttribute[]): KeptAttribute => ({
  tag,
  key: documentKey(tag),
  vr: "SQ",
  items,
});
/** Code Sequence Macro. PS3.3 Table 8.8-1. */
const CODE = [
  TAG.CodeValue,
  TAG.CodingSchemeDesignator,
  TAG.CodingSchemeVersion,
  TAG.CodeMeaning,
].map(kept);

/** What the documents hold, level by level. `search/attributes.ts` makes query attributes of them. */
export const KEPT_ATTRIBUTES: Readonly<Record<QueryLevel, readonly KeptAttribute[]>> = {
  patient: [
    ...[
      TAG.PatientBirthTime,
      TAG.OtherPatientIDs,
      TAG.OtherPatientNames,
      TAG.EthnicGroup,
      TAG.PatientComments,
    ].map(kept),
    sequence(TAG.OtherPatientIDsSequence, [
      ...[TAG.PatientID, TAG.IssuerOfPatientID, TAG.TypeOfPatientID].map(kept),
    ]),
  ],
  study: [
    ...[
      TAG.InstitutionName,
      TAG.NameOfPhysiciansReadingStudy,
      TAG.AdmittingDiagnosesDescription,
      TAG.PatientAge,
    ].map(kept),
    sequence(TAG.ProcedureCodeSequence, CODE),
    sequence(TAG.IssuerOfAccessionNumberSequence, [
      ...[TAG.LocalNamespaceEntityID, TAG.UniversalEntityID, TAG.UniversalEntityIDType].map(kept),
    ]),
  ],
  series: [
    ...[
      TAG.SeriesDate,
      TAG.SeriesTime,
      TAG.StationName,
      TAG.InstitutionalDepartmentName,
      TAG.PerformingPhysicianName,
      TAG.OperatorsName,
      TAG.ProtocolName,
      TAG.PatientPosition,
      TAG.Laterality,
      TAG.PerformedProcedureStepStartDate,
      TAG.PerformedProcedureStepStartTime,
      TAG.PerformedProcedureStepID,
      TAG.PerformedProcedureStepDescription,
    ].map(kept),
    sequence(TAG.RequestAttributesSequence, [
      ...[
        TAG.AccessionNumber,
        TAG.StudyInstanceUID,
        TAG.RequestedProcedureDescription,
        TAG.ScheduledProcedureStepDescription,
        TAG.ScheduledProcedureStepID,
        TAG.RequestedProcedureID,
      ].map(kept),
      sequence(TAG.RequestedProcedureCodeSequence, CODE),
      sequence(TAG.ScheduledProtocolCodeSequence, CODE),
    ]),
  ],
  instance: [
    ...[
      TAG.ImageType,
      TAG.AcquisitionDate,
      TAG.ContentDate,
      TAG.AcquisitionDateTime,
      TAG.AcquisitionTime,
      TAG.ContentTime,
      TAG.AcquisitionNumber,
      TAG.BitsAllocated,
      TAG.CompletionFlag,
      TAG.VerificationFlag,
    ].map(kept),
    sequence(TAG.ConceptNameCodeSequence, CODE),
  ],
};

/** Person names and times that stand in columns of their own but are compared through `search`. */
const SEARCHED_ONLY: Readonly<Record<QueryLevel, readonly KeptAttribute[]>> = {
  patient: [TAG.PatientName].map(kept),
  study: [TAG.StudyTime, TAG.ReferringPhysicianName].map(kept),
  series: [],
  instance: [],
};

/** Everything at the top level of a header that {@link readQueryAttributes} looks at. */
export const QUERY_ATTRIBUTE_TAGS: readonly number[] = [
  ...Object.values(KEPT_ATTRIBUTES).flat(),
  ...Object.values(SEARCHED_ONLY).flat(),
]
  .map(({ tag }) => tag)
  .concat(TAG.SpecificCharacterSet, TAG.TimezoneOffsetFromUTC);

/** Bounds of one document: what a hostile header can make of it stays below about 100 kB. */
const VALUES_MAX = 8;
const ITEMS_MAX = 8;
/** Characters of one value. PS3.5 6.2; the texts without a useful limit there are cut. */
const CHARACTERS_MAX: Readonly<Record<string, number>> = {
  AE: 16,
  AS: 4,
  CS: 16,
  DA: 10,
  DS: 16,
  DT: 26,
  IS: 12,
  LO: 64,
  PN: 324,
  SH: 16,
  TM: 16,
  UI: 64,
};
const TEXT_CHARACTERS_MAX = 1024;
const BINARY_VRS = new Set(["US", "SS", "UL", "SL", "FL", "FD"]);
const DATE_TIME_VRS = new Set(["DA", "TM", "DT"]);

/** The key of a tag in a document. */
export function documentKey(tag: number): string {
  return tag.toString(16).toUpperCase().padStart(8, "0");
}

/** The document of one level. Never throws: what cannot be read is left out. */
export function readQueryDocument(header: DataSet, level: QueryLevel): KeptDocument {
  const search: Record<string, readonly string[]> = {};
  const document = read(header, KEPT_ATTRIBUTES[level], search);
  for (const { tag, key, vr } of SEARCHED_ONLY[level])
    addSearch(search, header, key, vr, textValues(header, tag, vr));
  return Object.keys(search).length === 0 ? document : { ...document, search };
}

/** One document of two levels, for the row that holds both (patient and study). */
export function mergeDocuments(first: KeptDocument, second: KeptDocument): KeptDocument {
  const search = { ...(first.search as SearchKeys), ...(second.search as SearchKeys) };
  const merged = { ...first, ...second };
  return Object.keys(search).length === 0 ? merged : { ...merged, search };
}

/** @param search - gets what is compared instead of a value; not wanted of the items of a sequence */
function read(
  dataSet: DataSet,
  attributes: readonly KeptAttribute[],
  search?: Record<string, readonly string[]>,
): Record<string, (string | KeptDocument)[]> {
  const document: Record<string, (string | KeptDocument)[]> = {};
  for (const { tag, key, vr, items } of attributes) {
    const element = dataSet.get(tag);
    if (element === undefined) continue;
    if (items === undefined) {
      const values = textValues(dataSet, tag, vr);
      if (!values.some(isNotEmpty)) continue;
      document[key] = values;
      if (search !== undefined) addSearch(search, dataSet, key, vr, values);
    } else if (element.items !== undefined && element.items.length > 0) {
      document[key] = element.items.slice(0, ITEMS_MAX).map((item) => read(item, items));
    }
  }
  return document;
}

/** Names and times as they are compared: {@link spanOf}, {@link foldName}. */
function addSearch(
  search: Record<string, readonly string[]>,
  header: DataSet,
  key: string,
  vr: string,
  values: readonly string[],
): void {
  if (values.length === 0 || (vr !== "PN" && !DATE_TIME_VRS.has(vr))) return;
  const zone = header.string(TAG.TimezoneOffsetFromUTC) || undefined;
  const found = values.map((value) =>
    vr === "PN" ? foldName(value) : (spanOf(vr as DateTimeVr, value, zone)?.from ?? ""),
  );
  if (found.some(isNotEmpty)) search[key] = found;
}

const isNotEmpty = (value: string): boolean => value !== "";

/** The values as clean text; binary ones in decimal. */
export function textValues(dataSet: DataSet, tag: number, vr: string): string[] {
  const element = dataSet.get(tag);
  if (element === undefined || element.value.length === 0) return [];
  const isBinary = BINARY_VRS.has(element.vr) || (BINARY_VRS.has(vr) && element.vr === "UN");
  const raw = isBinary
    ? dataSet.numbers(tag).slice(0, VALUES_MAX).filter(Number.isFinite).map(String)
    : dataSet.strings(tag).slice(0, VALUES_MAX);
  return raw.map((value) => cleanText(value, CHARACTERS_MAX[vr] ?? TEXT_CHARACTERS_MAX));
}

/** Without control characters (PostgreSQL refuses NUL), well formed, trimmed, at most so many characters. */
export function cleanText(value: string, charactersMax: number): string {
  if (value.length <= charactersMax && isPrintableAscii(value)) return value.trim();
  const clean = value
    .replace(/\p{Cc}/gu, "")
    .toWellFormed()
    .trim();
  return clean.length <= charactersMax ? clean : [...clean].slice(0, charactersMax).join("").trim();
}

function isPrintableAscii(value: string): boolean {
  for (let index = 0; index < value.length; index++) {
    const code = value.charCodeAt(index);
    if (code < 0x20 || code > 0x7e) return false;
  }
  return true;
}
