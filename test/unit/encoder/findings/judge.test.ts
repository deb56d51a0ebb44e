import { expect } from "chai";
import {
  type JudgeData,
  judgeVolume,
  type ProfileAnswer,
  type SetVectors,
} from "../../../../src/encoder/findings/judge.ts";
import { csvRows } from "../../../../src/encoder/findings/labels.ts";
import { parseManifest } from "../../../../src/encoder/manifest.ts";
import { wholeManifest } from "../../../support/whole-manifest.ts";

const manifest = parseManifest(JSON.stringify(wholeManifest()));
const LABELS = manifest.labels![0]!.items!;
const unit = (at: number) => Float32Array.from({ length: 96 }, (_, i) => (i === at ? 1 : 0));
const row = (at: number) => Array.from(unit(at));
const output = (...values: number[]) => ({
  dims: [1, values.length],
  data: Float32Array.from(values),
});

const data: JudgeData = {
  manifest,
  labels: new Map([["pair", LABELS]]),
  weights: new Map([["probe", { weights: [row(0), row(1)], bias: [0, 0.5] }]]),
  // The guard measures the output itself: distance |(x, y)|.
  guard: {
    kind: "mahalanobis",
    mean: [0, 0],
    whitening: [
      [1, 0],
      [0, 1],
    ],
  },
};
const pair = (positive: number, negative: number) => ({
  positive: Float64Array.from(unit(positive)),
  negative: Float64Array.from(unit(negative)),
});
const prompts: SetVectors = new Map([
  ["short", [pair(0, 1), pair(1, 0)]],
  ["long", [pair(0, 1), pair(1, 0)]],
]);
const answer = (changes: Partial<ProfileAnswer["outputs"]> = {}): ProfileAnswer => ({
  vectors: [{ space: "global", vector: unit(0) }],
  outputs: {
    vector: { dims: [1, 96], data: unit(0) },
    "pool.logits.raw": output(2, -1),
    average: output(3, 4),
    ...(changes as ProfileAnswer["outputs"]),
  },
});
const judge = (
  given: ProfileAnswer | undefined,
  changes: Partial<JudgeData> = {},
  texts = prompts,
) =>
  judgeVolume(
    { ...data, ...changes },
    texts,
    new Map(given === undefined ? [] : [["default", given]]),
  );

describe("what a bundle says of a volume", () => {
  it("is a value a label of each head and set, with where it comes from", () => {
    const { guard, statement, findings, problems } = judge(answer());
    expect(guard).to.deep.equal({ kind: "mahalanobis", distance: 5, threshold: 12 });
    expect([statement, problems]).to.deep.equal([null, []]);
    const told = findings.map((one) => [
      one.source,
      one.sourceId,
      one.label.key,
      Math.round(one.value * 1e4) / 1e4,
      one.isLikelihood,
      one.isCalibrated,
      one.threshold,
    ]);
    expect(told).to.deep.equal([
      // Logits 1 and 0.5 by platt: sigmoid(1), sigmoid(2 · 0.5).
      ["head", "probe", "nodule", 0.7311, true, true, null],
      ["head", "probe", "effusion", 0.7311, true, true, null],
      ["head", "own", "nodule", 0.9526, true, true, null],
      ["head", "own", "effusion", 0.0474, true, true, null],
      // Margin 1, logit scale 10.
      ["zeroShot", "short", "nodule", 1, true, false, 0.5],
      ["zeroShot", "short", "effusion", 0, true, false, 0.5],
      ["zeroShot", "long", "nodule", 1, false, false, null],
      ["zeroShot", "long", "effusion", -1, false, false, null],
    ]);
    expect(findings[4]!.label.snomed?.code).to.equal("427359005");
  });

  it("is the guard's statement alone beyond its threshold, and everything at it", () => {
    const far = judge(answer({ average: output(12, 0.1) }));
    expect(far.findings).to.deep.equal([]);
    expect(far.statement).to.equal("This scan is unlike what the model was trained on.");
    expect(far.guard!.distance).to.be.above(12);
    expect(judge(answer({ average: output(12, 0) })).findings).to.have.length(8);
  });

  it("is nothing when the guard cannot be measured", () => {
    for (const given of [
      undefined,
      answer({ average: output(Number.NaN, 1) }),
      answer({ average: output(1) }),
      answer({ average: undefined as never }),
    ]) {
      const { guard, statement, findings } = judge(given);
      expect(findings).to.deep.equal([]);
      expect(guard!.distance).to.equal(null);
      expect(statement).to.include("could not be measured");
    }
  });

  it("leaves out what cannot be evaluated, says why, and keeps the rest", () => {
    const texts: SetVectors = new Map([
      ["long", [pair(0, 1), pair(1, 0)]],
      ["short", { problem: "the text tower did not prove itself" }],
    ]);
    const { findings, problems } = judge(
      answer({ "pool.logits.raw": output(Number.NaN, 0) }),
      {},
      texts,
    );
    expect([...new Set(findings.map((one) => one.sourceId))]).to.deep.equal(["probe", "long"]);
    expect(problems).to.deep.equal([
      "head own: A logit is no finite number",
      "prompts short: the text tower did not prove itself",
    ]);
  });

  it("says of a model without guard what it has, also when another profile failed", () => {
    const { guard: _, ...without } = manifest;
    const { findings, problems, statement } = judge(undefined, {
      manifest: without,
      guard: undefined,
    });
    expect([findings, statement]).to.deep.equal([[], null]);
    expect(problems).to.have.length(4);
  });
});

describe("CSV of labels", () => {
  it("is read as RFC 4180 writes it", () => {
    const table: readonly (readonly [string, string[][] | undefined])[] = [
      [
        "a,b\r\nc,d\r\n",
        [
          ["a", "b"],
          ["c", "d"],
        ],
      ],
      [
        '\uFEFF"a ""b"", c",d\n,\n',
        [
          ['a "b", c', "d"],
          ["", ""],
        ],
      ],
      [
        "a,b\n\n\nc,",
        [
          ["a", "b"],
          ["c", ""],
        ],
      ],
      ['"two\nlines",x', [["two\nlines", "x"]]],
      ['a"b,c', undefined],
      ['"a', undefined],
      ['"a"b', undefined],
      ["", []],
    ];
    for (const [text, rows] of table)
      expect(csvRows(text), JSON.stringify(text)).to.deep.equal(rows);
  });
});
