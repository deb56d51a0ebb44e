/** `kindred config print`, `kindred config describe` and `kindred config hash-passcode`. */
import { writeFileSync } from "node:fs";
import { createInterface } from "node:readline/promises";
import { Writable } from "node:stream";
import { describeConfig, redactedConfig } from "../config/describe.ts";
import { KindredError } from "../kernel/errors.ts";
import { USER_IDENTITY_BYTES_MAX } from "../kernel/limits.ts";
import { hashPasscode } from "../kernel/passcode.ts";
import type { Command } from "./commands.ts";
import { parseCommand } from "./options.ts";

export const config: Command = {
  name: "config",
  usage: "config print|describe|hash-passcode [--write FILE]",
  summary:
    "the effective configuration (secrets masked), its reference, or a hash for dimse.users of the passcode on standard input",
  async run(argv) {
    const parsed = parseCommand(
      argv,
      this.usage,
      { write: { type: "string" } },
      { min: 1, max: 1 },
    );
    switch (parsed.positionals[0]) {
      case "print":
        console.log(JSON.stringify(redactedConfig(parsed.config()), null, 2));
        return 0;
      case "describe":
        if (parsed.values.write !== undefined)
          writeFileSync(String(parsed.values.write), describeConfig());
        else console.log(describeConfig());
        return 0;
      case "hash-passcode":
        console.log(await hashPasscode(await readPasscode()));
        return 0;
      default:
        throw new KindredError("USAGE", `usage: kindred ${this.usage}`);
    }
  },
};

/** From a terminal without echo, else the first line of standard input. Never from the arguments: others see those. */
async function readPasscode(): Promise<Buffer> {
  const { stdin } = process;
  if (stdin.isTTY) process.stderr.write("Passcode (not shown): ");
  const nowhere = new Writable({ write: (_chunk, _encoding, done) => done() });
  const lines = createInterface({ input: stdin, output: nowhere, terminal: stdin.isTTY });
  const { value } = await lines[Symbol.asyncIterator]().next();
  lines.close();
  const passcode = Buffer.from(String(value ?? ""));
  if (passcode.length === 0 || passcode.length > USER_IDENTITY_BYTES_MAX)
    throw new KindredError("USAGE", "Give the passcode as one line on standard input");
  return passcode;
}
