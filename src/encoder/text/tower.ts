/** Text towers in the model process: proved by their golden texts on a provider, then run. */
import { join } from "node:path";
import * as ort from "onnxruntime-node";
import { KindredError } from "../../kernel/errors.ts";
import type { Bundle } from "../bundle.ts";
import type { TextTower } from "../manifest.ts";
import { graphFileOf } from "../one-graph.ts";
import type { Handlers } from "../process-messages.ts";
import { pooledVectors } from "./pool.ts";
import { openTokens, type TextTokens, type TokenRows } from "./tokens.ts";

interface OpenTower {
  readonly tower: Extract<TextTower, { kind: "tower" }>;
  readonly session: ort.InferenceSession;
  readonly tokens: TextTokens;
  /** How the graph names and types its inputs. */
  readonly inputs: Readonly<Record<string, { readonly role: string; readonly dtype: string }>>;
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
      const one = await openTower(bundle, provider, threads);
      try {
        await proveTower(one, bundle);
      } catch (error) {
        await one.session.release();
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
async function openTower(bundle: Bundle, provider: string, threads: number): Promise<OpenTower> {
  const { manifest, folder } = bundle;
  const { text: tower } = manifest;
  if (tower?.kind !== "tower")
    throw new KindredError("MODEL_INVALID", `${manifest.id} has no text tower`);
  const tokens = await openTokens(folder, tower);
  const file = graphFileOf(manifest, tower.graph, provider);
  const session = await ort.InferenceSession.create(join(folder, file), {
    executionProviders: [provider],
    intraOpNumThreads: threads,
    interOpNumThreads: 1,
    enableMemPattern: false,
    logSeverityLevel: 4,
  });
  const { inputs } = manifest.graphs[tower.graph]!;
  const isFixed = Object.values(inputs).some((one) => typeof one.shape[0] === "number");
  return { tower, session, tokens, inputs, batch: isFixed || !tokens.fills ? 1 : BATCH_MAX };
}

/** @throws KindredError `MODEL_OUTPUT_INVALID` with the largest deviation */
async function proveTower(one: OpenTower, { manifest }: Bundle): Promise<void> {
  for (const golden of manifest.golden) {
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
  { tower, session, inputs }: OpenTower,
  rows: TokenRows,
): Promise<Float32Array[]> {
  const feeds = Object.fromEntries(
    Object.entries(inputs).map(([name, { role, dtype }]) => [
      name,
      tensorOf(role === "mask" ? rows.mask : rows.ids, dtype, [rows.rows, rows.length]),
    ]),
  );
  const outputs = await session.run(feeds, [tower.output]);
  const output = outputs[tower.output];
  const data = output?.data;
  if (output === undefined || !(data instanceof Float32Array))
    throw new KindredError(
      "MODEL_OUTPUT_INVALID",
      `The graph has no float output "${tower.output}"`,
    );
  return pooledVectors({ dims: output.dims, data }, rows.mask, tower.pool, rows.rows);
}

function tensorOf(values: Int32Array, dtype: string, dims: readonly number[]): ort.Tensor {
  switch (dtype) {
    case "int32":
      return new ort.Tensor("int32", values, dims);
    case "bool":
      return new ort.Tensor("bool", Uint8Array.from(values), dims);
    case "float32":
      return new ort.Tensor("float32", Float32Array.from(values), dims);
    default:
      return new ort.Tensor("int64", BigInt64Array.from(values, BigInt), dims);
  }
}
