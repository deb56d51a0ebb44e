/**
 * What the documents say in words: one source for the DICOM texts, the command line and the console. Plain English,
 * numbers with units, no patient data.
 */

import type { VolumeVerdict } from "../volume/types.ts";
import { cleanLine } from "./clean-text.ts";
import { grouped, readable } from "./decimal.ts";
import type { OtherVolume, ReportInput } from "./input.ts";
import { likelihoodSection, likelihoodSentence } from "./likelihoods.ts";
import { plural, type Section, wrap } from "./lines.ts";

/** First words of every conclusion and series description. */
export const WARNING = "AI result, not verified. Not for diagnostic use.";

/** Findings of the verdict that are written out; the rest is counted. */
const FINDINGS_MAX = 40;
/** Of the findings of a verdict, those that its summary names. */
const SUMMARY_FINDINGS_MAX = 4;
/** Volumes beside the main one that are written out, and findings of each. */
const VOLUMES_MAX = 20;
const VOLUME_FINDINGS_MAX = 5;
/** Scores that are written out. */
export const SCORES_MAX = 50;

export interface ReportWords {
  /** One sentence each, the warning first. */
  readonly conclusion: readonly string[];
  readonly similar: Section;
  readonly geometry: Section;
  readonly otherVolumes: Section | undefined;
  readonly measurements: Section | undefined;
  readonly likelihoods: Section | undefined;
  readonly source: Section;
  readonly method: Section;
}

/** The words of both documents. */
export function wordsOf(input: ReportInput): ReportWords {
  return {
    conclusion: conclusionLines(input),
    similar: { heading: "Similar patients", lines: similarLines(input) },
    geometry: { heading: "Geometry", lines: geometryLines(input) },
    otherVolumes:
      input.otherVolumes.length === 0
        ? undefined
        : { heading: "Other volumes of the series", lines: otherVolumeLines(input) },
    measurements:
      input.measurements.length === 0
        ? undefined
        : { heading: "Measurements", lines: measurementLines(input) },
    likelihoods: likelihoodSection(input.findings),
    source: { heading: "Source series", lines: sourceLines(input) },
    method: { heading: "Method", lines: methodLines(input) },
  };
}

/** Sections one under the other with a blank line between, for terminals and the console. */
export function textLinesOf(conclusion: readonly string[], sections: readonly Section[]): string[] {
  return [
    ...conclusion,
    ...sections.flatMap(({ heading, lines }) => ["", heading, ...lines.map((line) => `  ${line}`)]),
  ];
}

/** The outcome of a verdict in words. */
export const VERDICTS = {
  ok: "usable as received",
  corrected: "usable after correction",
  refused: "not usable, nothing was computed",
} as const;

function conclusionLines(input: ReportInput): string[] {
  const others = input.otherVolumes.length;
  const label = cleanLine(input.label, 64);
  return [
    WARNING,
    similarSentence(input),
    ...input.findings.map(likelihoodSentence),
    `Geometry: ${verdictSummary(input.verdict)}.`,
    ...(others === 0
      ? []
      : [
          `The series makes ${plural(others + 1, "volume")}; this report is about the first${label === "" ? "" : ` (${label})`}.`,
        ]),
  ];
}

/** The outcome, and with it what was found, by code and number. */
export function verdictSummary({ outcome, findings }: VolumeVerdict): string {
  if (findings.length === 0) return VERDICTS[outcome];
  const named = findings
    .slice(0, SUMMARY_FINDINGS_MAX)
    .map(({ code, value, unit }) => `${cleanLine(code, 64)}${numberOf(value, unit)}`);
  const more = findings.length > named.length ? ", …" : "";
  return `${VERDICTS[outcome]} (${plural(findings.length, "finding")}: ${named.join(", ")}${more})`;
}

/** Size and spacing in one line; empty when refused. */
export function sizeSummary({ sizeVoxels, spacingMm }: VolumeVerdict): string {
  if (sizeVoxels === null || spacingMm === null) return "";
  const spacing = spacingMm.map((value) => readable(value, 3)).join(" × ");
  return `${sizeVoxels.join(" × ")} voxels of ${spacing} mm`;
}

/** One line a volume, its findings under it. */
function otherVolumeLines({ otherVolumes }: ReportInput): string[] {
  const shown = otherVolumes
    .slice(0, VOLUMES_MAX)
    .flatMap((volume) => [
      otherVolumeLine(volume),
      ...findingLines(volume, VOLUME_FINDINGS_MAX).map((line) => `  ${line}`),
    ]);
  const left = otherVolumes.length - VOLUMES_MAX;
  return left > 0 ? [...shown, `${plural(left, "further volume")} not listed.`] : shown;
}

function otherVolumeLine({ ordinal, label, verdict, usedInstanceCount }: OtherVolume): string {
  const name = cleanLine(label, 64);
  const parts = [
    VERDICTS[verdict.outcome],
    ...(verdict.outcome === "refused"
      ? []
      : [sizeSummary(verdict), plural(usedInstanceCount, "image")]),
  ];
  return `Volume ${ordinal}${name === "" ? "" : ` (${name})`}: ${parts.join(", ")}`;
}

function similarSentence({ similar }: ReportInput): string {
  if (similar === null) return "Similar patients: not searched.";
  const compared = plural(similar.compared, "patient");
  const [best] = similar.scores;
  if (best === undefined) return `Similar patients: none found, ${compared} compared.`;
  const listed = similar.scores.length;
  const scores = listed === 1 ? "score" : `best ${grouped(listed)} scores`;
  const range = listed === 1 ? "" : ` to ${similar.scores.at(-1)!.toFixed(3)}`;
  return `Similar patients: ${compared} compared, ${scores} ${best.toFixed(3)}${range}.`;
}

function similarLines({ similar }: ReportInput): string[] {
  if (similar === null) return ["Not searched: there was nothing to compare."];
  const metric = cleanLine(similar.metric, 64) || "similarity";
  const scores = similar.scores.slice(0, SCORES_MAX).map((score, index) => {
    return `${String(index + 1).padStart(2)}.  ${score.toFixed(3)}`;
  });
  return [
    `${plural(similar.compared, "patient")} compared by ${metric}.`,
    ...(scores.length === 0 ? [] : ["Best scores:", ...scores]),
    ...(similar.counts ?? []).map(
      ({ meaning, count }) => `${cleanLine(meaning, 64)}: ${grouped(count)}`,
    ),
    "Who they are is in the similarity query, not in this report.",
  ];
}

function geometryLines({ verdict, series, usedInstanceCount }: ReportInput): string[] {
  const { spacingMm, sizeVoxels, tiltDegrees } = verdict;
  const used =
    usedInstanceCount === series.instanceCount ? "" : `, ${grouped(usedInstanceCount)} used`;
  return [
    `Verdict:   ${VERDICTS[verdict.outcome]}`,
    `Images:    ${grouped(series.instanceCount)} received${used}`,
    ...(sizeVoxels === null
      ? []
      : [`Size:      ${sizeVoxels.join(" × ")} voxels (slices × rows × columns)`]),
    ...(spacingMm === null
      ? []
      : [`Spacing:   ${spacingMm.map((value) => readable(value, 3)).join(" × ")} mm`]),
    ...(tiltDegrees === null ? [] : [`Tilt:      ${readable(tiltDegrees, 2)} degrees, measured`]),
    ...findingLines({ verdict }),
  ];
}

/** One line a finding: code, number with unit, sentence. */
export function findingLines(
  { verdict }: Pick<ReportInput, "verdict">,
  findingsMax = FINDINGS_MAX,
): string[] {
  const shown = verdict.findings
    .slice(0, findingsMax)
    .map(
      ({ code, value, unit, message }) =>
        `${cleanLine(code, 64)}${numberOf(value, unit)}: ${cleanLine(message, 400)}`,
    );
  const left = verdict.findings.length - shown.length;
  return left > 0 ? [...shown, `${plural(left, "further finding")} not listed.`] : shown;
}

function measurementLines({ measurements }: ReportInput): string[] {
  const meanings = measurements.map(({ meaning }) => cleanLine(meaning, 64));
  const width = Math.max(...meanings.map((meaning) => meaning.length));
  return measurements.map(
    ({ value, ucum }, index) =>
      `${`${meanings[index]!}:`.padEnd(width + 1)} ${withUnit(value, ucum)}`,
  );
}

function sourceLines({ series }: ReportInput): string[] {
  const scanner = [cleanLine(series.manufacturer, 64), cleanLine(series.modelName, 64)];
  return fields([
    ["Series", [cleanLine(series.seriesNumber, 12), cleanLine(series.seriesDescription, 64)]],
    ["Body part", [cleanLine(series.bodyPartExamined, 16)]],
    ["Scanner", scanner],
    ["Revision", [String(series.revision)]],
  ]);
}

function methodLines({ model, node }: ReportInput): string[] {
  const kindred = `Kindred ${cleanLine(node.version, 32)}, node ${cleanLine(node.aeTitle, 16)}`;
  if (model === null) return fields([["Device", [kindred]]]);
  return [
    ...fields([
      ["Model", [cleanLine(model.title, 64)]],
      ["Id", [`${cleanLine(model.id, 64)} ${cleanLine(model.version, 32)}`]],
      ["Digest", [cleanLine(model.bundleDigest, 64).slice(0, 16)]],
      ["Profile", [cleanLine(model.profile, 64)]],
      ["Ran on", [cleanLine(model.provider, 32)]],
      ["Device", [kindred]],
    ]),
    ...wrap(`Intended use: ${cleanLine(model.intendedUse, 1_000) || "not stated"}`),
    ...wrap(`Limits: ${cleanLine(model.limits, 1_000) || "not stated"}`),
  ];
}

/** `Name:  value` with the values under each other; empty ones left out. */
function fields(rows: readonly (readonly [string, readonly string[]])[]): string[] {
  return rows
    .map(([name, parts]) => [name, parts.filter((part) => part !== "").join(" ")] as const)
    .filter(([, value]) => value !== "")
    .map(([name, value]) => `${`${name}:`.padEnd(10)} ${value}`);
}

function numberOf(value: number | null, ucum: string): string {
  return value === null ? "" : ` = ${withUnit(value, ucum)}`;
}

const UNITS_IN_WORDS: Readonly<Record<string, string>> = {
  "1": "",
  deg: " degrees",
  "[hnsf'U]": " HU",
};

function withUnit(value: number, ucum: string): string {
  const decimals = Math.abs(value) >= 100 ? 1 : 3;
  const unit = UNITS_IN_WORDS[ucum] ?? ` ${cleanLine(ucum, 16).replace(/[{}]/g, "")}`;
  return `${readable(value, decimals)}${unit}`;
}
