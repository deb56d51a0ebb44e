/** Bundles whose vector is an output of one graph, as it is or at unit length: what the model process runs. */
import { KindredError } from "../kernel/errors.ts";
import { type Manifest, partsOf } from "./manifest.ts";

export interface OneGraph {
  readonly profileId: string;
  /** The first space of the profile. */
  readonly spaceId: string;
  readonly dimension: number;
  readonly graph: string;
  /** Name of the graph's input and output. */
  readonly input: string;
  readonly output: string;
  /** `[1, channels, slices, rows, columns]` */
  readonly shape: readonly number[];
}

/** @throws KindredError `MODEL_INVALID` when the profile needs more than one run of one graph */
export function oneGraph(manifest: Manifest, profileId: string): OneGraph {
  const profile = manifest.profiles.find((one) => one.id === profileId);
  const space = manifest.spaces.find(
    (one) => one.profile === profileId && one.granularity === "volume",
  );
  if (profile === undefined || space === undefined)
    throw new KindredError("MODEL_INVALID", `${manifest.id} has no profile ${profileId}`);
  let reference = space.from;
  let stage = stageOf(manifest, reference);
  // The vector is made unit length in any case.
  while (stage?.op === "l2") {
    reference = stage.in[0];
    stage = stageOf(manifest, reference);
  }
  const { output } = partsOf(reference);
  const inputs =
    stage?.op === "graph" && stage.in.join() === "input"
      ? Object.entries(manifest.graphs[stage.graph]!.inputs)
      : [];
  const isFloat = inputs[0]?.[1].dtype === "float32" && inputs.length === 1;
  if (stage?.op !== "graph" || !isFloat || output === undefined || profile.tiling.mode !== "none")
    throw new KindredError(
      "MODEL_INVALID",
      "its vector comes of several stages or windows, or not of a float32 graph, which this version does not run",
    );
  return {
    profileId,
    spaceId: space.id,
    dimension: space.dimension,
    graph: stage.graph,
    input: inputs[0]![0],
    output,
    shape: profile.shape,
  };
}

/** The file of a graph on a provider. */
export function graphFileOf(manifest: Manifest, graph: string, provider: string): string {
  const note = manifest.runtime.providers.find((one) => one.provider === provider);
  const other = note?.graphs !== undefined && Object.hasOwn(note.graphs, graph);
  return other ? note.graphs![graph]! : manifest.graphs[graph]!.file;
}

function stageOf(manifest: Manifest, reference: string) {
  return manifest.stages.find((one) => one.id === partsOf(reference).stage);
}
