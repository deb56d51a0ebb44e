/** Writes docs/bundle.schema.json: `npm run docs`. */
import { writeFileSync } from "node:fs";
import { describeBundle } from "../../src/encoder/manifest.ts";

writeFileSync(new URL("../../docs/bundle.schema.json", import.meta.url), describeBundle());
