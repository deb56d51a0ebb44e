/**
 * `models/<id>/model.json`, bundle format 1: what a model is, how its input is made, how its graphs are strung
 * together, what is said with its vectors, and how it proves itself. docs/bundles.md explains it field by field.
 */
import { z } from "zod";
import { manifestSchema } from "./manifest/schema.ts";

export type { Head } from "./manifest/findings.ts";
export type { Graph, Space, Stage } from "./manifest/graphs.ts";
export { parseManifest } from "./manifest/parse.ts";
export {
  type Applicability,
  type Golden,
  type Guard,
  type LabelList,
  type Licence,
  type Manifest,
  manifestSchema,
  type PreprocessOp,
  type Profile,
  type ProviderNote,
  type TextTower,
  type ZeroShotSet,
} from "./manifest/schema.ts";
export { partsOf } from "./manifest/stages.ts";
export { type GridTiling, windowSteps } from "./manifest/tiling.ts";

/** docs/bundle.schema.json: what an editor can check; how parts refer to each other is checked by the node alone. */
export function describeBundle(): string {
  return `${JSON.stringify(z.toJSONSchema(manifestSchema, { io: "input" }), null, 2)}\n`;
}
