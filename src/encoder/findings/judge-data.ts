/** Reads what a bundle judges with: label lists, weights of heads, statistics of the guard, files of prompts. */
import type { Bundle } from "../bundle.ts";
import {
  centroids,
  linearWeights,
  mahalanobisStatistics,
  promptFile,
  readDataFile,
} from "../data-files.ts";
import type { Guard } from "../manifest.ts";
import type { GuardStatistics } from "./guard.ts";
import type { JudgeData } from "./judge.ts";
import { type Label, labelsOf } from "./labels.ts";
import { type LabelPrompts, promptsOf } from "./zero-shot.ts";

/** @throws KindredError `MODEL_INVALID` when a file is not as the format says */
export async function readJudgeData({ folder, manifest }: Bundle): Promise<JudgeData> {
  const labels = new Map<string, readonly Label[]>();
  for (const list of manifest.labels ?? []) labels.set(list.id, await labelsOf(folder, list));
  const weights = new Map();
  for (const head of manifest.heads ?? [])
    if (head.kind === "linear")
      weights.set(head.id, await readDataFile(folder, head.weights, linearWeights));
  const guard =
    manifest.guard === undefined ? undefined : await readStatistics(folder, manifest.guard);
  return { manifest, labels, weights, guard };
}

async function readStatistics(folder: string, { kind, file }: Guard): Promise<GuardStatistics> {
  return kind === "mahalanobis"
    ? { kind, ...(await readDataFile(folder, file, mahalanobisStatistics)) }
    : { kind, ...(await readDataFile(folder, file, centroids)) };
}

/**
 * The prompts of each set, in the order of its labels.
 *
 * @throws KindredError `MODEL_INVALID` when a file is not as the format says or leaves a label out
 */
export async function readPrompts(
  { folder, manifest }: Bundle,
  labels: JudgeData["labels"],
): Promise<Map<string, LabelPrompts[]>> {
  const sets = new Map<string, LabelPrompts[]>();
  for (const set of manifest.zeroShot ?? []) {
    const items =
      set.prompts.kind === "file"
        ? (await readDataFile(folder, set.prompts.file, promptFile)).items
        : [];
    const file = new Map(items.map((one) => [one.key, one]));
    sets.set(set.id, promptsOf(set, labels.get(set.labels) ?? [], file));
  }
  return sets;
}
