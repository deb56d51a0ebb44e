/** Text of a manifest → manifest, or every problem at once. */
import type { z } from "zod";
import { KindredError, messageOf } from "../../kernel/errors.ts";
import { MANIFEST_BYTES_MAX } from "../../kernel/limits.ts";
import { referenceFaults } from "./references.ts";
import { type Manifest, manifestSchema, type Readable } from "./schema.ts";
import type { Fault } from "./values.ts";

const DEPTH_MAX = 16;
/** Problems that are listed; a manifest with more was written for another program. */
const PROBLEMS_MAX = 100;
/** Keys that mean something else to an object of JavaScript. */
const FORBIDDEN_KEYS = ["__proto__", "constructor", "prototype"];

/** @throws KindredError `MODEL_INVALID` listing every problem as `path: what to do` */
export function parseManifest(text: string): Manifest {
  if (Buffer.byteLength(text) > MANIFEST_BYTES_MAX)
    throw new KindredError(
      "MODEL_INVALID",
      `model.json is larger than ${MANIFEST_BYTES_MAX} bytes`,
    );
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (error) {
    throw new KindredError("MODEL_INVALID", `model.json is no JSON: ${messageOf(error)}`);
  }
  const strange = strangeFaults(json);
  const parsed = strange.length > 0 ? undefined : manifestSchema.safeParse(json);
  const faults =
    parsed === undefined
      ? strange
      : [
          ...(parsed.error?.issues ?? []).flatMap((issue) => faultsOf(issue)),
          ...(parsed.data === undefined
            ? referenceFaults(...readable(json))
            : referenceFaults(parsed.data, new Set())),
        ];
  if (parsed?.data !== undefined && faults.length === 0) return parsed.data;
  const problems = [...new Set(faults.map(([path, what]) => `${shownPath(path)}: ${what}`))];
  const more = problems.length - PROBLEMS_MAX;
  throw new KindredError(
    "MODEL_INVALID",
    [
      "model.json is invalid:",
      ...problems.slice(0, PROBLEMS_MAX),
      ...(more > 0 ? [`and ${more} more`] : []),
    ].join("\n  "),
  );
}

/** The parts that are right by themselves, so that what they say of each other is told in the same answer; the names of the others. */
function readable(json: unknown): [Readable, ReadonlySet<string>] {
  const parts: Record<string, unknown> = {};
  const broken = new Set<string>();
  for (const [name, schema] of Object.entries(manifestSchema.shape)) {
    const part = schema.safeParse((json as Record<string, unknown> | null)?.[name]);
    if (part.success) parts[name] = part.data;
    else broken.add(name);
  }
  return [parts as Readable, broken];
}

/** Looked for before the schema, which passes over `__proto__` in silence and follows what is nested. */
function strangeFaults(json: unknown): Fault[] {
  const faults: Fault[] = [];
  const waiting: { value: unknown; path: readonly (string | number)[] }[] = [
    { value: json, path: [] },
  ];
  for (let one = waiting.pop(); one !== undefined; one = waiting.pop()) {
    const { value, path } = one;
    if (typeof value !== "object" || value === null) continue;
    if (path.length >= DEPTH_MAX) {
      faults.push([path, `is nested deeper than ${DEPTH_MAX}`]);
      continue;
    }
    const isArray = Array.isArray(value);
    for (const [key, item] of Object.entries(value)) {
      const at = [...path, isArray ? Number(key) : key];
      if (!isArray && FORBIDDEN_KEYS.includes(key))
        faults.push([at, "is no allowed name: choose another"]);
      // Numbers and strings need no second look; lists of numbers are long.
      if (typeof item === "object") waiting.push({ value: item, path: at });
    }
  }
  return faults;
}

function faultsOf(issue: z.core.$ZodIssue): Fault[] {
  const path = issue.path.map((key) => (typeof key === "symbol" ? String(key) : key));
  if (issue.code === "invalid_key")
    return issue.issues.map((one): Fault => [path, `the name ${one.message}`]);
  if (issue.code === "unrecognized_keys")
    return issue.keys.map((key): Fault => [[...path, key], "is no field of the format: remove it"]);
  return [[path, issue.message]];
}

function shownPath(path: readonly (string | number)[]): string {
  // A key may hold anything; a terminal and a log line must not.
  const text = path
    .map((key) =>
      String(key)
        .replace(/[^\x21-\x7e]/g, "?")
        .slice(0, 128),
    )
    .join(".");
  return text || "(top level)";
}
