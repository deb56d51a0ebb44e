/**
 * Folding of person names, so that a name is found without regard to case, accents and width. PS3.4 C.2.2.2.1 and
 * C.2.2.2.4 leave the matching of PN to the implementation; this is ours, the same at receipt and for a key:
 * compatibility decomposition (NFKD: half-width kana, full-width letters), combining diacritical marks
 * U+0300–U+036F taken out, full case folding (ß is ss, final sigma is sigma), recomposition (NFC). Marks of other
 * scripts stay: か and が, 홍 and 호 are different letters. Letters that Unicode does not decompose (ø, ł) stay too.
 */

/** Alphabetic, ideographic and phonetic. PS3.5 6.2.1.2. */
export const NAME_GROUPS = 3;
/** A folded group is cut here, so that it always fits an index entry (2,704 bytes). */
const GROUP_CHARACTERS_MAX = 320;

const DIACRITICAL_MARKS = /[\u0300-\u036f]/g;

/** Folds text in which `^`, `=` and wildcards have no meaning; spaces run together but are not trimmed. */
export function foldText(text: string): string {
  return (
    text
      .normalize("NFKD")
      .replace(DIACRITICAL_MARKS, "")
      .toUpperCase()
      .toLowerCase()
      .replace(/ς/g, "σ")
      .normalize("NFC")
      // Full-width ＾ and ＝ become the delimiters here, which they were not.
      .replace(/[\s^=]+/g, " ")
  );
}

/** The groups of a name, folded: components joined by `^`, empty ones at the end left out; always three. */
export function foldNameGroups(name: string): [string, string, string] {
  const groups = name.split("=").map((group) => {
    const components = group.split("^").map((component) => foldText(component).trim());
    const folded = components.join("^").replace(/\^+$/, "");
    return [...folded].slice(0, GROUP_CHARACTERS_MAX).join("");
  });
  return [groups[0] ?? "", groups[1] ?? "", groups[2] ?? ""];
}

/** The folded name as it is kept for searching: its groups joined by `=`, empty ones at the end left out. */
export function foldName(name: string): string {
  return foldNameGroups(name).join("=").replace(/=+$/, "");
}
