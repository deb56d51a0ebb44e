/** Tables study, series and instance as the receiving side writes them: one statement keeps all instances that wait. */
import type { InstanceHeader } from "../dicom/instance-header.ts";
import { mergeDocuments } from "../dicom/query-attributes.ts";
import type { BoundedDatabase, OpenStatement } from "./bounded.ts";
import type { Queryable } from "./queryable.ts";

/** An instance whose bytes are on disk, synced, and whose row is about to be written. */
export interface KeptInstance {
  readonly header: InstanceHeader;
  readonly transferSyntaxUid: string;
  readonly fileKey: string;
  /** Size of the whole file, with preamble and file meta. */
  readonly fileBytes: number;
  /** Size of the data set. */
  readonly sizeBytes: number;
  /** Keyed digest of the data-set bytes: equal for the same bytes, in this archive only. */
  readonly digest: Buffer;
  readonly callingAeTitle: string;
  readonly receivedAt: Date;
}

/** What becomes of a SOP Instance UID that is known with other bytes. */
export type DuplicatesPolicy = "keep-first" | "replace" | "reject";

/**
 * `kept`: a new row, or one whose file had been lost. `same`: the very bytes were kept before. `other`: the UID is
 * taken by other bytes. `replaced`: these bytes are the instance now. `conflict`: the series belongs to another study,
 * or the instance to another series. `fenced`: a later epoch began, nothing was written.
 */
export type KeepOutcome = "kept" | "same" | "other" | "replaced" | "conflict" | "fenced";

export interface KeepResult {
  readonly outcome: KeepOutcome;
  /** File of the row that was there before: `same`, `replaced`, and `kept` after a loss. */
  readonly earlierFileKey: string | undefined;
}

/** A writing process and the epoch that {@link beginWriterEpoch} gave it. */
export interface WriterEpoch {
  readonly writer: string;
  readonly epoch: number;
}

/**
 * Writes the rows of instances in one autocommitted statement. A series that had left `receiving` opens its next
 * revision.
 *
 * @returns one result an instance, in their order
 * @throws the SQLSTATE 40001, 40P01 or 55P03 when another writer was in the way: nothing was written, call again
 */
export async function keepInstances(
  db: Queryable,
  at: WriterEpoch,
  duplicates: DuplicatesPolicy,
  instances: readonly KeptInstance[],
): Promise<KeepResult[]> {
  const { rows } = await db.query<{
    ordinal: number;
    outcome: KeepOutcome;
    earlier_file_key: string | null;
  }>("select ordinal, outcome, earlier_file_key from keep_instances($1, $2, $3, $4)", [
    at.writer,
    at.epoch,
    duplicates,
    toJson(instances.map((one) => ({ ...rowsOf(one.header), instance: instanceRow(one) }))),
  ]);
  const results: KeepResult[] = [];
  for (const row of rows) {
    results[row.ordinal] = {
      outcome: row.outcome,
      earlierFileKey: row.earlier_file_key ?? undefined,
    };
  }
  return results;
}

/**
 * The same, cheaper, for new instances of series that are known to receive, with the patient that the study names.
 *
 * @throws the SQLSTATE 40001, 40P01 or 55P03 when anything else is the case: nothing was written, call {@link keepInstances}
 */
export async function keepKnownInstances(
  db: Queryable,
  at: WriterEpoch,
  instances: readonly KeptInstance[],
): Promise<void> {
  await db.query(KEEP_KNOWN, knownValues(at, instances));
}

/** The same in a transaction that the caller ends. @throws as {@link keepKnownInstances} */
export function openKnownInstances(
  db: BoundedDatabase,
  at: WriterEpoch,
  instances: readonly KeptInstance[],
): Promise<OpenStatement> {
  return db.openStatement(KEEP_KNOWN, knownValues(at, instances));
}

/** The function returns nothing; `select from` spares the description of a column. */
const KEEP_KNOWN = "select from keep_known_instances($1, $2, $3)";

function knownValues(
  at: WriterEpoch,
  instances: readonly KeptInstance[],
): [string, number, string] {
  const bySeries = Map.groupBy(instances, (one) => one.header.seriesInstanceUid);
  const groups = [...bySeries].map(([series, some]) => ({
    series,
    study: some[0]!.header.studyInstanceUid,
    received_at: some.at(-1)!.receivedAt,
    count: some.length,
    instances: some.map(instanceRow),
  }));
  // Two calls lock series in the same order.
  groups.sort((a, b) => (a.series < b.series ? -1 : 1));
  return [at.writer, at.epoch, toJson(groups)];
}

/** jsonb refuses NUL and half a surrogate pair; one bad text must not cost the instance. */
function toJson(value: unknown): string {
  const text = JSON.stringify(value);
  // Both are always escaped, so that their absence shows in the text: a replacer would be called for every value.
  return /\\u(?:0000|d[89a-f])/.test(text) ? JSON.stringify(value, wellFormed) : text;
}

function wellFormed(_key: string, value: unknown): unknown {
  return typeof value === "string" ? value.toWellFormed().replaceAll("\0", "") : value;
}

/** Keys are the columns of the tables. */
function rowsOf(header: InstanceHeader) {
  return {
    study: {
      study_instance_uid: header.studyInstanceUid,
      patient_id: header.patientId,
      patient_id_issuer: header.patientIdIssuer,
      patient_name: header.patientName,
      patient_birth_date: header.patientBirthDate,
      patient_sex: header.patientSex,
      study_date: header.studyDate,
      study_time: header.studyTime,
      accession_number: header.accessionNumber,
      study_id: header.studyId,
      study_description: header.studyDescription,
      referring_physician_name: header.referringPhysicianName,
      query_attributes: mergeDocuments(
        header.queryAttributes.patient,
        header.queryAttributes.study,
      ),
    },
    series: {
      series_instance_uid: header.seriesInstanceUid,
      modality: header.modality,
      series_number: header.seriesNumber,
      series_description: header.seriesDescription,
      body_part_examined: header.bodyPartExamined,
      frame_of_reference_uid: header.frameOfReferenceUid,
      manufacturer: header.manufacturer,
      model_name: header.modelName,
      query_attributes: header.queryAttributes.series,
    },
  };
}

function instanceRow(instance: KeptInstance) {
  const { header } = instance;
  return {
    sop_instance_uid: header.sopInstanceUid,
    sop_class_uid: header.sopClassUid,
    transfer_syntax_uid: instance.transferSyntaxUid,
    instance_number: header.instanceNumber,
    number_of_frames: header.numberOfFrames,
    rows_columns: `${header.rows}\\${header.columns}`,
    file_key: instance.fileKey,
    size_bytes: instance.sizeBytes,
    digest: `\\x${instance.digest.toString("hex")}`,
    calling_ae_title: instance.callingAeTitle,
    received_at: instance.receivedAt.toISOString(),
    file_bytes: instance.fileBytes,
    query_attributes: header.queryAttributes.instance,
  };
}

/** One kept instance as later stages read it. */
export interface InstanceRow {
  readonly sop_instance_uid: string;
  readonly sop_class_uid: string;
  readonly transfer_syntax_uid: string;
  readonly file_key: string;
  readonly size_bytes: number;
  readonly revision: number;
}

/** All instances of a series up to a revision, in order of arrival. */
export async function instancesOfSeries(
  db: Queryable,
  seriesInstanceUid: string,
  revision: number,
): Promise<InstanceRow[]> {
  const { rows } = await db.query<InstanceRow>(
    `select sop_instance_uid, sop_class_uid, transfer_syntax_uid, file_key, size_bytes, revision
     from instance where series_instance_uid = $1 and revision <= $2 order by received_at, sop_instance_uid`,
    [seriesInstanceUid, revision],
  );
  return rows;
}
