/** A bundle of the small language-image model in test/fixtures/language: text tower, prompts, heads and a guard. */
import { createHash } from "node:crypto";
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const FOLDER = fileURLToPath(new URL("../fixtures/language/", import.meta.url));

interface Expected {
  readonly max: number;
  readonly tokens: Record<string, { text: string; ids: number[]; cut: number[] }[]>;
  readonly seed: number;
  readonly image: number[];
  readonly pooled: number[];
  readonly texts: Record<string, number[]>;
}

/** What the Python libraries make of the same. */
export const EXPECTED: Expected = JSON.parse(readFileSync(join(FOLDER, "expected.json"), "utf8"));

export const languageFile = (name: string): string => join(FOLDER, name);

export interface LanguageManifest {
  [part: string]: unknown;
  text?: Record<string, unknown>;
  zeroShot?: Record<string, unknown>[];
  guard?: Record<string, unknown>;
  golden: Record<string, unknown>[];
}

const PROFILE = "whole";
const golden = {
  profile: PROFILE,
  formula: "blocks-and-noise",
  seed: EXPECTED.seed,
  range: [0, 1],
  tolerance: 1e-5,
};
const tensor = (shape: (number | string)[], role: string, dtype = "float32") => ({
  shape,
  dtype,
  role,
});

export function languageManifest(id: string): LanguageManifest {
  return {
    formatVersion: 1,
    id,
    version: "1.2.0",
    title: "Density in words",
    summary: "Knows how dense a volume is, and two words for it.",
    intendedUse: "Tests.",
    limits: "It knows two words.",
    licence: {
      weights: "MIT",
      code: "MIT",
      researchOnly: true,
      nonCommercial: false,
      acceptanceRequired: false,
    },
    runtime: { opset: 17, ramMb: 64, providers: [{ provider: "cpu", precision: "fp32" }] },
    applicability: { modalities: ["CT"] },
    profiles: [
      {
        id: PROFILE,
        ops: [
          { op: "resample", sizeVoxels: [8, 8, 8], antialias: true },
          { op: "clipHu", min: -1000, max: 1000 },
          { op: "scale", multiply: 0.0005, add: 0.5 },
        ],
        shape: [1, 1, 8, 8, 8],
        tiling: { mode: "none" },
      },
    ],
    graphs: {
      image: {
        file: "image.onnx",
        inputs: { volume: tensor(["B", 1, 8, 8, 8], "volume") },
        outputs: { pooled: tensor(["B", 4], "pooled") },
      },
      text: {
        file: "text.onnx",
        inputs: {
          ids: tensor(["B", "T"], "ids", "int64"),
          mask: tensor(["B", "T"], "mask", "int64"),
        },
        outputs: { tokens: tensor(["B", "T", 4], "tokens") },
      },
    },
    stages: [{ id: "image", op: "graph", graph: "image", in: ["input"] }],
    spaces: [
      {
        id: "shared",
        dimension: 4,
        from: "image.pooled",
        metric: "inner-product",
        storage: "vector",
        granularity: "volume",
        sharedWithText: true,
        profile: PROFILE,
      },
    ],
    text: {
      kind: "tower",
      graph: "text",
      output: "tokens",
      pool: "meanToken",
      tokenizer: { kind: "tokenizer.json", file: "wordpiece.json", maxTokens: 16, pad: "longest" },
      templates: ["A {x} scan.", "{x}"],
    },
    labels: [
      {
        id: "density",
        items: [
          { key: "dense", name: "dense", snomed: { code: "255597003", meaning: "Dense" } },
          { key: "empty", name: "empty" },
        ],
      },
    ],
    zeroShot: [
      {
        id: "words",
        space: "shared",
        labels: "density",
        prompts: {
          kind: "templates",
          positive: ["{x}", "A scan showing {x}"],
          negative: ["No {x}."],
        },
        aggregate: "meanVector",
        score: "softmaxPair",
        logitScale: 10,
        threshold: 0.5,
      },
    ],
    heads: [
      {
        id: "probe",
        kind: "linear",
        profile: PROFILE,
        input: "image.pooled",
        weights: "probe.json",
        activation: "sigmoid",
        labels: "density",
        calibration: { kind: "platt", slope: [2], intercept: [-1] },
      },
    ],
    // The first value is twice the mean density: 1 in tissue all through.
    guard: {
      kind: "mahalanobis",
      profile: PROFILE,
      input: "image.pooled",
      file: "guard.json",
      threshold: 0.45,
      statement: "This scan is denser or emptier than any that the model was trained on.",
    },
    golden: [
      { kind: "volume", ...golden, expected: [...EXPECTED.image] },
      { kind: "stage", ...golden, output: "image.pooled", expected: [...EXPECTED.pooled] },
      ...Object.entries(EXPECTED.texts).map(([text, expected]) => ({
        kind: "text",
        text,
        expected: [...expected],
        tolerance: 1e-5,
      })),
    ],
  };
}

const DATA: Readonly<Record<string, unknown>> = {
  "probe.json": {
    weights: [
      [1, 0, 0, 0],
      [0, 1, 0, 0],
    ],
    bias: [0, 0],
  },
  "guard.json": { mean: [0.5, 0.5, 0.2, 0], whitening: [[1, 0, 0, 0]] },
};

/** Writes `folder/<id>`; `more` are further data files, by name. */
export function writeLanguageBundle(
  folder: string,
  manifest: LanguageManifest,
  more: Readonly<Record<string, unknown>> = {},
): void {
  const target = join(folder, String(manifest.id));
  mkdirSync(target, { recursive: true });
  for (const name of ["image.onnx", "text.onnx", "wordpiece.json"])
    copyFileSync(languageFile(name), join(target, name));
  for (const [name, value] of Object.entries({ ...DATA, ...more }))
    writeFileSync(join(target, name), JSON.stringify(value));
  const names = ["image.onnx", "text.onnx", "wordpiece.json", ...Object.keys({ ...DATA, ...more })];
  const files = names.map((path) => {
    const bytes = readFileSync(join(target, path));
    return { path, sha256: createHash("sha256").update(bytes).digest("hex"), bytes: bytes.length };
  });
  writeFileSync(join(target, "model.json"), JSON.stringify({ ...manifest, files }));
}
