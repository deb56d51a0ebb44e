import { expect } from "chai";
import fc from "fast-check";
import { fillTemplate, normalizeText, searchText } from "../../../../src/encoder/text/normalize.ts";
import { pooledVectors } from "../../../../src/encoder/text/pool.ts";
import { createVectorCache } from "../../../../src/encoder/text/vector-cache.ts";
import { codeOf } from "../../../../src/kernel/errors.ts";

const failure = (work: () => unknown) => {
  try {
    return `gave ${String(work())}`;
  } catch (error) {
    return codeOf(error);
  }
};

describe("text before the tokenizer", () => {
  it("is normalized as NLTK's wordpunct tokenizer and Python's lower do", () => {
    const table: readonly (readonly [string, string])[] = [
      ["Lung nodule, 6.5mm (RUL).", "lung nodule , 6 . 5mm ( rul )."],
      ["it's  a\ttest_1 -- ok?!", "it ' s a test_1 -- ok ?!"],
      ["Größe µm ² naïve", "größe µm ² naïve"],
      ["", ""],
      ["...", "..."],
    ];
    for (const [given, expected] of table)
      expect(normalizeText(given, [{ op: "lower" }, { op: "wordpunctJoin" }])).to.equal(expected);
    expect(normalizeText('a "b" (c)', [{ op: "stripChars", characters: '"()' }])).to.equal("a b c");
  });

  it("changes nothing of its characters but white space when words are joined", () => {
    fc.assert(
      fc.property(fc.string({ unit: "grapheme", maxLength: 60 }), (text) => {
        const joined = normalizeText(text, [{ op: "wordpunctJoin" }]);
        expect(joined.replace(/\s/gu, "")).to.equal(text.replace(/\s/gu, ""));
        expect(normalizeText(joined, [{ op: "wordpunctJoin" }])).to.equal(joined);
      }),
    );
  });

  it("stands in a template as it is", () => {
    expect(fillTemplate("A {x} and {x}.", "$1 $& {x}")).to.equal("A $1 $& {x} and $1 $& {x}.");
  });

  it("of a search is bounded and one line", () => {
    expect(searchText("  pleural effusion \n")).to.equal("pleural effusion");
    expect(searchText("ä".repeat(2000))).to.have.length(2000);
    for (const hostile of [
      "",
      "   ",
      "a\nb",
      "a\u0000",
      "\u001b[31m",
      "a\u0085b",
      "\ud800",
      "x".repeat(2001),
    ])
      expect(
        failure(() => searchText(hostile)),
        JSON.stringify(hostile).slice(0, 20),
      ).to.equal("BAD_REQUEST");
  });
});

describe("pooling of a text tower's output", () => {
  // Two texts of three tokens, the second one with its filling on the left.
  const dims = [2, 3, 2];
  const data = Float32Array.from([3, 4, 0, 1, 9, 9, 8, 8, 0, 2, 6, 8]);
  const mask = Int32Array.from([1, 1, 0, 0, 1, 1]);
  const rounded = (vectors: readonly Float32Array[]) =>
    vectors.map((one) => Array.from(one, (value) => Math.round(value * 1e4) / 1e4));

  it("takes the tokens that are no filling, at unit length", () => {
    const of = (pool: "firstToken" | "lastToken" | "meanToken") =>
      rounded(pooledVectors({ dims, data }, mask, pool, 2));
    expect(of("firstToken")).to.deep.equal([
      [0.6, 0.8],
      [0, 1],
    ]);
    expect(of("lastToken")).to.deep.equal([
      [0, 1],
      [0.6, 0.8],
    ]);
    // Sums (3, 5) and (6, 10) are one direction.
    expect(of("meanToken")).to.deep.equal([
      [0.5145, 0.8575],
      [0.5145, 0.8575],
    ]);
    expect(rounded(pooledVectors({ dims: [2, 6], data }, mask, "none", 2))[0]).to.have.length(6);
  });

  it("refuses other dimensions, NaN and nothing", () => {
    const table: readonly (readonly [number[], Float32Array, "none" | "meanToken"])[] = [
      [[2, 3, 2], data, "none"],
      [[2, 6], data, "meanToken"],
      [[1, 3, 2], data, "meanToken"],
      [[2, 3, 2], data.slice(1), "meanToken"],
      [[2, 2, 3], data, "meanToken"],
      [[2, 3, 2], data.map(() => Number.NaN), "meanToken"],
      [[2, 3, 2], data.map(() => 0), "meanToken"],
      [[], data, "none"],
    ];
    for (const [shape, values, pool] of table)
      expect(
        failure(() => pooledVectors({ dims: shape, data: values }, mask, pool, 2)),
        `${shape} ${pool}`,
      ).to.equal("MODEL_OUTPUT_INVALID");
  });
});

describe("the cache of text vectors", () => {
  it("forgets what was not used for longest, and tells bundles apart", () => {
    const cache = createVectorCache(2);
    const [a, b, c] = [1, 2, 3].map((value) => Float32Array.of(value)) as [
      Float32Array,
      Float32Array,
      Float32Array,
    ];
    cache.put("x", "a", a);
    cache.put("x", "b", b);
    expect(cache.get("x", "a")).to.equal(a);
    cache.put("x", "c", c);
    expect(cache.get("x", "b")).to.equal(undefined);
    expect(cache.get("x", "a")).to.equal(a);
    expect(cache.get("y", "a")).to.equal(undefined);
  });
});
