import { copyFile, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import fc from "fast-check";
import { cut, openTokens } from "../../../../src/encoder/text/tokens.ts";
import { codeOf, messageOf } from "../../../../src/kernel/errors.ts";
import { EXPECTED, languageFile } from "../../../support/language-bundle.ts";
import { smallTokenizer } from "../../../support/small-tokenizer.ts";

const ids = (values: Int32Array) => Array.from(values);

describe("tokens of a text tower", () => {
  let folder: string;
  const tower = (changes: object = {}, normalizeText: { op: "lower" }[] = []) => ({
    kind: "tower" as const,
    graph: "text",
    output: "vector",
    pool: "none" as const,
    normalizeText,
    tokenizer: {
      kind: "tokenizer.json" as const,
      file: "tokenizer.json",
      maxTokens: 6,
      pad: "longest" as const,
      ...changes,
    },
  });
  const write = (json: unknown, name = "tokenizer.json") =>
    writeFile(join(folder, name), typeof json === "string" ? json : JSON.stringify(json));
  const refusal = (settings = tower()) =>
    openTokens(folder, settings).then(
      () => "it was accepted",
      (error: unknown) => `${codeOf(error)}: ${messageOf(error)}`,
    );

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "kindred-tokens-"));
    await write(smallTokenizer());
  });
  afterEach(() => rm(folder, { recursive: true, force: true }));

  it("stand between the special tokens, shorter texts filled to the longest", async () => {
    const tokens = await openTokens(folder, tower());
    const rows = tokens.rowsOf(["No lung nodule.", "Effusion"]);
    expect(rows).to.include({ rows: 2, length: 6 });
    expect(ids(rows.ids)).to.deep.equal([2, 4, 5, 6, 8, 3, 2, 7, 3, 0, 0, 0]);
    expect(ids(rows.mask)).to.deep.equal([1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0]);
  });

  it("are filled to the largest number, on the side and with the token that the tokenizer says", async () => {
    await write(smallTokenizer({ padding: { direction: "Left", pad_id: 9, pad_token: "a" } }));
    const rows = (await openTokens(folder, tower({ pad: "max" }))).rowsOf(["effusion"]);
    expect(ids(rows.ids)).to.deep.equal([9, 9, 9, 2, 7, 3]);
    expect(ids(rows.mask)).to.deep.equal([0, 0, 0, 1, 1, 1]);
  });

  it("are filled with what tokenizer_config.json names", async () => {
    await write({ pad_token: { content: "a" }, padding_side: "left" }, "config.json");
    const rows = (await openTokens(folder, tower({ pad: "max", config: "config.json" }))).rowsOf([
      "lung",
    ]);
    expect(ids(rows.ids)).to.deep.equal([9, 9, 9, 2, 5, 3]);
  });

  it("are cut at the end of the text, special tokens kept", async () => {
    const tokens = await openTokens(folder, tower());
    const rows = tokens.rowsOf(["no lung nodule effusion a lung nodule"]);
    expect(ids(rows.ids)).to.deep.equal([2, 4, 5, 6, 7, 3]);
    // [CLS] and [SEP] of the text itself are the special tokens of the vocabulary: they are cut as words are.
    expect(ids(tokens.rowsOf(["[SEP] [CLS] [SEP] [CLS] [SEP] [CLS]"]).ids)).to.deep.equal([
      2, 3, 2, 3, 2, 3,
    ]);
  });

  for (const [name, texts] of Object.entries(EXPECTED.tokens))
    it(`are those of the tokenizers library, whole and cut: ${name}`, async () => {
      await copyFile(languageFile(`${name}.json`), join(folder, "tokenizer.json"));
      const open = (maxTokens: number) => openTokens(folder, tower({ maxTokens, pad: "none" }));
      const [whole, short] = [await open(1000), await open(EXPECTED.max)];
      for (const one of texts) {
        expect(ids(whole.rowsOf([one.text]).ids), one.text).to.deep.equal(one.ids);
        expect(ids(short.rowsOf([one.text]).ids), one.text).to.deep.equal(one.cut);
      }
    });

  it("keep what surrounds a text of any length, and never more than the most", () => {
    const word = fc.integer({ min: 10, max: 99 });
    fc.assert(
      fc.property(
        fc.array(word, { maxLength: 30 }),
        fc.integer({ min: 0, max: 2 }),
        fc.integer({ min: 0, max: 2 }),
        fc.integer({ min: 1, max: 20 }),
        (bare, before, after, most) => {
          const around = [Array(before).fill(1), Array(after).fill(2)] as const;
          const result = cut([...around[0], ...bare, ...around[1]], bare, most);
          expect(result).to.have.length(
            Math.min(most, Math.max(before + after, Math.min(most, before + after + bare.length))),
          );
          if (most < before + after) return;
          expect(result).to.deep.equal([
            ...around[0],
            ...bare.slice(0, most - before - after),
            ...around[1],
          ]);
        },
      ),
    );
  });

  it("without a filling token stand alone, and a text that leaves none is refused", async () => {
    await write(smallTokenizer({ post_processor: null }));
    const tokens = await openTokens(folder, tower({ pad: "none" }));
    expect(tokens.fills).to.equal(false);
    expect(ids(tokens.rowsOf(["lung nodule"]).ids)).to.deep.equal([5, 6]);
    expect(() => tokens.rowsOf(["  "])).to.throw("no word that the model knows");
  });

  it("refuse files that are no tokenizer, with the file's name", async () => {
    const table: readonly (readonly [unknown, string])[] = [
      ["{", "tokenizer.json cannot be used"],
      ["[]", "one JSON object"],
      ["null", "one JSON object"],
      [{}, "tokenizer.json cannot be used"],
      [smallTokenizer({ model: { type: "Quantum" } }), "tokenizer.json cannot be used"],
      [
        smallTokenizer({ pre_tokenizer: { type: "Split", pattern: { Regex: "(" } } }),
        "tokenizer.json cannot be used",
      ],
    ];
    for (const [json, words] of table) {
      await write(json);
      expect(await refusal())
        .to.include("MODEL_INVALID")
        .and.include(words);
    }
    const bare = smallTokenizer({ added_tokens: [] }) as { model: { vocab: object } };
    bare.model.vocab = { "[UNK]": 0, lung: 1 };
    await write(bare);
    expect(await refusal()).to.include("names no token to fill with");
  });
});
