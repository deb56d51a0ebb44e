/** Arguments that commands share, by util.parseArgs. */
import { type ParseArgsOptionsConfig, parseArgs } from "node:util";
import { loadConfig } from "../config/load.ts";
import type { Config } from "../config/schema.ts";
import { KindredError } from "../kernel/errors.ts";

export interface Parsed {
  readonly values: Readonly<Record<string, string | boolean | undefined>>;
  readonly positionals: readonly string[];
  /** Loads the configuration with --config, the environment and --set. */
  config(): Config;
}

/**
 * Parses a command's arguments; `--config FILE`, `--set path=value` and `--json` are always known.
 *
 * @throws KindredError `USAGE`
 */
export function parseCommand(
  argv: readonly string[],
  usage: string,
  options: ParseArgsOptionsConfig = {},
  positionals: { min: number; max: number } = { min: 0, max: 0 },
): Parsed {
  let parsed: { values: Record<string, unknown>; positionals: string[] };
  try {
    parsed = parseArgs({
      args: [...argv],
      allowPositionals: true,
      options: {
        config: { type: "string" },
        set: { type: "string", multiple: true },
        json: { type: "boolean" },
        ...options,
      },
    });
  } catch (error) {
    throw new KindredError("USAGE", `${(error as Error).message}\nusage: kindred ${usage}`);
  }
  const count = parsed.positionals.length;
  if (count < positionals.min || count > positionals.max) {
    throw new KindredError("USAGE", `usage: kindred ${usage}`);
  }
  const flags: Record<string, string> = {};
  if (typeof parsed.values.receivers === "string")
    flags["dimse.receivers"] = parsed.values.receivers;
  if (typeof parsed.values.role === "string") flags["node.role"] = parsed.values.role;
  for (const setting of (parsed.values.set as string[] | undefined) ?? []) {
    const cut = setting.indexOf("=");
    if (cut < 1) throw new KindredError("USAGE", `--set wants path=value, not "${setting}"`);
    flags[setting.slice(0, cut)] = setting.slice(cut + 1);
  }
  return {
    values: parsed.values as Parsed["values"],
    positionals: parsed.positionals,
    config: () => loadConfig({ file: parsed.values.config as string | undefined, flags }),
  };
}
