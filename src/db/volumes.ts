/** Table volume: the verdict on each volume of a series revision, kept with the embedding and shown in the report. */
import type { Queryable } from "./queryable.ts";
import type { SeriesRevision } from "./series.ts";

/** The slice that stands for the volume in the reports: the middle one. */
export interface KeyInstance {
  readonly sopInstanceUid: string;
  readonly sopClassUid: string;
  readonly rows: number;
  readonly columns: number;
  /** From 1; only for multi-frame instances. */
  readonly frameNumber?: number;
}

export interface VolumeRow<Verdict> {
  readonly ordinal: number;
  readonly label: string;
  readonly verdict: Verdict;
  readonly instance_count: number;
  readonly key_instance: KeyInstance | null;
  readonly axis_codes: string | null;
  readonly has_picture: boolean;
}

export interface NewVolume {
  /** From 1, the main volume. */
  readonly ordinal: number;
  readonly label: string;
  readonly verdict: object;
  /** Of the instances used, in the order of the slices. */
  readonly sopInstanceUids: readonly string[];
  readonly keyInstance: KeyInstance | null;
  readonly axisCodes: string | null;
  /** PNG. */
  readonly picture: Uint8Array | null;
}

/** Replaces what is known of the volumes of a revision. */
export async function saveVolumes(
  tx: Queryable,
  at: SeriesRevision,
  volumes: readonly NewVolume[],
  createdAt: Date,
): Promise<void> {
  await tx.query("delete from volume where series_instance_uid = $1 and revision = $2", [
    at.seriesInstanceUid,
    at.revision,
  ]);
  for (const volume of volumes) {
    await tx.query(
      `insert into volume (series_instance_uid, revision, ordinal, label, verdict, instance_count, instance_uids,
         key_instance, axis_codes, picture, created_at)
       values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)`,
      [
        at.seriesInstanceUid,
        at.revision,
        volume.ordinal,
        storable(volume.label),
        JSON.stringify(volume.verdict, (_key, value: unknown) =>
          typeof value === "string" ? storable(value) : value,
        ),
        volume.sopInstanceUids.length,
        [...volume.sopInstanceUids],
        volume.keyInstance === null ? null : JSON.stringify(volume.keyInstance),
        volume.axisCodes,
        volume.picture === null ? null : Buffer.from(volume.picture),
        createdAt,
      ],
    );
  }
}

/** PostgreSQL refuses NUL and half a surrogate pair; both may come from a header. */
export function storable(text: string): string {
  return text.toWellFormed().replaceAll("\0", "");
}

export async function volumesOf<Verdict>(
  db: Queryable,
  at: SeriesRevision,
): Promise<VolumeRow<Verdict>[]> {
  const { rows } = await db.query<VolumeRow<Verdict>>(
    `select ordinal, label, verdict, instance_count, key_instance, axis_codes,
       picture is not null as has_picture
     from volume where series_instance_uid = $1 and revision = $2 order by ordinal`,
    [at.seriesInstanceUid, at.revision],
  );
  return rows;
}

/** SOP Instance UIDs that the volumes of a revision were made of, the main volume's first, each once. */
export async function usedInstances(db: Queryable, at: SeriesRevision): Promise<string[]> {
  const { rows } = await db.query<{ instance_uids: string[] }>(
    `select instance_uids from volume where series_instance_uid = $1 and revision = $2 order by ordinal`,
    [at.seriesInstanceUid, at.revision],
  );
  return [...new Set(rows.flatMap((row) => row.instance_uids))];
}

/** The PNG of a volume; undefined when there is none. */
export async function pictureOf(
  db: Queryable,
  at: SeriesRevision,
  ordinal: number,
): Promise<Uint8Array | undefined> {
  const { rows } = await db.query<{ picture: Uint8Array | null }>(
    "select picture from volume where series_instance_uid = $1 and revision = $2 and ordinal = $3",
    [at.seriesInstanceUid, at.revision, ordinal],
  );
  return rows[0]?.picture ?? undefined;
}
