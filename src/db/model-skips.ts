/** Table model_skip: volumes that a model made nothing of, and why. */
import type { Queryable } from "./queryable.ts";
import type { SeriesRevision } from "./series.ts";

export interface ModelSkip {
  readonly ordinal: number;
  readonly modelId: string;
  /** Empty for a bundle that could not be loaded. */
  readonly profile: string;
  /** An error code, or `MODEL_NOT_APPLICABLE`. */
  readonly code: string;
  /** A sentence for an operator; no patient data. */
  readonly reason: string;
}

/** Replaces what is known of a revision. */
export async function saveModelSkips(
  tx: Queryable,
  at: SeriesRevision,
  skips: readonly ModelSkip[],
  now: Date,
): Promise<void> {
  await tx.query("delete from model_skip where series_instance_uid = $1 and revision = $2", [
    at.seriesInstanceUid,
    at.revision,
  ]);
  for (const one of skips)
    await tx.query(
      `insert into model_skip (series_instance_uid, revision, ordinal, model_id, profile, code, reason, created_at)
       values ($1, $2, $3, $4, $5, $6, $7, $8) on conflict do nothing`,
      [
        at.seriesInstanceUid,
        at.revision,
        one.ordinal,
        one.modelId,
        one.profile,
        one.code,
        one.reason.toWellFormed().replaceAll("\0", "").slice(0, 500),
        now,
      ],
    );
}

export async function modelSkipsOf(db: Queryable, at: SeriesRevision): Promise<ModelSkip[]> {
  const { rows } = await db.query<ModelSkip>(
    `select ordinal, model_id as "modelId", profile, code, reason from model_skip
     where series_instance_uid = $1 and revision = $2 order by model_id, profile, ordinal`,
    [at.seriesInstanceUid, at.revision],
  );
  return rows;
}
