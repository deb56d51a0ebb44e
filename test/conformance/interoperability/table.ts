/** The table of docs/interoperability.md: written, read again, and compared cell by cell. */
export const COLUMNS = [
  "echo",
  "store",
  "find",
  "similar",
  "move",
  "get",
  "commitment, asked",
  "commitment, asking",
  "reports",
  "TLS in",
  "TLS out",
] as const;
export type Column = (typeof COLUMNS)[number];

/** A tool that cannot do it. Everything else is `yes`, `no`, or `N of M`; a bracket may follow. */
export const NO_SERVICE = "no such service in this tool";

export interface Row {
  readonly tool: string;
  readonly version: string;
  readonly cells: Readonly<Record<Column, string>>;
}

const BEGIN = "<!-- interoperability -->";
const END = "<!-- /interoperability -->";

export function tableOf(rows: readonly Row[]): string {
  const line = (cells: readonly string[]) => `| ${cells.join(" | ")} |`;
  return [
    line(["tool", "version", ...COLUMNS]),
    `|${" --- |".repeat(COLUMNS.length + 2)}`,
    ...rows.map((row) => line([row.tool, row.version, ...COLUMNS.map((one) => row.cells[one])])),
  ].join("\n");
}

export function withTable(document: string, rows: readonly Row[]): string {
  const [head, tail] = [document.split(BEGIN)[0]!, document.split(END)[1]!];
  return `${head}${BEGIN}\n\n${tableOf(rows)}\n\n${END}${tail}`;
}

export function readTable(document: string): Row[] {
  const lines = document.split(BEGIN)[1]?.split(END)[0]?.trim().split("\n").slice(2) ?? [];
  return lines.map((line) => {
    const [tool = "", version = "", ...cells] = line
      .split("|")
      .slice(1, -1)
      .map((cell) => cell.trim());
    const pairs = COLUMNS.map((column, at) => [column, cells[at] ?? ""]);
    return { tool, version, cells: Object.fromEntries(pairs) as Row["cells"] };
  });
}

/** Between 0 (no) and 1 (yes); undefined where the tool cannot do it. */
export function scoreOf(cell: string): number | undefined {
  if (cell.startsWith(NO_SERVICE)) return undefined;
  const part = /^(\d+) of (\d+)/.exec(cell);
  if (part !== null) return Number(part[1]) / Number(part[2]);
  return cell.startsWith("yes") ? 1 : 0;
}
