/** Table series after reception: completion, state changes guarded by revision, and the views of the API. */
import type { Queryable } from "./queryable.ts";

export const SERIES_STATES = [
  "receiving",
  "complete",
  "reconstructed",
  "embedded",
  "reported",
  "delivered",
  "refused",
  "failed",
] as const;
export type SeriesState = (typeof SERIES_STATES)[number];

export interface SeriesRow {
  readonly series_instance_uid: string;
  readonly study_instance_uid: string;
  readonly modality: string;
  readonly series_number: string;
  readonly series_description: string;
  readonly body_part_examined: string;
  readonly frame_of_reference_uid: string;
  readonly manufacturer: string;
  readonly model_name: string;
  readonly state: SeriesState;
  readonly reason: string | null;
  readonly revision: number;
  readonly has_patient_conflict: boolean;
  readonly instance_count: number;
  readonly last_received_at: Date;
}

/** A series revision: the unit of all work after reception. */
export interface SeriesRevision {
  readonly seriesInstanceUid: string;
  readonly revision: number;
}

/** CT series that receive, those with the latest news first. */
export async function receivingSeries(
  db: Queryable,
  limit: number,
): Promise<(SeriesRevision & { readonly instanceCount: number })[]> {
  const { rows } = await db.query<SeriesRow>(
    `select series_instance_uid, revision, instance_count from series where state = 'receiving'
     and modality = 'CT' order by last_received_at desc limit $1`,
    [limit],
  );
  return rows.map((row) => ({
    seriesInstanceUid: row.series_instance_uid,
    revision: row.revision,
    instanceCount: row.instance_count,
  }));
}

/**
 * Closes every series that has been quiet long enough or open too long, and returns them. Run in a
 * transaction together with the enqueueing of their jobs.
 */
export async function completeDueSeries(
  tx: Queryable,
  limits: { now: Date; quietSeconds: number; ceilingSeconds: number; limit: number },
): Promise<SeriesRevision[]> {
  const quietSince = new Date(limits.now.getTime() - limits.quietSeconds * 1000);
  const openSince = new Date(limits.now.getTime() - limits.ceilingSeconds * 1000);
  return complete(
    tx,
    `series_instance_uid in (select series_instance_uid from series where state = 'receiving'
       and (last_received_at <= $1 or revision_opened_at <= $2)
       order by last_received_at limit $3 for update skip locked)`,
    [quietSince, openSince, limits.limit],
  );
}

/** Closes one series now; empty when it is not receiving. */
export async function completeSeries(tx: Queryable, uid: string): Promise<SeriesRevision[]> {
  return complete(tx, "series_instance_uid = $1 and state = 'receiving'", [uid]);
}

async function complete(
  tx: Queryable,
  where: string,
  values: unknown[],
): Promise<SeriesRevision[]> {
  const { rows } = await tx.query<{ series_instance_uid: string; revision: number }>(
    `update series set state = 'complete' where ${where} returning series_instance_uid, revision`,
    values,
  );
  return rows.map((row) => ({
    seriesInstanceUid: row.series_instance_uid,
    revision: row.revision,
  }));
}

/**
 * Moves a revision on. False when the revision is no longer the current one, or the series is not in one of the
 * states named: the caller's work is then stale and must change nothing.
 */
export async function moveSeries(
  tx: Queryable,
  at: SeriesRevision,
  from: readonly SeriesState[],
  to: SeriesState,
  reason: string | null = null,
): Promise<boolean> {
  const { rowCount } = await tx.query(
    `update series set state = $3, reason = $4
     where series_instance_uid = $1 and revision = $2 and state = any($5)`,
    [at.seriesInstanceUid, at.revision, to, reason, [...from]],
  );
  return rowCount > 0;
}

/** Holds the series row until the transaction ends. */
export async function lockSeries(tx: Queryable, at: SeriesRevision): Promise<void> {
  await tx.query("select 1 from series where series_instance_uid = $1 for update", [
    at.seriesInstanceUid,
  ]);
}

const COLUMNS = `series_instance_uid, study_instance_uid, modality, series_number, series_description,
  body_part_examined, frame_of_reference_uid, manufacturer, model_name, state, reason, revision,
  has_patient_conflict, instance_count, last_received_at`;

export async function findSeries(db: Queryable, uid: string): Promise<SeriesRow | undefined> {
  const { rows } = await db.query<SeriesRow>(
    `select ${COLUMNS} from series where series_instance_uid = $1`,
    [uid],
  );
  return rows[0];
}

export async function seriesOfStudy(db: Queryable, studyUid: string): Promise<SeriesRow[]> {
  const { rows } = await db.query<SeriesRow>(
    `select ${COLUMNS} from series where study_instance_uid = $1 order by series_number, series_instance_uid`,
    [studyUid],
  );
  return rows;
}

/** How many series are in each state. */
export async function countSeriesByState(
  db: Queryable,
): Promise<{ state: SeriesState; count: number }[]> {
  const { rows } = await db.query<{ state: SeriesState; count: number }>(
    "select state, count(*)::int as count from series group by state order by state",
  );
  return rows;
}
