/** A program that is run for its lines: each is handed on as it comes, and the last ones are kept for the error message. */
import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import { environmentWithoutSettings } from "../../kernel/own-process.ts";

export interface ChildEnded {
  /** Null when a signal ended it. */
  readonly code: number | null;
  /** The last lines of standard error, or of standard output when that was silent. */
  readonly tail: readonly string[];
}

const TAIL_LINES = 20;
const LINE_CHARACTERS_MAX = 1_000;
/** Python that is not the one we start must not mix in. */
const NOT_INHERITED = ["PYTHONHOME", "PYTHONPATH", "PYTHONSTARTUP", "VIRTUAL_ENV"];

/**
 * A signal to us ends the program too; it sees nothing of our settings.
 *
 * @param onLine - gets each line of standard output, cut to 1,000 characters
 * @throws what spawning throws when there is no such program
 */
export function runForLines(
  command: string,
  args: readonly string[],
  onLine: (line: string) => void = () => undefined,
): Promise<ChildEnded> {
  const environment = {
    ...environmentWithoutSettings(),
    PYTHONUNBUFFERED: "1",
    PYTHONNOUSERSITE: "1",
    PYTHONDONTWRITEBYTECODE: "1",
  };
  for (const name of NOT_INHERITED) delete environment[name as keyof typeof environment];
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { stdio: ["ignore", "pipe", "pipe"], env: environment });
    const stop = (signal: NodeJS.Signals) => {
      child.kill(signal);
      // Without a listener the signal would have ended us; it does so now that the child is told.
      process.off(signal, stop);
      process.kill(process.pid, signal);
    };
    const signals = ["SIGINT", "SIGTERM", "SIGHUP"] as const;
    for (const signal of signals) process.once(signal, stop);
    const out = lastLines(child.stdout, onLine);
    const errors = lastLines(child.stderr);
    const done = () => {
      for (const signal of signals) process.off(signal, stop);
    };
    child.once("error", (error) => {
      done();
      reject(error);
    });
    child.once("close", (code) => {
      done();
      resolve({ code, tail: errors.length > 0 ? errors : out });
    });
  });
}

function lastLines(stream: Readable, onLine: (line: string) => void = () => undefined): string[] {
  const last: string[] = [];
  createInterface({ input: stream }).on("line", (whole) => {
    const line = whole.slice(0, LINE_CHARACTERS_MAX).trimEnd();
    if (line === "") return;
    last.push(line);
    if (last.length > TAIL_LINES) last.shift();
    onLine(line);
  });
  return last;
}
