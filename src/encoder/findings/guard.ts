/** The out-of-domain guard: how far a volume is from what the model was trained on. Pure numbers. */
import { dot, finite } from "./numbers.ts";

/** `guard.file`, read. */
export type GuardStatistics =
  | {
      readonly kind: "mahalanobis";
      readonly mean: readonly number[];
      readonly whitening: readonly (readonly number[])[];
    }
  | { readonly kind: "cosine-centroid"; readonly centroids: readonly (readonly number[])[] };

/**
 * mahalanobis: the length of whitening · (values − mean), 0 or more. cosine-centroid: 1 − the largest cosine with a
 * centroid, 0 to 2.
 *
 * @throws KindredError `MODEL_OUTPUT_INVALID` for NaN, a vector of length 0 and one of another size than the statistics
 */
export function guardDistance(values: Float32Array, statistics: GuardStatistics): number {
  if (statistics.kind === "mahalanobis") {
    const { mean, whitening } = statistics;
    // dot() refuses rows of another size; the mean is as long as they are.
    const offset = Array.from(values, (value, i) => value - (mean[i] ?? Number.NaN));
    const white = whitening.map((row) => dot(row, offset));
    return finite(Math.sqrt(dot(white, white)), "The guard's distance");
  }
  const length = Math.sqrt(dot(values, values));
  const cosines = statistics.centroids.map(
    (centroid) => dot(centroid, values) / (length * Math.sqrt(dot(centroid, centroid))),
  );
  return 1 - Math.min(1, finite(Math.max(...cosines), "The guard's cosine"));
}
