/**
 * The encoders of a node, as the pipeline sees them: which model profiles are ready on which provider, and vectors
 * from tensor files. A profile climbs down the configured providers until one proves itself with the golden vectors.
 */
import { join } from "node:path";
import type { Config } from "../config/schema.ts";
import { type ErrorCode, KindredError, messageOf } from "../kernel/errors.ts";
import type { Logger } from "../kernel/log.ts";
import type { Metrics } from "../kernel/metrics.ts";
import { STATUSES } from "../kernel/statuses.ts";
import type { Bundle, BundleResult } from "./bundle.ts";
import type { Profile } from "./manifest.ts";
import { createProcessHost, type ProcessHost } from "./process-host.ts";

/** One space: a model with one of its preprocessing profiles. */
export interface EncoderProfile {
  readonly modelId: string;
  readonly version: string;
  readonly title: string;
  readonly summary: string;
  readonly limits: string;
  readonly intendedUse: string;
  readonly bundleDigest: string;
  readonly profile: Profile;
}

/** A provider that was tried and did not prove itself. */
export interface ProviderAttempt {
  readonly provider: string;
  readonly error: string;
}

/** One row a model profile, or one for a bundle that could not be loaded. */
export interface ModelStatus {
  readonly modelId: string;
  readonly version: string | null;
  readonly bundleDigest: string | null;
  /** Profile id; null for a bundle that could not be loaded. */
  readonly profile: string | null;
  readonly state: "ready" | "failed";
  readonly provider: string | null;
  readonly reason: string | null;
  readonly attempts: readonly ProviderAttempt[];
}

export interface Encoder {
  /** Proves every profile of every bundle; one that fails is told by `status`, not thrown. */
  start(): Promise<void>;
  /** Ends the process. A run in progress is rejected with `UNAVAILABLE`. */
  stop(): Promise<void>;
  /** Profiles of the bundles that could be loaded, ready or not. */
  profiles(): readonly EncoderProfile[];
  status(): readonly ModelStatus[];
  /**
   * @param tensorPath - float32, little endian, `[1][1][z][y][x]` of the profile's shape, from `preprocess`
   * @returns a vector of unit length, the provider that made it and the time of the run alone
   * @throws KindredError `MODEL_NOT_READY` (no provider proved itself), `MODEL_OUTPUT_INVALID` (wrong or not finite
   * input or output), `UNAVAILABLE` (process died or was late; try again)
   */
  embedFile(
    modelId: string,
    profileId: string,
    tensorPath: string,
  ): Promise<{ vector: Float32Array; provider: string; milliseconds: number }>;
}

/** Loading and proving one profile on one provider; GPU providers compile for a while. */
const PROVE_SECONDS = 300;
const ATTEMPT_TEXT_MAX = 300;

/** What is known of one model profile. */
interface Space {
  readonly bundle: Bundle;
  readonly profileId: string;
  /** Provider that proved itself; null before and when none did. */
  provider: string | null;
  attempts: ProviderAttempt[];
  /** Process in which it was proved. */
  generation: number;
  wasReady: boolean;
}

export function createEncoder(options: {
  config: Config["encoder"];
  bundles: readonly BundleResult[];
  log: Logger;
  metrics: Metrics;
}): Encoder {
  const { config, log } = options;
  const bundles = options.bundles.map((one) => licensed(one, config.acceptedLicences));
  const host = createProcessHost(log);
  const inTurn = createTurns();
  const loaded = bundles.flatMap((one) => ("bundle" in one ? [one.bundle] : []));
  const spaces = loaded.flatMap((bundle) =>
    bundle.manifest.profiles.map((profile) => unproved(bundle, profile.id)),
  );

  return {
    async start() {
      for (const space of spaces) await inTurn(() => makeReady(space, host, config));
      // Proving another profile may have ended the process; the others are proved again when they are used.
      for (const one of statusOf(bundles, spaces)) {
        const { modelId: model, profile, provider, reason, attempts } = one;
        if (one.state === "failed")
          log.error(
            { event: "model.failed", model, profile, reason, attempts },
            "a model did not prove itself and will not run",
          );
        else
          log.info(
            { event: "model.ready", model, profile, provider, attempts },
            "a model proved itself",
          );
      }
    },
    stop: () => host.stop(),
    profiles: () => loaded.flatMap(profilesOf),
    status: () => statusOf(bundles, spaces),
    embedFile: (modelId, profileId, tensorPath) =>
      inTurn(async () => {
        const space = spaces.find(
          (one) => one.bundle.manifest.id === modelId && one.profileId === profileId,
        );
        if (space !== undefined) await makeReady(space, host, config);
        if (space?.provider == null)
          throw new KindredError(
            "MODEL_NOT_READY",
            `Model ${modelId} did not prove itself: see kindred doctor`,
          );
        const answer = await host.ask(
          { kind: "run", modelId, profileId, tensorPath },
          config.runSeconds,
        );
        if (answer.kind === "error") throw new KindredError(asCode(answer.code), answer.message);
        if (answer.kind !== "vector")
          throw new KindredError("INTERNAL", "The encoder process answered another question");
        return {
          vector: answer.vector,
          provider: space.provider,
          milliseconds: answer.milliseconds,
        };
      }),
  };
}

/**
 * Climbs down the providers until one proves itself in the process that runs now. A provider that failed is not tried
 * again, so one that crashes the process cannot take the others down with it again and again.
 */
async function makeReady(
  space: Space,
  host: ProcessHost,
  config: Config["encoder"],
): Promise<void> {
  if (space.provider !== null && space.generation === host.generation()) return;
  // It worked once: what ended it may have passed (memory, a GPU reset), so every provider gets another chance.
  if (space.provider === null && space.wasReady) space.attempts = [];
  space.provider = null;
  for (const provider of config.providers) {
    if (space.attempts.some((attempt) => attempt.provider === provider)) continue;
    const error = await prove(space, provider, host, config.threads);
    if (error === null) {
      space.provider = provider;
      space.generation = host.generation();
      space.wasReady = true;
      return;
    }
    space.attempts.push({ provider, error });
  }
}

/** @returns why the provider did not prove itself, or null */
async function prove(
  space: Space,
  provider: string,
  host: ProcessHost,
  threads: number,
): Promise<string | null> {
  try {
    const { bundle, profileId } = space;
    const answer = await host.ask(
      { kind: "prove", bundle, profileId, provider, threads },
      PROVE_SECONDS,
    );
    if (answer.kind === "proved") return null;
    return (answer.kind === "error" ? answer.message : "answered another question")
      .split("\n")[0]!
      .slice(0, ATTEMPT_TEXT_MAX);
  } catch (error) {
    return messageOf(error).slice(0, ATTEMPT_TEXT_MAX);
  }
}

/** Runs one task after the other, so that the clock of a run does not count the runs before it. */
function createTurns(): <T>(task: () => Promise<T>) => Promise<T> {
  let last: Promise<unknown> = Promise.resolve();
  return (task) => {
    const result = last.then(task);
    last = result.catch(() => undefined);
    return result;
  };
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

function unproved(bundle: Bundle, profileId: string): Space {
  return { bundle, profileId, provider: null, attempts: [], generation: 0, wasReady: false };
}

function profilesOf(bundle: Bundle): EncoderProfile[] {
  const { id, version, title, summary, limits, intendedUse } = bundle.manifest;
  return bundle.manifest.profiles.map((profile) => ({
    modelId: id,
    version,
    title,
    summary,
    limits,
    intendedUse,
    bundleDigest: bundle.digest,
    profile,
  }));
}

function statusOf(bundles: readonly BundleResult[], spaces: readonly Space[]): ModelStatus[] {
  return bundles.flatMap((one): ModelStatus[] => {
    if ("bundle" in one)
      return spaces.filter((space) => space.bundle === one.bundle).map(spaceStatus);
    const none = { version: null, bundleDigest: null, profile: null, provider: null, attempts: [] };
    return [{ modelId: one.id, ...none, state: "failed", reason: one.error }];
  });
}

function spaceStatus({ bundle, profileId, provider, attempts }: Space): ModelStatus {
  const tried = attempts.map((attempt) => attempt.provider).join(", ");
  const failed = tried === "" ? "not started" : `proved itself on none of its providers (${tried})`;
  return {
    modelId: bundle.manifest.id,
    version: bundle.manifest.version,
    bundleDigest: bundle.digest,
    profile: profileId,
    state: provider === null ? "failed" : "ready",
    provider,
    reason: provider === null ? failed : null,
    attempts: [...attempts],
  };
}

function asCode(code: string): ErrorCode {
  return code in STATUSES ? (code as ErrorCode) : "INTERNAL";
}
