/** Bundle format 1 as a schema: what each part is by itself. How parts refer to each other is in references.ts. */
import { z } from "zod";
import { comparison, guard, head, labelList } from "./findings.ts";
import { golden } from "./golden.ts";
import { graphs, spaces, stages } from "./graphs.ts";
import { applicability, file, identity, licence, runtime } from "./identity.ts";
import { textTower, zeroShotSet } from "./language.ts";
import { profile } from "./profile.ts";

export const manifestSchema = z
  .strictObject({
    ...identity,
    licence,
    files: z.array(file).min(1).max(64).describe("Every file of the bundle but model.json."),
    runtime,
    applicability,
    profiles: z.array(profile).min(1).max(8).describe("The first one is the default."),
    graphs,
    stages: stages.describe("Each reads the profile's input or stages above it."),
    spaces: spaces.describe("The first one of a profile is the one whose vectors are kept today."),
    text: textTower.optional(),
    zeroShot: z.array(zeroShotSet).min(1).max(16).optional(),
    heads: z.array(head).min(1).max(16).optional(),
    labels: z.array(labelList).min(1).max(32).optional(),
    guard: guard.optional(),
    comparison: comparison.optional(),
    golden: z.array(golden).min(1).max(64),
  })
  .describe("Kindred model bundle, format 1 (models/<id>/model.json)");

export type Manifest = z.output<typeof manifestSchema>;
/** A manifest of which some parts are wrong: those that can be read. */
export type Readable = { readonly [K in keyof Manifest]?: Manifest[K] | undefined };
export type Profile = Manifest["profiles"][number];
export type PreprocessOp = Profile["ops"][number];
export type Licence = Manifest["licence"];
export type Applicability = Manifest["applicability"];
export type ProviderNote = Manifest["runtime"]["providers"][number];
export type TextTower = NonNullable<Manifest["text"]>;
export type ZeroShotSet = NonNullable<Manifest["zeroShot"]>[number];
export type LabelList = NonNullable<Manifest["labels"]>[number];
export type Guard = NonNullable<Manifest["guard"]>;
export type Golden = Manifest["golden"][number];
