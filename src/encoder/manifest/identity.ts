/** What a bundle is, what it may be used for, and what it needs to run. */
import { z } from "zod";
import { count, fileName, plainName, stageName, text, triple } from "./values.ts";

/** Largest file that a bundle may list: 64 GiB. */
const FILE_BYTES_MAX = 68_719_476_736;

export const licence = z.strictObject({
  weights: text(64).describe("SPDX identifier or name of the licence of the weights."),
  code: text(64).describe(
    "SPDX identifier or name of the licence of the code that made the graphs.",
  ),
  researchOnly: z.boolean().describe("The author means it for research only."),
  nonCommercial: z.boolean().describe("The author allows no commercial use."),
  acceptanceRequired: z
    .boolean()
    .describe("The bundle runs only at a site that lists its id in encoder.acceptedLicences."),
  notice: fileName.optional().describe("File with the wording of the licence."),
});

export const file = z.strictObject({
  path: fileName.describe("File name in the bundle's folder."),
  sha256: z
    .string()
    .regex(/^[0-9a-f]{64}$/, "must be a SHA-256 in 64 lower-case hexadecimal digits"),
  bytes: count(FILE_BYTES_MAX),
});

/** Execution providers of ONNX Runtime, as `encoder.providers` names them. */
export const PROVIDERS = ["tensorrt", "cuda", "webgpu", "coreml", "dml", "cpu"] as const;

const provider = z.strictObject({
  provider: z.enum(PROVIDERS),
  precision: z
    .enum(["fp32", "fp16", "bf16", "int8"])
    .describe("What the graphs compute in on this provider."),
  verified: z
    .boolean()
    .optional()
    .describe("The author ran the golden vectors on it. The node runs them again in any case."),
  batchMax: count(256).optional().describe("Most windows of one run on this provider."),
  graphs: z
    .record(stageName, fileName)
    .optional()
    .describe("Files that replace those of `graphs` on this provider, by the graph's name."),
  notes: text(500).optional(),
});

export const runtime = z.strictObject({
  minOrt: z
    .string()
    .regex(/^\d{1,3}\.\d{1,3}(\.\d{1,3})?$/, "must be a version such as 1.25")
    .optional()
    .describe("Oldest ONNX Runtime that runs the graphs right."),
  opset: count(100).describe("Highest ONNX operator set of the graphs."),
  ramMb: count(4_194_304).describe(
    "Measured peak memory of the model process with one run on the CPU, MiB.",
  ),
  providers: z
    .array(provider)
    .min(1)
    .max(16)
    .describe("What is known of providers. The site's order decides, and the golden vectors."),
});

export const applicability = z.strictObject({
  modalities: z
    .array(z.enum(["CT"]))
    .min(1)
    .max(1)
    .describe("Judged. Modality (0008,0060)."),
  slicesMin: count(65_536).optional().describe("Judged. Fewest slices of the native volume."),
  spacingMmMax: triple(z.number().min(0.01).max(1_000))
    .optional()
    .describe("Judged. Largest native spacing [slices, rows, columns], mm."),
  extentMmMin: triple(z.number().min(0.1).max(10_000))
    .optional()
    .describe("Judged. Smallest extent of the native volume [slices, rows, columns], mm."),
  bodyParts: z
    .array(text(64))
    .min(1)
    .max(64)
    .optional()
    .describe("Text. Regions the model was trained on; the header's word for it is often wrong."),
  ages: text(200).optional().describe("Text. Ages of the patients it was trained on."),
  contrast: text(200).optional().describe("Text. Contrast phases it was trained on."),
  series: text(500).optional().describe("Text. Which series of a study to prefer."),
});

export const identity = {
  formatVersion: z.literal(1),
  id: plainName.describe("Name of the folder, and of the model everywhere."),
  version: z
    .string()
    .regex(/^\d{1,6}\.\d{1,6}\.\d{1,6}$/, "must be a version such as 1.0.0")
    .describe("Version of the bundle."),
  title: text(64),
  summary: text(500).describe("What the model does, for a person who chooses one."),
  vendor: text(64).optional().describe("Who made the model."),
  sourceUrls: z
    .array(
      z
        .string()
        .max(500)
        .regex(/^https:\/\/[\x21-\x7e]+$/, "must be an https address"),
    )
    .max(16)
    .optional()
    .describe("Where it comes from. Never fetched."),
  citation: text(500).optional(),
  intendedUse: text(500),
  limits: text(1_000).describe("What it cannot do; stands in every report."),
};
