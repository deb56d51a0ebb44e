/** Whatever one part of a manifest says of another: names that lead nowhere, ids that stand twice, files not listed. */
import type { Fault } from "./profile.ts";
import type { Readable } from "./schema.ts";
import { stageFaults } from "./stages.ts";

/** A part that cannot be read is undefined and nothing is said of what leads to it: its own faults are told. */
export function referenceFaults(manifest: Readable): Fault[] {
  return [
    ...twiceFaults(manifest),
    ...fileFaults(manifest),
    ...stageFaults(manifest),
    ...nameFaults(manifest),
    ...textFaults(manifest),
    ...goldenFaults(manifest),
  ];
}

function twiceFaults(manifest: Readable): Fault[] {
  const faults: Fault[] = [];
  const lists = ["profiles", "stages", "spaces", "zeroShot", "heads", "labels"] as const;
  for (const name of lists) {
    const ids = (manifest[name] ?? []).map((one) => one.id);
    ids.forEach((id, i) => {
      if (ids.indexOf(id) < i) faults.push([[name, i, "id"], `${id} stands above already`]);
    });
  }
  const providers = (manifest.runtime?.providers ?? []).map((one) => one.provider);
  providers.forEach((provider, i) => {
    if (providers.indexOf(provider) < i)
      faults.push([["runtime", "providers", i, "provider"], `${provider} stands above already`]);
  });
  return faults;
}

function fileFaults(manifest: Readable): Fault[] {
  const { files, graphs, runtime } = manifest;
  if (files === undefined) return [];
  const faults: Fault[] = [];
  // Two names that differ in case are one file on some disks.
  const names = files.map((one) => one.path.toLowerCase());
  names.forEach((name, i) => {
    if (names.indexOf(name) < i)
      faults.push([["files", i, "path"], `${name} stands above already`]);
    if (name === "model.json") faults.push([["files", i, "path"], "model.json cannot list itself"]);
  });
  const listed = new Set(files.map((one) => one.path));
  const check = (name: string | undefined, path: (string | number)[]) => {
    if (name !== undefined && !listed.has(name))
      faults.push([path, `${name} is no listed file: add it to files`]);
  };
  check(manifest.licence?.notice, ["licence", "notice"]);
  for (const [name, graph] of Object.entries(graphs ?? {}))
    check(graph.file, ["graphs", name, "file"]);
  for (const [i, { graphs: others = {} }] of (runtime?.providers ?? []).entries())
    for (const [name, file] of Object.entries(others)) {
      const path = ["runtime", "providers", i, "graphs", name];
      check(file, path);
      if (graphs !== undefined && !Object.hasOwn(graphs, name))
        faults.push([path, `${name} is no graph of this bundle`]);
    }
  const { text } = manifest;
  if (text?.kind === "precomputed") check(text.file, ["text", "file"]);
  if (text?.kind === "tower") {
    check(text.tokenizer.file, ["text", "tokenizer", "file"]);
    check(text.tokenizer.config, ["text", "tokenizer", "config"]);
  }
  for (const [i, { prompts }] of (manifest.zeroShot ?? []).entries())
    if (prompts.kind === "file") check(prompts.file, ["zeroShot", i, "prompts", "file"]);
  for (const [i, head] of (manifest.heads ?? []).entries())
    if (head.kind === "linear") check(head.weights, ["heads", i, "weights"]);
  for (const [i, list] of (manifest.labels ?? []).entries())
    check(list.file, ["labels", i, "file"]);
  check(manifest.guard?.file, ["guard", "file"]);
  return faults;
}

function nameFaults(manifest: Readable): Fault[] {
  const faults: Fault[] = [];
  const { profiles, spaces, guard } = manifest;
  const isProfile = (id: string) => profiles?.some((one) => one.id === id) ?? true;
  const check = (id: string, path: (string | number)[]) => {
    if (!isProfile(id)) faults.push([path, `${id} is no profile of this bundle`]);
  };
  spaces?.forEach((one, i) => {
    check(one.profile, ["spaces", i, "profile"]);
  });
  manifest.heads?.forEach((one, i) => {
    check(one.profile, ["heads", i, "profile"]);
  });
  if (guard !== undefined) check(guard.profile, ["guard", "profile"]);
  profiles?.forEach((one, i) => {
    if (spaces !== undefined && !spaces.some(isVolumeSpaceOf(one.id)))
      faults.push([["profiles", i], `no space of granularity volume has the profile ${one.id}`]);
  });
  const lists = new Map((manifest.labels ?? []).map((one) => [one.id, one]));
  const users = [
    ...(manifest.heads ?? []).map((one, i) => [one.labels, ["heads", i, "labels"]] as const),
    ...(manifest.zeroShot ?? []).map((one, i) => [one.labels, ["zeroShot", i, "labels"]] as const),
  ];
  for (const [id, path] of users)
    if (!lists.has(id)) faults.push([path, `${id} is no label list of this bundle`]);
  for (const [i, { calibration, labels }] of (manifest.heads ?? []).entries()) {
    const count = lists.get(labels)?.items?.length;
    if (calibration === undefined || calibration.kind === "temperature" || count === undefined)
      continue;
    const lengths =
      calibration.kind === "platt"
        ? [calibration.slope.length, calibration.intercept.length]
        : [calibration.curves.length];
    if (lengths.some((length) => length !== 1 && length !== count))
      faults.push([["heads", i, "calibration"], `needs 1 or ${count} entries: one a label`]);
  }
  return faults;
}

const isVolumeSpaceOf = (profile: string) => (space: NonNullable<Readable["spaces"]>[number]) =>
  space.profile === profile && space.granularity === "volume";

function textFaults({ text, graphs, spaces, zeroShot }: Readable): Fault[] {
  const faults: Fault[] = [];
  spaces?.forEach((space, i) => {
    if (space.sharedWithText && text === undefined)
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

function goldenFaults({ golden, profiles, spaces, text, heads, guard }: Readable): Fault[] {
  if (golden === undefined || spaces === undefined) return [];
  const faults: Fault[] = [];
  const firstSpace = (profile: string) => spaces.find(isVolumeSpaceOf(profile));
  const proved = new Set<string>();
  golden.forEach((one, i) => {
    if (one.kind === "text") {
      if (text?.kind !== "tower") faults.push([["golden", i], "there is no text tower to prove"]);
      return;
    }
    if (profiles !== undefined && !profiles.some((each) => each.id === one.profile))
      faults.push([["golden", i, "profile"], `${one.profile} is no profile of this bundle`]);
    if (one.kind === "stage") {
      proved.add(`${one.profile} ${one.output}`);
      return;
    }
    const space =
      one.space === undefined
        ? firstSpace(one.profile)
        : spaces.find((each) => each.id === one.space);
    if (space !== undefined && space.profile === one.profile) {
      proved.add(space.id).add(`${space.profile} ${space.from}`);
      if (one.expected.length > space.dimension)
        faults.push([["golden", i, "expected"], `the space has ${space.dimension} dimensions`]);
    } else if (one.space !== undefined)
      faults.push([
        ["golden", i, "space"],
        `${one.space} is no space of the profile ${one.profile}`,
      ]);
  });
  spaces.forEach((space, i) => {
    const isProved = proved.has(space.id) || proved.has(`${space.profile} ${space.from}`);
    if (!isProved)
      faults.push([["spaces", i], `has no golden vector: add one of kind volume for ${space.id}`]);
  });
  heads?.forEach((head, i) => {
    if (!proved.has(`${head.profile} ${head.input}`))
      faults.push([
        ["heads", i, "input"],
        `has no golden vector: add one of kind stage for ${head.input}`,
      ]);
  });
  if (guard !== undefined && !proved.has(`${guard.profile} ${guard.input}`))
    faults.push([
      ["guard", "input"],
      `has no golden vector: add one of kind stage for ${guard.input}`,
    ]);
  if (text?.kind === "tower" && !golden.some((one) => one.kind === "text"))
    faults.push([["text"], "has no golden vector: add one of kind text"]);
  return faults;
}
