/** What a bundle says of a volume: guard first, then heads and zero-shot sets. Pure numbers; files and texts were read before. */
import { KindredError, messageOf } from "../../kernel/errors.ts";
import type { Head, Manifest, ZeroShotSet } from "../manifest.ts";
import { type GuardStatistics, guardDistance } from "./guard.ts";
import { areLikelihoods, headValues, type LinearWeights, linearLogits } from "./heads.ts";
import type { Label } from "./labels.ts";
import { type PromptVectors, scoreOf } from "./zero-shot.ts";

/** What one run of a profile gave. */
export interface ProfileAnswer {
  readonly vectors: readonly { readonly space: string; readonly vector: Float32Array }[];
  /** By output reference; what heads and guard read is `[1, values]`. */
  readonly outputs: Readonly<
    Record<string, { readonly dims: readonly number[]; readonly data: Float32Array }>
  >;
}

/** A value that a model gives a label. */
export interface Finding {
  readonly source: "head" | "zeroShot";
  /** Id of the head or of the zero-shot set. */
  readonly sourceId: string;
  readonly profile: string;
  readonly label: Label;
  /** Id of the label's list. */
  readonly list: string;
  readonly value: number;
  /** From 0 to 1; otherwise a score whose size means nothing by itself. */
  readonly isLikelihood: boolean;
  readonly isCalibrated: boolean;
  /** The author's; null when there is none. */
  readonly threshold: number | null;
}

export interface GuardVerdict {
  readonly kind: GuardStatistics["kind"];
  /** Null when it could not be measured. */
  readonly distance: number | null;
  readonly threshold: number;
}

export interface Judgement {
  readonly guard: GuardVerdict | null;
  /** Why no finding is given; null when findings are given. */
  readonly statement: string | null;
  readonly findings: readonly Finding[];
  /** A sentence for each head and set that could not be evaluated. */
  readonly problems: readonly string[];
}

/** The data of a bundle, read once. */
export interface JudgeData {
  readonly manifest: Manifest;
  /** By the id of the list. */
  readonly labels: ReadonlyMap<string, readonly Label[]>;
  /** Of linear heads, by the id of the head. */
  readonly weights: ReadonlyMap<string, LinearWeights>;
  readonly guard: GuardStatistics | undefined;
}

/** Of each set in the order of its labels, or why there are none. */
export type SetVectors = ReadonlyMap<
  string,
  readonly PromptVectors[] | { readonly problem: string }
>;

/**
 * @param answers - of the volume, by profile id; profiles that did not run are left out
 */
export function judgeVolume(
  data: JudgeData,
  prompts: SetVectors,
  answers: ReadonlyMap<string, ProfileAnswer>,
): Judgement {
  const { manifest } = data;
  const { guard, statement } = measure(data, answers);
  if (statement !== null) return { guard, statement, findings: [], problems: [] };
  const findings: Finding[] = [];
  const problems: string[] = [];
  const attempt = (what: string, work: () => Finding[]) => {
    try {
      findings.push(...work());
    } catch (error) {
      problems.push(`${what}: ${messageOf(error)}`);
    }
  };
  for (const head of manifest.heads ?? [])
    attempt(`head ${head.id}`, () => headFindings(data, head, answers));
  for (const set of manifest.zeroShot ?? [])
    attempt(`prompts ${set.id}`, () => setFindings(data, set, prompts.get(set.id), answers));
  return { guard, statement: null, findings, problems };
}

/** The guard speaks for the whole bundle; one that cannot be measured lets nothing through. */
function measure(
  { manifest, guard: statistics }: JudgeData,
  answers: ReadonlyMap<string, ProfileAnswer>,
): Pick<Judgement, "guard" | "statement"> {
  const { guard } = manifest;
  if (guard === undefined || statistics === undefined) return { guard: null, statement: null };
  const { kind, threshold } = guard;
  try {
    const distance = guardDistance(valuesOf(answers, guard.profile, guard.input), statistics);
    const isBeyond = !(distance <= threshold);
    return {
      guard: { kind, distance, threshold },
      statement: isBeyond ? guard.statement : null,
    };
  } catch (error) {
    const statement = `Whether the model applies to this volume could not be measured: ${messageOf(error)}`;
    return { guard: { kind, distance: null, threshold }, statement };
  }
}

function headFindings(
  { labels, weights }: JudgeData,
  head: Head,
  answers: ReadonlyMap<string, ProfileAnswer>,
): Finding[] {
  const list = labelsOf(labels, head.labels);
  const input = valuesOf(answers, head.profile, head.input);
  const linear = weights.get(head.id);
  const logits = linear === undefined ? Array.from(input) : linearLogits(input, linear);
  const values = headValues(logits, list.length, head);
  return list.map((label, i) => ({
    source: "head",
    sourceId: head.id,
    profile: head.profile,
    label,
    list: head.labels,
    value: values[i]!,
    isLikelihood: areLikelihoods(head),
    isCalibrated: head.calibration !== undefined,
    threshold: null,
  }));
}

function setFindings(
  { manifest, labels }: JudgeData,
  set: ZeroShotSet,
  prompts: readonly PromptVectors[] | { readonly problem: string } | undefined,
  answers: ReadonlyMap<string, ProfileAnswer>,
): Finding[] {
  if (prompts === undefined) throw new KindredError("MODEL_NOT_READY", "no text vectors");
  if ("problem" in prompts) throw new KindredError("MODEL_NOT_READY", prompts.problem);
  const list = labelsOf(labels, set.labels);
  const { profile } = manifest.spaces.find((one) => one.id === set.space)!;
  const image = answers.get(profile)?.vectors.find((one) => one.space === set.space)?.vector;
  if (image === undefined)
    throw new KindredError("MODEL_NOT_READY", `there is no vector of the space ${set.space}`);
  return list.map((label, i) => ({
    source: "zeroShot",
    sourceId: set.id,
    profile,
    label,
    list: set.labels,
    value: scoreOf(image, prompts[i]!, set),
    isLikelihood: set.score !== "cosineMargin",
    isCalibrated: false,
    threshold: set.threshold ?? null,
  }));
}

function labelsOf(labels: JudgeData["labels"], id: string): readonly Label[] {
  const list = labels.get(id);
  if (list === undefined) throw new KindredError("MODEL_INVALID", `there is no label list ${id}`);
  return list;
}

function valuesOf(
  answers: ReadonlyMap<string, ProfileAnswer>,
  profile: string,
  reference: string,
): Float32Array {
  const outputs = answers.get(profile)?.outputs;
  const output =
    outputs !== undefined && Object.hasOwn(outputs, reference) ? outputs[reference] : undefined;
  if (output === undefined)
    throw new KindredError("MODEL_NOT_READY", `the profile ${profile} did not give ${reference}`);
  return output.data;
}
