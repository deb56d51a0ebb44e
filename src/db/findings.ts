/** Tables label, finding_run and finding: what models say of volumes, with where it comes from. */
import type { Queryable } from "./queryable.ts";
import type { SeriesRevision } from "./series.ts";
import { storable } from "./volumes.ts";

export interface LabelRow {
  readonly list: string;
  readonly key: string;
  readonly name: string;
  readonly snomed: { readonly code: string; readonly meaning: string } | null;
  readonly radlex: string | null;
}

export interface FindingRow {
  readonly source: "head" | "zeroShot";
  readonly sourceId: string;
  readonly profile: string;
  readonly label: LabelRow;
  readonly value: number;
  /** From 0 to 1; otherwise a score. */
  readonly isLikelihood: boolean;
  readonly isCalibrated: boolean;
  readonly threshold: number | null;
}

/** What came of asking one bundle about one volume. */
export interface FindingRun {
  readonly ordinal: number;
  readonly modelId: string;
  readonly modelVersion: string;
  readonly bundleDigest: string;
  readonly guard: {
    readonly kind: string;
    /** Null when it could not be measured. */
    readonly distance: number | null;
    readonly threshold: number;
  } | null;
  /** Why no finding is given; null when findings are given. */
  readonly statement: string | null;
  readonly problems: readonly string[];
  readonly findings: readonly FindingRow[];
}

/**
 * Of the vectors `e` of a bundle those whose volume its guard did not turn away.
 *
 * @see nearestSeries for `e`
 */
export function guardedCondition(bundleDigest: string): { sql: string; values: unknown[] } {
  return {
    sql: `not exists (select 1 from finding_run f
      where f.series_instance_uid = e.series_instance_uid and f.revision = e.revision and f.ordinal = e.ordinal
        and f.bundle_digest = ? and f.statement is not null)`,
    values: [bundleDigest],
  };
}

/** Volumes with a vector in the table that the guard of the bundle turned away. */
export async function countTurnedAway(
  db: Queryable,
  table: string,
  bundleDigest: string,
): Promise<number> {
  const { rows } = await db.query<{ count: number }>(
    `select count(*)::int as count from finding_run f join ${table} e using (series_instance_uid, revision, ordinal)
     where f.bundle_digest = $1 and f.statement is not null`,
    [bundleDigest],
  );
  return rows[0]!.count;
}

/** Replaces what is known of a revision's volumes: the same work twice leaves the same rows. */
export async function saveFindings(
  tx: Queryable,
  at: SeriesRevision,
  runs: readonly FindingRun[],
  now: Date,
): Promise<void> {
  await tx.query("delete from finding_run where series_instance_uid = $1 and revision = $2", [
    at.seriesInstanceUid,
    at.revision,
  ]);
  for (const run of runs) await saveRun(tx, at, run, now);
}

async function saveRun(
  tx: Queryable,
  at: SeriesRevision,
  run: FindingRun,
  now: Date,
): Promise<void> {
  const { guard, findings } = run;
  const { rows } = await tx.query<{ finding_run_id: number }>(
    `insert into finding_run (series_instance_uid, revision, ordinal, model_id, model_version, bundle_digest,
       guard_kind, guard_distance, guard_threshold, statement, problems, created_at)
     values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) returning finding_run_id`,
    [
      at.seriesInstanceUid,
      at.revision,
      run.ordinal,
      run.modelId,
      run.modelVersion,
      run.bundleDigest,
      guard?.kind ?? null,
      guard?.distance ?? null,
      guard?.threshold ?? null,
      run.statement === null ? null : storable(run.statement),
      JSON.stringify(run.problems.map(storable)),
      now,
    ],
  );
  if (findings.length === 0) return;
  const origin = `bundle:${run.bundleDigest}`;
  const labels = new Map(findings.map(({ label }) => [`${label.list} ${label.key}`, label]));
  // A digest's labels never change: what stands is what is meant. In one order, so that two writers never wait for each other.
  const sorted = [...labels.entries()].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, one]) => one);
  await tx.query(
    `insert into label (origin, list, key, name, snomed_code, snomed_meaning, radlex)
     select $1, l.list, l.key, l.name, l.snomed ->> 'code', l.snomed ->> 'meaning', l.radlex
     from jsonb_to_recordset($2::jsonb) as l (list text, key text, name text, snomed jsonb, radlex text)
     on conflict (origin, list, key) do nothing`,
    [origin, JSON.stringify(sorted)],
  );
  await tx.query(
    `insert into finding (finding_run_id, position, source, source_id, profile, label_id, value, is_likelihood,
       is_calibrated, threshold)
     select $1, f.position, f.source, f.source_id, f.profile, l.label_id, f.value, f.is_likelihood, f.is_calibrated,
       f.threshold
     from jsonb_to_recordset($3::jsonb) as f (position integer, source text, source_id text, profile text, list text,
       key text, value double precision, is_likelihood boolean, is_calibrated boolean, threshold double precision)
     join label l on l.origin = $2 and l.list = f.list and l.key = f.key`,
    [
      rows[0]!.finding_run_id,
      origin,
      JSON.stringify(
        findings.map((one, position) => ({
          position,
          source: one.source,
          source_id: one.sourceId,
          profile: one.profile,
          list: one.label.list,
          key: one.label.key,
          value: one.value,
          is_likelihood: one.isLikelihood,
          is_calibrated: one.isCalibrated,
          threshold: one.threshold,
        })),
      ),
    ],
  );
}

interface RunRow {
  readonly finding_run_id: number;
  readonly ordinal: number;
  readonly model_id: string;
  readonly model_version: string;
  readonly bundle_digest: string;
  readonly guard_kind: string | null;
  readonly guard_distance: number | null;
  readonly guard_threshold: number | null;
  readonly statement: string | null;
  readonly problems: string[];
}

interface ValueRow {
  readonly finding_run_id: number;
  readonly source: "head" | "zeroShot";
  readonly source_id: string;
  readonly profile: string;
  readonly value: number;
  readonly is_likelihood: boolean;
  readonly is_calibrated: boolean;
  readonly threshold: number | null;
  readonly list: string;
  readonly key: string;
  readonly name: string;
  readonly snomed_code: string | null;
  readonly snomed_meaning: string | null;
  readonly radlex: string | null;
}

/** By volume, then in the order in which the models were asked; findings in the order of the bundle. */
export async function findingsOf(db: Queryable, at: SeriesRevision): Promise<FindingRun[]> {
  const runs = await db.query<RunRow>(
    `select finding_run_id, ordinal, model_id, model_version, bundle_digest, guard_kind, guard_distance,
       guard_threshold, statement, problems
     from finding_run where series_instance_uid = $1 and revision = $2 order by ordinal, finding_run_id`,
    [at.seriesInstanceUid, at.revision],
  );
  const values = await db.query<ValueRow>(
    `select f.finding_run_id, f.source, f.source_id, f.profile, f.value, f.is_likelihood, f.is_calibrated, f.threshold,
       l.list, l.key, l.name, l.snomed_code, l.snomed_meaning, l.radlex
     from finding f join finding_run r using (finding_run_id) join label l using (label_id)
     where r.series_instance_uid = $1 and r.revision = $2 order by f.finding_run_id, f.position`,
    [at.seriesInstanceUid, at.revision],
  );
  const byRun = Map.groupBy(values.rows, (one) => one.finding_run_id);
  return runs.rows.map((run) => ({
    ordinal: run.ordinal,
    modelId: run.model_id,
    modelVersion: run.model_version,
    bundleDigest: run.bundle_digest,
    guard:
      run.guard_kind === null
        ? null
        : { kind: run.guard_kind, distance: run.guard_distance, threshold: run.guard_threshold! },
    statement: run.statement,
    problems: run.problems,
    findings: (byRun.get(run.finding_run_id) ?? []).map(toFinding),
  }));
}

function toFinding(row: ValueRow): FindingRow {
  return {
    source: row.source,
    sourceId: row.source_id,
    profile: row.profile,
    label: {
      list: row.list,
      key: row.key,
      name: row.name,
      snomed:
        row.snomed_code === null || row.snomed_meaning === null
          ? null
          : { code: row.snomed_code, meaning: row.snomed_meaning },
      radlex: row.radlex,
    },
    value: row.value,
    isLikelihood: row.is_likelihood,
    isCalibrated: row.is_calibrated,
    threshold: row.threshold,
  };
}
