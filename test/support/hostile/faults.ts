/** Log lines of level error and above, by kind: what a hostile peer does is no fault of the node. */

/** @returns `count × event: message`, most frequent first; lines that are no log entries count by their beginning */
export function faultKinds(lines: readonly string[]): string[] {
  const kinds = new Map<string, number>();
  for (const line of lines) {
    const kind = kindOf(line);
    if (kind !== undefined) kinds.set(kind, (kinds.get(kind) ?? 0) + 1);
  }
  return [...kinds].sort(([, a], [, b]) => b - a).map(([kind, count]) => `${count} × ${kind}`);
}

function kindOf(line: string): string | undefined {
  try {
    const entry = JSON.parse(line) as {
      event?: string;
      msg?: string;
      err?: string | { message?: string };
    };
    const { err } = entry;
    const why = typeof err === "string" ? err : err?.message;
    return `${entry.event ?? "?"}: ${why ?? entry.msg ?? ""}`.slice(0, 160);
  } catch {
    // The clock library notes missed beats on its own; the watcher's echo judges a blocked node.
    return line.includes("[NODE-CRON]") ? undefined : line.slice(0, 160);
  }
}
