/** Which stages a profile runs for what is wanted of it, and when each tensor is needed for the last time. */
import { KindredError } from "../../kernel/errors.ts";
import { type Manifest, type Profile, partsOf, type Space, type Stage } from "../manifest.ts";

export interface Step {
  readonly stage: Stage;
  /** Of a graph: the outputs that anything needs, by their names in the graph. */
  readonly outputs: readonly string[];
  /** References that nothing needs after this step. */
  readonly drop: readonly string[];
}

export interface RunPlan {
  readonly profile: Profile;
  readonly graphs: Manifest["graphs"];
  readonly steps: readonly Step[];
}

/** @throws KindredError `MODEL_INVALID` when the bundle has no such profile */
export function profileOf(manifest: Manifest, profileId: string): Profile {
  const profile = manifest.profiles.find((one) => one.id === profileId);
  if (profile === undefined)
    throw new KindredError("MODEL_INVALID", `${manifest.id} has no profile ${profileId}`);
  return profile;
}

/** Spaces of a profile, one vector a volume; the first one is the one that answers queries. */
export function volumeSpaces(manifest: Manifest, profileId: string): Space[] {
  return manifest.spaces.filter((one) => one.profile === profileId && one.granularity === "volume");
}

/** What heads and guard of a profile read, by reference. */
export function findingInputs({ heads = [], guard }: Manifest, profileId: string): string[] {
  const inputs = [...heads, ...(guard === undefined ? [] : [guard])];
  return [...new Set(inputs.filter((one) => one.profile === profileId).map((one) => one.input))];
}

/** @param wanted - references that remain at the end */
export function planRun(manifest: Manifest, profileId: string, wanted: readonly string[]): RunPlan {
  const needed = new Set(wanted);
  const stages = manifest.stages
    .toReversed()
    .filter((stage) => {
      const isNeeded = [...needed].some((one) => partsOf(one).stage === stage.id);
      if (isNeeded) for (const one of stage.in) needed.add(one);
      return isNeeded;
    })
    .reverse();
  const outputsOf = (stage: Stage) =>
    [...needed].flatMap((one) => {
      const { stage: id, output } = partsOf(one);
      return id === stage.id && output !== undefined ? [output] : [];
    });
  const lastUse = new Map<string, number>();
  stages.forEach((stage, i) => {
    for (const one of stage.in) lastUse.set(one, i);
  });
  return {
    profile: profileOf(manifest, profileId),
    graphs: manifest.graphs,
    steps: stages.map((stage, i) => ({
      stage,
      outputs: outputsOf(stage),
      drop: [...lastUse].flatMap(([one, at]) => (at === i && !wanted.includes(one) ? [one] : [])),
    })),
  };
}
