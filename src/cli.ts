#!/usr/bin/env node
/** argv → command → exit code; nothing else. Exit codes follow sysexits(3), from kernel/statuses.ts. */
import { COMMANDS, usage } from "./cli/commands.ts";
import { codeOf, messageOf } from "./kernel/errors.ts";
import { STATUSES } from "./kernel/statuses.ts";

const USAGE_EXIT = 64;

async function run(argv: readonly string[]): Promise<number> {
  const [name, ...rest] = argv;
  if (name === undefined || name === "help" || name === "--help" || name === "-h") {
    console.log(usage());
    return name === undefined ? USAGE_EXIT : 0;
  }
  const command = COMMANDS.find((one) => one.name === name);
  if (command === undefined) {
    console.error(`kindred: no command "${name}"\n\n${usage()}`);
    return USAGE_EXIT;
  }
  return command.run(rest);
}

run(process.argv.slice(2)).then(
  (code) => {
    process.exitCode = code;
  },
  (error: unknown) => {
    const code = codeOf(error);
    console.error(`kindred: ${messageOf(error)}`);
    if (code === "INTERNAL" && error instanceof Error) console.error(error.stack);
    process.exitCode = STATUSES[code].exit;
  },
);
