/** What a bundle proves itself with, on every provider, before it runs. */
import { z } from "zod";
import { finite, outputRef, plainName, text } from "./values.ts";

const GOLDEN_VALUES_MAX = 4_000;
const tolerance = z.number().min(1e-8).max(0.05).describe("Largest deviation of a value.");
const expected = z.array(finite).min(4).max(GOLDEN_VALUES_MAX);

/** The input is computed, so that no big file is needed: `goldenInput` in vector.ts says how. */
const computed = {
  profile: plainName,
  formula: z.literal("blocks-and-noise"),
  seed: z.number().int().min(1).max(2_147_483_647),
  range: z
    .tuple([finite, finite])
    .refine(([low, high]) => low < high, "must be [low, high]")
    .describe("Lowest and highest input value."),
};

export const golden = z.discriminatedUnion("kind", [
  z.strictObject({
    kind: z.literal("volume"),
    ...computed,
    space: plainName.optional().describe("Default: the first space of the profile."),
    expected: expected.describe("First values of the unit vector."),
    tolerance,
  }),
  z
    .strictObject({
      kind: z.literal("stage"),
      ...computed,
      output: outputRef,
      expected: z
        .array(finite)
        .min(1)
        .max(GOLDEN_VALUES_MAX)
        .describe("First values of the output."),
      tolerance,
    })
    .describe("Tolerance is of the largest expected magnitude, where that is above 1."),
  z.strictObject({
    kind: z.literal("text"),
    text: text(2_000),
    expected: expected.describe("First values of the unit vector."),
    tolerance,
  }),
]);
