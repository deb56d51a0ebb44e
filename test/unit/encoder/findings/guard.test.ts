import { expect } from "chai";
import fc from "fast-check";
import { guardDistance } from "../../../../src/encoder/findings/guard.ts";
import { codeOf } from "../../../../src/kernel/errors.ts";

const failure = (work: () => unknown) => {
  try {
    return `gave ${String(work())}`;
  } catch (error) {
    return codeOf(error);
  }
};

describe("the out-of-domain guard", () => {
  it("measures as computed by hand", () => {
    const values = Float32Array.from([4, 6]);
    // Offset (3, 4); whitened (3/1, 4/2) = (3, 2), length √13; with one component 3 + 4 = 7.
    const whitening = [
      [1, 0],
      [0, 0.5],
    ];
    const mean = [1, 2];
    expect(guardDistance(values, { kind: "mahalanobis", mean, whitening })).to.be.closeTo(
      Math.sqrt(13),
      1e-12,
    );
    expect(guardDistance(values, { kind: "mahalanobis", mean, whitening: [[1, 1]] })).to.equal(7);
    // Cosines with (1, 0) and (0, 3): 4/√52 and 6/√52.
    const centroids = [
      [1, 0],
      [0, 3],
    ];
    expect(guardDistance(values, { kind: "cosine-centroid", centroids })).to.be.closeTo(
      1 - 6 / Math.sqrt(52),
      1e-12,
    );
  });

  it("is 0 at the mean, grows with the distance from it, and knows no length where it measures angles", () => {
    const values = fc
      .array(fc.integer({ min: -100, max: 100 }), { minLength: 3, maxLength: 3 })
      .filter((one) => Math.hypot(...one) > 1);
    fc.assert(
      fc.property(values, values, fc.integer({ min: 1, max: 50 }), (mean, step, times) => {
        const whitening = [0, 1, 2].map((i) => [0, 1, 2].map((j) => (i === j ? i + 1 : 0)));
        const at = (factor: number) =>
          guardDistance(
            Float32Array.from(mean, (one, i) => one + factor * step[i]!),
            { kind: "mahalanobis", mean, whitening },
          );
        expect(at(0)).to.equal(0);
        expect(at(times)).to.be.closeTo(times * at(1), 1e-6 * times * at(1));
        const angle = (factor: number) =>
          guardDistance(
            Float32Array.from(step, (one) => factor * one),
            { kind: "cosine-centroid", centroids: [mean] },
          );
        expect(angle(times)).to.be.closeTo(angle(1), 1e-9);
        expect(angle(1)).to.be.within(0, 2);
      }),
    );
  });

  it("refuses NaN, no direction, and vectors of another size", () => {
    const mahalanobis = { kind: "mahalanobis", mean: [0, 0], whitening: [[1, 0]] } as const;
    const centroid = { kind: "cosine-centroid", centroids: [[1, 0]] } as const;
    for (const statistics of [mahalanobis, centroid]) {
      expect(failure(() => guardDistance(Float32Array.from([Number.NaN, 1]), statistics))).to.equal(
        "MODEL_OUTPUT_INVALID",
      );
      expect(failure(() => guardDistance(Float32Array.from([1]), statistics))).to.equal(
        "MODEL_OUTPUT_INVALID",
      );
      expect(failure(() => guardDistance(Float32Array.from([1, 2, 3]), statistics))).to.equal(
        "MODEL_OUTPUT_INVALID",
      );
    }
    expect(failure(() => guardDistance(Float32Array.from([0, 0]), centroid))).to.equal(
      "MODEL_OUTPUT_INVALID",
    );
  });
});
