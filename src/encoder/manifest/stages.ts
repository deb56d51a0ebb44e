/** Follows the tensors of each profile through the stages: names that lead nowhere, circles, shapes that do not fit. */

import type { Stage } from "./graphs.ts";
import type { Readable } from "./schema.ts";
import { type Shape, shapesAfter } from "./shapes.ts";
import { type Fault, product } from "./values.ts";

/** Parts of `STAGE.OUTPUT`; the output's own name may have dots. */
export function partsOf(reference: string): { readonly stage: string; readonly output?: string } {
  const at = reference.indexOf(".");
  if (at < 0) return { stage: reference };
  return { stage: reference.slice(0, at), output: reference.slice(at + 1) };
}

interface Use {
  readonly reference: string;
  readonly profile: string;
  readonly path: readonly (string | number)[];
  /** Says what is wrong with the shape, or undefined. */
  judge(shape: Shape): string | undefined;
}

export function stageFaults(manifest: Readable): Fault[] {
  const { stages, graphs, profiles } = manifest;
  if (stages === undefined || graphs === undefined) return [];
  const faults = stages.flatMap((stage, i) => namesOf(stage, i, stages, graphs));
  const uses = usesOf(manifest);
  for (const use of uses) {
    const message = referenceFault(use.reference, stages, stages.length, graphs);
    if (message !== undefined) faults.push([use.path, message]);
  }
  // Shapes can only be followed where every name leads somewhere.
  if (faults.length > 0 || profiles === undefined) return faults;
  for (const profile of profiles) {
    const wanted = uses.filter((use) => use.profile === profile.id);
    const needed = neededBy(
      wanted.map((use) => use.reference),
      stages,
    );
    const result = shapesAfter(profile, stages, needed, graphs);
    faults.push(...result.faults);
    for (const use of wanted) {
      const shape = result.shapes.get(use.reference);
      const message = shape === undefined ? undefined : use.judge(shape);
      if (message !== undefined) faults.push([use.path, message]);
    }
  }
  return faults;
}

function usesOf({ spaces = [], heads = [], guard, golden = [], labels = [] }: Readable): Use[] {
  const uses: Use[] = spaces.map(({ from, profile, dimension, granularity }, i) => ({
    reference: from,
    profile,
    path: ["spaces", i, "from"],
    judge: (shape) => {
      const rank = granularity === "volume" ? 2 : 3;
      const isRight = shape.length === rank && fits(shape[0]!, 1) && fits(shape.at(-1)!, dimension);
      const wanted = granularity === "volume" ? `[1, ${dimension}]` : `[1, tokens, ${dimension}]`;
      return isRight ? undefined : `has the shape ${shown(shape)}, not ${wanted}`;
    },
  }));
  const isVector = (shape: Shape, length?: number) =>
    shape.length === 2 && fits(shape[0]!, 1) && (length === undefined || fits(shape[1]!, length));
  heads.forEach((head, i) => {
    const count = labels.find((one) => one.id === head.labels)?.items?.length;
    const wanted = head.kind === "graph" ? count : undefined;
    uses.push({
      reference: head.input,
      profile: head.profile,
      path: ["heads", i, "input"],
      judge: (shape) =>
        isVector(shape, wanted)
          ? undefined
          : `has the shape ${shown(shape)}, not [1, ${wanted ?? "values"}]`,
    });
  });
  if (guard !== undefined)
    uses.push({
      reference: guard.input,
      profile: guard.profile,
      path: ["guard", "input"],
      judge: (shape) =>
        isVector(shape) ? undefined : `has the shape ${shown(shape)}, not [1, values]`,
    });
  golden.forEach((one, i) => {
    if (one.kind === "stage")
      uses.push({
        reference: one.output,
        profile: one.profile,
        path: ["golden", i, "output"],
        judge: () => undefined,
      });
  });
  return uses;
}

function namesOf(
  stage: Stage,
  i: number,
  stages: readonly Stage[],
  graphs: NonNullable<Readable["graphs"]>,
): Fault[] {
  const faults: Fault[] = [];
  stage.in.forEach((reference, k) => {
    const message =
      reference === "input" ? undefined : referenceFault(reference, stages, i, graphs);
    if (message !== undefined) faults.push([["stages", i, "in", k], message]);
  });
  if (stage.op !== "graph") return faults;
  if (!Object.hasOwn(graphs, stage.graph))
    return [...faults, [["stages", i, "graph"], `${stage.graph} is no graph of this bundle`]];
  const given = Object.entries(graphs[stage.graph]!.inputs).filter(
    ([, one]) => one.role !== "grid",
  );
  for (const [name, { role, shape }] of Object.entries(graphs[stage.graph]!.inputs))
    if (role === "grid" && product(shape.map((n) => (typeof n === "number" ? n : 1))) !== 3)
      faults.push([
        ["graphs", stage.graph, "inputs", name],
        "an input of role grid holds three values: windows along slices, rows and columns",
      ]);
  if (given.length !== stage.in.length)
    faults.push([["stages", i, "in"], `the graph ${stage.graph} needs ${given.length} input(s)`]);
  // JavaScript puts such keys first, whatever the file says.
  if (given.length > 1 && given.some(([name]) => /^\d+$/.test(name)))
    faults.push([
      ["graphs", stage.graph, "inputs"],
      "a name of digits alone loses its place: rename it in the graph",
    ]);
  for (const [name, { role }] of given)
    if (role === "ids" || role === "mask")
      faults.push([["stages", i, "graph"], `its input ${name} is of role ${role}, for text only`]);
  return faults;
}

/** @param end - stages above which the reference must lead */
function referenceFault(
  reference: string,
  stages: readonly Stage[],
  end: number,
  graphs: NonNullable<Readable["graphs"]>,
): string | undefined {
  const { stage: id, output } = partsOf(reference);
  const at = stages.findIndex((one) => one.id === id);
  const stage = stages[at];
  if (stage === undefined) return `${id} is no stage of this bundle`;
  if (at >= end)
    return `${id} does not stand above this stage: put stages in the order in which they run; a circle has none`;
  if (stage.op !== "graph")
    return output === undefined
      ? undefined
      : `the stage ${id} has one output without a name: write ${id}`;
  const outputs = Object.hasOwn(graphs, stage.graph) ? graphs[stage.graph]!.outputs : undefined;
  if (outputs === undefined) return undefined;
  if (output !== undefined && Object.hasOwn(outputs, output)) return undefined;
  const first = Object.keys(outputs)[0];
  return output === undefined
    ? `says no output of the graph: write ${id}.${first}`
    : `${output} is no output of the graph ${stage.graph}`;
}

function neededBy(references: readonly string[], stages: readonly Stage[]): ReadonlySet<string> {
  const needed = new Set(references.map((one) => partsOf(one).stage));
  for (const stage of stages.toReversed())
    if (needed.has(stage.id)) for (const one of stage.in) needed.add(partsOf(one).stage);
  return needed;
}

function fits(dimension: number | null, wanted: number): boolean {
  return dimension === null || dimension === wanted;
}

function shown(shape: Shape): string {
  return `[${shape.map((n) => n ?? "?").join(", ")}]`;
}
