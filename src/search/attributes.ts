/**
 * The attributes that queries know: where each lives in the database and how it matches. One table serves the
 * standard query, the filters of the similarity query, and the conformance statement. PS3.4 C.6.1.1, C.6.2.1.
 */
import { KEPT_ATTRIBUTES, type KeptAttribute, type QueryLevel } from "../dicom/query-attributes.ts";
import { keywordOf, TAG, vrOf } from "../dicom/tags.ts";
import type { QueryRetrieveLevel } from "../dimse/ports.ts";

/** Unique, required or optional key of its level. PS3.4 C.2.2.1. */
export type KeyType = "unique" | "required" | "optional";

/** The tables of a query: s (study, with the patient), r (series), i (instance). */
export type Alias = "s" | "r" | "i";

/** Where the values are. */
export type Source =
  /** One value in a text column; values of a multi-valued one joined by a backslash. */
  | { readonly kind: "column"; readonly sql: string }
  /** A list in the JSON document of the row. */
  | { readonly kind: "document"; readonly alias: Alias }
  /** One value in each of the related rows; matches when any does. */
  | { readonly kind: "related"; readonly from: string; readonly value: string }
  /** Counted for the answer; never matched. PS3.4 C.3.4 to C.3.6. */
  | { readonly kind: "computed"; readonly sql: string };

export interface QueryAttribute {
  readonly tag: number;
  readonly vr: string;
  readonly level: QueryRetrieveLevel;
  readonly key: KeyType;
  readonly source: Source;
  /** The attributes known of the items, when it is a sequence. */
  readonly items?: readonly KeptAttribute[];
}

export const LEVELS: readonly QueryRetrieveLevel[] = ["PATIENT", "STUDY", "SERIES", "IMAGE"];

export const ALIAS_OF: Readonly<Record<QueryRetrieveLevel, Alias>> = {
  PATIENT: "s",
  STUDY: "s",
  SERIES: "r",
  IMAGE: "i",
};

/** Unique keys by level. PS3.4 C.6.1.1, C.6.2.1. */
export const UNIQUE_KEY: Readonly<Record<QueryRetrieveLevel, number>> = {
  PATIENT: TAG.PatientID,
  STUDY: TAG.StudyInstanceUID,
  SERIES: TAG.SeriesInstanceUID,
  IMAGE: TAG.SOPInstanceUID,
};

/** A study without Patient ID is a patient of its own; this tells such patients apart. */
export const LONE_STUDY = "(case when s.patient_id = '' then s.study_instance_uid else '' end)";
const SAME_PATIENT =
  "y.patient_id = s.patient_id and y.patient_id_issuer = s.patient_id_issuer and (s.patient_id <> '' or y.study_instance_uid = s.study_instance_uid)";
const OF_STUDY = "x.study_instance_uid = s.study_instance_uid";
const PATIENT_SERIES = `series x join study y on y.study_instance_uid = x.study_instance_uid where ${SAME_PATIENT}`;

function column(
  level: QueryRetrieveLevel,
  tag: number,
  sql: string,
  key: KeyType = "optional",
): QueryAttribute {
  return { tag, vr: vrOf(tag), level, key, source: { kind: "column", sql } };
}

function computed(level: QueryRetrieveLevel, tag: number, sql: string): QueryAttribute {
  return { tag, vr: vrOf(tag), level, key: "optional", source: { kind: "computed", sql } };
}

function related(tag: number, from: string, value: string): QueryAttribute {
  return {
    tag,
    vr: vrOf(tag),
    level: "STUDY",
    key: "optional",
    source: { kind: "related", from, value },
  };
}

function documented(level: QueryRetrieveLevel, from: QueryLevel): QueryAttribute[] {
  const source: Source = { kind: "document", alias: ALIAS_OF[level] };
  return KEPT_ATTRIBUTES[from].map((kept) => ({
    ...kept,
    level,
    key: "optional" as const,
    source,
  }));
}

export const QUERY_ATTRIBUTES: readonly QueryAttribute[] = [
  column("PATIENT", TAG.PatientName, "s.patient_name", "required"),
  column("PATIENT", TAG.PatientID, "s.patient_id", "unique"),
  column("PATIENT", TAG.IssuerOfPatientID, "s.patient_id_issuer"),
  column("PATIENT", TAG.PatientBirthDate, "s.patient_birth_date"),
  column("PATIENT", TAG.PatientSex, "s.patient_sex"),
  ...documented("PATIENT", "patient"),
  computed(
    "PATIENT",
    TAG.NumberOfPatientRelatedStudies,
    `(select count(*) from study y where ${SAME_PATIENT})`,
  ),
  computed("PATIENT", TAG.NumberOfPatientRelatedSeries, `(select count(*) from ${PATIENT_SERIES})`),
  computed(
    "PATIENT",
    TAG.NumberOfPatientRelatedInstances,
    `(select coalesce(sum(x.instance_count), 0) from ${PATIENT_SERIES})`,
  ),
  column("STUDY", TAG.StudyInstanceUID, "s.study_instance_uid", "unique"),
  column("STUDY", TAG.StudyDate, "s.study_date", "required"),
  column("STUDY", TAG.StudyTime, "s.study_time", "required"),
  column("STUDY", TAG.AccessionNumber, "s.accession_number", "required"),
  column("STUDY", TAG.StudyID, "s.study_id", "required"),
  column("STUDY", TAG.StudyDescription, "s.study_description"),
  column("STUDY", TAG.ReferringPhysicianName, "s.referring_physician_name"),
  ...documented("STUDY", "study"),
  related(TAG.ModalitiesInStudy, `series x where ${OF_STUDY} and x.modality <> ''`, "x.modality"),
  related(
    TAG.SOPClassesInStudy,
    `series x join instance y on y.series_instance_uid = x.series_instance_uid where ${OF_STUDY}`,
    "y.sop_class_uid",
  ),
  computed(
    "STUDY",
    TAG.NumberOfStudyRelatedSeries,
    `(select count(*) from series x where ${OF_STUDY})`,
  ),
  computed(
    "STUDY",
    TAG.NumberOfStudyRelatedInstances,
    `(select coalesce(sum(x.instance_count), 0) from series x where ${OF_STUDY})`,
  ),
  column("SERIES", TAG.SeriesInstanceUID, "r.series_instance_uid", "unique"),
  column("SERIES", TAG.Modality, "r.modality", "required"),
  column("SERIES", TAG.SeriesNumber, "r.series_number", "required"),
  column("SERIES", TAG.SeriesDescription, "r.series_description"),
  column("SERIES", TAG.BodyPartExamined, "r.body_part_examined"),
  column("SERIES", TAG.FrameOfReferenceUID, "r.frame_of_reference_uid"),
  column("SERIES", TAG.Manufacturer, "r.manufacturer"),
  column("SERIES", TAG.ManufacturerModelName, "r.model_name"),
  ...documented("SERIES", "series"),
  computed("SERIES", TAG.NumberOfSeriesRelatedInstances, "r.instance_count"),
  column("IMAGE", TAG.SOPInstanceUID, "i.sop_instance_uid", "unique"),
  column("IMAGE", TAG.InstanceNumber, "i.instance_number", "required"),
  column("IMAGE", TAG.SOPClassUID, "i.sop_class_uid"),
  column("IMAGE", TAG.NumberOfFrames, "i.number_of_frames"),
  column("IMAGE", TAG.Rows, "split_part(i.rows_columns, '\\', 1)"),
  column("IMAGE", TAG.Columns, "split_part(i.rows_columns, '\\', 2)"),
  ...documented("IMAGE", "instance"),
];

/** VRs that may hold wildcards in a key. PS3.4 C.2.2.2.4. */
export const WILDCARD_VRS: ReadonlySet<string> = new Set([
  ...["AE", "CS", "LO", "LT", "PN", "SH", "ST", "UC", "UR", "UT"],
]);
/** VRs whose keys may be ranges. PS3.4 C.2.2.2.5. */
export const RANGE_VRS: ReadonlySet<string> = new Set(["DA", "TM", "DT"]);

/** A row of the table for people: the conformance statement is made from these. */
export interface AttributeRow {
  readonly keyword: string;
  readonly tag: number;
  readonly level: QueryRetrieveLevel;
  readonly vr: string;
  readonly key: KeyType;
  /** Matching types beside universal matching, in the words of PS3.4 C.2.2.2; empty when it is only returned. */
  readonly matching: readonly string[];
}

export function attributeRows(): AttributeRow[] {
  return QUERY_ATTRIBUTES.map((attribute) => ({
    keyword: keywordOf(attribute.tag),
    tag: attribute.tag,
    level: attribute.level,
    vr: attribute.vr,
    key: attribute.key,
    matching: attribute.source.kind === "computed" ? [] : matchingTypes(attribute.vr),
  }));
}

function matchingTypes(vr: string): string[] {
  if (vr === "SQ") return ["sequence"];
  if (vr === "UI") return ["single value", "list of UID"];
  if (RANGE_VRS.has(vr)) return ["single value", "range"];
  return WILDCARD_VRS.has(vr) ? ["single value", "wild card"] : ["single value"];
}
