/**
 * Query by text on AE `SIMTEXT`: a plain Study or Patient Root C-FIND whose StudyDescription is the text; every other key
 * filters the candidates by the standard's own matching rules. See docs/conformance-statement.md.
 */
import type { DataSet } from "../dicom/data-set.ts";
import { keywordOf, TAG } from "../dicom/tags.ts";
import type { FindMatch, FindRequest, FindResult } from "../dimse/ports.ts";
import { codeOf, KindredError, messageOf } from "../kernel/errors.ts";
import { commented, keyValue, rankedAnswers, rankedLevelOf } from "./ranked-answers.ts";
import type { VectorExample } from "./similar.ts";
import type { SimilarQueryOptions } from "./similar-query.ts";
import { hasWildcard } from "./text-keys.ts";

/** A model's vector of a text, and the model. */
export interface TextExample extends VectorExample {
  readonly modelId: string;
}

/** Where texts become vectors: the node's encoder, perhaps in another process. */
export interface TextVectors {
  /**
   * @throws KindredError `BAD_REQUEST` (a text that cannot be asked for), `MODEL_NOT_READY` (no model knows texts, or it did
   *   not prove itself), `UNAVAILABLE` (try again), `SHUTTING_DOWN`
   */
  vectorOf(text: string): Promise<TextExample>;
}

const EXAMPLE_KEYS = [TAG.StudyInstanceUID, TAG.SeriesInstanceUID, TAG.AccessionNumber];

/**
 * Yields answers best first.
 *
 * @returns an Error Comment when there is no text to go by
 * @throws KindredError `QUERY_INVALID` for an example beside the text, for PatientID without a text (workstations fetch
 *   priors so), and for a text that no model can take; as `vectorOf`
 */
export async function* textQuery(
  options: SimilarQueryOptions,
  request: FindRequest,
  texts: TextVectors,
): AsyncGenerator<FindMatch, FindResult> {
  rankedLevelOf(request);
  const { identifier } = request;
  const text = keyValue(identifier, TAG.StudyDescription);
  if (text === "" || hasWildcard(text)) return noText(identifier);
  if (identifier.strings(TAG.StudyDescription).length > 1)
    throw new KindredError("QUERY_INVALID", "Give one text: a backslash parts values");
  const example = EXAMPLE_KEYS.find((tag) => keyValue(identifier, tag) !== "");
  if (example !== undefined)
    throw new KindredError(
      "QUERY_INVALID",
      `Give a text or an example, not both: leave ${keywordOf(example)} empty`,
    );
  const vector = await texts.vectorOf(text).catch((cause: unknown) => {
    if (codeOf(cause) !== "BAD_REQUEST") throw cause;
    throw new KindredError("QUERY_INVALID", messageOf(cause), { cause });
  });
  return yield* rankedAnswers({ ...options, defaultModelId: vector.modelId }, request, {
    example: vector,
    ownTags: [TAG.StudyDescription],
    surface: "C-FIND text",
    asked: text,
  });
}

function noText(identifier: DataSet): FindResult {
  const patientId = keyValue(identifier, TAG.PatientID);
  if (patientId !== "" && !hasWildcard(patientId))
    throw new KindredError("QUERY_INVALID", "PatientID alone is no text: give StudyDescription");
  return commented("give a text without wildcards in StudyDescription");
}
