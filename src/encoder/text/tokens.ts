/** `tokenizer.json` of a bundle: texts → ids and masks of one length, as the manifest says. */
import { readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { Tokenizer } from "@huggingface/tokenizers";
import { KindredError, messageOf } from "../../kernel/errors.ts";
import type { TextTower } from "../manifest.ts";
import { normalizeText } from "./normalize.ts";

type Tower = Extract<TextTower, { kind: "tower" }>;

/** A vocabulary of 250,000 words with merges; the largest in use have 20 MB. */
const TOKENIZER_BYTES_MAX = 67_108_864;

/** Rows of one length: `ids` and `mask` are `[texts][length]` flattened; the mask is 1 where a token is no filling. */
export interface TokenRows {
  readonly ids: Int32Array;
  readonly mask: Int32Array;
  readonly rows: number;
  readonly length: number;
}

export interface TextTokens {
  /**
   * @param texts - as they are asked; `normalizeText` of the manifest is applied here
   * @throws KindredError `BAD_REQUEST` when a text has no token at all
   */
  rowsOf(texts: readonly string[]): TokenRows;
  /** Texts that can stand in one run: 1 where nothing fills shorter ones, unless they are equally long. */
  readonly fills: boolean;
}

/** @throws KindredError `MODEL_INVALID` when the files are no tokenizer that the library reads, or lack a token to fill with */
export async function openTokens(folder: string, tower: Tower): Promise<TextTokens> {
  const { file, config, maxTokens, pad } = tower.tokenizer;
  const json = await readJson(folder, file);
  const settings = config === undefined ? {} : await readJson(folder, config);
  const library = asInvalid(file, () => new Tokenizer(json, settings));
  const filling = pad === "none" ? undefined : fillingOf(json, settings, library);
  if (pad !== "none" && filling === undefined)
    throw new KindredError(
      "MODEL_INVALID",
      `${file} names no token to fill with: give it a padding, or set tokenizer.pad to none`,
    );
  const encode = (text: string): number[] => {
    const line = normalizeText(text, tower.normalizeText);
    const whole = asInvalid(file, () => library.encode(line).ids);
    if (whole.length <= maxTokens) return whole;
    const bare = asInvalid(file, () => library.encode(line, { add_special_tokens: false }).ids);
    return cut(whole, bare, maxTokens);
  };
  return {
    fills: filling !== undefined,
    rowsOf(texts) {
      const rows = texts.map(encode);
      if (rows.some((row) => row.length === 0))
        throw new KindredError("BAD_REQUEST", "The text has no word that the model knows");
      const longest = Math.max(...rows.map((row) => row.length));
      const length = pad === "max" ? maxTokens : longest;
      const ids = new Int32Array(rows.length * length).fill(filling?.id ?? 0);
      const mask = new Int32Array(rows.length * length);
      for (const [i, row] of rows.entries()) {
        if (filling === undefined && row.length !== length)
          throw new KindredError("INTERNAL", "Texts of unequal length cannot stand in one run");
        const start = i * length + (filling?.isLeft ? length - row.length : 0);
        ids.set(row, start);
        mask.fill(1, start, start + row.length);
      }
      return { ids, mask, rows: rows.length, length };
    },
  };
}

/**
 * Cuts at the end, and keeps the special tokens around: with them the text has at most `most` tokens.
 *
 * @param whole - with special tokens
 * @param bare - the same text without
 */
export function cut(whole: readonly number[], bare: readonly number[], most: number): number[] {
  const around = whole.length - bare.length;
  for (let before = 0; before <= around; before++) {
    if (!bare.every((id, i) => whole[before + i] === id)) continue;
    const after = whole.slice(before + bare.length);
    const room = Math.max(0, most - around);
    return [...whole.slice(0, before), ...bare.slice(0, room), ...after].slice(0, most);
  }
  // Special tokens inside the text: no rule says which go first.
  return whole.slice(0, most);
}

interface Filling {
  readonly id: number;
  readonly isLeft: boolean;
}

type Json = Readonly<Record<string, unknown>>;

/** The padding of tokenizer.json, else what its configuration names, else a token with one of the usual names. */
function fillingOf(json: Json, settings: Json, library: Tokenizer): Filling | undefined {
  const padding = (json.padding ?? {}) as Json;
  const isLeft =
    String(padding.direction ?? settings.padding_side ?? "right").toLowerCase() === "left";
  const id = padding.pad_id;
  if (typeof id === "number" && Number.isInteger(id) && id >= 0 && id < 2 ** 31)
    return { id, isLeft };
  const named = settings.pad_token;
  const given = typeof named === "string" ? named : (named as Json | null | undefined)?.content;
  for (const token of [given, "[PAD]", "<pad>", "<|endoftext|>"]) {
    const found = typeof token === "string" ? library.token_to_id(token) : undefined;
    if (found !== undefined) return { id: found, isLeft };
  }
  return undefined;
}

async function readJson(folder: string, name: string): Promise<Json> {
  const path = join(folder, name);
  const { size } = await stat(path);
  if (size > TOKENIZER_BYTES_MAX)
    throw new KindredError(
      "MODEL_INVALID",
      `${name} is larger than ${TOKENIZER_BYTES_MAX} bytes: it is no tokenizer`,
    );
  const text = await readFile(path, "utf8");
  const json: unknown = asInvalid(name, () => JSON.parse(text));
  if (typeof json !== "object" || json === null || Array.isArray(json))
    throw new KindredError("MODEL_INVALID", `${name} must hold one JSON object`);
  return json as Json;
}

/** The library throws plain errors about what it cannot read. */
function asInvalid<T>(name: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    throw new KindredError("MODEL_INVALID", `${name} cannot be used: ${messageOf(error)}`, {
      cause: error,
    });
  }
}
