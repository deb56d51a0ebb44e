/**
 * Embedding spaces: one table for each (bundle digest, profile), so that vectors of different models, versions
 * or preprocessing profiles cannot meet in a query. Vectors have unit length; the score is the inner product.
 */
import type { Queryable } from "./queryable.ts";
import type { SeriesRevision } from "./series.ts";
import { vectorParameter } from "./vector.ts";

export interface EmbeddingSpace {
  readonly spaceId: number;
  readonly modelId: string;
  readonly modelVersion: string;
  readonly bundleDigest: string;
  readonly profile: string;
  readonly dimension: number;
}

interface SpaceRow {
  space_id: number;
  model_id: string;
  model_version: string;
  bundle_digest: string;
  profile: string;
  dimension: number;
}

/** Name of the table of a space; the id is a database integer, so the name needs no quoting. */
export function tableOf(space: EmbeddingSpace): string {
  return `embedding_${space.spaceId}`;
}

/** Finds or makes the space and its table. Call outside of other transactions: it commits on its own. */
export async function ensureSpace(
  tx: Queryable,
  wanted: Omit<EmbeddingSpace, "spaceId">,
  now: Date,
): Promise<EmbeddingSpace> {
  await tx.query(
    `insert into embedding_space (model_id, model_version, bundle_digest, profile, dimension, created_at)
     values ($1, $2, $3, $4, $5, $6) on conflict (bundle_digest, profile) do nothing`,
    [
      wanted.modelId,
      wanted.modelVersion,
      wanted.bundleDigest,
      wanted.profile,
      wanted.dimension,
      now,
    ],
  );
  const { rows } = await tx.query<SpaceRow>(
    "select * from embedding_space where bundle_digest = $1 and profile = $2 for update",
    [wanted.bundleDigest, wanted.profile],
  );
  const space = toSpace(rows[0]!);
  const table = tableOf(space);
  await tx.query(
    `create table if not exists ${table} (
       series_instance_uid text not null references series,
       ordinal integer not null,
       revision integer not null,
       study_instance_uid text not null references study,
       patient_key text not null,
       embedded_at timestamptz not null,
       e vector(${space.dimension}) not null,
       primary key (series_instance_uid, ordinal))`,
  );
  // A row of up to about 2,000 floats fits a page: TOAST compression would be tried in vain on every read.
  await tx.query(
    `alter table ${table} alter column e set storage ${space.dimension <= 1900 ? "plain" : "external"}`,
  );
  await tx.query(`create index if not exists ${table}_study on ${table} (study_instance_uid)`);
  return space;
}

/** The newest space of a model, or of a bundle digest when one is given. */
export async function findSpace(
  db: Queryable,
  modelId: string,
  bundleDigest?: string,
): Promise<EmbeddingSpace | undefined> {
  const { rows } = await db.query<SpaceRow>(
    `select * from embedding_space where model_id = $1 and ($2::text is null or bundle_digest = $2)
     order by space_id desc limit 1`,
    [modelId, bundleDigest ?? null],
  );
  return rows[0] === undefined ? undefined : toSpace(rows[0]);
}

/** The space of a bundle digest and profile: the only one that a vector of theirs may be compared in. */
export async function findExactSpace(
  db: Queryable,
  bundleDigest: string,
  profile: string,
): Promise<EmbeddingSpace | undefined> {
  const { rows } = await db.query<SpaceRow>(
    "select * from embedding_space where bundle_digest = $1 and profile = $2",
    [bundleDigest, profile],
  );
  return rows[0] === undefined ? undefined : toSpace(rows[0]);
}

export async function allSpaces(db: Queryable): Promise<EmbeddingSpace[]> {
  const { rows } = await db.query<SpaceRow>("select * from embedding_space order by space_id");
  return rows.map(toSpace);
}

/** Replaces the vector of a volume: the earlier revision stops being searchable in the same transaction. */
export async function saveEmbedding(
  tx: Queryable,
  space: EmbeddingSpace,
  row: SeriesRevision & {
    ordinal: number;
    studyInstanceUid: string;
    patientKey: string;
    vector: Float32Array;
    provider: string;
    now: Date;
  },
): Promise<void> {
  await tx.query(
    `insert into ${tableOf(space)}
       (series_instance_uid, ordinal, revision, study_instance_uid, patient_key, embedded_at, e)
     values ($1, $2, $3, $4, $5, $6, $7::vector)
     on conflict (series_instance_uid, ordinal) do update set revision = excluded.revision,
       embedded_at = excluded.embedded_at, e = excluded.e`,
    [
      row.seriesInstanceUid,
      row.ordinal,
      row.revision,
      row.studyInstanceUid,
      row.patientKey,
      row.now,
      vectorParameter(row.vector),
    ],
  );
  await tx.query(
    `insert into series_model (series_instance_uid, revision, space_id, provider, created_at)
     values ($1, $2, $3, $4, $5) on conflict (series_instance_uid, revision, space_id) do nothing`,
    [row.seriesInstanceUid, row.revision, space.spaceId, row.provider, row.now],
  );
}

/** Takes a series out of every space, but for the volumes that its newest revision still makes. */
export async function forgetEmbeddings(
  tx: Queryable,
  seriesInstanceUid: string,
  exceptOrdinals: readonly number[] = [],
): Promise<void> {
  for (const space of await allSpaces(tx)) {
    await tx.query(
      `delete from ${tableOf(space)} where series_instance_uid = $1 and ordinal <> all($2::integer[])`,
      [seriesInstanceUid, [...exceptOrdinals]],
    );
  }
}

/** Models that embedded a series revision. */
export async function modelsOf(
  db: Queryable,
  at: SeriesRevision,
): Promise<{ id: string; version: string; provider: string; profile: string }[]> {
  const { rows } = await db.query<{
    id: string;
    version: string;
    provider: string;
    profile: string;
  }>(
    `select s.model_id as id, s.model_version as version, m.provider, s.profile
     from series_model m join embedding_space s using (space_id)
     where m.series_instance_uid = $1 and m.revision = $2 order by m.space_id`,
    [at.seriesInstanceUid, at.revision],
  );
  return rows;
}

export async function countEmbeddings(db: Queryable, space: EmbeddingSpace): Promise<number> {
  const { rows } = await db.query<{ count: number }>(
    `select count(*)::int as count from ${tableOf(space)}`,
  );
  return rows[0]!.count;
}

function toSpace(row: SpaceRow): EmbeddingSpace {
  return {
    spaceId: row.space_id,
    modelId: row.model_id,
    modelVersion: row.model_version,
    bundleDigest: row.bundle_digest,
    profile: row.profile,
    dimension: row.dimension,
  };
}
