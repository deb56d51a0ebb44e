/** Golden vectors: what a model must give of computed inputs before it serves. */
import { KindredError } from "../../kernel/errors.ts";
import { type Golden, type Manifest, type Profile, partsOf } from "../manifest.ts";
import { phantomInput } from "../phantom-input.ts";
import { goldenInput, unitVector } from "../vector.ts";
import { execute, type RunGraph } from "./execute.ts";
import type { HostTensor, Values } from "./host-tensor.ts";
import { planRun, profileOf, volumeSpaces } from "./plan.ts";

type OfProfile = Exclude<Golden, { kind: "text" }>;

/**
 * @returns milliseconds of the last run, the first guess of what a run costs
 * @throws KindredError `MODEL_OUTPUT_INVALID` with the largest deviation; what running and preprocessing throw
 */
export async function proveProfile(
  manifest: Manifest,
  profileId: string,
  runGraph: RunGraph,
  batchMax: number,
): Promise<number> {
  const profile = profileOf(manifest, profileId);
  let milliseconds = 0;
  for (const goldens of byInput(manifest, profileId)) {
    const wanted = goldens.map((one) => referenceOf(one, manifest));
    const values: Values = new Map([["input", inputOf(goldens[0]!, profile)]]);
    const started = performance.now();
    await execute(planRun(manifest, profileId, wanted), values, runGraph, batchMax);
    milliseconds = performance.now() - started;
    goldens.forEach((one, i) => {
      compare(one, values.get(wanted[i]!)!, manifest);
    });
  }
  return milliseconds;
}

/** Goldens of one input are compared after one run. */
function byInput({ golden }: Manifest, profileId: string): OfProfile[][] {
  const groups = new Map<string, OfProfile[]>();
  for (const one of golden) {
    if (one.kind === "text" || one.profile !== profileId) continue;
    const { seed, range } = one;
    const key = JSON.stringify([
      seed,
      range,
      one.kind === "phantom" ? [one.sizeVoxels, one.spacingMm, one.imageOrientation] : null,
    ]);
    groups.set(key, [...(groups.get(key) ?? []), one]);
  }
  return [...groups.values()];
}

function inputOf(one: OfProfile, profile: Profile): HostTensor {
  const { shape } = profile;
  if (one.kind !== "phantom") return { dims: shape, data: goldenInput(one.seed, shape, one.range) };
  return { dims: shape, data: phantomInput(one, profile) };
}

function referenceOf(one: OfProfile, manifest: Manifest): string {
  return one.kind === "stage" ? one.output : spaceOf(one, manifest).from;
}

function spaceOf(one: Exclude<OfProfile, { kind: "stage" }>, manifest: Manifest) {
  return one.space === undefined
    ? volumeSpaces(manifest, one.profile)[0]!
    : manifest.spaces.find((each) => each.id === one.space)!;
}

function compare(golden: OfProfile, given: HostTensor, manifest: Manifest): void {
  const { expected, tolerance } = golden;
  let found: Float32Array;
  let allowed = tolerance;
  if (golden.kind === "stage") {
    found = given.data;
    allowed *= Math.max(1, ...expected.map(Math.abs));
  } else {
    const { dimension, granularity } = spaceOf(golden, manifest);
    const isToken = granularity === "token";
    found = unitVector(isToken ? given.data.slice(0, dimension) : given.data, dimension);
  }
  const deviation = Math.max(
    ...expected.map((value, i) => Math.abs(value - (found[i] ?? Number.NaN))),
  );
  // Written so that NaN fails.
  if (deviation <= allowed) return;
  const what =
    golden.kind === "stage" ? `the stage ${partsOf(golden.output).stage}` : "the golden vector";
  const cause = golden.kind === "phantom" ? ", so that its steps are not those of its author" : "";
  throw new KindredError(
    "MODEL_OUTPUT_INVALID",
    `${what} of ${golden.kind === "phantom" ? "the phantom of " : ""}seed ${golden.seed} differs by ${deviation.toExponential(2)} (allowed ${allowed})${cause}`,
  );
}
