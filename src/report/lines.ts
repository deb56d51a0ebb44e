/** Lines of text as the sections of a report are made of. */
import { grouped } from "./decimal.ts";

/** Keeps the text tree narrow enough for a viewport beside others. */
const LINE_CHARACTERS_MAX = 96;

export interface Section {
  readonly heading: string;
  readonly lines: readonly string[];
}

/** `1 patient`, `1,204 patients`. */
export function plural(count: number, noun: string): string {
  return `${grouped(count)} ${noun}${count === 1 ? "" : "s"}`;
}

/** Breaks a sentence between words; further lines are indented by two. */
export function wrap(text: string): string[] {
  const lines: string[] = [];
  let line = "";
  for (const word of text.split(" ")) {
    if (line !== "" && line.length + 1 + word.length > LINE_CHARACTERS_MAX) {
      lines.push(line);
      line = `  ${word}`;
    } else {
      line = line === "" ? word : `${line} ${word}`;
    }
  }
  return [...lines, line];
}
