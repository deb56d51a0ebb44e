/** Text towers in the model process: proved by their golden texts on a provider, then run. */
import { KindredError } from "../../kernel/errors.ts";
import type { Bundle } from "../bundle.ts";
import type { TextTower } from "../manifest.ts";
import type { Handlers } from "../process-messages.ts";
import { createSessions, type Sessions } from "../run/sessions.ts";
import { pooledVectors } from "./pool.ts";
import { openTokens, type TextTokens, type TokenRows } from "./tokens.ts";

interface OpenTower {
  readonly tower: Extract<TextTower, { kind: "tower" }>;
  readonly bundle: Bundle;
  readonly sessions: Sessions;
  readonly tokens: TextTokens;
  /** Texts of one run. */
  readonly batch: number;
}

/** Texts of one run: a short text is cheap, and the padding of many costs more than their turns. */
const BATCH_MAX = 8;

export function createTextHandlers(): Pick<Handlers, "proveText" | "text"> {
  /** By model id. */
  const proved = new Map<string, OpenTower>();
  return {
    async proveText({ bundle, provider, threads }) {
      const one = await openTower(bundle, createSessions({ provider, threads }));
      try {
        await proveTower(one);
      } catch (error) {
        await one.sessions.release(bundle.digest);
        throw error;
      }
      proved.set(bundle.manifest.id, one);
      return {};
    },
    async text({ modelId, texts }) {
      const one = proved.get(modelId);
      if (one === undefined)
        throw new KindredError("MODEL_NOT_READY", `The text tower of ${modelId} is not loaded`);
      return { vectors: await vectorsOf(one, texts) };
    },
  };
}

/** @throws KindredError `MODEL_INVALID` when the tokenizer cannot be read */
async function openTower(bundle: Bundle, sessions: Sessions): Promise<OpenTower> {
  const { manifest, folder } = bundle;
  const { text: tower } = manifest;
  if (tower?.kind !== "tower")
    throw new KindredError("MODEL_INVALID", `${manifest.id} has no text tower`);
  const tokens = await openTokens(folder, tower);
  const inputs = Object.values(manifest.graphs[tower.graph]!.inputs);
  const isFixed = inputs.some((one) => typeof one.shape[0] === "number");
  return { bundle, tower, sessions, tokens, batch: isFixed || !tokens.fills ? 1 : BATCH_MAX };
}

/** @throws KindredError `MODEL_OUTPUT_INVALID` with the largest deviation */
async function proveTower(one: OpenTower): Promise<void> {
  for (const golden of one.bundle.manifest.golden) {
    if (golden.kind !== "text") continue;
    const [vector] = await vectorsOf(one, [golden.text]);
    const deviation = Math.max(...golden.expected.map((value, i) => Math.abs(value - vector![i]!)));
    // Written so that NaN fails.
    if (!(deviation <= golden.tolerance))
      throw new KindredError(
        "MODEL_OUTPUT_INVALID",
        `the vector of the golden text ${JSON.stringify(golden.text.slice(0, 40))} differs by ${deviation.toExponential(2)} (allowed ${golden.tolerance})`,
      );
  }
}

async function vectorsOf(one: OpenTower, texts: readonly string[]): Promise<Float32Array[]> {
  const vectors: Float32Array[] = [];
  for (let start = 0; start < texts.length; start += one.batch)
    vectors.push(...(await runRows(one, one.tokens.rowsOf(texts.slice(start, start + one.batch)))));
  return vectors;
}

async function runRows(
  { bundle, tower, sessions }: OpenTower,
  { ids, mask, rows, length }: TokenRows,
): Promise<Float32Array[]> {
  const { inputs } = bundle.manifest.graphs[tower.graph]!;
  const feeds = new Map(
    Object.entries(inputs).map(([name, { role }]) => [
      name,
      { dims: [rows, length], data: BigInt64Array.from(role === "mask" ? mask : ids, BigInt) },
    ]),
  );
  const outputs = await sessions.run(bundle, tower.graph, feeds, [tower.output]);
  return pooledVectors(outputs.get(tower.output)!, mask, tower.pool, rows);
}
