/** /api/v1/similar and /api/v1/search: the ranking that C-FIND answers from, as JSON. */
import type { FastifyInstance } from "fastify";
import { auditQuery } from "../db/documents.ts";
import { isValidUid } from "../dicom/uids.ts";
import { KindredError } from "../kernel/errors.ts";
import { SIMILAR_ANSWERS_MAX } from "../kernel/limits.ts";
import { retrieveAeTitleOf } from "../search/find-source.ts";
import { findSimilar, type SimilarLevel, type SimilarQuestion } from "../search/similar.ts";
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

export function searchRoutes(app: FastifyInstance, options: ApiOptions): void {
  const { database, config, clock } = options;
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
    const { space } = result;
    return {
      example,
      comment: result.comment ?? null,
      model: space && {
        id: space.modelId,
        version: space.modelVersion,
        bundleDigest: space.bundleDigest,
        profile: space.profile,
      },
      notice: "Not for diagnostic use.",
      answers: result.answers.map((one) => ({
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
  });
  app.get("/api/v1/search", () => {
    throw new KindredError("MODEL_NOT_READY", "No installed model has a text encoder");
  });
}

function exampleOf(query: SimilarQuerystring): SimilarQuestion["example"] {
  const given = [query.study, query.series].filter((uid) => uid !== undefined);
  if (given.length !== 1 || !isValidUid(given[0]!)) {
    throw new KindredError("BAD_REQUEST", "Give one of study=UID and series=UID");
  }
  return query.study === undefined ? { series: query.series! } : { study: query.study };
}

function levelOf(query: SimilarQuerystring): SimilarLevel {
  const level = oneOf(query.level?.toUpperCase(), "level", ["PATIENT", "STUDY", "SERIES"] as const);
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
