/** What is said of models and their providers: by the status API, the console, doctor and the log. */
import type { BundleResult } from "./bundle.ts";
import type { ProviderAttempt } from "./climb.ts";
import type { Serving } from "./serving.ts";

/** One row a model profile, or one for a bundle that could not be loaded. */
export interface ModelStatus {
  readonly modelId: string;
  readonly version: string | null;
  readonly bundleDigest: string | null;
  /** Profile id; null for a bundle that could not be loaded. */
  readonly profile: string | null;
  readonly state: "ready" | "failed";
  readonly provider: string | null;
  /** What the graphs compute in on this provider, as the manifest says; null when it does not. */
  readonly precision: string | null;
  readonly reason: string | null;
  /** Providers that come before it in `encoder.providers` and did not prove themselves. */
  readonly attempts: readonly ProviderAttempt[];
  /** Sentences for an operator about a model that serves. */
  readonly notes: readonly string[];
}

export function statusOf(
  bundles: readonly BundleResult[],
  served: readonly Serving[],
): ModelStatus[] {
  return bundles.flatMap((one): ModelStatus[] => {
    if ("bundle" in one)
      return served.filter((each) => each.bundle === one.bundle).map(profileStatus);
    return [
      {
        modelId: one.id,
        version: null,
        bundleDigest: null,
        profile: null,
        state: "failed",
        provider: null,
        precision: null,
        reason: one.error,
        attempts: [],
        notes: [],
      },
    ];
  });
}

function profileStatus(one: Serving): ModelStatus {
  const { bundle, profileId, provider, attempts } = one;
  const { manifest } = bundle;
  const note = manifest.runtime.providers.find((each) => each.provider === provider);
  return {
    modelId: manifest.id,
    version: manifest.version,
    bundleDigest: bundle.digest,
    profile: profileId,
    state: provider === null ? "failed" : "ready",
    provider,
    precision: note?.precision ?? null,
    reason: provider === null ? failureOf(attempts) : null,
    attempts: [...attempts],
    notes: provider === null ? [] : notesOf(one),
  };
}

function failureOf(attempts: readonly ProviderAttempt[]): string {
  if (attempts.length === 0) return "not started";
  const tried = attempts.map((attempt) => attempt.provider).join(", ");
  return `proved itself on none of its providers (${tried})`;
}

function notesOf({ bundle, profileId, provider, attempts }: Serving): string[] {
  const { golden } = bundle.manifest;
  const hasPhantom = golden.some((one) => one.kind === "phantom" && one.profile === profileId);
  const first = attempts[0];
  return [
    ...(first === undefined
      ? []
      : [`asked for ${first.provider}, it runs on ${provider}: ${first.error}`]),
    ...(hasPhantom
      ? []
      : ["its steps are not proved: the bundle has no golden vector of kind phantom"]),
  ];
}
