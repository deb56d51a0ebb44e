/**
 * Text from outside made safe for a value representation (PS3.5 6.2): no control characters, no backslash where it
 * would split the value, no direction overrides, cut at whole characters. Identifiers are not cleaned but refused,
 * see `header.ts`: a changed identifier files a report with the wrong patient.
 */

// Control characters, and the Unicode marks that reorder or hide text.
const UNSAFE = /[\p{Cc}\u200b\u2028-\u202e\u2060\u2066-\u2069\ufeff]/gu;

/** One line of at most `charactersMax` characters for LO, SH and the like; the backslash becomes a slash. */
export function cleanLine(text: string, charactersMax: number): string {
  // Far longer than any VR, so that hostile text costs nothing to clean.
  const bounded = text.slice(0, charactersMax * 8);
  const plain = bounded
    .toWellFormed()
    .replace(UNSAFE, " ")
    .replaceAll("\\", "/")
    .replace(/\s+/g, " ");
  return cut(plain.trim(), charactersMax).trimEnd();
}

/** Several lines for UT: lines cleaned one by one and joined with CR LF, which every viewer breaks at. */
export function cleanParagraph(lines: readonly string[], charactersMax: number): string {
  const clean = lines.map((line) =>
    line.slice(0, charactersMax).toWellFormed().replace(UNSAFE, " ").trimEnd(),
  );
  return cut(clean.join("\r\n"), charactersMax).trimEnd();
}

/**
 * A person name (PN): at most three representations of at most 64 characters and five components each
 * (PS3.5 6.2.1). An empty name stays empty.
 */
export function cleanPersonName(name: string): string {
  const groups = name
    .slice(0, 1_024)
    .split("=")
    .slice(0, 3)
    .map((group) => {
      const components = group
        .split("^")
        .slice(0, 5)
        .map((component) => cleanLine(component, 64));
      return cut(components.join("^").replace(/\^+$/, ""), 64).replace(/[\^ ]+$/, "");
    });
  return groups.join("=").replace(/=+$/, "");
}

/** A DA value that is a day of the calendar, or "". */
export function cleanDate(date: string): string {
  if (!/^\d{8}$/.test(date)) return "";
  const [year, month, day] = [date.slice(0, 4), date.slice(4, 6), date.slice(6)];
  const parsed = new Date(`${year}-${month}-${day}T00:00:00Z`);
  const isReal = !Number.isNaN(parsed.getTime()) && parsed.getUTCDate() === Number(day);
  return isReal ? date : "";
}

/** A TM value, or "". */
export function cleanTime(time: string): string {
  return /^(?:[01]\d|2[0-3])(?:[0-5]\d(?:[0-5]\d(?:\.\d{1,6})?)?)?$/.test(time) ? time : "";
}

/** True for text that LO or SH holds unchanged: one value, one line, short enough. */
export function isPlainLine(text: string, charactersMax: number): boolean {
  return (
    text.length <= charactersMax * 2 &&
    Array.from(text).length <= charactersMax &&
    text.isWellFormed() &&
    !/[\p{Cc}\\]/u.test(text)
  );
}

function cut(text: string, charactersMax: number): string {
  const characters = text.length > charactersMax ? Array.from(text) : undefined;
  return characters === undefined || characters.length <= charactersMax
    ? text
    : characters.slice(0, charactersMax).join("");
}
