/** Arithmetic that findings share: every result is checked, for a likelihood that is NaN must never be shown. */
import { KindredError } from "../../kernel/errors.ts";

/** 1 / (1 + e^−x), exact at both ends. */
export function sigmoid(x: number): number {
  return x >= 0 ? 1 / (1 + Math.exp(-x)) : Math.exp(x) / (1 + Math.exp(x));
}

/** Sums to 1; the largest is taken off first, so that no exponential overflows. */
export function softmax(values: readonly number[]): number[] {
  const largest = Math.max(...values);
  const powers = values.map((value) => Math.exp(value - largest));
  const sum = powers.reduce((all, one) => all + one, 0);
  return powers.map((one) => one / sum);
}

/** @throws KindredError `MODEL_OUTPUT_INVALID` when the lengths differ */
export function dot(a: ArrayLike<number>, b: ArrayLike<number>): number {
  if (a.length !== b.length)
    throw new KindredError(
      "MODEL_OUTPUT_INVALID",
      `${a.length} values meet ${b.length}: the bundle's parts do not belong together`,
    );
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i]! * b[i]!;
  return sum;
}

/** @throws KindredError `MODEL_OUTPUT_INVALID` for NaN and infinity */
export function finite(value: number, what: string): number {
  if (!Number.isFinite(value))
    throw new KindredError("MODEL_OUTPUT_INVALID", `${what} is no finite number`);
  return value;
}

/** The mean of vectors of one length. */
export function meanOf(vectors: readonly ArrayLike<number>[]): Float64Array {
  const mean = new Float64Array(vectors[0]?.length ?? 0);
  for (const vector of vectors)
    for (let i = 0; i < mean.length; i++) mean[i]! += vector[i]! / vectors.length;
  return mean;
}
