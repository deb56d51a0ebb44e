/**
 * Layers: `config/default.json` < `--config FILE` < environment (`KINDRED_DIMSE__PORT`, double underscore =
 * nesting) < flags. Unknown keys are errors; all problems are listed at once.
 */
import { readFileSync } from "node:fs";
import { z } from "zod";
import { KindredError } from "../kernel/errors.ts";
import { type Config, configSchema } from "./schema.ts";

const ENV_PREFIX = "KINDRED_";
const defaultFile = new URL("../../config/default.json", import.meta.url);

type Tree = { [key: string]: unknown };

export interface LoadOptions {
  readonly file?: string | undefined;
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** Dotted paths and values from the command line: `{ "dimse.port": "0" }`. */
  readonly flags?: Readonly<Record<string, string>>;
}

/**
 * Reads and checks the whole configuration.
 *
 * @returns a deeply frozen configuration
 * @throws KindredError `CONFIG_INVALID` whose message lists every problem, one a line
 */
export function loadConfig(options: LoadOptions = {}): Config {
  const problems: string[] = [];
  const tree: Tree = {};
  merge(tree, readJson(defaultFile, problems));
  if (options.file !== undefined) merge(tree, readJson(options.file, problems));
  for (const [name, value] of Object.entries(options.env ?? process.env)) {
    if (!name.startsWith(ENV_PREFIX) || value === undefined) continue;
    const path = environmentPath(name);
    if (path === undefined) problems.push(`${name}: no such setting (see docs/configuration.md)`);
    else assign(tree, path, value);
  }
  for (const [flag, value] of Object.entries(options.flags ?? {}))
    assign(tree, flag.split("."), value);
  const parsed = configSchema.safeParse(tree);
  if (!parsed.success) problems.push(...parsed.error.issues.map(describeIssue));
  if (problems.length > 0 || !parsed.success) {
    throw new KindredError(
      "CONFIG_INVALID",
      ["The configuration is invalid:", ...problems].join("\n  "),
    );
  }
  return deepFreeze(parsed.data);
}

/** Environment name of a dotted path: `dimse.port` → `KINDRED_DIMSE__PORT`. */
export function environmentName(path: readonly string[]): string {
  const words = path.map((key) => key.replace(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase());
  return ENV_PREFIX + words.join("__");
}

/** Every leaf of the schema as a path, so that environment names can be resolved and documented. */
export function leafPaths(schema: z.ZodType = configSchema, path: string[] = []): string[][] {
  const inner = unwrap(schema);
  if (!(inner instanceof z.ZodObject)) return [path];
  return Object.entries(inner.shape).flatMap(([key, child]) =>
    leafPaths(child as z.ZodType, [...path, key]),
  );
}

/** The schema under its defaults, optionals and nullables. */
export function unwrap(schema: z.ZodType): z.ZodType {
  let current = schema;
  while (
    current instanceof z.ZodDefault ||
    current instanceof z.ZodOptional ||
    current instanceof z.ZodNullable ||
    current instanceof z.ZodPrefault
  ) {
    current = current.unwrap() as z.ZodType;
  }
  return current;
}

function environmentPath(name: string): string[] | undefined {
  return leafPaths().find((path) => environmentName(path) === name);
}

function takesNull(path: readonly string[]): boolean {
  return schemaAt(path)?.safeParse(null).success === true;
}

function leafSchema(path: readonly string[]): z.ZodType | undefined {
  const found = schemaAt(path);
  return found === undefined ? undefined : unwrap(found);
}

function schemaAt(path: readonly string[]): z.ZodType | undefined {
  let current: z.ZodType | undefined = configSchema;
  for (const key of path) {
    const inner: z.ZodType = unwrap(current);
    current =
      inner instanceof z.ZodObject ? (inner.shape[key] as z.ZodType | undefined) : undefined;
    if (current === undefined) return undefined;
  }
  return current;
}

/** Text from environment or command line becomes the type that the schema wants. */
function assign(tree: Tree, path: readonly string[], text: string): void {
  const leaf = leafSchema(path);
  let value: unknown = text;
  if (text === "null" && takesNull(path)) value = null;
  else if (takesNumber(leaf) && text.trim() !== "" && !Number.isNaN(Number(text)))
    value = Number(text);
  else if (leaf instanceof z.ZodBoolean && /^(true|false)$/i.test(text))
    value = text.toLowerCase() === "true";
  else if (leaf instanceof z.ZodArray)
    value = text.trimStart().startsWith("[") ? parseJson(text) : text.split(",");
  let node = tree;
  for (const key of path.slice(0, -1)) {
    if (typeof node[key] !== "object" || node[key] === null) node[key] = {};
    node = node[key] as Tree;
  }
  node[path.at(-1)!] = value;
}

function takesNumber(leaf: z.ZodType | undefined): boolean {
  if (leaf instanceof z.ZodUnion)
    return leaf.options.some((option) => option instanceof z.ZodNumber);
  return leaf instanceof z.ZodNumber;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

function readJson(file: string | URL, problems: string[]): Tree {
  try {
    const parsed: unknown = JSON.parse(readFileSync(file, "utf8"));
    if (typeof parsed === "object" && parsed !== null && !Array.isArray(parsed))
      return parsed as Tree;
    problems.push(`${file}: must hold one JSON object`);
  } catch (error) {
    problems.push(`${file}: ${(error as Error).message}`);
  }
  return {};
}

function merge(target: Tree, source: Tree): void {
  for (const [key, value] of Object.entries(source)) {
    if (key === "__proto__") continue;
    const isTree = (node: unknown): node is Tree =>
      typeof node === "object" && node !== null && !Array.isArray(node);
    if (isTree(value) && isTree(target[key])) merge(target[key], value);
    else target[key] = structuredClone(value);
  }
}

function describeIssue(issue: z.core.$ZodIssue): string {
  const where = issue.path.join(".") || "(top level)";
  if (issue.code === "unrecognized_keys") {
    const at = issue.path.length > 0 ? `${where}.` : "";
    return issue.keys
      .map((key) => `${at}${key}: no such setting (see docs/configuration.md)`)
      .join("\n  ");
  }
  return `${where}: ${issue.message}`;
}

function deepFreeze<T>(value: T): T {
  if (typeof value === "object" && value !== null) {
    for (const child of Object.values(value)) deepFreeze(child);
    Object.freeze(value);
  }
  return value;
}
