/** Whatever a bundle serves must be proved: golden vectors against profiles, spaces, heads, guard and text. */
import type { Readable } from "./schema.ts";
import type { Fault } from "./values.ts";

/** Whether a space is one of whole volumes, of this profile. */
export const isVolumeSpaceOf =
  (profile: string) => (space: NonNullable<Readable["spaces"]>[number]) =>
    space.profile === profile && space.granularity === "volume";

export function goldenFaults(
  { golden, profiles, spaces, text, heads, guard }: Readable,
  broken: ReadonlySet<string>,
): Fault[] {
  if (golden === undefined || spaces === undefined) return [];
  const faults: Fault[] = [];
  const firstSpace = (profile: string) => spaces.find(isVolumeSpaceOf(profile));
  const proved = new Set<string>();
  golden.forEach((one, i) => {
    if (one.kind === "text") {
      if (text?.kind !== "tower" && !broken.has("text"))
        faults.push([["golden", i], "there is no text tower to prove"]);
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
