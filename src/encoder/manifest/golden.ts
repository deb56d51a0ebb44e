/** What a bundle proves itself with, on every provider, before it runs. */
import { z } from "zod";
import { finite, outputRef, plainName, product, text, triple, voxels } from "./values.ts";

const GOLDEN_VALUES_MAX = 4_000;
/** A scan of 256 × 256 × 256. */
const PHANTOM_VOXELS_MAX = 16_777_216;
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

const hounsfield = z.number().min(-32_768).max(32_767);
const cosine = z.number().min(-1).max(1);
const COSINE_TOLERANCE = 1e-3;

const imageOrientation = z
  .tuple([cosine, cosine, cosine, cosine, cosine, cosine])
  .refine(
    ([a, b, c, d, e, f]) =>
      [a * a + b * b + c * c - 1, d * d + e * e + f * f - 1, a * d + b * e + c * f].every(
        (off) => Math.abs(off) <= COSINE_TOLERANCE,
      ),
    "must be two directions of unit length at right angles",
  )
  .describe("Direction of a row, then of a column, LPS, as Image Orientation (Patient).");

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
  z
    .strictObject({
      kind: z.literal("phantom"),
      ...computed,
      range: z
        .tuple([hounsfield, hounsfield])
        .refine(([low, high]) => low < high, "must be [low, high]")
        .describe("Lowest and highest value, HU."),
      sizeVoxels: voxels
        .refine(
          (size) => product(size) <= PHANTOM_VOXELS_MAX,
          `must hold at most ${PHANTOM_VOXELS_MAX} voxels`,
        )
        .describe("Of the native volume, [slices, rows, columns]."),
      spacingMm: triple(z.number().min(0.05).max(100)),
      imageOrientation,
      space: plainName.optional().describe("Default: the first space of the profile."),
      expected: expected.describe("First values of the unit vector."),
      tolerance,
    })
    .describe("A computed scan goes through the profile's steps first: proves these as well."),
  z.strictObject({
    kind: z.literal("text"),
    text: text(2_000),
    expected: expected.describe("First values of the unit vector."),
    tolerance,
  }),
]);
