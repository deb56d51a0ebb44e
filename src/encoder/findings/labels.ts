/** Label lists of a bundle: in the manifest, or as CSV (RFC 4180) with one label a row. */
import { readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import type { z } from "zod";
import { KindredError, messageOf } from "../../kernel/errors.ts";
import { LABELS_MAX, label } from "../manifest/findings.ts";
import type { LabelList } from "../manifest.ts";

export type Label = z.output<typeof label>;

const COLUMNS = ["key", "name", "snomedCode", "snomedMeaning", "radlex", "synonyms"] as const;
const CSV_BYTES_MAX = 4_194_304;
/** Problems of one file that are told. */
const PROBLEMS_MAX = 10;

/** @throws KindredError `MODEL_INVALID` with what is wrong in the file, all rows at once */
export async function labelsOf(folder: string, list: LabelList): Promise<readonly Label[]> {
  const { items, file } = list;
  if (items !== undefined) return items;
  const path = join(folder, file!);
  const invalid = (what: string) => new KindredError("MODEL_INVALID", `${file} ${what}`);
  const { size } = await stat(path);
  if (size > CSV_BYTES_MAX) throw invalid(`is larger than ${CSV_BYTES_MAX} bytes`);
  const bytes = await readFile(path);
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch (error) {
    throw invalid(`is no UTF-8: ${messageOf(error)}`);
  }
  return readLabels(text, invalid);
}

function readLabels(text: string, invalid: (what: string) => KindredError): Label[] {
  const rows = csvRows(text);
  if (rows === undefined) throw invalid("has a quote in the wrong place or one without an end");
  const [head = [], ...body] = rows;
  const wrong =
    head.find((name) => !(COLUMNS as readonly string[]).includes(name)) ??
    head.find((name, i) => head.indexOf(name) < i);
  if (head[0] !== "key" || head[1] !== "name" || wrong !== undefined)
    throw invalid(
      `must begin with the header ${COLUMNS.join(",")}, of which the last four may be absent`,
    );
  if (body.length === 0) throw invalid("has no labels");
  if (body.length > LABELS_MAX) throw invalid(`has more than ${LABELS_MAX} labels`);
  const problems: string[] = [];
  const seen = new Set<string>();
  const labels: Label[] = [];
  for (const [i, row] of body.entries()) {
    const problem = (what: string) => problems.push(`row ${i + 2}: ${what}`);
    if (row.length !== head.length) {
      problem(`has ${row.length} fields, not ${head.length}`);
      continue;
    }
    const parsed = label.safeParse(
      labelOf(Object.fromEntries(head.map((name, c) => [name, row[c]!]))),
    );
    if (!parsed.success) {
      const [issue] = parsed.error.issues;
      problem(`${issue!.path.join(".")} ${issue!.message}`);
    } else if (seen.has(parsed.data.key))
      problem(`the key ${parsed.data.key} stands above already`);
    else {
      seen.add(parsed.data.key);
      labels.push(parsed.data);
    }
  }
  if (problems.length === 0) return labels;
  const more = problems.length - PROBLEMS_MAX;
  throw invalid(
    `is not as the format says: ${problems.slice(0, PROBLEMS_MAX).join("; ")}${more > 0 ? `; and ${more} more` : ""}`,
  );
}

function labelOf(fields: Readonly<Record<string, string>>): unknown {
  const { key, name, snomedCode = "", snomedMeaning = "", radlex = "", synonyms = "" } = fields;
  return {
    key,
    name,
    ...(snomedCode === "" && snomedMeaning === ""
      ? {}
      : { snomed: { code: snomedCode, meaning: snomedMeaning } }),
    ...(radlex === "" ? {} : { radlex }),
    ...(synonyms === "" ? {} : { synonyms: synonyms.split("|") }),
  };
}

/** RFC 4180: quoted fields may hold commas, quotes written twice, and line ends. @returns undefined for a quote that does not end or stands inside a field */
export function csvRows(text: string): string[][] | undefined {
  const rows: string[][] = [];
  let row: string[] = [];
  const field = /(?:"([^"]*(?:""[^"]*)*)"|([^",\r\n]*))(,|\r?\n|$)/y;
  // A byte order mark is written by some programs.
  let at = text.startsWith("\uFEFF") ? 1 : 0;
  while (at < text.length) {
    field.lastIndex = at;
    const found = field.exec(text);
    if (found === null) return undefined;
    row.push(found[1]?.replaceAll('""', '"') ?? found[2]!);
    at = field.lastIndex;
    if (found[3] === ",") {
      if (at === text.length) row.push("");
      else continue;
    }
    rows.push(row);
    row = [];
  }
  if (row.length > 0) rows.push(row);
  return rows.filter((one) => one.length > 1 || one[0] !== "");
}
