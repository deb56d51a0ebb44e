/**
 * Nearest neighbors in one space. Exact by default; with an HNSW index the inner query over-fetches through the
 * index and the outer one ranks again by the full-precision inner product, so scores never depend on the index.
 */
import { type EmbeddingSpace, tableOf } from "./embeddings.ts";
import type { Queryable } from "./queryable.ts";
import { vectorParameter } from "./vector.ts";

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
  /** Series whose stored vectors are the question, or a vector of unit length that is it. */
  readonly example: readonly string[] | Float32Array;
  readonly conditions: readonly Condition[];
  /** Vectors to look at for each vector of the example. */
  readonly limit: number;
  readonly index: "exact" | "hnsw";
  readonly efSearch: number;
}

/** Vectors of an example that are asked about: the main volumes of its series come first. */
const EXAMPLE_VECTORS_MAX = 16;

/** How the index sees the column: native PostgreSQL indexes half precision, the embedded engine full. */
export type IndexKind = "halfvec" | "vector";

export interface Nearest {
  /** Each series once, with the best score that any of its volumes has with any volume of the example. */
  readonly neighbors: readonly Neighbor[];
  /** False when more vectors than `limit` were there: ask with a larger one for further neighbors. */
  readonly isComplete: boolean;
}

/**
 * The best-scoring candidate series, best first. A series may have several vectors, and so may the example: each vector of
 * the example gets its `limit` nearest vectors, and of all these only what nothing beyond the limit can outrank is given.
 * Run inside a transaction: the HNSW settings are `set local`.
 */
export async function nearestSeries(
  tx: Queryable,
  space: EmbeddingSpace,
  indexKind: IndexKind,
  query: NearestQuery,
): Promise<Nearest> {
  const best = new Map<string, Neighbor>();
  /** Score of the last vector within the limit; the highest of those of all vectors of the example. */
  let certainScore = Number.NEGATIVE_INFINITY;
  const vectors = await exampleVectors(tx, space, query.example);
  if (query.index === "hnsw") {
    await tx.query(`set local hnsw.ef_search = ${Math.trunc(query.efSearch)}`);
    await tx.query("set local hnsw.iterative_scan = 'relaxed_order'");
  }
  for (const vector of vectors) {
    const rows = await nearestToVector(tx, space, indexKind, vector, query);
    if (rows.length >= query.limit) certainScore = Math.max(certainScore, rows.at(-1)!.score);
    for (const row of rows) {
      const seen = best.get(row.series_instance_uid);
      if (seen === undefined || row.score > seen.score) best.set(row.series_instance_uid, row);
    }
  }
  return {
    neighbors: [...best.values()]
      .filter((row) => row.score >= certainScore)
      .sort(
        (a, b) => b.score - a.score || a.series_instance_uid.localeCompare(b.series_instance_uid),
      ),
    isComplete: certainScore === Number.NEGATIVE_INFINITY,
  };
}

/** As parameters of `$n::vector`. */
async function exampleVectors(
  tx: Queryable,
  space: EmbeddingSpace,
  example: NearestQuery["example"],
): Promise<(string | Buffer)[]> {
  if (example instanceof Float32Array) return [vectorParameter(example)];
  const { rows } = await tx.query<{ e: string }>(
    `select e::text as e from ${tableOf(space)} where series_instance_uid = any($1)
     order by ordinal, series_instance_uid limit ${EXAMPLE_VECTORS_MAX}`,
    [[...example]],
  );
  return rows.map((row) => row.e);
}

async function nearestToVector(
  tx: Queryable,
  space: EmbeddingSpace,
  indexKind: IndexKind,
  vector: string | Buffer,
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
