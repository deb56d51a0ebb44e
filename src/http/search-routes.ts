/** /api/v1/similar and /api/v1/search: the ranking that C-FIND answers from, as JSON. */
import type { FastifyInstance } from "fastify";
import type { Config } from "../config/schema.ts";
import { auditQuery } from "../db/documents.ts";
import { isValidUid } from "../dicom/uids.ts";
import { KindredError } from "../kernel/errors.ts";
import { SIMILAR_ANSWERS_MAX } from "../kernel/limits.ts";
import { retrieveAeTitleOf } from "../search/find-source.ts";
import { findSimilar, type SimilarLevel, type SimilarResult } from "../search/similar.ts";
import { wholeNumber } from "./series-routes.ts";
import type { ApiOptions } from "./server.ts";

interface SimilarQuerystring {
  study?: string;
  series?: string;
  k?: string;
  model?: string;
  level?: string;
  samePatient?: string;
}

interface TextQuerystring {
  text?: string;
  k?: string;
  model?: string;
  level?: string;
}

const LEVELS = ["PATIENT", "STUDY", "SERIES"] as const;

export function searchRoutes(app: FastifyInstance, options: ApiOptions): void {
  const { database, config, clock, encoder } = options;
  app.get<{ Querystring: SimilarQuerystring }>("/api/v1/similar", async (request) => {
    const { query } = request;
    const example = exampleOf(query);
    const result = await findSimilar(database, config.search, config.encoder.models[0]!, {
      example,
      level: levelOf(query),
      k: wholeNumber(query.k, "k", 1, SIMILAR_ANSWERS_MAX, config.search.answers),
      modelId: query.model,
      samePatient: oneOf(query.samePatient, "samePatient", ["exclude", "include"] as const),
    });
    if (result.comment === "example is not known here")
      throw new KindredError("NOT_FOUND", "The example is not known here");
    await auditQuery(database, {
      surface: "HTTP",
      callingAeTitle: "",
      remoteAddress: request.ip,
      example: "study" in example ? example.study : example.series,
      answers: result.answers.map((one) => one.studyInstanceUid),
      now: clock.now(),
    });
    return { example, ...answered(config, result) };
  });
  app.get<{ Querystring: TextQuerystring }>("/api/v1/search", async (request) => {
    const { query } = request;
    if (query.text === undefined)
      throw new KindredError("BAD_REQUEST", "Give a text to search for: text=TEXT");
    const k = wholeNumber(query.k, "k", 1, SIMILAR_ANSWERS_MAX, config.search.answers);
    const level = oneOf(query.level?.toUpperCase(), "level", LEVELS) ?? "STUDY";
    const example = await encoder.embedText(query.text, query.model);
    const result = await findSimilar(database, config.search, example.modelId, {
      example,
      level,
      k,
    });
    await auditQuery(database, {
      surface: "HTTP text",
      callingAeTitle: "",
      remoteAddress: request.ip,
      example: query.text.trim(),
      answers: result.answers.map((one) => one.studyInstanceUid),
      now: clock.now(),
    });
    return { text: query.text.trim(), ...answered(config, result) };
  });
}

function answered(config: Config, { space, comment, answers }: SimilarResult) {
  return {
    comment: comment ?? null,
    model: space && {
      id: space.modelId,
      version: space.modelVersion,
      bundleDigest: space.bundleDigest,
      profile: space.profile,
    },
    notice: "Not for diagnostic use.",
    answers: answers.map((one) => ({
      rank: one.rank,
      score: one.score,
      studyInstanceUid: one.studyInstanceUid,
      seriesInstanceUid: one.seriesInstanceUid,
      patientId: one.study.patient_id,
      patientName: one.study.patient_name,
      studyDate: one.study.study_date,
      studyDescription: one.study.study_description,
      accessionNumber: one.study.accession_number,
      retrieveAeTitle: retrieveAeTitleOf(config),
      indexedAt: one.embeddedAt,
    })),
  };
}

function exampleOf(query: SimilarQuerystring): { study: string } | { series: string } {
  const given = [query.study, query.series].filter((uid) => uid !== undefined);
  if (given.length !== 1 || !isValidUid(given[0]!)) {
    throw new KindredError("BAD_REQUEST", "Give one of study=UID and series=UID");
  }
  return query.study === undefined ? { series: query.series! } : { study: query.study };
}

function levelOf(query: SimilarQuerystring): SimilarLevel {
  const level = oneOf(query.level?.toUpperCase(), "level", LEVELS);
  return level ?? (query.series === undefined ? "STUDY" : "SERIES");
}

function oneOf<T extends string>(
  value: string | undefined,
  name: string,
  allowed: readonly T[],
): T | undefined {
  if (value === undefined) return undefined;
  const found = allowed.find((one) => one === value);
  if (found === undefined)
    throw new KindredError("BAD_REQUEST", `${name} must be one of ${allowed.join(", ")}`);
  return found;
}
