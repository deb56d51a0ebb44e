/** Text towers and zero-shot prompts. */
import { z } from "zod";
import { count, fileName, finite, plainName, stageName, tensorName, text } from "./values.ts";

const template = text(1_000).refine((one) => one.includes("{x}"), "must contain {x}");
const templates = z.array(template).min(1).max(64);

const normalize = z.discriminatedUnion("op", [
  z.strictObject({ op: z.literal("lower") }),
  z
    .strictObject({ op: z.literal("wordpunctJoin") })
    .describe("Runs of word characters and runs of other signs, joined by one space."),
  z.strictObject({ op: z.literal("stripChars"), characters: text(64) }),
]);

const tokenizer = z.strictObject({
  kind: z.literal("tokenizer.json"),
  file: fileName.describe("As the library tokenizers writes it."),
  config: fileName.optional().describe("tokenizer_config.json that belongs to it."),
  maxTokens: count(32_768).describe("Longer text is cut, special tokens included."),
  pad: z
    .enum(["none", "longest", "max"])
    .describe("To nothing, to the longest text of a run, or to maxTokens."),
});

export const textTower = z.discriminatedUnion("kind", [
  z.strictObject({
    kind: z.literal("tower"),
    graph: stageName,
    output: tensorName.describe("Output of the graph."),
    pool: z
      .enum(["none", "firstToken", "lastToken", "meanToken"])
      .describe("none: the output is one vector a text; else which tokens of it make the vector."),
    tokenizer,
    normalizeText: z
      .array(normalize)
      .max(8)
      .optional()
      .describe("Applied in this order before the tokenizer."),
    templates: templates
      .optional()
      .describe(
        "What a search text is put into for {x}; the vector is the mean. Default: the text as it is.",
      ),
  }),
  z.strictObject({
    kind: z.literal("precomputed"),
    file: fileName.describe("Vectors of the texts that can be asked for, see docs/bundles.md."),
  }),
]);

export const zeroShotSet = z
  .strictObject({
    id: plainName,
    space: plainName,
    labels: plainName.describe("A label list of this bundle."),
    prompts: z.discriminatedUnion("kind", [
      z
        .strictObject({ kind: z.literal("templates"), positive: templates, negative: templates })
        .describe("{x} is the label's name."),
      z
        .strictObject({ kind: z.literal("file"), file: fileName })
        .describe("Whole prompts of each label, see docs/bundles.md."),
    ]),
    aggregate: z
      .enum(["meanVector", "meanCosine"])
      .describe(
        "Several prompts: mean of their vectors, unit length again, or mean of their cosines.",
      ),
    score: z
      .enum(["softmaxPair", "sigmoidMargin", "cosineMargin"])
      .describe(
        "Softmax over positive and negative; sigmoid of their difference; the difference itself.",
      ),
    logitScale: z
      .number()
      .min(0.01)
      .max(1_000)
      .optional()
      .describe("Multiplies cosines first. Default: 1."),
    threshold: finite.optional().describe("Of the score, measured by the author."),
  })
  .refine(
    (one) => one.score !== "cosineMargin" || one.logitScale === undefined,
    "logitScale has no effect on cosineMargin: remove it",
  );
