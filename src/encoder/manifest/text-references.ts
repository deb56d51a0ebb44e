/** The text tower and the prompts against graphs and spaces. */
import type { Readable } from "./schema.ts";
import type { Fault } from "./values.ts";

export function textFaults(
  { text, graphs, spaces, zeroShot }: Readable,
  broken: ReadonlySet<string>,
): Fault[] {
  const faults: Fault[] = [];
  spaces?.forEach((space, i) => {
    if (space.sharedWithText && text === undefined && !broken.has("text"))
      faults.push([["spaces", i, "sharedWithText"], "needs the part text"]);
  });
  zeroShot?.forEach((set, i) => {
    const space = spaces?.find((one) => one.id === set.space);
    const path = ["zeroShot", i, "space"];
    if (spaces !== undefined && space === undefined)
      faults.push([path, `${set.space} is no space of this bundle`]);
    if (space !== undefined && (!space.sharedWithText || space.granularity !== "volume"))
      faults.push([path, "must be a space of granularity volume that is sharedWithText"]);
  });
  if (text?.kind !== "tower" || graphs === undefined) return faults;
  const graph = Object.hasOwn(graphs, text.graph) ? graphs[text.graph]! : undefined;
  if (graph === undefined)
    return [...faults, [["text", "graph"], `${text.graph} is no graph of this bundle`]];
  const output = Object.hasOwn(graph.outputs, text.output)
    ? graph.outputs[text.output]!
    : undefined;
  if (output === undefined)
    faults.push([["text", "output"], `${text.output} is no output of the graph ${text.graph}`]);
  const roles = Object.values(graph.inputs).map((one) => one.role);
  if (roles.filter((role) => role === "ids").length !== 1 || roles.some(isNotOfText))
    faults.push([
      ["text", "graph"],
      "needs one input of role ids, and at most one of role mask beside",
    ]);
  for (const [name, { shape, dtype, role }] of Object.entries(graph.inputs)) {
    const path = ["graphs", text.graph, "inputs", name];
    if (shape.length !== 2) faults.push([[...path, "shape"], "must be [texts, tokens]"]);
    const { pad, maxTokens } = text.tokenizer;
    const fixed = shape[1];
    if (typeof fixed === "number" && (pad !== "max" || maxTokens !== fixed))
      faults.push([
        [...path, "shape"],
        `has ${fixed} tokens: set text.tokenizer.pad to max and maxTokens to ${fixed}, or make it a symbol`,
      ]);
    const isWhole = dtype === "int64" || dtype === "int32";
    const isMask = role === "mask" && (dtype === "bool" || dtype === "float32");
    if (!isWhole && !isMask)
      faults.push([[...path, "dtype"], "must be int64 or int32; of a mask bool or float32 too"]);
  }
  const rank = text.pool === "none" ? 2 : 3;
  if (output !== undefined && output.shape.length !== rank)
    faults.push([["text", "pool"], `needs an output of ${rank} dimensions`]);
  const dimension = output?.shape.at(-1);
  spaces?.forEach((space, i) => {
    if (space.sharedWithText && typeof dimension === "number" && dimension !== space.dimension)
      faults.push([["spaces", i, "sharedWithText"], `the text tower gives ${dimension} values`]);
  });
  return faults;
}

const isNotOfText = (role: string, i: number, roles: readonly string[]) =>
  !["ids", "mask"].includes(role) || roles.indexOf(role) < i;
