import { expect } from "chai";
import fc from "fast-check";
import {
  areLikelihoods,
  headValues,
  interpolate,
  linearLogits,
} from "../../../../src/encoder/findings/heads.ts";
import type { Head } from "../../../../src/encoder/manifest.ts";
import { codeOf } from "../../../../src/kernel/errors.ts";

type Values = Pick<Head, "activation" | "calibration">;
const failure = (work: () => unknown) => {
  try {
    return `gave ${String(work())}`;
  } catch (error) {
    return codeOf(error);
  }
};
const close = (actual: readonly number[], expected: readonly number[]) => {
  expect(actual).to.have.length(expected.length);
  for (const [i, value] of expected.entries()) expect(actual[i]).to.be.closeTo(value, 1e-9);
};

/** A curve as a manifest may have it: x rises, y does not fall. */
const curves = fc
  .uniqueArray(fc.integer({ min: -1000, max: 1000 }), { minLength: 2, maxLength: 9 })
  .chain((x) =>
    fc
      .array(fc.double({ min: 0, max: 1, noNaN: true }), {
        minLength: x.length,
        maxLength: x.length,
      })
      .map((y) => ({
        x: x.sort((a, b) => a - b).map((one) => one / 100),
        y: y.sort((a, b) => a - b),
      })),
  );

// Logits 2 and −1, each computed by hand.
// biome-ignore format: a table reads best in rows
const BY_HAND: readonly (readonly [string, Values, readonly number[]])[] = [
  ["no activation", { activation: "none" }, [2, -1]],
  ["sigmoid", { activation: "sigmoid" }, [0.880797077978, 0.268941421370]],
  ["softmax", { activation: "softmax" }, [0.952574126822, 0.047425873178]],
  ["sigmoid at temperature 2", { activation: "sigmoid", calibration: { kind: "temperature", temperature: 2 } }, [0.731058578630, 0.377540668798]],
  ["softmax at temperature 3", { activation: "softmax", calibration: { kind: "temperature", temperature: 3 } }, [0.731058578630, 0.268941421370]],
  ["platt, one for all", { activation: "sigmoid", calibration: { kind: "platt", slope: [0.5], intercept: [-1] } }, [0.5, 0.182425523806]],
  ["platt, one a label", { activation: "sigmoid", calibration: { kind: "platt", slope: [0.5, 2], intercept: [-1, 2] } }, [0.5, 0.5]],
  ["isotonic on the logit", { activation: "none", calibration: { kind: "isotonic", curves: [{ x: [0, 4], y: [0.1, 0.9] }] } }, [0.5, 0.1]],
  ["isotonic after sigmoid, a curve a label", { activation: "sigmoid", calibration: { kind: "isotonic", curves: [{ x: [0, 1], y: [1, 1] }, { x: [0, 1], y: [0, 0.5] }] } }, [1, 0.134470710685]],
];

describe("heads", () => {
  it("are weights times vector plus bias", () => {
    const weights = [
      [1, 2, 3],
      [-1, 0, 0.5],
    ];
    const logits = linearLogits(Float32Array.from([0.5, -1, 2]), { weights, bias: [0.25, 10] });
    expect(logits).to.deep.equal([4.75, 10.5]);
  });

  for (const [title, head, expected] of BY_HAND)
    it(`give the values computed by hand: ${title}`, () =>
      close(headValues([2, -1], 2, head), expected));

  it("do not overflow with logits of any size", () => {
    close(headValues([5000, -5000], 2, { activation: "sigmoid" }), [1, 0]);
    close(headValues([5000, 5000], 2, { activation: "softmax" }), [0.5, 0.5]);
  });

  it("refuse NaN, infinity and another number of logits than of labels", () => {
    const activations = ["none", "sigmoid", "softmax"] as const;
    for (const activation of activations) {
      expect(failure(() => headValues([Number.NaN, 0], 2, { activation }))).to.equal(
        "MODEL_OUTPUT_INVALID",
      );
      expect(failure(() => headValues([0, Number.POSITIVE_INFINITY], 2, { activation }))).to.equal(
        "MODEL_OUTPUT_INVALID",
      );
      expect(failure(() => headValues([0], 2, { activation }))).to.equal("MODEL_OUTPUT_INVALID");
    }
    const two = Float32Array.from([1, 2]);
    expect(failure(() => linearLogits(two, { weights: [[1, 2, 3]], bias: [0] }))).to.equal(
      "MODEL_OUTPUT_INVALID",
    );
  });

  it("interpolate through every point of the curve, monotonely, within 0 and 1, level beyond its ends", () => {
    const at = fc.double({ min: -12, max: 12, noNaN: true });
    fc.assert(
      fc.property(curves, at, at, (curve, a, b) => {
        const [low, high] = a < b ? [a, b] : [b, a];
        expect(interpolate(curve, low)).to.be.at.most(interpolate(curve, high));
        expect(interpolate(curve, a)).to.be.within(curve.y[0]!, curve.y.at(-1)!);
        for (const [i, x] of curve.x.entries())
          expect(interpolate(curve, x)).to.be.closeTo(curve.y[i]!, 1e-12);
        expect(interpolate(curve, -1e6)).to.equal(curve.y[0]);
        expect(interpolate(curve, 1e6)).to.equal(curve.y.at(-1));
      }),
    );
  });

  it("keep the order of logits through sigmoid, temperature and softmax, which sums to 1", () => {
    const logits = fc.array(fc.double({ min: -50, max: 50, noNaN: true }), {
      minLength: 1,
      maxLength: 20,
    });
    const temperature = fc.double({ min: 0.1, max: 50, noNaN: true });
    fc.assert(
      fc.property(
        logits,
        temperature,
        fc.constantFrom("sigmoid" as const, "softmax" as const),
        (given, t, activation) => {
          const calibration = { kind: "temperature", temperature: t } as const;
          const values = headValues(given, given.length, { activation, calibration });
          for (const [i, value] of values.entries())
            for (const [j, other] of values.entries())
              if (given[i]! > given[j]!) expect(value).to.be.at.least(other);
          if (activation === "softmax")
            expect(values.reduce((sum, one) => sum + one, 0)).to.be.closeTo(1, 1e-9);
        },
      ),
    );
  });

  it("call only what lies within 0 and 1 a likelihood", () => {
    const head = (changes: Values): Head => ({
      id: "h",
      kind: "graph",
      profile: "p",
      input: "x.y",
      labels: "l",
      ...changes,
    });
    for (const [, changes] of BY_HAND.slice(1, -1))
      expect(areLikelihoods(head(changes))).to.equal(true);
    expect(areLikelihoods(head({ activation: "none" }))).to.equal(false);
  });
});
