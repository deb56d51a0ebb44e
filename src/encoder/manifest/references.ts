/** Whatever one part of a manifest says of another: names that lead nowhere, ids that stand twice, files not listed. */

import { calibrationFault } from "./findings.ts";
import { goldenFaults, isVolumeSpaceOf } from "./proofs.ts";
import type { Readable } from "./schema.ts";
import { stageFaults } from "./stages.ts";
import { textFaults } from "./text-references.ts";
import type { Fault } from "./values.ts";

/**
 * @param manifest - without the parts that cannot be read: what leads to them may be right
 * @param broken - the names of those parts
 */
export function referenceFaults(manifest: Readable, broken: ReadonlySet<string>): Fault[] {
  return [
    ...twiceFaults(manifest),
    ...fileFaults(manifest),
    ...stageFaults(manifest),
    ...nameFaults(manifest, broken),
    ...textFaults(manifest, broken),
    ...goldenFaults(manifest, broken),
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

function nameFaults(manifest: Readable, broken: ReadonlySet<string>): Fault[] {
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
    if (!lists.has(id) && !broken.has("labels"))
      faults.push([path, `${id} is no label list of this bundle`]);
  for (const [i, { calibration, labels, activation }] of (manifest.heads ?? []).entries()) {
    const misfit = calibrationFault(activation, calibration?.kind);
    if (misfit !== undefined) faults.push([["heads", i, "calibration"], misfit]);
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
