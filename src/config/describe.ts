/** Writes docs/configuration.md from the schema, and prints a configuration without its secrets. */
import { z } from "zod";
import { KindredError } from "../kernel/errors.ts";
import { environmentName, unwrap } from "./load.ts";
import { type Config, configSchema } from "./schema.ts";

/** The configuration reference as Markdown. */
export function describeConfig(): string {
  const defaults = configSchema.parse({});
  const lines = [
    "# Configuration",
    "",
    "Generated from `src/config/schema.ts` by `npm run docs`; do not edit.",
    "",
    "Layers, later wins: built-in defaults and `config/default.json` < `--config FILE` (JSON) < environment < `--set path=value`.",
    "Unknown keys are errors; all problems are listed at once; exit code 78.",
    "",
    "| setting | environment | default | meaning |",
    "|---|---|---|---|",
    ...rows(configSchema, [], defaults),
    "",
    "## A peer (`peers` is a list of these)",
    "",
    "| key | meaning |",
    "|---|---|",
    ...peerRows(),
    "",
  ];
  return lines.join("\n");
}

/** The effective configuration with credentials masked. */
export function redactedConfig(config: Config): unknown {
  const copy = structuredClone(config) as {
    database: { url?: string };
    dimse: { users: { passcodeHash: string }[] };
  };
  for (const user of copy.dimse.users) user.passcodeHash = "***";
  if (copy.database.url !== undefined)
    copy.database.url = copy.database.url.replace(/\/\/([^:@/]*):[^@/]*@/, "//$1:***@");
  return copy;
}

/**
 * One setting, for documents that quote it.
 *
 * @param path - keys joined by dots; of a leaf of the schema
 */
export function describeSetting(config: Config, path: string): { value: string; meaning: string } {
  let schema: z.ZodType = configSchema;
  let value: unknown = config;
  for (const key of path.split(".")) {
    const inner = unwrap(schema);
    const child = inner instanceof z.ZodObject ? inner.shape[key] : undefined;
    if (child === undefined)
      throw new KindredError("INTERNAL", `There is no setting ${path}: report this as a bug`);
    schema = child as z.ZodType;
    value = (value as Record<string, unknown> | undefined)?.[key];
  }
  const shown = value === undefined ? "(unset)" : JSON.stringify(value);
  return { value: shown, meaning: describe(schema) };
}

function rows(schema: z.ZodType, path: string[], defaults: unknown): string[] {
  const inner = unwrap(schema);
  if (!(inner instanceof z.ZodObject)) {
    const shown = defaults === undefined ? "(unset)" : `\`${JSON.stringify(defaults)}\``;
    return [
      `| \`${path.join(".")}\` | \`${environmentName(path)}\` | ${shown} | ${cell(describe(schema))} |`,
    ];
  }
  return Object.entries(inner.shape).flatMap(([key, child]) =>
    rows(
      child as z.ZodType,
      [...path, key],
      (defaults as Record<string, unknown> | undefined)?.[key],
    ),
  );
}

function peerRows(): string[] {
  const peers = unwrap(configSchema.shape.peers) as z.ZodArray<z.ZodObject>;
  return Object.entries(peers.element.shape).map(
    ([key, child]) => `| \`${key}\` | ${cell(describe(child as z.ZodType))} |`,
  );
}

function describe(schema: z.ZodType): string {
  return schema.description ?? unwrap(schema).description ?? "";
}

function cell(text: string): string {
  return text.replaceAll("|", "\\|");
}
