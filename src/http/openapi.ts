/** The OpenAPI document of the HTTP surface. A test holds its paths against the routes that answer. */
import { VERSION } from "../kernel/version.ts";

const text = (description: string) => ({ description, schema: { type: "string" } });
const inQuery = (name: string, description: string) => ({
  name,
  in: "query",
  ...text(description),
});
const uidInPath = { name: "uid", in: "path", required: true, ...text("SeriesInstanceUID") };
const ordinalInPath = {
  name: "ordinal",
  in: "path",
  required: true,
  description: "Volume of the series, from 1, the main one",
  schema: { type: "integer" },
};
const ok = (description: string) => ({
  "200": { description, content: { "application/json": { schema: { type: "object" } } } },
  default: {
    description: "RFC 9457 problem with a stable `code`",
    content: { "application/problem+json": { schema: { type: "object" } } },
  },
});
const get = (summary: string, parameters: object[] = []) => ({
  get: { summary, parameters, responses: ok(summary) },
});

export const OPENAPI = {
  openapi: "3.1.0",
  info: {
    title: "Kindred",
    version: VERSION,
    description:
      "What a Kindred node holds, what became of it, and who looks alike. Not for diagnostic use.",
    license: { name: "MIT" },
  },
  paths: {
    "/livez": get("The process turns"),
    "/readyz": get("The node can take work; names what fails"),
    "/metrics": get("Prometheus metrics"),
    "/openapi.json": get("This document"),
    "/api/v1/studies": get("Studies, newest reception first", [
      inQuery("limit", "1 to 500"),
      inQuery("offset", "rows to skip"),
    ]),
    "/api/v1/series/{uid}": get(
      "State, verdict, volumes, models, models that were skipped and why, findings and documents of a series",
      [uidInPath],
    ),
    "/api/v1/series/{uid}/instances": get("The instances of a series and the keys of their files", [
      uidInPath,
    ]),
    "/api/v1/series/{uid}/volumes/{ordinal}/picture.png": {
      get: {
        summary: "Middle planes and projections of a volume, not for diagnostic use",
        parameters: [uidInPath, ordinalInPath],
        responses: {
          "200": {
            description: "The picture",
            content: { "image/png": { schema: { type: "string", format: "binary" } } },
          },
          default: ok("").default,
        },
      },
    },
    "/api/v1/series/{uid}/complete": {
      post: {
        summary: "Close a receiving series now",
        parameters: [uidInPath],
        responses: ok("The series"),
      },
    },
    "/api/v1/similar": get("Who looks alike", [
      inQuery("study", "StudyInstanceUID of the example"),
      inQuery("series", "SeriesInstanceUID of the example"),
      inQuery("k", "answers, 1 to 100"),
      inQuery("model", "model id"),
      inQuery("level", "PATIENT, STUDY or SERIES"),
      inQuery("samePatient", "exclude or include"),
    ]),
    "/api/v1/search": get("Which volumes fit a text; needs a model with a text encoder", [
      inQuery("text", "what to search for: one line of at most 2000 characters"),
      inQuery("k", "answers, 1 to 100"),
      inQuery("model", "model id; default: the first one with a text encoder"),
      inQuery("level", "PATIENT, STUDY or SERIES; default STUDY"),
    ]),
    "/api/v1/models": get(
      "Models and their text encoders: state, provider, and providers that did not prove themselves",
    ),
    "/api/v1/queue": get("Jobs, series by state, open deliveries and storage commitments"),
  },
} as const;
