/** Which profiles of its models a site runs: `encoder.profiles`, entries of the form `model:profile`. */
import type { Bundle, BundleResult } from "./bundle.ts";

/** Ids of the profiles that run, in the order of the manifest: the first is the model's default. All where the site names none of them. */
export function chosenProfiles({ manifest }: Bundle, entries: readonly string[]): string[] {
  const named = namedOf(manifest.id, entries);
  const all = manifest.profiles.map((one) => one.id);
  return named.length === 0 ? all : all.filter((id) => named.includes(id));
}

/** A bundle of which the site names a profile that it has not is as good as broken. */
export function withKnownProfiles(one: BundleResult, entries: readonly string[]): BundleResult {
  if ("error" in one) return one;
  const all = one.bundle.manifest.profiles.map(({ id }) => id);
  const unknown = namedOf(one.id, entries).filter((id) => !all.includes(id));
  if (unknown.length === 0) return one;
  const error = `encoder.profiles names ${unknown.map((id) => `${one.id}:${id}`).join(", ")}, and it has ${all.map((id) => `${one.id}:${id}`).join(", ")}`;
  return { id: one.id, error };
}

function namedOf(modelId: string, entries: readonly string[]): string[] {
  const begin = `${modelId}:`;
  return entries.filter((one) => one.startsWith(begin)).map((one) => one.slice(begin.length));
}
