/** Bundles of the small graphs in test/fixtures/graphs, with golden vectors that NumPy made. */
import { createHash } from "node:crypto";
import { cpSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Manifest } from "../../src/encoder/manifest.ts";

const GRAPHS = fileURLToPath(new URL("../fixtures/graphs/", import.meta.url));

/** By profile of {@link stagedManifest}, and output. */
export const EXPECTED: Record<string, Record<string, number[]>> = JSON.parse(
  readFileSync(join(GRAPHS, "expected.json"), "utf8"),
);

export type Draft = Record<string, unknown> & Pick<Manifest, "graphs" | "runtime">;

/** Seeds of the inputs that expected.json was made of. */
const SEEDS: Readonly<Record<string, number>> = { plain: 3, attention: 3 };
const seedOf = (profile: string) => SEEDS[profile] ?? 4;
const RANGE = [-1, 1];
const TOLERANCE = 1e-5;

const float = (shape: (number | string)[], role: string, dtype = "float32") => ({
  shape,
  dtype,
  role,
});
const image = (dtype?: string) => float(["B", 1, 8, 8, 8], "volume", dtype);
const profile = (id: string, size: number[], tiling: object) => ({
  id,
  ops: [{ op: "cropPad", sizeVoxels: size, value: 0 }],
  shape: [1, 1, ...size],
  tiling,
});
const space = (id: string, of: string, dimension: number, from: string) => ({
  id,
  dimension,
  from,
  metric: "inner-product",
  storage: "vector",
  granularity: "volume",
  sharedWithText: false,
  profile: of,
});
const common = (id: string) => ({
  formatVersion: 1,
  id,
  version: "1.0.0",
  title: id,
  summary: "Small graphs of the tests.",
  intendedUse: "Tests.",
  limits: "It knows nothing.",
  licence: {
    weights: "MIT",
    code: "MIT",
    researchOnly: true,
    nonCommercial: false,
    acceptanceRequired: false,
  },
  runtime: {
    opset: 17,
    ramMb: 64,
    providers: [{ provider: "cpu", precision: "fp32" }],
  } as Manifest["runtime"],
  applicability: { modalities: ["CT"] },
});
const stageGolden = (of: string, output: string, name: string) => ({
  kind: "stage",
  profile: of,
  formula: "blocks-and-noise",
  seed: seedOf(of),
  range: RANGE,
  output,
  expected: [...EXPECTED[of]![name]!],
  tolerance: TOLERANCE,
});
/** Vectors are compared at unit length. */
const spaceGolden = (of: string, id: string, name: string) => {
  const values = EXPECTED[of]![name]!;
  const length = Math.hypot(...values);
  return {
    kind: "volume",
    profile: of,
    space: id,
    formula: "blocks-and-noise",
    seed: seedOf(of),
    range: RANGE,
    expected: values.map((value) => value / length),
    tolerance: TOLERANCE,
  };
};

const WINDOWS = { mode: "grid", window: [8, 8, 8], overlap: [4, 4, 0], batchMax: 3 };

/** Every stage of the format, windows stitched and reduced, several spaces, a head's and a guard's input. */
export function stagedManifest(id: string, backbone = "backbone.onnx", dtype = "float32"): Draft {
  const whole = [20, 12, 8];
  return {
    ...common(id),
    profiles: [
      profile("plain", [8, 8, 8], { mode: "none" }),
      profile("tiled", whole, { ...WINDOWS, stitch: "denseGrid", downsample: [2, 2, 2] }),
      profile("mean", whole, { ...WINDOWS, reduce: "mean" }),
      profile("max", whole, { ...WINDOWS, reduce: "max" }),
    ],
    graphs: {
      backbone: {
        file: backbone,
        inputs: { image: image(dtype) },
        outputs: { dense: float(["B", 4, 4, 4, 4], "dense", dtype) },
      },
      pool: {
        file: "pool.onnx",
        inputs: { tokens: float(["B", "N", 4], "tokens") },
        outputs: { pooled: float(["B", 6], "pooled"), logits: float(["B", 2], "logits") },
      },
      gridded: {
        file: "gridded.onnx",
        inputs: {
          dense: float([1, 4, "Z", "Y", "X"], "dense"),
          grid: float([3], "grid", "int64"),
        },
        outputs: { vector: float([1, 7], "pooled") },
      },
    } as unknown as Manifest["graphs"],
    stages: [
      { id: "dense", op: "graph", graph: "backbone", in: ["input"] },
      { id: "flat", op: "flatten", in: ["dense.dense"], axis: 2 },
      { id: "tokens", op: "transpose", in: ["flat"], order: [0, 2, 1] },
      { id: "pool", op: "graph", graph: "pool", in: ["tokens"] },
      { id: "unit", op: "l2", in: ["pool.pooled"] },
      { id: "first", op: "select", in: ["tokens"], axis: 1, index: 0 },
      { id: "average", op: "mean", in: ["dense.dense"], axes: [2, 3, 4] },
      { id: "both", op: "concat", in: ["first", "average"], axis: 1 },
      { id: "gridded", op: "graph", graph: "gridded", in: ["dense.dense"] },
    ],
    spaces: ["plain", "tiled", "mean", "max"].flatMap((of) => [
      space(`unit-${of}`, of, 6, "unit"),
      space(`both-${of}`, of, 8, "both"),
      space(`gridded-${of}`, of, 7, "gridded.vector"),
    ]),
    labels: [
      {
        id: "pair",
        items: [
          { key: "a", name: "a" },
          { key: "b", name: "b" },
        ],
      },
    ],
    heads: [
      {
        id: "own",
        kind: "graph",
        profile: "plain",
        input: "pool.logits",
        activation: "sigmoid",
        labels: "pair",
      },
    ],
    golden: [
      ...["plain", "tiled", "mean", "max"].flatMap((of) => [
        spaceGolden(of, `unit-${of}`, "unit"),
        spaceGolden(of, `both-${of}`, "both"),
        spaceGolden(of, `gridded-${of}`, "gridded"),
      ]),
      stageGolden("plain", "pool.logits", "logits"),
      stageGolden("plain", "average", "average"),
    ],
  };
}

/** One graph that is a transformer of two layers. */
export function attentionManifest(id: string, file: string): Draft {
  return {
    ...common(id),
    profiles: [profile("attention", [8, 8, 8], { mode: "none" })],
    graphs: {
      attention: {
        file,
        inputs: { image: image() },
        outputs: { vector: float(["B", 12], "pooled") },
      },
    } as unknown as Manifest["graphs"],
    stages: [{ id: "attention", op: "graph", graph: "attention", in: ["input"] }],
    spaces: [space("vector", "attention", 12, "attention.vector")],
    golden: [spaceGolden("attention", "vector", "vector")],
  };
}

/** Writes `folder/<id>` with the files that the graphs name, external data beside them included. */
export function writeBundle(folder: string, manifest: Draft, more: readonly string[] = []): string {
  const target = join(folder, String(manifest.id));
  mkdirSync(target, { recursive: true });
  const overrides = manifest.runtime.providers.flatMap((one) => Object.values(one.graphs ?? {}));
  const names = new Set([
    ...Object.values(manifest.graphs).map((graph) => graph.file),
    ...overrides,
    ...more,
  ]);
  const files = [...names].map((path) => {
    cpSync(join(GRAPHS, path), join(target, path));
    const bytes = readFileSync(join(GRAPHS, path));
    const sha256 = createHash("sha256").update(bytes).digest("hex");
    return { path, sha256, bytes: bytes.length };
  });
  writeFileSync(join(target, "model.json"), JSON.stringify({ ...manifest, files }));
  return target;
}
