/**
 * The one ranking: C-FIND, HTTP, CLI, text search and the report all ask here. Candidates are series vectors of one space;
 * they are grouped to series, studies or patients, best score first.
 */
import type { Config } from "../config/schema.ts";
import { type EmbeddingSpace, findExactSpace, findSpace, tableOf } from "../db/embeddings.ts";
import { countTurnedAway, guardedCondition } from "../db/findings.ts";
import type { QueryDatabase } from "../db/limited-queries.ts";
import {
  type Condition,
  hasHnsw,
  indexKindOf,
  type Neighbor,
  nearestSeries,
} from "../db/nearest.ts";
import type { Queryable } from "../db/queryable.ts";
import { findSeries, seriesOfStudy } from "../db/series.ts";
import { findStudy, type StudyRow } from "../db/studies.ts";
import { KindredError } from "../kernel/errors.ts";
import { SIMILAR_ANSWERS_MAX } from "../kernel/limits.ts";

export type SimilarLevel = "PATIENT" | "STUDY" | "SERIES";

/** A vector from elsewhere, of a text: it lies in this space of the bundle and in no other. */
export interface VectorExample {
  /** Of unit length. */
  readonly vector: Float32Array;
  readonly bundleDigest: string;
  readonly profile: string;
  /** Id in the manifest. */
  readonly space: string;
}

export interface SimilarQuestion {
  /** The example: a study (all its embedded series), one series of it, or a vector. */
  readonly example: { readonly study: string } | { readonly series: string } | VectorExample;
  readonly level: SimilarLevel;
  readonly k?: number | undefined;
  readonly minimumScore?: number | undefined;
  readonly modelId?: string | undefined;
  readonly conditions?: readonly Condition[];
  /** Overrides search.samePatient. */
  readonly samePatient?: "exclude" | "include" | undefined;
}

export interface SimilarAnswer {
  readonly rank: number;
  readonly score: number;
  readonly seriesInstanceUid: string;
  readonly studyInstanceUid: string;
  readonly embeddedAt: Date;
  readonly study: StudyRow;
}

export interface SimilarResult {
  /** Undefined when the example has no vector in the space (yet), or is not known: `comment` says which. */
  readonly space: EmbeddingSpace | undefined;
  /** Also how many volumes a text was not compared with, for the model's guard turned them away. */
  readonly comment: string | undefined;
  readonly answers: readonly SimilarAnswer[];
  /** Patients the example was compared with. */
  readonly compared: number;
}

/** The stable key of a patient; empty when the study names none, and then nobody is the same patient. */
export function patientKeyOf(study: { patient_id: string; patient_id_issuer: string }): string {
  return study.patient_id === "" ? "" : `${study.patient_id_issuer}\u001f${study.patient_id}`;
}

/** @throws KindredError `MODEL_NOT_READY` when the model named has never embedded anything */
export async function findSimilar(
  database: QueryDatabase,
  config: Config["search"],
  defaultModelId: string,
  question: SimilarQuestion,
): Promise<SimilarResult> {
  const { example: given } = question;
  const isVector = "vector" in given;
  const example = isVector ? undefined : await resolveExample(database, given);
  if (!isVector && example === undefined) return nothing("example is not known here");
  const space = isVector
    ? await findExactSpace(database, given)
    : await findSpace(database, question.modelId ?? defaultModelId);
  if (space === undefined) {
    if (question.modelId !== undefined) {
      throw new KindredError("MODEL_NOT_READY", "No volume was embedded with this model");
    }
    return nothing("nothing is indexed yet");
  }
  const k = Math.min(Math.max(1, Math.trunc(question.k ?? config.answers)), SIMILAR_ANSWERS_MAX);
  const index = (await hasHnsw(database, space)) ? indexKindOf(database, space) : undefined;
  const conditions = [
    ...(example === undefined ? [] : candidates(example, question.level)),
    ...(example !== undefined && (question.samePatient ?? config.samePatient) === "exclude"
      ? othersOnly(example)
      : []),
    // What a model says nothing of does not fit a text either.
    ...(isVector ? [guardedCondition(given.bundleDigest)] : []),
    ...(question.conditions ?? []),
  ];
  return database.transaction(async (tx) => {
    // A study may have many series, and these many volumes: more are fetched until enough groups are found or nothing is left.
    for (let limit = k * 4 + 16; ; limit *= 4) {
      const { neighbors, isComplete } = await nearestSeries(tx, space, {
        example: isVector ? given.vector : example!.series,
        conditions,
        limit,
        index,
        efSearch: config.efSearch,
      });
      const groups = group(neighbors, question.level, k, question.minimumScore);
      if (groups.length >= k || isComplete || limit > 100_000) {
        const answers = await describe(tx, groups);
        const compared = await countPatients(tx, space, example ? patientKeyOf(example.study) : "");
        return { space, comment: await commentOn(tx, space, example), answers, compared };
      }
    }
  });
}

/** What the answers alone do not say; it fits an Error Comment of 64 characters. */
async function commentOn(
  tx: Queryable,
  space: EmbeddingSpace,
  example: Example | undefined,
): Promise<string | undefined> {
  if (example !== undefined)
    return (await isInSpace(tx, space, example.series)) ? undefined : "example is not indexed";
  const count = await countTurnedAway(tx, tableOf(space), space.bundleDigest);
  if (count === 0) return undefined;
  return `${count} volume${count === 1 ? "" : "s"} left out: unlike what the model learned from`;
}

interface Example {
  readonly study: StudyRow;
  /** The example's series: all of the study, or the one named. */
  readonly series: readonly string[];
  readonly isOneSeries: boolean;
}

async function resolveExample(
  db: Queryable,
  example: { readonly study: string } | { readonly series: string },
): Promise<Example | undefined> {
  if ("series" in example) {
    const series = await findSeries(db, example.series);
    const study = series && (await findStudy(db, series.study_instance_uid));
    return study && { study, series: [example.series], isOneSeries: true };
  }
  const study = await findStudy(db, example.study);
  if (study === undefined) return undefined;
  const series = await seriesOfStudy(db, example.study);
  return { study, series: series.map((row) => row.series_instance_uid), isOneSeries: false };
}

/** Never the example itself; its sister series only when one series was the example and series are asked for. */
function candidates(example: Example, level: SimilarLevel): Condition[] {
  return example.isOneSeries && level === "SERIES"
    ? [{ sql: "e.series_instance_uid <> all(?)", values: [example.series] }]
    : [{ sql: "e.study_instance_uid <> ?", values: [example.study.study_instance_uid] }];
}

/** Other studies of the same patient are left out; the example's own study was dealt with above. */
function othersOnly(example: Example): Condition[] {
  const key = patientKeyOf(example.study);
  if (key === "") return [];
  return [
    {
      sql: "e.patient_key <> ? or e.study_instance_uid = ?",
      values: [key, example.study.study_instance_uid],
    },
  ];
}

function group(
  neighbors: readonly Neighbor[],
  level: SimilarLevel,
  k: number,
  minimumScore: number | undefined,
): Neighbor[] {
  const seen = new Set<string>();
  const kept: Neighbor[] = [];
  for (const neighbor of neighbors) {
    if (minimumScore !== undefined && neighbor.score < minimumScore) break;
    const patient =
      neighbor.patient_key === "" ? neighbor.study_instance_uid : neighbor.patient_key;
    const key =
      level === "SERIES"
        ? neighbor.series_instance_uid
        : level === "STUDY"
          ? neighbor.study_instance_uid
          : patient;
    if (seen.has(key)) continue;
    seen.add(key);
    kept.push(neighbor);
    if (kept.length === k) break;
  }
  return kept;
}

async function describe(tx: Queryable, neighbors: readonly Neighbor[]): Promise<SimilarAnswer[]> {
  const answers: SimilarAnswer[] = [];
  for (const neighbor of neighbors) {
    const study = await findStudy(tx, neighbor.study_instance_uid);
    if (study === undefined) continue;
    answers.push({
      rank: answers.length + 1,
      score: neighbor.score,
      seriesInstanceUid: neighbor.series_instance_uid,
      studyInstanceUid: neighbor.study_instance_uid,
      embeddedAt: neighbor.embedded_at,
      study,
    });
  }
  return answers;
}

async function isInSpace(
  tx: Queryable,
  space: EmbeddingSpace,
  series: readonly string[],
): Promise<boolean> {
  const { rows } = await tx.query(
    `select 1 from ${tableOf(space)} where series_instance_uid = any($1) limit 1`,
    [[...series]],
  );
  return rows.length > 0;
}

/** Other patients in a space; a study without patient ID counts as a patient of its own. */
async function countPatients(
  tx: Queryable,
  space: EmbeddingSpace,
  exceptKey: string,
): Promise<number> {
  const { rows } = await tx.query<{ count: number }>(
    `select count(distinct coalesce(nullif(patient_key, ''), study_instance_uid))::int as count
     from ${tableOf(space)} where patient_key <> $1 or $1 = ''`,
    [exceptKey],
  );
  return rows[0]!.count;
}

function nothing(comment: string): SimilarResult {
  return { space: undefined, comment, answers: [], compared: 0 };
}
