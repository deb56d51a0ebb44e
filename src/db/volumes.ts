/** Table volume: the verdict on each series revision, kept with the embedding and shown in the report. */
import type { Queryable } from "./queryable.ts";
import type { SeriesRevision } from "./series.ts";

/** The slice that stands for the volume in the reports: the middle one. */
export interface KeyInstance {
  readonly sopInstanceUid: string;
  readonly sopClassUid: string;
  readonly rows: number;
  readonly columns: number;
}

export interface VolumeRow<Verdict> {
  readonly ordinal: number;
  readonly verdict: Verdict;
  readonly instance_count: number;
  readonly key_instance: KeyInstance | null;
}

export async function saveVolume(
  tx: Queryable,
  at: SeriesRevision,
  volume: {
    ordinal: number;
    verdict: object;
    instanceCount: number;
    keyInstance: KeyInstance | null;
    createdAt: Date;
  },
): Promise<void> {
  await tx.query(
    `insert into volume (series_instance_uid, revision, ordinal, verdict, instance_count, key_instance, created_at)
     values ($1, $2, $3, $4, $5, $6, $7)
     on conflict (series_instance_uid, revision, ordinal) do update
       set verdict = excluded.verdict, instance_count = excluded.instance_count,
           key_instance = excluded.key_instance`,
    [
      at.seriesInstanceUid,
      at.revision,
      volume.ordinal,
      JSON.stringify(volume.verdict),
      volume.instanceCount,
      volume.keyInstance === null ? null : JSON.stringify(volume.keyInstance),
      volume.createdAt,
    ],
  );
}

export async function volumesOf<Verdict>(
  db: Queryable,
  at: SeriesRevision,
): Promise<VolumeRow<Verdict>[]> {
  const { rows } = await db.query<VolumeRow<Verdict>>(
    `select ordinal, verdict, instance_count, key_instance from volume
     where series_instance_uid = $1 and revision = $2 order by ordinal`,
    [at.seriesInstanceUid, at.revision],
  );
  return rows;
}
