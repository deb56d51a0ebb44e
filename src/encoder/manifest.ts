/** `models/<id>/model.json`, bundle format 1: what a model is, how its input is made, and how it proves itself. */
import { z } from "zod";
import { KindredError, messageOf } from "../kernel/errors.ts";
import { MANIFEST_BYTES_MAX } from "../kernel/limits.ts";
import type { Resampling } from "../volume/sampling.ts";
import { STEP_VOXELS_MAX } from "../volume/steps.ts";

const GRID_MAX = 1024;
/** Voxels of one input grid. */
const INPUT_VOXELS_MAX = STEP_VOXELS_MAX;
const edge = z.number().int().min(1).max(GRID_MAX);
const voxels = z
  .tuple([edge, edge, edge])
  .refine(
    ([depth, rows, columns]) => depth * rows * columns <= INPUT_VOXELS_MAX,
    `must hold at most ${INPUT_VOXELS_MAX} voxels`,
  );
const millimetres = z.tuple([
  z.number().min(0.1).max(100),
  z.number().min(0.1).max(100),
  z.number().min(0.1).max(100),
]);
const plainName = z
  .string()
  .regex(
    /^[a-z0-9][a-z0-9._-]{0,63}$/,
    "must be lower-case letters, digits, dot, dash, underscore",
  );
const finite = z.number().min(-1e6).max(1e6);

/** One preprocessing step. Sizes and spacings are `[slices, rows, columns]`. */
const op = z.discriminatedUnion("op", [
  z.strictObject({ op: z.literal("reorient"), axes: z.string().regex(/^[LR][PA][SI]$/) }),
  z
    .strictObject({
      op: z.literal("resample"),
      spacingMm: millimetres.optional(),
      sizeVoxels: voxels.optional(),
      antialias: z.boolean(),
      /** Whose resampler the model was trained behind (default: torch); docs/volumes.md says how they differ. */
      flavour: z.enum(["torch", "area", "monai", "torchio", "simpleitk"]).optional(),
      sizeRule: z.enum(["round", "floor", "ceil"]).optional(),
      stepFrom: z.enum(["spacing", "size"]).optional(),
      outsideValue: finite.optional(),
    })
    .superRefine((one, context) => {
      for (const message of resamplingFaults(one)) context.addIssue({ code: "custom", message });
    }),
  z
    .strictObject({ op: z.literal("clipHu"), min: finite, max: finite })
    .refine((one) => one.min < one.max, "min must be below max"),
  z.strictObject({ op: z.literal("scale"), multiply: finite, add: finite }),
  z.strictObject({ op: z.literal("foregroundCrop"), above: finite }),
  z.strictObject({
    op: z.literal("cropPad"),
    sizeVoxels: voxels,
    value: finite,
    /** Whose centring: which side an odd voxel goes to. Default: the end, whether it is cut or filled. */
    flavour: z.enum(["monai", "torchio"]).optional(),
  }),
]);

/** A setting that a flavour does not have would be passed over in silence. */
function resamplingFaults(one: Resampling): string[] {
  const { flavour = "torch" } = one;
  const isSpaced = one.spacingMm !== undefined;
  const isSized = one.sizeVoxels !== undefined;
  const isArea = flavour === "area";
  const hasOutside = flavour === "torchio" || flavour === "simpleitk";
  const faults: [boolean, string][] = [
    [isSpaced === isSized, "needs one of spacingMm and sizeVoxels"],
    [isSized && flavour !== "torch" && !isArea, `flavour ${flavour} needs spacingMm`],
    [isArea && !isSized, "flavour area needs sizeVoxels"],
    [flavour !== "torch" && one.antialias, `flavour ${flavour} has no antialias`],
    [one.sizeRule !== undefined && (flavour === "monai" || !isSpaced), "sizeRule has no effect"],
    [one.stepFrom !== undefined && (flavour !== "torch" || !isSpaced), "stepFrom has no effect"],
    [one.outsideValue !== undefined && !hasOutside, "outsideValue has no effect"],
  ];
  return faults.flatMap(([isFault, message]) => (isFault ? [message] : []));
}

const profile = z.strictObject({
  id: plainName,
  ops: z.array(op).min(1).max(32),
  /** Input of the graph: `[batch, channel, slices, rows, columns]`. */
  shape: z
    .tuple([z.literal(1), z.literal(1), edge, edge, edge])
    .refine(
      ([, , depth, rows, columns]) => depth * rows * columns <= INPUT_VOXELS_MAX,
      `must hold at most ${INPUT_VOXELS_MAX} voxels`,
    ),
});

const file = z.strictObject({
  path: z
    .string()
    .regex(
      /^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/,
      "must be a plain file name in the bundle's own folder",
    ),
  sha256: z.string().regex(/^[0-9a-f]{64}$/),
  bytes: z.number().int().min(1).max(68_719_476_736),
});

const golden = z.strictObject({
  profile: plainName,
  /** The input is computed, so that no big file is needed: `goldenInput` in vector.ts says how. */
  formula: z.literal("blocks-and-noise"),
  seed: z.number().int().min(1).max(2_147_483_647),
  /** Lowest and highest input value. */
  range: z.tuple([finite, finite]).refine(([low, high]) => low < high, "must be [low, high]"),
  /** First values of the unit-length output. */
  expected: z.array(finite).min(4).max(16_000),
  tolerance: z.number().min(1e-8).max(0.05),
});

export const manifestSchema = z
  .strictObject({
    formatVersion: z.literal(1),
    id: plainName,
    version: z.string().regex(/^\d+\.\d+\.\d+$/),
    title: z.string().min(1).max(64),
    summary: z.string().min(1).max(500),
    licence: z.string().min(1).max(64),
    intendedUse: z.string().min(1).max(500),
    limits: z.string().min(1).max(1_000),
    files: z.array(file).min(1).max(64),
    graph: z.strictObject({
      file: z.string(),
      input: z.string().min(1).max(128),
      output: z.string().min(1).max(128),
    }),
    embedding: z.strictObject({
      dimension: z.number().int().min(2).max(16_000),
      metric: z.literal("inner-product"),
    }),
    profiles: z.array(profile).min(1).max(8),
    golden: z.array(golden).min(1).max(32),
  })
  .superRefine((manifest, context) => {
    const issue = (message: string, path: (string | number)[]) =>
      context.addIssue({ code: "custom", message, path });
    if (!manifest.files.some((one) => one.path === manifest.graph.file))
      issue("must be one of files", ["graph", "file"]);
    const names = manifest.files.map((one) => one.path.toLowerCase());
    if (new Set(names).size !== names.length) issue("paths must be different", ["files"]);
    if (names.includes("model.json")) issue("model.json cannot list itself", ["files"]);
    const ids = manifest.profiles.map((one) => one.id);
    if (new Set(ids).size !== ids.length) issue("ids must be different", ["profiles"]);
    manifest.golden.forEach((one, i) => {
      if (!ids.includes(one.profile))
        issue("is no profile of this bundle", ["golden", i, "profile"]);
      if (one.expected.length > manifest.embedding.dimension)
        issue("has more values than the embedding", ["golden", i, "expected"]);
    });
    manifest.profiles.forEach((one, i) => {
      if (!manifest.golden.some((each) => each.profile === one.id))
        issue("has no golden vector to prove itself with", ["profiles", i]);
      if (finalSize(one.ops)?.join() !== one.shape.slice(2).join())
        issue("the last sizing step must give the shape", ["profiles", i, "ops"]);
    });
  });

/** Size that the steps end in, whatever volume they start from; undefined when it depends on the volume. */
function finalSize(ops: readonly z.output<typeof op>[]): readonly number[] | undefined {
  let size: readonly number[] | undefined;
  for (const one of ops) if (one.op === "resample" || one.op === "cropPad") size = one.sizeVoxels;
  return size;
}

export type Manifest = z.output<typeof manifestSchema>;
export type Profile = Manifest["profiles"][number];
export type PreprocessOp = Profile["ops"][number];

/** @throws KindredError `MODEL_INVALID` listing every problem */
export function parseManifest(text: string): Manifest {
  if (Buffer.byteLength(text) > MANIFEST_BYTES_MAX)
    throw new KindredError(
      "MODEL_INVALID",
      `model.json is larger than ${MANIFEST_BYTES_MAX} bytes`,
    );
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (error) {
    throw new KindredError("MODEL_INVALID", `model.json is no JSON: ${messageOf(error)}`);
  }
  const parsed = manifestSchema.safeParse(json);
  if (parsed.success) return parsed.data;
  const problems = parsed.error.issues.map(
    (issue) => `${issue.path.join(".") || "(top level)"}: ${issue.message}`,
  );
  throw new KindredError("MODEL_INVALID", ["model.json is invalid:", ...problems].join("\n  "));
}
