/** What is said of a volume beyond its vector: labels, heads, and when to say nothing. */
import { z } from "zod";
import { fileName, finite, outputRef, plainName, text } from "./values.ts";

/** Labels of one list. */
export const LABELS_MAX = 5_000;

const labelKey = z
  .string()
  .regex(
    /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/,
    "must be letters, digits, dots, dashes or underscores",
  );

/** One label; a CSV file has these columns. */
export const label = z.strictObject({
  key: labelKey,
  name: text(128).describe("As a report and a prompt say it."),
  snomed: z
    .strictObject({
      code: z.string().regex(/^[1-9][0-9]{5,17}$/, "must be a SNOMED CT identifier"),
      meaning: text(128),
    })
    .optional(),
  radlex: z
    .string()
    .regex(/^RID[0-9]{1,8}$/, "must be a RadLex identifier such as RID5350")
    .optional(),
  synonyms: z.array(text(128)).max(32).optional(),
});

export const labelList = z
  .strictObject({
    id: plainName,
    items: z.array(label).min(1).max(LABELS_MAX).optional(),
    file: fileName.optional().describe("CSV with the columns of an item, see docs/bundles.md."),
  })
  .superRefine((one, context) => {
    const issue = (message: string, path: (string | number)[] = []) =>
      context.addIssue({ code: "custom", message, path });
    if ((one.items === undefined) === (one.file === undefined))
      issue("needs one of items and file");
    const keys = one.items?.map((each) => each.key) ?? [];
    keys.forEach((key, i) => {
      if (keys.indexOf(key) < i) issue(`the key ${key} stands above already`, ["items", i, "key"]);
    });
  });

const perLabel = z.array(finite).min(1).max(LABELS_MAX);
const curve = z
  .strictObject({
    x: z.array(finite).min(2).max(512),
    y: z.array(z.number().min(0).max(1)).min(2).max(512),
  })
  .refine(({ x, y }) => x.length === y.length, "x and y must be equally long")
  .refine(({ x }) => x.every((value, i) => i === 0 || value > x[i - 1]!), "x must rise")
  .refine(({ y }) => y.every((value, i) => i === 0 || value >= y[i - 1]!), "y must not fall");

/** Arrays have one value for all labels, or one a label. */
const calibration = z.discriminatedUnion("kind", [
  z
    .strictObject({ kind: z.literal("platt"), slope: perLabel, intercept: perLabel })
    .describe("sigmoid(slope · logit + intercept)."),
  z
    .strictObject({ kind: z.literal("temperature"), temperature: z.number().min(0.001).max(1_000) })
    .describe("activation(logit / temperature)."),
  z
    .strictObject({ kind: z.literal("isotonic"), curves: z.array(curve).min(1).max(LABELS_MAX) })
    .describe("Piecewise linear from the activated value to a likelihood."),
]);

const headParts = {
  id: plainName,
  profile: plainName,
  labels: plainName.describe("A label list of this bundle, in the order of the outputs."),
  activation: z.enum(["none", "sigmoid", "softmax"]),
  calibration: calibration.optional(),
};

export const head = z.discriminatedUnion("kind", [
  z
    .strictObject({
      ...headParts,
      kind: z.literal("linear"),
      input: outputRef,
      weights: fileName.describe("JSON with weights and bias, see docs/bundles.md."),
    })
    .describe("weights · vector + bias, of a stage's output [1, values]."),
  z
    .strictObject({ ...headParts, kind: z.literal("graph"), input: outputRef })
    .describe("The output of a stage is the logits already: [1, labels]."),
]);

/** Calibrations of the logit end in a likelihood only with the activation that they were fitted with. */
export function calibrationFault(
  activation: "none" | "sigmoid" | "softmax",
  kind: "platt" | "temperature" | "isotonic" | undefined,
): string | undefined {
  if (kind === "platt" && activation !== "sigmoid")
    return "platt is a sigmoid of the logit: set activation to sigmoid";
  if (kind === "temperature" && activation === "none")
    return "temperature needs the activation sigmoid or softmax";
  return undefined;
}

export const guard = z.strictObject({
  kind: z
    .enum(["mahalanobis", "cosine-centroid"])
    .describe(
      "Distance: length of whitening · (vector − mean), or 1 − the largest cosine with a centroid.",
    ),
  profile: plainName,
  input: outputRef.describe("The stage output [1, values] that is measured."),
  file: fileName.describe("JSON with mean and whitening, or centroids, see docs/bundles.md."),
  threshold: z.number().min(0).max(1e6),
  statement: text(500).describe("What is said instead of findings beyond the threshold."),
});

export const comparison = z
  .strictObject({ mode: z.literal("delta") })
  .describe("The difference of the vectors of two studies of one patient means a change.");
export type Head = z.output<typeof head>;
