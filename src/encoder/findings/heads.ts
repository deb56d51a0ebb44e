/** Heads: logits from a stage's output, activation, calibration. Pure numbers. */
import { KindredError } from "../../kernel/errors.ts";
import type { Head } from "../manifest.ts";
import { dot, finite, sigmoid, softmax } from "./numbers.ts";

/** `heads[].weights`, read: `weights` is `[labels][values]`. */
export interface LinearWeights {
  readonly weights: readonly (readonly number[])[];
  readonly bias: readonly number[];
}

type Calibration = NonNullable<Head["calibration"]>;
type Curve = Extract<Calibration, { kind: "isotonic" }>["curves"][number];

/**
 * weights · values + bias.
 *
 * @returns `[labels]`
 * @throws KindredError `MODEL_OUTPUT_INVALID` when the output has another length than the weights
 */
export function linearLogits(values: Float32Array, { weights, bias }: LinearWeights): number[] {
  return weights.map((row, label) => dot(row, values) + bias[label]!);
}

/**
 * Logits → values of the labels. `platt` and `temperature` change the logit before the activation, `isotonic` the value
 * after it.
 *
 * @throws KindredError `MODEL_OUTPUT_INVALID` for NaN, infinity, or another number of logits than of labels
 */
export function headValues(
  logits: readonly number[],
  labelCount: number,
  { activation, calibration }: Pick<Head, "activation" | "calibration">,
): number[] {
  if (logits.length !== labelCount)
    throw new KindredError(
      "MODEL_OUTPUT_INVALID",
      `The head gave ${logits.length} values for ${labelCount} labels`,
    );
  const checked = logits.map((one) => finite(one, "A logit"));
  const shifted = checked.map((one, i) => shiftedLogit(one, i, calibration));
  const activated =
    activation === "softmax"
      ? softmax(shifted)
      : activation === "sigmoid"
        ? shifted.map(sigmoid)
        : shifted;
  const values =
    calibration?.kind === "isotonic"
      ? activated.map((one, i) => interpolate(ofLabel(calibration.curves, i), one))
      : activated;
  return values.map((one) => finite(one, "A head's value"));
}

/** Whether the values are likelihoods from 0 to 1, or plain scores. */
export function areLikelihoods({ activation, calibration }: Head): boolean {
  return activation !== "none" || calibration?.kind === "isotonic";
}

function shiftedLogit(logit: number, label: number, calibration: Calibration | undefined): number {
  if (calibration?.kind === "temperature") return logit / calibration.temperature;
  if (calibration?.kind === "platt")
    return ofLabel(calibration.slope, label) * logit + ofLabel(calibration.intercept, label);
  return logit;
}

/** One entry for all labels, or one a label. */
function ofLabel<T>(entries: readonly T[], label: number): T {
  return entries[entries.length === 1 ? 0 : label]!;
}

/** Piecewise linear through the curve's points, and level beyond its ends; x rises, y does not fall. */
export function interpolate({ x, y }: Curve, at: number): number {
  if (at <= x[0]!) return y[0]!;
  const next = x.findIndex((value) => value >= at);
  if (next < 0) return y.at(-1)!;
  const share = (at - x[next - 1]!) / (x[next]! - x[next - 1]!);
  // Written so that rounding leaves the result between both ends.
  return Math.min(y[next - 1]! + share * (y[next]! - y[next - 1]!), y[next]!);
}
