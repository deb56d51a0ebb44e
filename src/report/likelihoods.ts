/** What models say of the volume, in words: every value with its source, whether it is calibrated, and what it is not. */
import { cleanLine } from "./clean-text.ts";
import { readable } from "./decimal.ts";
import type { ReportFindings, ReportLikelihood } from "./input.ts";
import { plural, type Section, wrap } from "./lines.ts";

/** Labels of one head or prompt set that are written out, highest value first. */
const LABELS_MAX = 25;
/** Labels with lower values that are named. */
const LOW_NAMES_MAX = 60;
const LOW_LIKELIHOOD = 0.1;
const PROBLEMS_MAX = 5;

export function likelihoodSection(findings: readonly ReportFindings[]): Section | undefined {
  if (findings.length === 0) return undefined;
  return { heading: "AI likelihoods, not verified", lines: findings.flatMap(modelLines) };
}

/** One sentence a model for the conclusion: that it says something or why not, never what. */
export function likelihoodSentence(one: ReportFindings): string {
  const model = modelName(one);
  if (one.statement !== null)
    return `Model ${model}: findings withheld. ${cleanLine(one.statement, 500)}`;
  const { length } = one.likelihoods;
  if (length === 0) return `Model ${model}: no finding could be computed.`;
  const calibrated = one.likelihoods.filter((each) => each.isCalibrated).length;
  const how =
    calibrated === length
      ? "calibrated by its author"
      : calibrated === 0
        ? "uncalibrated"
        : `${calibrated} of them calibrated by its author`;
  return `Model ${model}: ${plural(length, "value")} of labels listed, ${how}, research only.`;
}

function modelLines(one: ReportFindings): string[] {
  const problems = one.problems
    .slice(0, PROBLEMS_MAX)
    .flatMap((problem) => indented(`Not computed: ${cleanLine(problem, 300)}`));
  const head = `Model ${modelName(one)}, bundle ${cleanLine(one.bundleDigest, 64).slice(0, 16)}, research only`;
  if (one.statement !== null)
    return [head, ...indented(`Withheld: ${cleanLine(one.statement, 500)}`), ...guardLines(one)];
  const sets = Map.groupBy(one.likelihoods, (each) => `${each.source} ${each.sourceId}`);
  return [head, ...guardLines(one), ...[...sets.values()].flatMap(setLines), ...problems];
}

function guardLines({ guard }: ReportFindings): string[] {
  if (guard === null) return [];
  const distance = guard.distance === null ? "not measured" : readable(guard.distance, 3);
  return [`  Distance from the training data: ${distance}, limit ${readable(guard.threshold, 3)}`];
}

function setLines(all: readonly ReportLikelihood[]): string[] {
  const sorted = [...all].sort((a, b) => b.value - a.value);
  const written = sorted.filter((one) => !isLow(one)).slice(0, LABELS_MAX);
  const shown = written.map((one) => `  ${likelihoodLine(one)}`);
  const left = sorted.filter((one) => !written.includes(one));
  const [highest] = left;
  if (highest === undefined) return shown;
  const names = left.slice(0, LOW_NAMES_MAX).map((one) => cleanLine(one.name, 64));
  const more = left.length - names.length;
  const others = more > 0 ? `, and ${plural(more, "other")}` : "";
  const { source, sourceId } = highest;
  const of = `${sourceName(source)} ${cleanLine(sourceId, 64)}`;
  return [
    ...shown,
    ...indented(`Lower, ${of}, ${valueText(highest)} at most: ${names.join(", ")}${others}`),
  ];
}

/** A likelihood that its author would not act on, or that says little: its label is named, so that it is known to be looked for. */
function isLow({ value, isLikelihood, threshold }: ReportLikelihood): boolean {
  return threshold === null ? isLikelihood && value < LOW_LIKELIHOOD : value <= threshold;
}

const sourceName = (source: ReportLikelihood["source"]) => (source === "head" ? "head" : "prompts");

/** `pleural effusion: likelihood 0.83 (uncalibrated, prompts short)` */
export function likelihoodLine(one: ReportLikelihood): string {
  const threshold =
    one.threshold === null
      ? ""
      : `, ${one.value > one.threshold ? "above" : "not above"} the author's threshold ${readable(one.threshold, 3)}`;
  const source = `${sourceName(one.source)} ${cleanLine(one.sourceId, 64)}`;
  const calibration = one.isCalibrated ? "calibrated by the author" : "uncalibrated";
  return `${cleanLine(one.name, 64)}: ${valueText(one)} (${calibration}, ${source}${threshold})`;
}

/** Two digits, and never a likelihood of 0 or 1: no model knows that much. */
function valueText({ value, isLikelihood }: ReportLikelihood): string {
  if (!isLikelihood) return `score ${readable(value, 3)}`;
  if (value < 0.01) return "likelihood below 0.01";
  if (value > 0.99) return "likelihood above 0.99";
  return `likelihood ${value.toFixed(2)}`;
}

const indented = (sentence: string) => wrap(sentence).map((line) => `  ${line}`);

function modelName({ modelId, modelVersion }: ReportFindings): string {
  return `${cleanLine(modelId, 64)} ${cleanLine(modelVersion, 32)}`;
}
