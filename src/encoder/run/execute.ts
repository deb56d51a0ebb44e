/** Runs the stages of a plan in their order; a tensor is let go as soon as nothing needs it. */
import { codeOf, KindredError } from "../../kernel/errors.ts";
import type { Graph, Stage } from "../manifest.ts";
import type { HostTensor, Values } from "./host-tensor.ts";
import { applyStage } from "./ops.ts";
import type { RunPlan, Step } from "./plan.ts";
import { cutWindows, reduceWindows, stitchWindows, windowsOf } from "./windows.ts";

/**
 * Runs one graph.
 *
 * @param feeds - by the names of the graph's inputs
 * @returns by the names of `wanted`
 * @throws KindredError `MODEL_OUT_OF_MEMORY` when there is not enough memory for it
 */
export type RunGraph = (
  graph: string,
  feeds: ReadonlyMap<string, HostTensor>,
  wanted: readonly string[],
) => Promise<ReadonlyMap<string, HostTensor>>;

/**
 * @param values - holds `input`, `[1, channels, slices, rows, columns]`, when called, and what the plan wants afterwards;
 * the caller keeps no other reference to the input, so that it is freed when the first stages are over
 * @param batchMax - most windows of one run; halved as often as memory asks for it
 * @throws KindredError `MODEL_OUTPUT_INVALID` when shapes do not fit, and what `runGraph` throws
 */
export async function execute(
  plan: RunPlan,
  values: Values,
  runGraph: RunGraph,
  batchMax: number,
): Promise<void> {
  for (const step of plan.steps) {
    const { stage } = step;
    if (stage.op !== "graph") {
      values.set(stage.id, applyStage(stage, given(stage, values)));
    } else {
      const isTiled = plan.profile.tiling.mode === "grid" && stage.in.includes("input");
      const outputs = isTiled
        ? await runWindows(plan, step, values, runGraph, batchMax)
        : await runGraph(stage.graph, feedsOf(plan, stage, given(stage, values)), step.outputs);
      for (const [name, tensor] of outputs) values.set(`${stage.id}.${name}`, tensor);
    }
    for (const reference of step.drop) values.delete(reference);
  }
}

type GraphStage = Extract<Stage, { op: "graph" }>;

function given(stage: Stage, values: Values): HostTensor[] {
  return stage.in.map((reference) => {
    const tensor = values.get(reference);
    if (tensor === undefined)
      throw new KindredError("INTERNAL", `The stage ${stage.id} runs before ${reference}`);
    return tensor;
  });
}

function feedsOf(
  { graphs, profile }: RunPlan,
  stage: GraphStage,
  tensors: readonly HostTensor[],
): Map<string, HostTensor> {
  const feeds = new Map<string, HostTensor>();
  let next = 0;
  for (const [name, input] of Object.entries(graphs[stage.graph]!.inputs))
    feeds.set(name, input.role === "grid" ? gridOf(input, profile) : tensors[next++]!);
  return feeds;
}

/** Windows along slices, rows and columns, in the shape that the graph asks for; `[1, 1, 1]` without windows. */
function gridOf({ shape }: Graph["inputs"][string], { tiling, shape: whole }: RunPlan["profile"]) {
  const counts = tiling.mode === "grid" ? windowsOf(tiling, whole.slice(2)).counts : [1, 1, 1];
  return {
    dims: shape.map((n) => (typeof n === "number" ? n : 1)),
    data: Float32Array.from(counts),
  };
}

async function runWindows(
  plan: RunPlan,
  { stage, outputs }: Step,
  values: Values,
  runGraph: RunGraph,
  batchMax: number,
): Promise<Map<string, HostTensor>> {
  const { tiling, shape } = plan.profile;
  if (stage.op !== "graph" || tiling.mode !== "grid")
    throw new KindredError("INTERNAL", "Only a graph of a tiled profile runs by windows");
  const grid = shape.slice(2);
  const windows = windowsOf(tiling, grid);
  const tensors = given(stage, values);
  const joins = new Map(
    outputs.map((name) => [
      name,
      tiling.reduce !== undefined
        ? reduceWindows(tiling.reduce)
        : stitchWindows(windows, grid, tiling.downsample!),
    ]),
  );
  // What else the graph reads has the batch 1, and the same symbol is the same size.
  let batch = stage.in.every((one) => one === "input") ? Math.min(batchMax, tiling.batchMax) : 1;
  for (let first = 0; first < windows.starts.length; ) {
    const count = Math.min(batch, windows.starts.length - first);
    const feeds = feedsOf(
      plan,
      stage,
      tensors.map((one, i) =>
        stage.in[i] === "input" ? cutWindows(one, windows, first, count) : one,
      ),
    );
    try {
      const answers = await runGraph(stage.graph, feeds, outputs);
      for (const [name, join] of joins) join.add(answers.get(name)!);
      first += count;
    } catch (error) {
      if (codeOf(error) !== "MODEL_OUT_OF_MEMORY" || count === 1) throw error;
      batch = Math.floor(count / 2);
    }
  }
  return new Map([...joins].map(([name, join]) => [name, join.finish()]));
}
