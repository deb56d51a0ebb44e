/**
 * Nearest neighbors in one space. Exact by default; with an HNSW index the inner query over-fetches through the
 * index and the outer one ranks again by the full-precision inner product, so scores never depend on the index.
 */
import { type EmbeddingSpace, tableOf } from "./embeddings.ts";
import type { Queryable } from "./queryable.ts";

export interface Neighbor {
  readonly series_instance_uid: string;
  readonly study_instance_uid: string;
  readonly patient_key: string;
  readonly embedded_at: Date;
  /** Inner product of unit vectors, −1 to 1. */
  readonly score: number;
}

/** An extra condition on candidates, written against `e` (embedding), `s` (study) and `r` (series). */
export interface Condition {
  /** SQL with `?` for each value, in order. */
  readonly sql: string;
  readonly values: readonly unknown[];
}

export interface NearestQuery {
  /** Series whose stored vectors are the question. */
  readonly exampleSeries: readonly string[];
  readonly conditions: readonly Condition[];
  readonly limit: number;
  readonly index: "exact" | "hnsw";
  readonly efSearch: number;
}

/** How the index sees the column: native PostgreSQL indexes half precision, the embedded engine full. */
export type IndexKind = "halfvec" | "vector";

/**
 * The best-scoring candidate series, best first; for several example series each candidate has its best score.
 * Run inside a transaction: the HNSW settings are `set local`.
 */
export async function nearestSeries(
  tx: Queryable,
  space: EmbeddingSpace,
  indexKind: IndexKind,
  query: NearestQuery,
): Promise<Neighbor[]> {
  const best = new Map<string, Neighbor>();
  const vectors = await tx.query<{ e: string }>(
    `select e::text as e from ${tableOf(space)} where series_instance_uid = any($1)
     order by series_instance_uid, ordinal limit 16`,
    [[...query.exampleSeries]],
  );
  if (query.index === "hnsw") {
    await tx.query(`set local hnsw.ef_search = ${Math.trunc(query.efSearch)}`);
    await tx.query("set local hnsw.iterative_scan = 'relaxed_order'");
  }
  for (const vector of vectors.rows) {
    for (const row of await nearestToVector(tx, space, indexKind, vector.e, query)) {
      const seen = best.get(row.series_instance_uid);
      if (seen === undefined || row.score > seen.score) best.set(row.series_instance_uid, row);
    }
  }
  return [...best.values()].sort(
    (a, b) => b.score - a.score || a.series_instance_uid.localeCompare(b.series_instance_uid),
  );
}

async function nearestToVector(
  tx: Queryable,
  space: EmbeddingSpace,
  indexKind: IndexKind,
  vector: string,
  query: NearestQuery,
): Promise<Neighbor[]> {
  const values: unknown[] = [vector];
  const where = query.conditions.map((condition) => {
    let next = 0;
    return `(${condition.sql.replace(/\?/g, () => `$${values.push(condition.values[next++])}`)})`;
  });
  const d = space.dimension;
  const distance =
    query.index === "hnsw" && indexKind === "halfvec"
      ? `e.e::halfvec(${d}) <#> $1::vector::halfvec(${d})`
      : "e.e <#> $1::vector";
  const overFetch = query.index === "hnsw" ? query.limit * 4 + 32 : query.limit;
  const { rows } = await tx.query<Neighbor>(
    `select series_instance_uid, study_instance_uid, patient_key, embedded_at,
       least(1, greatest(-1, -(v <#> $1::vector)))::float8 as score
     from (select e.series_instance_uid, e.study_instance_uid, e.patient_key, e.embedded_at, e.e as v
           from ${tableOf(space)} e
           join study s on s.study_instance_uid = e.study_instance_uid
           join series r on r.series_instance_uid = e.series_instance_uid
           ${where.length > 0 ? `where ${where.join(" and ")}` : ""}
           order by ${distance} limit ${Math.trunc(overFetch)}) candidates
     order by score desc, series_instance_uid limit ${Math.trunc(query.limit)}`,
    values,
  );
  return rows;
}

/** Makes the HNSW index of a space; no effect when it stands. */
export async function ensureHnsw(
  db: Queryable,
  space: EmbeddingSpace,
  kind: IndexKind,
): Promise<void> {
  const table = tableOf(space);
  const d = space.dimension;
  const column = kind === "halfvec" ? `(e::halfvec(${d})) halfvec_ip_ops` : "e vector_ip_ops";
  await db.query(`create index if not exists ${table}_hnsw on ${table} using hnsw (${column})`);
}

/** Drops the HNSW index of a space, so that searching is exact. */
export async function dropHnsw(db: Queryable, space: EmbeddingSpace): Promise<void> {
  await db.query(`drop index if exists ${tableOf(space)}_hnsw`);
}

export async function hasHnsw(db: Queryable, space: EmbeddingSpace): Promise<boolean> {
  const { rows } = await db.query("select 1 from pg_class where relname = $1 and relkind = 'i'", [
    `${tableOf(space)}_hnsw`,
  ]);
  return rows.length > 0;
}
