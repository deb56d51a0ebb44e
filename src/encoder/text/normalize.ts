/** Text before the tokenizer: bounds for what people ask, templates, and the steps of `text.normalizeText`. */
import { KindredError } from "../../kernel/errors.ts";
import { TEXT_QUERY_CHARACTERS_MAX } from "../../kernel/limits.ts";
import type { TextTower } from "../manifest.ts";

export type NormalizeStep = NonNullable<
  Extract<TextTower, { kind: "tower" }>["normalizeText"]
>[number];

/**
 * What somebody wants to search for, white space around it cut off.
 *
 * @throws KindredError `BAD_REQUEST` when it is empty, longer than {@link TEXT_QUERY_CHARACTERS_MAX} or holds control
 *   characters or half a surrogate pair
 */
export function searchText(given: string): string {
  if (given.length > TEXT_QUERY_CHARACTERS_MAX)
    throw new KindredError(
      "BAD_REQUEST",
      `The text has ${given.length} characters; at most ${TEXT_QUERY_CHARACTERS_MAX} are allowed`,
    );
  const text = given.trim();
  if (text === "") throw new KindredError("BAD_REQUEST", "Give a text to search for: it is empty");
  if (/[\p{Cc}\p{Cs}]/u.test(text))
    throw new KindredError(
      "BAD_REQUEST",
      "The text must be one line without control characters: remove them",
    );
  return text;
}

/** A template with the text in the place of each `{x}`. */
export function fillTemplate(template: string, text: string): string {
  return template.replaceAll("{x}", () => text);
}

/**
 * The steps in their order. `wordpunctJoin` splits as NLTK's wordpunct tokenizer does, with the word characters of
 * Python's `re`: letters, numbers and the underscore.
 */
export function normalizeText(text: string, steps: readonly NormalizeStep[] = []): string {
  let result = text;
  for (const step of steps) {
    if (step.op === "lower") result = result.toLowerCase();
    else if (step.op === "stripChars") {
      const unwanted = new Set(step.characters);
      result = [...result].filter((character) => !unwanted.has(character)).join("");
    } else result = (result.match(/[\p{L}\p{N}_]+|[^\p{L}\p{N}_\s]+/gu) ?? []).join(" ");
  }
  return result;
}
