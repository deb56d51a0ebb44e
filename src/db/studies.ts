/** Table study for readers: one study, a page of studies, studies by accession number. */
import type { Queryable } from "./queryable.ts";

export interface StudyRow {
  readonly study_instance_uid: string;
  readonly patient_id: string;
  readonly patient_id_issuer: string;
  readonly patient_name: string;
  readonly patient_birth_date: string;
  readonly patient_sex: string;
  readonly study_date: string;
  readonly study_time: string;
  readonly accession_number: string;
  readonly study_id: string;
  readonly study_description: string;
  readonly referring_physician_name: string;
}

const COLUMNS = `study_instance_uid, patient_id, patient_id_issuer, patient_name, patient_birth_date, patient_sex,
  study_date, study_time, accession_number, study_id, study_description, referring_physician_name`;

export async function findStudy(db: Queryable, uid: string): Promise<StudyRow | undefined> {
  const { rows } = await db.query<StudyRow>(
    `select ${COLUMNS} from study where study_instance_uid = $1`,
    [uid],
  );
  return rows[0];
}

/** Studies with this accession number, at most `limit`. */
export async function studiesByAccession(
  db: Queryable,
  accessionNumber: string,
  limit: number,
): Promise<StudyRow[]> {
  const { rows } = await db.query<StudyRow>(
    `select ${COLUMNS} from study where accession_number = $1 order by study_instance_uid limit $2`,
    [accessionNumber, limit],
  );
  return rows;
}

/** A page of studies, those that came last first. */
export async function listStudies(
  db: Queryable,
  page: { limit: number; offset: number },
): Promise<(StudyRow & { series_count: number; instance_count: number })[]> {
  const { rows } = await db.query<StudyRow & { series_count: number; instance_count: number }>(
    `select ${COLUMNS},
       (select count(*)::int from series r where r.study_instance_uid = s.study_instance_uid) as series_count,
       (select coalesce(sum(instance_count), 0)::int from series r
         where r.study_instance_uid = s.study_instance_uid) as instance_count
     from study s order by first_received_at desc, study_instance_uid limit $1 offset $2`,
    [page.limit, page.offset],
  );
  return rows;
}
