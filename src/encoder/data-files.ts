/** Files of a bundle that hold numbers and prompts: JSON, bounded, checked when the bundle is loaded. */
import { readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { KindredError, messageOf } from "../kernel/errors.ts";
import { type Label, labelsOf } from "./findings/labels.ts";
import { LABELS_MAX } from "./manifest/findings.ts";
import { DIMENSION_MAX } from "./manifest/graphs.ts";
import { text } from "./manifest/values.ts";
import type { Head, Manifest } from "./manifest.ts";

/** 5000 labels on 4000 values, written with 8 digits. */
const DATA_FILE_BYTES_MAX = 268_435_456;
const ROWS_MAX = 20_000;

const number = z.number().min(-1e9).max(1e9);
const row = z.array(number).min(1).max(DIMENSION_MAX.halfvec);
const rows = z
  .array(row)
  .min(1)
  .max(ROWS_MAX)
  .refine((all) => all.every((one) => one.length === all[0]!.length), "rows must be equally long");

/** `heads[].weights`: logits = weights · vector + bias. */
export const linearWeights = z
  .strictObject({ weights: rows.describe("[labels][values]"), bias: row.max(LABELS_MAX) })
  .refine(
    ({ weights, bias }) => weights.length === bias.length,
    "needs a bias for each row of weights",
  );

/** `guard.file` of kind mahalanobis: distance = length of whitening · (vector − mean). */
export const mahalanobisStatistics = z
  .strictObject({ mean: row, whitening: rows.describe("[components][values]") })
  .refine(
    ({ mean, whitening }) => whitening[0]!.length === mean.length,
    "rows of whitening must be as long as mean",
  );

/** `guard.file` of kind cosine-centroid: distance = 1 − the largest cosine. */
export const centroids = z.strictObject({ centroids: rows.describe("[centroids][values]") });

/** `zeroShot[].prompts.file` */
export const promptFile = z.strictObject({
  items: z
    .array(
      z.strictObject({
        key: z.string().max(64),
        positive: z.array(text(1_000)).min(1).max(256),
        negative: z.array(text(1_000)).min(1).max(256),
      }),
    )
    .min(1)
    .max(LABELS_MAX),
});

/** `text.file` of precomputed vectors; they are made unit length. */
export const vectorFile = z.strictObject({
  items: z
    .array(z.strictObject({ text: text(2_000), vector: row }))
    .min(1)
    .max(ROWS_MAX),
});

/**
 * @param name - one of the bundle's files
 * @throws KindredError `MODEL_INVALID` when the file is too large, no JSON, or not as the schema says
 */
export async function readDataFile<T extends z.ZodType>(
  folder: string,
  name: string,
  schema: T,
): Promise<z.output<T>> {
  const path = join(folder, name);
  const invalid = (what: string) => new KindredError("MODEL_INVALID", `${name} ${what}`);
  const { size } = await stat(path);
  if (size > DATA_FILE_BYTES_MAX) throw invalid(`is larger than ${DATA_FILE_BYTES_MAX} bytes`);
  let json: unknown;
  try {
    json = JSON.parse(await readFile(path, "utf8"));
  } catch (error) {
    throw invalid(`is no JSON: ${messageOf(error)}`);
  }
  const parsed = schema.safeParse(json);
  if (parsed.success) return parsed.data;
  const [first, ...others] = parsed.error.issues;
  const more = others.length > 0 ? `, and ${others.length} more` : "";
  throw invalid(`is not as the format says: ${first!.path.join(".")}: ${first!.message}${more}`);
}

/** Every data file, label lists included, against its format and the parts of the manifest that use it. @returns a sentence a problem */
export async function dataFileFaults(folder: string, manifest: Manifest): Promise<string[]> {
  const faults: string[] = [];
  const attempt = async (check: () => Promise<string | undefined>) => {
    const fault = await check().catch(messageOf);
    if (fault !== undefined) faults.push(fault);
  };
  const lists = new Map<string, readonly Label[]>();
  for (const list of manifest.labels ?? [])
    await attempt(async () => {
      lists.set(list.id, await labelsOf(folder, list));
      return undefined;
    });
  for (const head of manifest.heads ?? [])
    if (head.kind === "linear")
      await attempt(() => headFault(folder, head, lists.get(head.labels)));
  for (const { prompts, labels } of manifest.zeroShot ?? [])
    if (prompts.kind === "file")
      await attempt(() => promptFault(folder, prompts.file, lists.get(labels)));
  const { guard, text: tower } = manifest;
  if (guard !== undefined)
    await attempt(async () => {
      const schema = guard.kind === "mahalanobis" ? mahalanobisStatistics : centroids;
      await readDataFile(folder, guard.file, schema as z.ZodType);
      return undefined;
    });
  if (tower?.kind === "precomputed") await attempt(() => vectorFault(folder, tower.file, manifest));
  return faults;
}

async function headFault(
  folder: string,
  head: Extract<Head, { kind: "linear" }>,
  list: readonly Label[] | undefined,
): Promise<string | undefined> {
  const { weights } = await readDataFile(folder, head.weights, linearWeights);
  const count = list?.length;
  if (count === undefined || weights.length === count) return undefined;
  return `${head.weights} has ${weights.length} rows of weights for ${count} labels`;
}

async function promptFault(
  folder: string,
  file: string,
  list: readonly Label[] | undefined,
): Promise<string | undefined> {
  const { items } = await readDataFile(folder, file, promptFile);
  const keys = items.map((one) => one.key);
  const twice = keys.find((key, i) => keys.indexOf(key) < i);
  if (twice !== undefined) return `${file} has the label ${JSON.stringify(twice)} twice`;
  const without = list?.find((one) => !keys.includes(one.key));
  if (without !== undefined) return `${file} has no prompts for the label ${without.key}`;
  const strange = list && keys.find((key) => !list.some((one) => one.key === key));
  return strange && `${file} has prompts for ${JSON.stringify(strange)}, which is no label`;
}

async function vectorFault(
  folder: string,
  file: string,
  { spaces }: Manifest,
): Promise<string | undefined> {
  const { items } = await readDataFile(folder, file, vectorFile);
  const shared = spaces.filter((one) => one.sharedWithText);
  const wrong = shared.find((one) => items.some((item) => item.vector.length !== one.dimension));
  return (
    wrong && `${file} has vectors that do not have the ${wrong.dimension} values of ${wrong.id}`
  );
}
