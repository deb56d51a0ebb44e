/**
 * The encoders of a node, as the pipeline sees them: which model profiles are ready on which provider, and vectors
 * from tensor files. A profile climbs down the configured providers until one proves itself with the golden vectors.
 */
import { join } from "node:path";
import type { Config } from "../config/schema.ts";
import { KindredError } from "../kernel/errors.ts";
import type { Logger } from "../kernel/log.ts";
import type { Metrics } from "../kernel/metrics.ts";
import type { Bundle, BundleResult } from "./bundle.ts";
import { chosenProfiles, withKnownProfiles } from "./chosen-profiles.ts";
import type { Judgement, ProfileAnswer } from "./findings/judge.ts";
import { createJudges } from "./findings/judges.ts";
import type { Applicability, Profile, Space } from "./manifest.ts";
import { createMemoryBudget, defaultMegabytes } from "./memory-budget.ts";
import { type ModelStatus, statusOf } from "./model-status.ts";
import { createProcessHost } from "./process-host.ts";
import type { Embedded } from "./process-messages.ts";
import { volumeSpaces } from "./run/plan.ts";
import { createDevices, createServing, type Serving, unserved } from "./serving.ts";
import { searchText } from "./text/normalize.ts";
import { createTextEncoder, type TextStatus } from "./text/text-encoder.ts";

export type { ProviderAttempt } from "./climb.ts";
export type { ModelStatus } from "./model-status.ts";
export type { Embedded } from "./process-messages.ts";
export type { TextStatus } from "./text/text-encoder.ts";

/** A model with one of its preprocessing profiles. */
export interface EncoderProfile {
  readonly modelId: string;
  readonly version: string;
  readonly title: string;
  readonly summary: string;
  readonly limits: string;
  readonly intendedUse: string;
  readonly bundleDigest: string;
  readonly applicability: Applicability;
  readonly profile: Profile;
  /** One vector a volume each; the first one answers queries. */
  readonly spaces: readonly Space[];
  /** The bundle's first profile: its first space answers when only the model is named. */
  readonly isDefault: boolean;
}

export interface Encoder {
  /** Proves every profile of every bundle; one that fails is told by `status`, not thrown. */
  start(): Promise<void>;
  /** Ends the processes. A run in progress is rejected with `SHUTTING_DOWN`. */
  stop(): Promise<void>;
  /** Profiles that serve, or served and may again: what cannot prove itself holds up nobody. */
  profiles(): readonly EncoderProfile[];
  /** The bundles that could be loaded and may run here, whether they proved themselves or not. */
  bundles(): readonly Bundle[];
  status(): readonly ModelStatus[];
  /**
   * @param tensorPath - float32, little endian, `[1][channels][z][y][x]` of the profile's shape, from `preprocess`
   * @returns vectors of unit length, what heads and guard read, the provider that made them and the time of the run
   * @throws KindredError `MODEL_NOT_READY` (no provider proved itself), `MODEL_OUTPUT_INVALID` (wrong or not finite
   * input or output), `MODEL_OUT_OF_MEMORY` (there is not enough for it), `UNAVAILABLE` (process died or was late; try
   * again)
   */
  embedFile(
    modelId: string,
    profileId: string,
    tensorPath: string,
  ): Promise<Embedded & { readonly provider: string }>;
  /** One row a bundle with a text part. */
  textStatus(): readonly TextStatus[];
  /**
   * What a model says of a volume: guard, heads, zero-shot.
   *
   * @param answers - of the volume, by profile id; what did not run is left out
   * @returns undefined when the model says nothing beyond its vectors
   * @throws KindredError `UNAVAILABLE` (the text process died or was late; try again)
   */
  judge(
    modelId: string,
    answers: ReadonlyMap<string, ProfileAnswer>,
  ): Promise<Judgement | undefined>;
  /**
   * The vector of a search text, in the space that the model shares with text.
   *
   * @param modelId - default: the first model that has such a space
   * @throws KindredError `BAD_REQUEST` (empty, too long, control characters, a text that the model does not know),
   *   `MODEL_NOT_READY` (no model with a text encoder, or it did not prove itself), `UNAVAILABLE` (try again)
   */
  embedText(text: string, modelId?: string): Promise<TextVector>;
}

/** A text in a space of volumes. */
export interface TextVector {
  readonly modelId: string;
  readonly bundleDigest: string;
  readonly profile: string;
  /** Id of the space. */
  readonly space: string;
  /** Of unit length. */
  readonly vector: Float32Array;
}

/** A process frees a model between two runs. */
const RELEASE_SECONDS = 60;

export function createEncoder(options: {
  config: Config["encoder"];
  bundles: readonly BundleResult[];
  log: Logger;
  metrics: Metrics;
}): Encoder {
  const { config, log } = options;
  const bundles = options.bundles.map((one) =>
    withKnownProfiles(licensed(one, config.acceptedLicences), config.profiles),
  );
  const loaded = bundles.flatMap((one) => ("bundle" in one ? [one.bundle] : []));
  const served = loaded.flatMap((bundle) =>
    chosenProfiles(bundle, config.profiles).map((id) => unserved(bundle, id)),
  );
  const texts = createTextEncoder({ config, bundles: loaded, log });
  const judges = createJudges(texts);
  const memory = createMemoryBudget(
    config.memoryMegabytes ?? defaultMegabytes(),
    async (provider, modelId) => {
      const { host } = devices.get(provider)!;
      // A process that is gone took it along.
      await host.ask("release", { modelId }, RELEASE_SECONDS + config.runSeconds).catch(() => {});
    },
  );
  const devices = createDevices(config, (provider) =>
    createProcessHost(log, () => memory.forget(provider)),
  );
  const serving = createServing(config, devices, memory);

  return {
    async start() {
      for (const one of served) await serving.makeReady(one);
      for (const one of statusOf(bundles, served)) tell(log, one);
      await texts.start();
    },
    async stop() {
      await Promise.all([texts.stop(), ...[...devices.values()].map(({ host }) => host.stop())]);
    },
    textStatus: () => texts.status(),
    async judge(modelId, answers) {
      const bundle = loaded.find((one) => one.manifest.id === modelId);
      return bundle && judges.judge(bundle, answers);
    },
    async embedText(text, modelId) {
      const asked = searchText(text);
      const { bundle, space } = sharedSpace(served, modelId);
      const vector = await texts.searchVector(bundle, asked);
      return {
        modelId: bundle.manifest.id,
        bundleDigest: bundle.digest,
        profile: space.profile,
        space: space.id,
        vector,
      };
    },
    profiles: () =>
      served
        .filter((one) => one.wasReady || !one.wasTried)
        .map((one) => profileOf(one, served.find(({ bundle }) => bundle === one.bundle) === one)),
    bundles: () => loaded,
    status: () => statusOf(bundles, served),
    async embedFile(modelId, profileId, tensorPath) {
      const one = served.find(
        (each) => each.bundle.manifest.id === modelId && each.profileId === profileId,
      );
      if (one === undefined)
        throw new KindredError(
          "MODEL_NOT_READY",
          `Model ${modelId} is not loaded: see kindred doctor`,
        );
      return serving.run(one, tensorPath);
    },
  };
}

/** The first space of volumes that texts lie in too. @throws KindredError `MODEL_NOT_READY` when there is none */
function sharedSpace(served: readonly Serving[], modelId: string | undefined) {
  for (const { bundle, profileId } of served) {
    if (modelId !== undefined && bundle.manifest.id !== modelId) continue;
    const space = bundle.manifest.spaces.find(
      (one) => one.profile === profileId && one.sharedWithText && one.granularity === "volume",
    );
    if (space !== undefined) return { bundle, space };
  }
  throw new KindredError(
    "MODEL_NOT_READY",
    modelId === undefined
      ? "No loaded model has a text encoder: install one and list it in encoder.models"
      : `Model ${modelId} is not loaded or has no text encoder`,
  );
}

function tell(log: Logger, one: ModelStatus): void {
  const { modelId: model, profile, provider, precision, reason, attempts, notes } = one;
  if (one.state === "failed")
    log.error(
      { event: "model.failed", model, profile, reason, attempts },
      "a model did not prove itself and will not run",
    );
  else {
    const told = { event: "model.ready", model, profile, provider, precision, attempts, notes };
    if (attempts.length === 0) log.info(told, "a model proved itself");
    else log.warn(told, "a model proved itself, but not where it was meant to run");
  }
}

/** The licence gate: a bundle whose licence must be accepted and was not is as good as broken. */
function licensed(one: BundleResult, accepted: readonly string[]): BundleResult {
  if ("error" in one || accepted.includes(one.id)) return one;
  const { acceptanceRequired, weights, notice } = one.bundle.manifest.licence;
  if (!acceptanceRequired) return one;
  const wording = notice === undefined ? "" : ` (${join(one.bundle.folder, notice)})`;
  const error = `its licence ${weights}${wording} must be accepted: read it, then add "${one.id}" to encoder.acceptedLicences`;
  return { id: one.id, error };
}

function profileOf({ bundle, profileId }: Serving, isDefault: boolean): EncoderProfile {
  const { manifest, digest } = bundle;
  const { id, version, title, summary, limits, intendedUse, applicability } = manifest;
  return {
    modelId: id,
    version,
    title,
    summary,
    limits,
    intendedUse,
    bundleDigest: digest,
    applicability,
    profile: manifest.profiles.find((one) => one.id === profileId)!,
    spaces: volumeSpaces(manifest, profileId),
    isDefault,
  };
}
