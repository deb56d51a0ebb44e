/** Zero-shot: prompts that speak for and against each label, compared with a volume's vector. Pure numbers. */
import { KindredError } from "../../kernel/errors.ts";
import type { ZeroShotSet } from "../manifest.ts";
import { fillTemplate } from "../text/normalize.ts";
import type { Label } from "./labels.ts";
import { dot, finite, meanOf, sigmoid } from "./numbers.ts";

export interface LabelPrompts {
  readonly positive: readonly string[];
  readonly negative: readonly string[];
}

/** What the prompts of one label come to: both sides as one vector that the volume's is multiplied with. */
export interface PromptVectors {
  readonly positive: Float64Array;
  readonly negative: Float64Array;
}

/**
 * The prompts of each label, in the order of the labels.
 *
 * @param file - of `prompts` of kind `file`, by label key
 * @throws KindredError `MODEL_INVALID` when the file leaves a label out
 */
export function promptsOf(
  set: ZeroShotSet,
  labels: readonly Label[],
  file: ReadonlyMap<string, LabelPrompts> | undefined,
): LabelPrompts[] {
  const { prompts } = set;
  return labels.map(({ key, name }) => {
    if (prompts.kind === "templates") {
      const fill = (templates: readonly string[]) =>
        templates.map((one) => fillTemplate(one, name));
      return { positive: fill(prompts.positive), negative: fill(prompts.negative) };
    }
    const found = file?.get(key);
    if (found === undefined)
      throw new KindredError(
        "MODEL_INVALID",
        `${prompts.file} has no prompts for the label ${key}`,
      );
    return found;
  });
}

/**
 * Several prompts become one vector. With `meanVector` it has unit length again. With `meanCosine` it has not: the
 * inner product with the mean of unit vectors is the mean of the cosines.
 *
 * @param vectors - of unit length, at least one
 * @throws KindredError `MODEL_OUTPUT_INVALID` when they cancel out
 */
export function aggregate(
  vectors: readonly Float32Array[],
  how: ZeroShotSet["aggregate"],
): Float64Array {
  const mean = meanOf(vectors);
  if (how === "meanCosine") return mean;
  const norm = Math.sqrt(dot(mean, mean));
  if (!(norm > 1e-9) || !Number.isFinite(norm))
    throw new KindredError("MODEL_OUTPUT_INVALID", "The prompts of a label cancel each other out");
  return mean.map((value) => value / norm);
}

/**
 * The score of a label: of `softmaxPair` and `sigmoidMargin` a likelihood from 0 to 1, of `cosineMargin` the difference
 * of two cosines, −2 to 2.
 *
 * @param image - the volume's vector, of unit length
 * @throws KindredError `MODEL_OUTPUT_INVALID` for NaN and for vectors of unequal length
 */
export function scoreOf(
  image: Float32Array,
  { positive, negative }: PromptVectors,
  { score, logitScale = 1 }: Pick<ZeroShotSet, "score" | "logitScale">,
): number {
  const margin = finite(dot(image, positive) - dot(image, negative), "A cosine");
  if (score === "cosineMargin") return margin;
  // Softmax over two values is the sigmoid of their difference: both rules are one.
  return sigmoid(logitScale * margin);
}
