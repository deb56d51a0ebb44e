/** Which kept instances a retrieve names: short statements, in pages. */
import type { Queryable } from "./queryable.ts";

/** Conditions on an instance and what it belongs to, joined by "and"; undefined means any. */
export interface RetrieveConditions {
  readonly patientId: string | undefined;
  readonly studyInstanceUids: readonly string[] | undefined;
  readonly seriesInstanceUids: readonly string[] | undefined;
  readonly sopInstanceUids: readonly string[] | undefined;
}

export interface RetrievableSeries {
  readonly series_instance_uid: string;
  readonly study_instance_uid: string;
  readonly series_number: string;
}

export interface RetrievableInstance {
  readonly sop_instance_uid: string;
  readonly sop_class_uid: string;
  readonly transfer_syntax_uid: string;
  readonly instance_number: string;
  readonly file_key: string;
  readonly size_bytes: number;
}

/** The series that hold such instances, in no order. */
export async function seriesToRetrieve(
  db: Queryable,
  conditions: RetrieveConditions,
): Promise<RetrievableSeries[]> {
  const values: unknown[] = [];
  const place = (value: unknown) => `$${values.push(value)}`;
  const { patientId, studyInstanceUids, seriesInstanceUids, sopInstanceUids } = conditions;
  const where = [
    ...(patientId === undefined ? [] : [`s.patient_id = ${place(patientId)}`]),
    ...(studyInstanceUids === undefined
      ? []
      : [`s.study_instance_uid = any(${place([...studyInstanceUids])})`]),
    ...(seriesInstanceUids === undefined
      ? []
      : [`r.series_instance_uid = any(${place([...seriesInstanceUids])})`]),
    ...(sopInstanceUids === undefined
      ? []
      : [
          `r.series_instance_uid in (select i.series_instance_uid from instance i
             where i.sop_instance_uid = any(${place([...sopInstanceUids])}))`,
        ]),
  ];
  const { rows } = await db.query<RetrievableSeries>(
    `select r.series_instance_uid, r.study_instance_uid, r.series_number
     from study s join series r on r.study_instance_uid = s.study_instance_uid
     where ${where.length > 0 ? where.join(" and ") : "false"}`,
    values,
  );
  return rows;
}

/**
 * The next instances of a series by SOP Instance UID.
 *
 * @param after - the last UID of the page before, "" for the first
 * @param sopInstanceUids - only these, where given
 */
export async function nextInstancesToRetrieve(
  db: Queryable,
  page: {
    readonly seriesInstanceUid: string;
    readonly after: string;
    readonly sopInstanceUids: readonly string[] | undefined;
    readonly limit: number;
  },
): Promise<RetrievableInstance[]> {
  const values: unknown[] = [page.seriesInstanceUid, page.after, page.limit];
  if (page.sopInstanceUids !== undefined) values.push([...page.sopInstanceUids]);
  const { rows } = await db.query<RetrievableInstance>(
    `select sop_instance_uid, sop_class_uid, transfer_syntax_uid, instance_number, file_key, size_bytes
     from instance where series_instance_uid = $1 and sop_instance_uid > $2
       ${page.sopInstanceUids === undefined ? "" : "and sop_instance_uid = any($4)"}
     order by sop_instance_uid limit $3`,
    values,
  );
  return rows;
}
