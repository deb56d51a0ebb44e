/** A manifest that uses every part of the format, in the shape of a real language-image encoder; no files behind it. */
const computed = { formula: "blocks-and-noise", seed: 1, range: [-1, 1] };
const expected = [0.5, 0.5, 0.5, 0.5];
const tolerance = 1e-4;
const float = (shape: (number | string)[], role: string) => ({ shape, dtype: "float32", role });
const ids = (role: string) => ({ shape: ["B", "T"], dtype: "int64", role });
const file = (path: string) => ({ path, sha256: "a".repeat(64), bytes: 1 });
const steps = (mm: number, size: number) => [
  { op: "reorient", axes: "RAS" },
  {
    op: "resample",
    spacingMm: [mm, mm, mm],
    antialias: false,
    flavour: "torchio",
    outsideValue: 0,
  },
  { op: "clipHu", min: -1000, max: 1000 },
  { op: "scale", multiply: 0.001, add: 0 },
  { op: "cropPad", sizeVoxels: [size, size, size], value: 0 },
];

export function wholeManifest(): Record<string, unknown> {
  return {
    formatVersion: 1,
    id: "whole",
    version: "1.0.0",
    title: "Whole",
    summary: "Every part of the format.",
    vendor: "Nobody",
    sourceUrls: ["https://example.org/whole"],
    citation: "None",
    intendedUse: "Tests.",
    limits: "It does not exist.",
    licence: {
      weights: "MIT",
      code: "MIT",
      researchOnly: true,
      nonCommercial: true,
      acceptanceRequired: true,
      notice: "LICENCE.txt",
    },
    files: [
      "LICENCE.txt",
      "backbone.onnx",
      "backbone.onnx.data",
      "backbone-plain.onnx",
      "pool.onnx",
      "text.onnx",
      "tokenizer.json",
      "tokenizer_config.json",
      "prompts.json",
      "probe.json",
      "guard.json",
      "more.csv",
    ].map(file),
    runtime: {
      minOrt: "1.25",
      opset: 23,
      ramMb: 6000,
      providers: [
        { provider: "cpu", precision: "fp32", verified: true, batchMax: 1 },
        {
          provider: "webgpu",
          precision: "fp16",
          graphs: { backbone: "backbone-plain.onnx" },
          notes: "Plain attention.",
        },
      ],
    },
    applicability: {
      modalities: ["CT"],
      slicesMin: 40,
      spacingMmMax: [5, 2, 2],
      extentMmMin: [150, 150, 150],
      bodyParts: ["CHEST"],
      ages: "Adults",
      contrast: "Any",
      series: "Thin axial slices",
    },
    profiles: [
      { id: "default", ops: steps(2, 64), shape: [1, 1, 64, 64, 64], tiling: { mode: "none" } },
      {
        id: "fine",
        ops: steps(1, 128),
        shape: [1, 1, 128, 128, 128],
        tiling: {
          mode: "grid",
          window: [64, 64, 64],
          overlap: [32, 0, 0],
          batchMax: 2,
          stitch: "denseGrid",
          downsample: [8, 8, 8],
        },
      },
    ],
    graphs: {
      backbone: {
        file: "backbone.onnx",
        inputs: { image: float(["B", 1, 64, 64, 64], "volume") },
        outputs: { dense: float(["B", 96, 8, 8, 8], "dense") },
      },
      pool: {
        file: "pool.onnx",
        inputs: { tokens: float(["B", "N", 96], "tokens") },
        outputs: {
          pooled: float(["B", 96], "pooled"),
          "logits.raw": float(["B", 2], "logits"),
        },
      },
      text: {
        file: "text.onnx",
        inputs: { ids: ids("ids"), mask: ids("mask") },
        outputs: { pooled: float(["B", 96], "pooled") },
      },
    },
    stages: [
      { id: "dense", op: "graph", graph: "backbone", in: ["input"] },
      { id: "flat", op: "flatten", in: ["dense.dense"], axis: 2 },
      { id: "tokens", op: "transpose", in: ["flat"], order: [0, 2, 1] },
      { id: "pool", op: "graph", graph: "pool", in: ["tokens"] },
      { id: "vector", op: "l2", in: ["pool.pooled"] },
      { id: "first", op: "select", in: ["tokens"], axis: 1, index: 511 },
      { id: "average", op: "mean", in: ["dense.dense"], axes: [2, 3, 4] },
      { id: "both", op: "concat", in: ["first", "average"], axis: 1 },
    ],
    spaces: [
      space("global", "vector", "default"),
      space("global-fine", "vector", "fine"),
      { ...space("tokens", "tokens", "default"), granularity: "token", sharedWithText: false },
      {
        ...space("both", "both", "default"),
        dimension: 192,
        storage: "halfvec",
        sharedWithText: false,
      },
    ],
    text: {
      kind: "tower",
      graph: "text",
      output: "pooled",
      pool: "none",
      tokenizer: {
        kind: "tokenizer.json",
        file: "tokenizer.json",
        config: "tokenizer_config.json",
        maxTokens: 512,
        pad: "longest",
      },
      normalizeText: [
        { op: "lower" },
        { op: "wordpunctJoin" },
        { op: "stripChars", characters: "()" },
      ],
      templates: ["A chest CT scan showing {x}."],
    },
    zeroShot: [
      {
        id: "short",
        space: "global",
        labels: "pair",
        prompts: { kind: "templates", positive: ["{x}"], negative: ["No {x}"] },
        aggregate: "meanVector",
        score: "softmaxPair",
        logitScale: 10,
        threshold: 0.5,
      },
      {
        id: "long",
        space: "global",
        labels: "pair",
        prompts: { kind: "file", file: "prompts.json" },
        aggregate: "meanCosine",
        score: "cosineMargin",
      },
    ],
    heads: [
      {
        id: "probe",
        kind: "linear",
        profile: "default",
        input: "vector",
        weights: "probe.json",
        activation: "sigmoid",
        labels: "pair",
        calibration: { kind: "platt", slope: [1, 2], intercept: [0] },
      },
      {
        id: "own",
        kind: "graph",
        profile: "default",
        input: "pool.logits.raw",
        activation: "softmax",
        labels: "pair",
        calibration: { kind: "isotonic", curves: [{ x: [0, 1], y: [0, 1] }] },
      },
    ],
    labels: [
      {
        id: "pair",
        items: [
          {
            key: "nodule",
            name: "lung nodule",
            snomed: { code: "427359005", meaning: "Solitary nodule of lung" },
            radlex: "RID50149",
            synonyms: ["pulmonary nodule"],
          },
          { key: "effusion", name: "pleural effusion" },
        ],
      },
      { id: "more", file: "more.csv" },
    ],
    guard: {
      kind: "mahalanobis",
      profile: "default",
      input: "average",
      file: "guard.json",
      threshold: 12,
      statement: "This scan is unlike what the model was trained on.",
    },
    comparison: { mode: "delta" },
    golden: [
      { kind: "volume", profile: "default", ...computed, expected, tolerance },
      { kind: "volume", profile: "fine", ...computed, expected, tolerance },
      { kind: "volume", profile: "default", space: "tokens", ...computed, expected, tolerance },
      { kind: "volume", profile: "default", space: "both", ...computed, expected, tolerance },
      { kind: "stage", profile: "default", output: "average", ...computed, expected, tolerance },
      {
        kind: "stage",
        profile: "default",
        output: "pool.logits.raw",
        ...computed,
        expected: [1, -1],
        tolerance,
      },
      { kind: "text", text: "lung nodule", expected, tolerance },
    ],
  };
}

function space(id: string, from: string, profile: string) {
  return {
    id,
    dimension: 96,
    from,
    metric: "inner-product",
    storage: "vector",
    granularity: "volume",
    sharedWithText: true,
    profile,
  };
}
