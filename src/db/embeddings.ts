/**
 * Embedding spaces: one table for each (bundle digest, profile, space), so that vectors of different models, versions,
 * preprocessing profiles or outputs cannot meet in a query. Vectors have unit length; the score is the inner product.
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
  /** Id in the manifest. */
  readonly space: string;
  /** 0: the first space of a bundle's first profile, which answers when only the model is named. */
  readonly rank: number;
  readonly dimension: number;
}

interface SpaceRow {
  space_id: number;
  model_id: string;
  model_version: string;
  bundle_digest: string;
  profile: string;
  space: string;
  rank: number;
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
    `insert into embedding_space (model_id, model_version, bundle_digest, profile, space, rank, dimension, created_at)
     values ($1, $2, $3, $4, $5, $6, $7, $8) on conflict (bundle_digest, profile, space)
     do update set rank = excluded.rank where embedding_space.rank <> excluded.rank`,
    [
      wanted.modelId,
      wanted.modelVersion,
      wanted.bundleDigest,
      wanted.profile,
      wanted.space,
      wanted.rank,
      wanted.dimension,
      now,
    ],
  );
  const { rows } = await tx.query<SpaceRow>(
    `select * from embedding_space where bundle_digest = $1 and profile = $2 and space = $3
     for update`,
    [wanted.bundleDigest, wanted.profile, wanted.space],
  );
  const space = toSpace(rows[0]!);
  // The site has chosen other profiles since: one space answers for the bundle.
  if (space.rank === 0)
    await tx.query(
      "update embedding_space set rank = 1 where bundle_digest = $1 and rank = 0 and space_id <> $2",
      [space.bundleDigest, space.spaceId],
    );
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

/** The space that answers for a model: the first one of its newest bundle, or of a bundle digest when one is given. */
export async function findSpace(
  db: Queryable,
  modelId: string,
  bundleDigest?: string,
): Promise<EmbeddingSpace | undefined> {
  const { rows } = await db.query<SpaceRow>(
    `select * from embedding_space where model_id = $1 and ($2::text is null or bundle_digest = $2)
     order by rank = 0 desc, space_id desc limit 1`,
    [modelId, bundleDigest ?? null],
  );
  return rows[0] === undefined ? undefined : toSpace(rows[0]);
}

/** The space of that name: the only one that a vector of it may be compared in. */
export async function findExactSpace(
  db: Queryable,
  { bundleDigest, profile, space }: Pick<EmbeddingSpace, "bundleDigest" | "profile" | "space">,
): Promise<EmbeddingSpace | undefined> {
  const { rows } = await db.query<SpaceRow>(
    "select * from embedding_space where bundle_digest = $1 and profile = $2 and space = $3",
    [bundleDigest, profile, space],
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

/** Takes one volume out of all spaces of a profile: an earlier revision's vector is no longer true of it. */
export async function forgetVolume(
  tx: Queryable,
  of: { readonly bundleDigest: string; readonly profile: string },
  seriesInstanceUid: string,
  ordinal: number,
): Promise<void> {
  for (const space of await allSpaces(tx)) {
    if (space.bundleDigest !== of.bundleDigest || space.profile !== of.profile) continue;
    await tx.query(
      `delete from ${tableOf(space)} where series_instance_uid = $1 and ordinal = $2`,
      [seriesInstanceUid, ordinal],
    );
  }
}

/** Models that embedded a series revision, one row a profile; the one that answers by default first. */
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
    `select s.model_id as id, s.model_version as version, min(m.provider) as provider, s.profile
     from series_model m join embedding_space s using (space_id)
     where m.series_instance_uid = $1 and m.revision = $2
     group by s.model_id, s.model_version, s.bundle_digest, s.profile order by min(m.space_id)`,
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
    space: row.space,
    rank: row.rank,
    dimension: row.dimension,
  };
}
