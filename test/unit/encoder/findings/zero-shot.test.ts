import { expect } from "chai";
import fc from "fast-check";
import { aggregate, promptsOf, scoreOf } from "../../../../src/encoder/findings/zero-shot.ts";
import type { ZeroShotSet } from "../../../../src/encoder/manifest.ts";
import { codeOf, messageOf } from "../../../../src/kernel/errors.ts";

const set = (changes: Partial<ZeroShotSet> = {}): ZeroShotSet => ({
  id: "set",
  space: "global",
  labels: "list",
  prompts: { kind: "templates", positive: ["{x}", "There is {x}."], negative: ["No {x}"] },
  aggregate: "meanVector",
  score: "softmaxPair",
  ...changes,
});
const LABELS = [
  { key: "nodule", name: "lung nodule" },
  { key: "odd", name: "$& {x}" },
];
const vector = (...values: number[]) => Float32Array.from(values);
const side = (...values: number[]) => Float64Array.from(values);

/** Vectors of unit length of some dimension. */
const units = (count: number) =>
  fc.integer({ min: 2, max: 12 }).chain((dimension) =>
    fc.array(
      fc
        .array(fc.double({ min: -1, max: 1, noNaN: true }), {
          minLength: dimension,
          maxLength: dimension,
        })
        .filter((values) => Math.hypot(...values) > 0.1)
        .map((values) => Float32Array.from(values, (one) => one / Math.hypot(...values))),
      { minLength: count, maxLength: count },
    ),
  );

describe("zero-shot", () => {
  it("fills templates with the label's name as it is", () => {
    expect(promptsOf(set(), LABELS, undefined)).to.deep.equal([
      { positive: ["lung nodule", "There is lung nodule."], negative: ["No lung nodule"] },
      { positive: ["$& {x}", "There is $& {x}."], negative: ["No $& {x}"] },
    ]);
  });

  it("takes whole prompts of a file by key, and says which label has none", () => {
    const prompts = { kind: "file", file: "prompts.json" } as const;
    const file = new Map([["nodule", { positive: ["a"], negative: ["b"] }]]);
    expect(promptsOf(set({ prompts }), LABELS.slice(0, 1), file)).to.deep.equal([
      { positive: ["a"], negative: ["b"] },
    ]);
    try {
      promptsOf(set({ prompts }), LABELS, file);
      expect.fail("it was accepted");
    } catch (error) {
      expect(messageOf(error)).to.equal("prompts.json has no prompts for the label odd");
    }
  });

  it("scores as computed by hand", () => {
    // Cosines 0.6 and 0.2, margin 0.4; e^0.6 / (e^0.6 + e^0.2) = 1 / (1 + e^-0.4) = 0.598687660112.
    const pair = { positive: side(0.6, 0.8), negative: side(0.2, Math.sqrt(0.96)) };
    const image = vector(1, 0);
    expect(scoreOf(image, pair, set({ score: "cosineMargin" }))).to.be.closeTo(0.4, 1e-12);
    expect(scoreOf(image, pair, set())).to.be.closeTo(0.598687660112, 1e-11);
    // Scale 10: e^6 / (e^6 + e^2) = 1 / (1 + e^-4) = 0.982013790038.
    expect(scoreOf(image, pair, set({ logitScale: 10 }))).to.be.closeTo(0.982013790038, 1e-11);
    const sigmoid = set({ score: "sigmoidMargin", logitScale: 10 });
    expect(scoreOf(image, pair, sigmoid)).to.be.closeTo(0.982013790038, 1e-11);
  });

  it("makes mean vectors of unit length, and of mean cosines the mean of the cosines", () => {
    fc.assert(
      fc.property(units(4), ([image, ...prompts]) => {
        const cosines = prompts.map((one) => one.reduce((sum, x, i) => sum + x * image![i]!, 0));
        const mean = cosines.reduce((sum, x) => sum + x, 0) / cosines.length;
        const nothing = new Float64Array(image!.length);
        const pair = { positive: aggregate(prompts, "meanCosine"), negative: nothing };
        const score = scoreOf(image!, pair, set({ score: "cosineMargin" }));
        expect(score).to.be.closeTo(mean, 1e-6);
        if (Math.hypot(...aggregate(prompts, "meanCosine")) < 1e-3) return;
        expect(Math.hypot(...aggregate(prompts, "meanVector"))).to.be.closeTo(1, 1e-9);
      }),
    );
  });

  it("ranks labels the same whatever the scale, stays within 0 and 1, and turns around with its prompts", () => {
    fc.assert(
      fc.property(units(4), fc.double({ min: 0.01, max: 100, noNaN: true }), (all, logitScale) => {
        const [image, a, b, c] = all;
        const pairs = [a, b, c].map((one, i) => ({
          positive: aggregate([one!], "meanVector"),
          negative: aggregate([all[1 + ((i + 1) % 3)]!], "meanVector"),
        }));
        const margins = pairs.map((one) => scoreOf(image!, one, set({ score: "cosineMargin" })));
        const scores = pairs.map((one) => scoreOf(image!, one, set({ logitScale })));
        for (const [i, score] of scores.entries()) {
          expect(score).to.be.within(0, 1);
          const { positive, negative } = pairs[i]!;
          const turned = { positive: negative, negative: positive };
          expect(scoreOf(image!, turned, set({ logitScale }))).to.be.closeTo(1 - score, 1e-12);
          for (const [j, other] of scores.entries())
            if (margins[i]! > margins[j]!) expect(score).to.be.at.least(other);
        }
      }),
    );
  });

  it("refuses NaN, vectors of another length, and prompts that cancel out", () => {
    const pair = { positive: side(1, 0), negative: side(0, 1) };
    const code = (work: () => unknown) => {
      try {
        return `gave ${String(work())}`;
      } catch (error) {
        return codeOf(error);
      }
    };
    for (const score of ["softmaxPair", "sigmoidMargin", "cosineMargin"] as const) {
      expect(code(() => scoreOf(vector(Number.NaN, 1), pair, set({ score })))).to.equal(
        "MODEL_OUTPUT_INVALID",
      );
      expect(code(() => scoreOf(vector(1, 0, 0), pair, set({ score })))).to.equal(
        "MODEL_OUTPUT_INVALID",
      );
    }
    expect(code(() => aggregate([vector(1, 0), vector(-1, 0)], "meanVector"))).to.equal(
      "MODEL_OUTPUT_INVALID",
    );
  });
});
