/** The commands that ask a running node do it over its HTTP API. */
import type { Config } from "../config/schema.ts";
import { type ErrorCode, KindredError } from "../kernel/errors.ts";
import { STATUSES } from "../kernel/statuses.ts";

/** @throws KindredError with the code of the node's problem answer; `UNAVAILABLE` when no node answers */
export async function callNode<T>(config: Config, path: string, method = "GET"): Promise<T> {
  const url = `http://${config.http.host}:${config.http.port}${path}`;
  let response: Response;
  try {
    response = await fetch(url, { method, signal: AbortSignal.timeout(30_000) });
  } catch (error) {
    throw new KindredError(
      "UNAVAILABLE",
      `No node answers at ${config.http.host}:${config.http.port}: start it with \`kindred serve\`, or set http.host and http.port`,
      { cause: error },
    );
  }
  const body = (await response.json()) as { code?: string; detail?: string };
  if (!response.ok) {
    const code =
      body.code !== undefined && body.code in STATUSES ? (body.code as ErrorCode) : "UNAVAILABLE";
    throw new KindredError(code, body.detail ?? `HTTP ${response.status}`);
  }
  return body as T;
}

/** Rows as an aligned table. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const width = head.map((title, column) =>
    Math.max(title.length, ...rows.map((row) => (row[column] ?? "").length)),
  );
  const line = (row: readonly string[]) =>
    row
      .map((text, column) => text.padEnd(width[column]!))
      .join("  ")
      .trimEnd();
  return [line(head), width.map((w) => "─".repeat(w)).join("  "), ...rows.map(line)].join("\n");
}

/** Text from outside made harmless for a terminal. */
export function printable(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is taken out
  return text.replace(/[\u0000-\u001f\u007f-\u009f]/g, "\uFFFD");
}
