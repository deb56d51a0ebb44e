/**
 * Query by example on AE `SIMILAR`: a plain Study or Patient Root C-FIND whose StudyInstanceUID (one value) or
 * AccessionNumber (resolving to one study) names the example; every other key filters the candidates by the
 * standard's own matching rules. See docs/conformance-statement.md.
 */
import type { Config } from "../config/schema.ts";
import type { QueryDatabase } from "../db/limited-queries.ts";
import { studiesByAccession } from "../db/studies.ts";
import type { DataSet } from "../dicom/data-set.ts";
import { TAG } from "../dicom/tags.ts";
import { isValidUid } from "../dicom/uids.ts";
import type { FindMatch, FindRequest, FindResult } from "../dimse/ports.ts";
import type { Clock } from "../kernel/clock.ts";
import { KindredError } from "../kernel/errors.ts";
import { commented, keyValue, rankedAnswers, rankedLevelOf } from "./ranked-answers.ts";
import type { SimilarLevel } from "./similar.ts";
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
  const level = rankedLevelOf(request);
  const { example, comment, exampleTags } = await exampleOf(
    options.database,
    request.identifier,
    level,
  );
  if (example === undefined) return commented(comment);
  return yield* rankedAnswers(options, request, {
    example,
    ownTags: exampleTags,
    surface: "C-FIND",
    asked: "study" in example ? example.study : example.series,
  });
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
  const uid = keyValue(identifier, TAG.StudyInstanceUID);
  const seriesUid = keyValue(identifier, TAG.SeriesInstanceUID);
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
  const accession = keyValue(identifier, TAG.AccessionNumber);
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
  const patientId = keyValue(identifier, TAG.PatientID);
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

function requireUid(value: string, keyword: string): void {
  if (!isValidUid(value)) throw new KindredError("QUERY_INVALID", `${keyword} must be one UID`);
}
