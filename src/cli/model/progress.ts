/** How far a long work is: a bar on a terminal, a line a step elsewhere, JSON for programs. */
import { printable } from "../api.ts";

export interface Progress {
  /** @param done - of `total` parts of the whole work, 0 to `total` */
  step(text: string, done: number, total: number): void;
  /** Ends the bar's line. */
  end(): void;
}

const BAR_CHARACTERS = 24;
const TEXT_CHARACTERS = 48;

export function createProgress(options: { json: boolean }): Progress {
  if (options.json)
    return {
      step: (step, done, total) => console.log(JSON.stringify({ step, done, total })),
      end: () => undefined,
    };
  if (!process.stderr.isTTY)
    return { step: (text) => console.error(printable(text)), end: () => undefined };
  return {
    step(text, done, total) {
      const full = Math.round((BAR_CHARACTERS * done) / Math.max(1, total));
      const bar = "█".repeat(full).padEnd(BAR_CHARACTERS, "░");
      const shown = printable(text).slice(0, TEXT_CHARACTERS).padEnd(TEXT_CHARACTERS);
      process.stderr.write(`\r${bar} ${shown}`);
    },
    end: () => void process.stderr.write("\n"),
  };
}

/** One line of an exporter: `{"step": "weights read", "done": 1, "total": 4}`. */
export interface ExporterStep {
  readonly step: string;
  readonly done: number;
  readonly total: number;
}

/** Undefined for anything else that an exporter prints. */
export function exporterStep(line: string): ExporterStep | undefined {
  let read: unknown;
  try {
    read = JSON.parse(line);
  } catch {
    return undefined;
  }
  if (typeof read !== "object" || read === null) return undefined;
  const { step, done, total } = read as Record<string, unknown>;
  const isCount = (value: unknown): value is number => Number.isSafeInteger(value);
  if (typeof step !== "string" || !isCount(done) || !isCount(total)) return undefined;
  return done >= 0 && done <= total && total > 0 ? { step, done, total } : undefined;
}
