/**
 * Query by example on AE `SIMILAR`: a plain Study or Patient Root C-FIND whose StudyInstanceUID (one value) or
 * AccessionNumber (resolving to one study) names the example; every other key filters the candidates by the
 * standard's own matching rules. See docs/conformance-statement.md.
 */
import type { Config } from "../config/schema.ts";
import { auditQuery } from "../db/documents.ts";
import type { QueryDatabase } from "../db/limited-queries.ts";
import { studiesByAccession } from "../db/studies.ts";
import type { DataSet } from "../dicom/data-set.ts";
import { TAG } from "../dicom/tags.ts";
import { isValidUid } from "../dicom/uids.ts";
import type { FindMatch, FindRequest, FindResult } from "../dimse/ports.ts";
import type { Clock } from "../kernel/clock.ts";
import { KindredError } from "../kernel/errors.ts";
import { answer, answerColumns, hasUnsupportedKeys } from "./answers.ts";
import { LEVELS, QUERY_ATTRIBUTES, type QueryAttribute } from "./attributes.ts";
import { type KeyCondition, matchingConditions } from "./matching-keys.ts";
import { findSimilar, type SimilarAnswer, type SimilarLevel } from "./similar.ts";
import { levelOf } from "./standard-query.ts";
import { hasWildcard } from "./text-keys.ts";

export interface SimilarQueryOptions {
  readonly database: QueryDatabase;
  readonly config: Config["search"];
  readonly defaultModelId: string;
  readonly retrieveAeTitle: string;
  readonly clock: Clock;
}

/**
 * Yields answers best first.
 *
 * @returns an Error Comment when there is no example to go by
 * @throws KindredError `QUERY_INVALID` for PatientID without an example: workstations fetch priors so, and another
 *   patient's study must never be listed as a prior
 */
export async function* similarQuery(
  options: SimilarQueryOptions,
  request: FindRequest,
): AsyncGenerator<FindMatch, FindResult> {
  const { identifier } = request;
  const level = levelOf(identifier, request.model);
  if (level === "IMAGE")
    throw new KindredError("QUERY_INVALID", "Similarity is answered at PATIENT, STUDY or SERIES");
  const found = await exampleOf(options.database, identifier, level);
  if (found.example === undefined) return commented(found.comment);
  const conditions = filters(request, found.exampleTags);
  const result = await findSimilar(options.database, options.config, options.defaultModelId, {
    example: found.example,
    level,
    conditions: conditions.map((one) => one.condition),
  });
  await auditQuery(options.database, {
    surface: "C-FIND",
    callingAeTitle: request.association.callingAeTitle,
    remoteAddress: request.association.remoteAddress,
    example: "study" in found.example ? found.example.study : found.example.series,
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

function commented(comment: string | undefined): FindResult {
  return comment === undefined ? {} : { comment };
}

interface FoundExample {
  readonly example: { readonly study: string } | { readonly series: string } | undefined;
  readonly comment: string | undefined;
  readonly exampleTags: readonly number[];
}

async function exampleOf(
  db: QueryDatabase,
  identifier: DataSet,
  level: SimilarLevel,
): Promise<FoundExample> {
  const uid = key(identifier, TAG.StudyInstanceUID);
  const seriesUid = key(identifier, TAG.SeriesInstanceUID);
  if (level === "SERIES" && seriesUid !== "") {
    requireUid(seriesUid, "SeriesInstanceUID");
    return {
      example: { series: seriesUid },
      comment: undefined,
      exampleTags: [TAG.StudyInstanceUID, TAG.SeriesInstanceUID],
    };
  }
  if (uid !== "") {
    requireUid(uid, "StudyInstanceUID");
    return { example: { study: uid }, comment: undefined, exampleTags: [TAG.StudyInstanceUID] };
  }
  const accession = key(identifier, TAG.AccessionNumber);
  if (accession !== "" && !hasWildcard(accession)) {
    const studies = await studiesByAccession(db, accession, 2);
    const comment =
      studies.length === 0
        ? "accession number is not known here"
        : "accession number names more than one study";
    return studies.length === 1
      ? {
          example: { study: studies[0]!.study_instance_uid },
          comment: undefined,
          exampleTags: [TAG.AccessionNumber],
        }
      : { example: undefined, comment, exampleTags: [] };
  }
  const patientId = key(identifier, TAG.PatientID);
  if (patientId !== "" && !hasWildcard(patientId)) {
    throw new KindredError(
      "QUERY_INVALID",
      "PatientID alone names no example: give StudyInstanceUID",
    );
  }
  return {
    example: undefined,
    comment: "give StudyInstanceUID or AccessionNumber",
    exampleTags: [],
  };
}

function key(identifier: DataSet, tag: number): string {
  return identifier.strings(tag).join("\\").trim();
}

function requireUid(value: string, keyword: string): void {
  if (!isValidUid(value)) throw new KindredError("QUERY_INVALID", `${keyword} must be one UID`);
}

/** Every key but the example's filters the candidates, whatever the level: a candidate is a series of a study. */
function filters(request: FindRequest, exampleTags: readonly number[]): KeyCondition[] {
  const keys = QUERY_ATTRIBUTES.filter(
    (attribute) => !exampleTags.includes(attribute.tag) && attribute.level !== "IMAGE",
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
