/** A ranking as the answers of a C-FIND: which keys filter the candidates, and what an answer carries. */
import { auditQuery } from "../db/documents.ts";
import type { DataSet } from "../dicom/data-set.ts";
import { TAG } from "../dicom/tags.ts";
import type { FindMatch, FindRequest, FindResult } from "../dimse/ports.ts";
import { KindredError } from "../kernel/errors.ts";
import { answer, answerColumns, hasUnsupportedKeys } from "./answers.ts";
import { LEVELS, QUERY_ATTRIBUTES, type QueryAttribute } from "./attributes.ts";
import { type KeyCondition, matchingConditions } from "./matching-keys.ts";
import {
  findSimilar,
  type SimilarAnswer,
  type SimilarLevel,
  type SimilarQuestion,
} from "./similar.ts";
import type { SimilarQueryOptions } from "./similar-query.ts";
import { levelOf } from "./standard-query.ts";

export interface RankedQuestion {
  readonly example: SimilarQuestion["example"];
  /** Keys that are the question, and filter nothing. */
  readonly ownTags: readonly number[];
  /** For the audit: on which surface, and what was asked for. */
  readonly surface: string;
  readonly asked: string;
}

/** @throws KindredError `QUERY_INVALID` at IMAGE level */
export function rankedLevelOf(request: FindRequest): SimilarLevel {
  const level = levelOf(request.identifier, request.model);
  if (level === "IMAGE")
    throw new KindredError("QUERY_INVALID", "Similarity is answered at PATIENT, STUDY or SERIES");
  return level;
}

/** Yields answers best first. @returns an Error Comment when there is nothing to compare with */
export async function* rankedAnswers(
  options: SimilarQueryOptions,
  request: FindRequest,
  { example, ownTags, surface, asked }: RankedQuestion,
): AsyncGenerator<FindMatch, FindResult> {
  const { identifier } = request;
  const level = rankedLevelOf(request);
  const conditions = filters(request, ownTags);
  const result = await findSimilar(options.database, options.config, options.defaultModelId, {
    example,
    level,
    conditions: conditions.map((one) => one.condition),
  });
  await auditQuery(options.database, {
    surface,
    callingAeTitle: request.association.callingAeTitle,
    remoteAddress: request.association.remoteAddress,
    example: asked,
    answers: result.answers.map((one) => one.studyInstanceUid),
    now: options.clock.now(),
  });
  const wanted = wantedOf(identifier, level);
  const matched = conditions.map((one) => one.attribute);
  const isWarning = hasUnsupportedKeys(identifier, wanted, matched);
  for (const one of result.answers)
    yield { identifier: await toIdentifier(options, identifier, level, wanted, one), isWarning };
  return commented(result.comment);
}

export function commented(comment: string | undefined): FindResult {
  return comment === undefined ? {} : { comment };
}

/** One value, or several with their separators; empty when the key is absent or universal. */
export function keyValue(identifier: DataSet, tag: number): string {
  return identifier.strings(tag).join("\\").trim();
}

/** Every key but the question's own filters the candidates, whatever the level: a candidate is a series of a study. */
function filters(request: FindRequest, ownTags: readonly number[]): KeyCondition[] {
  const keys = QUERY_ATTRIBUTES.filter(
    (attribute) => !ownTags.includes(attribute.tag) && attribute.level !== "IMAGE",
  );
  return matchingConditions(keys, request.identifier, request.negotiated);
}

/** The requested attributes: at PATIENT level those of its most similar study too. */
function wantedOf(identifier: DataSet, level: SimilarLevel): QueryAttribute[] {
  const lowest = LEVELS.indexOf(level === "PATIENT" ? "STUDY" : level);
  return QUERY_ATTRIBUTES.filter(
    (attribute) => identifier.has(attribute.tag) && LEVELS.indexOf(attribute.level) <= lowest,
  );
}

/** The requested attributes of an answer, read as the standard query reads them, and the rank where it may stand. */
async function toIdentifier(
  options: SimilarQueryOptions,
  identifier: DataSet,
  level: SimilarLevel,
  wanted: readonly QueryAttribute[],
  one: SimilarAnswer,
): Promise<DataSet> {
  const values: unknown[] = [one.seriesInstanceUid];
  const columns = answerColumns(wanted, identifier, values).join(", ") || "1 as one";
  const { rows } = await options.database.query(
    `select ${columns} from study s join series r on r.study_instance_uid = s.study_instance_uid
     where r.series_instance_uid = $1`,
    values,
  );
  const { retrieveAeTitle } = options;
  const dataSet = answer(rows[0] ?? {}, wanted, { identifier, level, retrieveAeTitle });
  const rank = rankText(one);
  const { rankCarrier } = options.config;
  if (rankCarrier === "StudyDescription" && identifier.has(TAG.StudyDescription)) {
    dataSet.setString(TAG.StudyDescription, "LO", cut(`${rank} | ${one.study.study_description}`));
  } else if (rankCarrier === "StudyComments" && identifier.has(TAG.StudyComments)) {
    dataSet.setString(TAG.StudyComments, "LT", rank);
  }
  return dataSet;
}

/** `#03 0.874`: zero-padded, so that sorting the column gives the rank order. */
export function rankText(one: { rank: number; score: number }): string {
  return `#${String(one.rank).padStart(one.rank > 99 ? 3 : 2, "0")} ${one.score.toFixed(3)}`;
}

/** LO holds 64 characters (PS3.5 6.2). */
function cut(text: string): string {
  return [...text].slice(0, 64).join("").trimEnd();
}
