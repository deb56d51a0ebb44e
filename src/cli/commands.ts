/** The list of commands; `kindred help` and the dispatcher read it. One file a command. */
import { config } from "./config.ts";
import { conformance } from "./conformance.ts";
import { demo } from "./demo/demo.ts";
import { doctor } from "./doctor.ts";
import { embed } from "./embed.ts";
import { migrate } from "./migrate.ts";
import { model } from "./model.ts";
import { peers } from "./peers.ts";
import { queue } from "./queue.ts";
import { search } from "./search.ts";
import { series } from "./series.ts";
import { serve } from "./serve.ts";
import { similar } from "./similar.ts";
import { volume } from "./volume.ts";

export interface Command {
  readonly name: string;
  readonly usage: string;
  readonly summary: string;
  /** @returns the exit code */
  run(argv: readonly string[]): Promise<number>;
}

export const COMMANDS: readonly Command[] = [
  serve,
  demo,
  similar,
  search,
  series,
  volume,
  embed,
  model,
  queue,
  peers,
  migrate,
  doctor,
  config,
  conformance,
];

export function usage(): string {
  const width = Math.max(...COMMANDS.map((command) => command.usage.length));
  return [
    "kindred <command> [options]",
    "",
    ...COMMANDS.map((command) => `  ${command.usage.padEnd(width)}  ${command.summary}`),
    "",
    "Every command takes --config FILE; settings also come from the environment (docs/configuration.md).",
    "Not for diagnostic use.",
  ].join("\n");
}
