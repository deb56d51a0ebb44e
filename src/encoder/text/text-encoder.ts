/**
 * Texts → vectors, for the rest of the node: text towers in a process of their own, so that a search does not wait for
 * the run of a volume, or vectors that a bundle brings as data. What was computed is remembered.
 */
import type { Config } from "../../config/schema.ts";
import { KindredError, messageOf } from "../../kernel/errors.ts";
import type { Logger } from "../../kernel/log.ts";
import type { Bundle } from "../bundle.ts";
import { type Climber, climb, type ProviderAttempt } from "../climb.ts";
import { readDataFile, vectorFile } from "../data-files.ts";
import type { TextTower } from "../manifest.ts";
import { createProcessHost, type ProcessHost } from "../process-host.ts";
import { unitVector } from "../vector.ts";
import { fillTemplate } from "./normalize.ts";
import { createVectorCache } from "./vector-cache.ts";

/** One row a bundle with the part `text`. */
export interface TextStatus {
  readonly modelId: string;
  readonly state: "ready" | "failed";
  /** Null for vectors that are data, and when no provider proved itself. */
  readonly provider: string | null;
  readonly reason: string | null;
  readonly attempts: readonly ProviderAttempt[];
}

export interface TextEncoder {
  /** Proves every text tower; one that fails is told by `status`, not thrown. */
  start(): Promise<void>;
  stop(): Promise<void>;
  status(): readonly TextStatus[];
  /**
   * @param texts - as they stand; bounded and without control characters, see `searchText`
   * @returns a vector of unit length a text
   * @throws KindredError `MODEL_NOT_READY` (no text part, or no provider proved itself), `BAD_REQUEST` (a text that has no
   *   vector among the bundle's data, or no word that the model knows), `MODEL_OUTPUT_INVALID`, `UNAVAILABLE` (process
   *   died or was late; try again), `SHUTTING_DOWN`
   */
  vectorsOf(bundle: Bundle, texts: readonly string[]): Promise<Float32Array[]>;
  /**
   * The vector that a search text is compared with: the mean over the bundle's templates, at unit length.
   *
   * @throws KindredError as `vectorsOf`
   */
  searchVector(bundle: Bundle, text: string): Promise<Float32Array>;
}

/** Loading and proving a text tower; GPU providers compile for a while. */
const PROVE_SECONDS = 300;
/** Texts of one question to the process. */
const TEXTS_MAX = 256;
const CACHE_ENTRIES = 4_096;
const REASON_MAX = 300;

/** What is known of one bundle's text. */
interface Known extends Climber {
  readonly bundle: Bundle;
  readonly text: TextTower;
  /** Of kind precomputed. */
  data: Promise<ReadonlyMap<string, Float32Array>> | undefined;
  dataError: string | null;
}

export function createTextEncoder(options: {
  config: Config["encoder"];
  bundles: readonly Bundle[];
  log: Logger;
}): TextEncoder {
  const { config, log } = options;
  const host = createProcessHost(log);
  const cache = createVectorCache(CACHE_ENTRIES);
  const known = options.bundles.flatMap((bundle): Known[] => {
    const { text } = bundle.manifest;
    if (text === undefined) return [];
    const none = { provider: null, attempts: [], generation: 0, wasReady: false };
    return [{ bundle, text, ...none, data: undefined, dataError: null }];
  });
  // One question at a time, as the host wants it.
  let last: Promise<unknown> = Promise.resolve();
  const inTurn = <T>(task: () => Promise<T>): Promise<T> => {
    const result = last.then(task);
    last = result.catch(() => undefined);
    return result;
  };

  const ofBundle = (bundle: Bundle): Known => {
    const one = known.find((each) => each.bundle.digest === bundle.digest);
    if (one === undefined)
      throw new KindredError("MODEL_NOT_READY", `Model ${bundle.manifest.id} has no text encoder`);
    return one;
  };

  async function computed(one: Known, texts: readonly string[]): Promise<Float32Array[]> {
    const { id } = one.bundle.manifest;
    const vectors: Float32Array[] = [];
    for (let start = 0; start < texts.length; start += TEXTS_MAX) {
      const part = texts.slice(start, start + TEXTS_MAX);
      // A turn a part: a long list of prompts lets a search in between.
      const answer = await inTurn(async () => {
        await makeReady(one, host, config);
        if (one.provider === null)
          throw new KindredError(
            "MODEL_NOT_READY",
            `The text tower of ${id} did not prove itself: see kindred doctor`,
          );
        return host.ask("text", { modelId: id, texts: part }, config.runSeconds);
      });
      vectors.push(...answer.vectors);
    }
    return vectors;
  }

  async function vectorsOf(bundle: Bundle, texts: readonly string[]): Promise<Float32Array[]> {
    const one = ofBundle(bundle);
    if (one.text.kind === "precomputed") {
      const data = await dataOf(one, one.text.file);
      return texts.map((text) => {
        const vector = data.get(text);
        if (vector === undefined)
          throw new KindredError(
            "BAD_REQUEST",
            `Model ${bundle.manifest.id} knows ${data.size} texts, and this is none of them`,
          );
        return vector;
      });
    }
    const found = new Map<string, Float32Array>();
    for (const text of texts) {
      const vector = cache.get(bundle.digest, text);
      if (vector !== undefined) found.set(text, vector);
    }
    const missing = [...new Set(texts)].filter((text) => !found.has(text));
    const vectors = await computed(one, missing);
    for (const [i, text] of missing.entries()) {
      found.set(text, vectors[i]!);
      cache.put(bundle.digest, text, vectors[i]!);
    }
    return texts.map((text) => found.get(text)!);
  }

  return {
    async start() {
      for (const one of known) {
        if (one.text.kind === "precomputed")
          await dataOf(one, one.text.file).catch(() => undefined);
        else await inTurn(() => makeReady(one, host, config));
      }
      for (const one of known.map(statusOf)) {
        const { modelId: model, provider, reason, attempts } = one;
        if (one.state === "failed")
          log.error(
            { event: "text.failed", model, reason, attempts },
            "a text tower did not prove itself and will not run",
          );
        else log.info({ event: "text.ready", model, provider }, "a text encoder is ready");
      }
    },
    stop: () => host.stop(),
    status: () => known.map(statusOf),
    vectorsOf,
    async searchVector(bundle, text) {
      const { text: part } = ofBundle(bundle);
      const templates = part.kind === "tower" ? (part.templates ?? ["{x}"]) : ["{x}"];
      const vectors = await vectorsOf(
        bundle,
        templates.map((template) => fillTemplate(template, text)),
      );
      if (vectors.length === 1) return vectors[0]!;
      const sum = new Float32Array(vectors[0]!.length);
      for (const vector of vectors)
        vector.forEach((value, i) => {
          sum[i]! += value;
        });
      return unitVector(sum, sum.length);
    },
  };
}

/** Proves the tower by its golden texts in the process that runs now, where it is not proved there already. */
async function makeReady(one: Known, host: ProcessHost, config: Config["encoder"]): Promise<void> {
  if (one.provider !== null && one.generation === host.generation()) return;
  const { bundle } = one;
  const { providers, threads } = config;
  const prove = (provider: string) =>
    host.ask("proveText", { bundle, provider, threads }, PROVE_SECONDS);
  await climb(one, providers, prove, () => host.generation());
}

function dataOf(one: Known, file: string): Promise<ReadonlyMap<string, Float32Array>> {
  one.data ??= readDataFile(one.bundle.folder, file, vectorFile)
    .then(
      ({ items }) =>
        new Map(
          items.map(({ text, vector }) => [
            text,
            unitVector(Float32Array.from(vector), vector.length),
          ]),
        ),
    )
    .catch((error: unknown) => {
      one.dataError = messageOf(error).slice(0, REASON_MAX);
      throw error;
    });
  return one.data;
}

function statusOf(one: Known): TextStatus {
  const modelId = one.bundle.manifest.id;
  if (one.text.kind === "precomputed")
    return {
      modelId,
      state: one.dataError === null ? "ready" : "failed",
      provider: null,
      reason: one.dataError,
      attempts: [],
    };
  const tried = one.attempts.map((attempt) => attempt.provider).join(", ");
  const failed = tried === "" ? "not started" : `proved itself on none of its providers (${tried})`;
  return {
    modelId,
    state: one.provider === null ? "failed" : "ready",
    provider: one.provider,
    reason: one.provider === null ? failed : null,
    attempts: [...one.attempts],
  };
}
