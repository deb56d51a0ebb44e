/** `kindred conformance`: the DICOM conformance statement (PS3.2), with the tables of this site's configuration. */
import { readFileSync, writeFileSync } from "node:fs";
import { configSchema } from "../config/schema.ts";
import type { Command } from "./commands.ts";
import { fillStatement, withoutMarks } from "./conformance/statement.ts";
import { parseCommand } from "./options.ts";

const STATEMENT = new URL("../../docs/conformance-statement.md", import.meta.url);

export const conformance: Command = {
  name: "conformance",
  usage: "conformance [--write FILE]",
  summary:
    "the DICOM conformance statement for this configuration; --write fills the tables of FILE with the defaults instead",
  async run(argv) {
    const parsed = parseCommand(argv, this.usage, { write: { type: "string" } });
    const file = parsed.values.write;
    if (typeof file === "string") {
      writeFileSync(file, fillStatement(readFileSync(file, "utf8"), configSchema.parse({})));
      return 0;
    }
    const filled = fillStatement(readFileSync(STATEMENT, "utf8"), parsed.config());
    console.log(withoutMarks(filled).trimEnd());
    return 0;
  },
};
