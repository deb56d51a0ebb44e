/** The shape of every stage's output, as far as the manifest tells it. */
import { type Graph, type Stage, TENSOR_VALUES_MAX } from "./graphs.ts";
import type { Manifest } from "./schema.ts";
import type { Fault } from "./values.ts";

/** null: a dimension that varies. */
export type Shape = readonly (number | null)[];

export interface Followed {
  /** By reference, `STAGE` or `STAGE.OUTPUT`; without what could not be followed. */
  readonly shapes: ReadonlyMap<string, Shape>;
  readonly faults: readonly Fault[];
}

/**
 * @param needed - ids of the stages that the profile runs
 * @param stages - every name in them leads somewhere
 */
export function shapesAfter(
  profile: Manifest["profiles"][number],
  stages: readonly Stage[],
  needed: ReadonlySet<string>,
  graphs: Manifest["graphs"],
): Followed {
  const { tiling } = profile;
  const isTiled = tiling.mode === "grid";
  const batch = isTiled && tiling.batchMax > 1 ? null : 1;
  const input = isTiled ? [batch, profile.shape[1], ...tiling.window] : profile.shape;
  const shapes = new Map<string, Shape>([["input", input]]);
  const faults: Fault[] = [];
  stages.forEach((stage, i) => {
    if (!needed.has(stage.id)) return;
    const given = stage.in.map((reference) => shapes.get(reference));
    // What it reads could not be followed, and that was told.
    if (given.some((shape) => shape === undefined)) return;
    const readsInput = stage.in.includes("input");
    try {
      if (isTiled && readsInput && stage.op !== "graph")
        throw new Error("only a graph can read the input of a tiled profile");
      for (const [name, shape] of outputsOf(stage, given as Shape[], graphs))
        shapes.set(name, isTiled && readsInput ? joined(shape, profile) : bounded(shape));
    } catch (error) {
      const where = stage.op === "graph" ? `the graph ${stage.graph} does not fit: ` : "";
      const { message } = error as Error;
      faults.push([["stages", i], `${where}${message} (profile ${profile.id})`]);
    }
  });
  return { shapes, faults };
}

function outputsOf(
  stage: Stage,
  given: readonly Shape[],
  graphs: Manifest["graphs"],
): [string, Shape][] {
  const shape = given[0]!;
  const need = (axis: number) => {
    if (axis >= shape.length)
      throw new Error(`there is no axis ${axis} in ${shape.length} dimensions`);
  };
  switch (stage.op) {
    case "graph":
      return afterGraph(stage, graphs[stage.graph]!, given);
    case "flatten":
      need(stage.axis);
      return [[stage.id, [...shape.slice(0, stage.axis), product(shape.slice(stage.axis))]]];
    case "mean":
      stage.axes.forEach(need);
      return [[stage.id, shape.filter((_, axis) => !stage.axes.includes(axis))]];
    case "l2":
      return [[stage.id, shape]];
    case "select": {
      need(stage.axis);
      const size = shape[stage.axis]!;
      if (size !== null && stage.index >= size)
        throw new Error(`axis ${stage.axis} has ${size} elements, so none of index ${stage.index}`);
      return [[stage.id, shape.filter((_, axis) => axis !== stage.axis)]];
    }
    case "transpose":
      if (stage.order.length !== shape.length)
        throw new Error(`order names ${stage.order.length} of ${shape.length} dimensions`);
      return [[stage.id, stage.order.map((axis) => shape[axis]!)]];
    case "concat": {
      need(stage.axis);
      const isAlike = given.every(
        (one) =>
          one.length === shape.length &&
          one.every(
            (n, axis) =>
              axis === stage.axis || n === null || shape[axis] === null || n === shape[axis],
          ),
      );
      if (!isAlike) throw new Error(`the tensors differ in more than axis ${stage.axis}`);
      const sizes = given.map((one) => one[stage.axis]!);
      const size = sizes.some((n) => n === null) ? null : sizes.reduce((sum, n) => sum! + n!, 0);
      return [[stage.id, shape.map((n, axis) => (axis === stage.axis ? size : n))]];
    }
  }
}

/** The same symbol stands for the same size all over the graph. */
function afterGraph(stage: Stage, graph: Graph, given: readonly Shape[]): [string, Shape][] {
  const symbols = new Map<string, number | null>();
  const inputs = Object.entries(graph.inputs).filter(([, one]) => one.role !== "grid");
  inputs.forEach(([name, { shape, role, dtype }], k) => {
    const actual = given[k]!;
    const takesInput = stage.in[k] === "input";
    if (takesInput !== (role === "volume"))
      throw new Error(`${name} has the role ${role} and is given ${stage.in[k]}`);
    if (!dtype.startsWith("float")) throw new Error(`${name} must be float32 or float16`);
    const isRight =
      shape.length === actual.length &&
      shape.every((wanted, axis) => {
        const size = actual[axis]!;
        if (typeof wanted === "number") return size === wanted || (size === null && axis > 0);
        const known = symbols.get(wanted);
        symbols.set(wanted, known ?? size);
        return known == null || size === null || known === size;
      });
    if (!isRight)
      throw new Error(
        `${name} takes [${shape.join(", ")}] and is given [${actual.map((n) => n ?? "B").join(", ")}]`,
      );
  });
  return Object.entries(graph.outputs).map(([name, { shape }]) => [
    `${stage.id}.${name}`,
    shape.map((n) => (typeof n === "number" ? n : (symbols.get(n) ?? null))),
  ]);
}

/** What becomes of an output of every window. */
function joined(shape: Shape, { tiling, shape: whole }: Manifest["profiles"][number]): Shape {
  if (tiling.mode === "none") return shape;
  const [, ...rest] = shape;
  if (tiling.reduce !== undefined) return [1, ...rest];
  const { window } = tiling;
  const downsample = tiling.downsample!;
  const isDense =
    shape.length === 5 &&
    window.every((size, i) => shape[i + 2] === null || shape[i + 2] === size / downsample[i]!);
  if (!isDense)
    throw new Error(
      `to be stitched, outputs must be [batch, channels, ${window.map((n, i) => n / downsample[i]!).join(", ")}]`,
    );
  return bounded([1, shape[1]!, ...downsample.map((by, i) => whole[i + 2]! / by)]);
}

function bounded(shape: Shape): Shape {
  const values = product(shape.map((n) => n ?? 1))!;
  if (values > TENSOR_VALUES_MAX)
    throw new Error(`it makes a tensor of ${values} values; at most ${TENSOR_VALUES_MAX} are held`);
  return shape;
}

function product(shape: Shape): number | null {
  return shape.some((n) => n === null) ? null : shape.reduce((all, n) => all! * n!, 1);
}
