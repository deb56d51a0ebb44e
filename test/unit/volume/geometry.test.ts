import { expect } from "chai";
import fc from "fast-check";
import { examineSlices } from "../../../src/volume/geometry.ts";
import type { SlicePlane } from "../../../src/volume/types.ts";
import { plane, stack } from "./planes.ts";

const options = { slicesMin: 4 };
const codesOf = (slices: readonly SlicePlane[]) =>
  examineSlices(slices, options).verdict.findings.map(({ code }) => code);

/** Lengths of runs of neighbouring numbers. */
function longestRuns(numbers: readonly number[]): number[] {
  const runs: number[] = [];
  for (const [i, one] of [...numbers].sort((a, b) => a - b).entries()) {
    if (i > 0 && numbers.includes(one - 1)) runs.push(runs.pop()! + 1);
    else runs.push(1);
  }
  return runs;
}

describe("the judge of a series", () => {
  it("accepts a plain stack and says where it lies", () => {
    const { verdict, geometry, order } = examineSlices(stack(8), options);
    expect(verdict.outcome).to.equal("ok");
    expect(verdict.findings).to.deep.equal([]);
    expect(verdict.sizeVoxels).to.deep.equal([8, 4, 5]);
    expect(verdict.spacingMm).to.deep.equal([2.5, 0.7, 0.8]);
    expect(verdict.tiltDegrees).to.be.closeTo(0, 1e-9);
    expect(order).to.deep.equal([0, 1, 2, 3, 4, 5, 6, 7]);
    expect(geometry?.originLps).to.deep.equal([-10, -20, -100]);
    expect(geometry?.axesZyx).to.deep.equal([
      [0, 0, 1],
      [0, 1, 0],
      [1, 0, 0],
    ]);
  });

  it("gives one order and one verdict whatever the order of arrival", () => {
    const slices = stack(12, (k) => ({ orientation: [1, 1e-5 * k, 0, 0, 1, 0] }));
    const expected = examineSlices(slices, options);
    fc.assert(
      fc.property(fc.shuffledSubarray(slices, { minLength: 12 }), (shuffled) => {
        const got = examineSlices(shuffled, options);
        expect(got.order.map((i) => shuffled[i]!.sopInstanceUid)).to.deep.equal(
          expected.order.map((i) => slices[i]!.sopInstanceUid),
        );
        expect(got.geometry).to.deep.equal(expected.geometry);
        expect(got.verdict).to.deep.equal(expected.verdict);
      }),
    );
  });

  it("counts missing slices", () => {
    const { verdict, geometry } = examineSlices(
      stack(10).filter((_, k) => k !== 4 && k !== 5),
      options,
    );
    expect(geometry).to.equal(null);
    expect(verdict.spacingMm).to.equal(null);
    expect(verdict.findings).to.have.length(1);
    expect(verdict.findings[0]).to.include({ code: "MISSING_SLICES", value: 2, unit: "1" });
  });

  it("finds two slices at one position", () => {
    const { verdict } = examineSlices(
      [...stack(8), plane(3, { sopInstanceUid: "1.2.9" })],
      options,
    );
    expect(verdict.findings).to.have.length(1);
    expect(verdict.findings[0]).to.include({ code: "DUPLICATE_POSITION", value: 1 });
  });

  it("accepts gaps within one percent and refuses others", () => {
    const at = (deviation: number) =>
      stack(8, (k) => ({ positionLpsMm: [0, 0, 8 * k + (k === 4 ? deviation : 0)] }));
    expect(codesOf(at(0.07))).to.deep.equal([]);
    expect(codesOf(at(0.2))).to.deep.equal(["IRREGULAR_SPACING"]);
    expect(examineSlices(at(0.2), options).verdict.outcome).to.equal("corrected");
  });

  it("puts a tilted stack straight, by the angle between its line and the normal", () => {
    const slope = Math.tan((18.5 * Math.PI) / 180);
    const { verdict, geometry } = examineSlices(
      stack(8, (k) => ({ positionLpsMm: [0, 5 * k * slope, 5 * k] })),
      options,
    );
    expect(verdict.outcome).to.equal("corrected");
    expect(verdict.findings.map(({ code }) => code)).to.deep.equal(["GANTRY_TILT"]);
    expect(verdict.tiltDegrees).to.be.closeTo(18.5, 1e-9);
    // 35 mm at the tangent of 18.5 degrees are 11.7 mm, or 16.7 rows of 0.7 mm.
    expect(verdict.sizeVoxels).to.deep.equal([8, 4 + 17, 5]);
    expect(geometry?.placements[0]).to.deep.equal({ z: 0, row: 0, column: 0 });
    expect(geometry?.placements[7]?.row).to.be.closeTo((35 * slope) / 0.7, 1e-9);
  });

  it("puts a stack straight whose shear goes along the rows, and starts the grid at its left", () => {
    const { verdict, geometry } = examineSlices(
      stack(8, (k) => ({ positionLpsMm: [-k, 0, 5 * k] })),
      options,
    );
    expect(verdict.outcome).to.equal("corrected");
    expect(verdict.sizeVoxels).to.deep.equal([8, 4, 5 + 9]);
    expect(geometry?.originLps).to.deep.equal([-7, 0, 0]);
    expect(geometry?.placements[7]?.column).to.equal(0);
    expect(geometry?.placements[0]?.column).to.be.closeTo(7 / 0.8, 1e-9);
  });

  it("does not correct more tilt than it may", () => {
    const sheared = stack(8, (k) => ({ positionLpsMm: [0, 8 * k, 5 * k] }));
    const { verdict } = examineSlices(sheared, options);
    expect(verdict.outcome).to.equal("refused");
    expect(verdict.findings[0]).to.include({ code: "GANTRY_TILT", unit: "deg" });
    expect(examineSlices(sheared, { ...options, tiltDegreesMax: 60 }).verdict.outcome).to.equal(
      "corrected",
    );
  });

  it("keeps every slice at its place where the spacing changes", () => {
    const depths = [0, 4, 8, 12, 16, 17.08, 24.08, 31.08, 38.08];
    const { verdict, geometry } = examineSlices(
      stack(9, (k) => ({ positionLpsMm: [0, 0, depths[k]!] })),
      options,
    );
    expect(verdict.outcome).to.equal("corrected");
    expect(verdict.findings.map(({ code }) => code)).to.deep.equal(["IRREGULAR_SPACING"]);
    expect(verdict.findings[0]).to.include({ value: 7, unit: "mm" });
    // Ten steps of about four millimetres from the first to the last slice.
    expect(verdict.sizeVoxels?.[0]).to.equal(11);
    const stepMm = verdict.spacingMm![0];
    for (const [k, depth] of depths.entries())
      expect(geometry!.placements[k]!.z * stepMm).to.be.closeTo(depth, 1e-9);
    expect(geometry!.placements[8]!.z).to.equal(10);
  });

  it("takes a stack of two whole spacings as uneven, not as one with slices missing", () => {
    const depths = [0, 5, 10, 15, 20, 25, 30, 40, 50, 60, 70, 80];
    const { verdict } = examineSlices(
      stack(12, (k) => ({ positionLpsMm: [0, 0, depths[k]!] })),
      options,
    );
    expect(verdict.findings.map(({ code }) => code)).to.deep.equal(["IRREGULAR_SPACING"]);
    expect(verdict.sizeVoxels?.[0]).to.equal(17);
  });

  it("bridges what is missing up to its limits", () => {
    const without = (...gone: number[]) => stack(60).filter((_, k) => !gone.includes(k));
    const two = examineSlices(without(20, 21), options);
    expect(two.verdict.outcome).to.equal("corrected");
    expect(two.verdict.findings[0]).to.include({ code: "MISSING_SLICES", value: 2, unit: "1" });
    expect(two.verdict.sizeVoxels?.[0]).to.equal(60);
    expect(two.geometry?.placements[20]?.z).to.equal(22);
    for (const gone of [
      [20, 21, 22],
      [5, 15, 25, 35],
    ]) {
      const { verdict } = examineSlices(without(...gone), options);
      expect(verdict.outcome).to.equal("refused");
      expect(verdict.findings[0]).to.include({ code: "MISSING_SLICES", value: gone.length });
    }
    const strict = { ...options, missingRunMax: 0 };
    expect(examineSlices(without(20), strict).verdict.outcome).to.equal("refused");
  });

  it("counts what was dropped, or refuses: never takes a stack with holes as it is", () => {
    const count = 60;
    const drops = fc.uniqueArray(fc.integer({ min: 1, max: count - 2 }), {
      minLength: 1,
      maxLength: 20,
    });
    fc.assert(
      fc.property(drops, fc.double({ min: 0.4, max: 9, noNaN: true }), (gone, stepMm) => {
        const left = stack(count, (k) => ({ positionLpsMm: [7, -3, k * stepMm] })).filter(
          (_, k) => !gone.includes(k),
        );
        const { verdict, geometry, order } = examineSlices(left, options);
        const codes = verdict.findings.map(({ code }) => code);
        const longest = Math.max(...longestRuns(gone));
        const isFew = longest <= 2 && gone.length <= 0.05 * count;
        expect(verdict.outcome === "ok", `${gone}`).to.equal(false);
        if (isFew) expect(verdict.outcome).to.equal("corrected");
        if (codes.includes("MISSING_SLICES") && !codes.includes("IRREGULAR_SPACING"))
          expect(verdict.findings[0]!.value).to.equal(gone.length);
        if (geometry === null) return;
        for (const [k, { z }] of geometry.placements.entries())
          expect(z * geometry.spacingMm[0]).to.be.closeTo(left[order[k]!]!.positionLpsMm![2], 0.02);
      }),
      { numRuns: 500 },
    );
  });

  it("tells of slices that leave much unseen: every n-th alone, or scanned apart", () => {
    const table: readonly (readonly [number, number | undefined, number | undefined])[] = [
      [1, 2.5, undefined],
      [2, 2.5, 2.5],
      [3, 2.5, 5],
      [1, 1.25, 1.25],
      [1, 2, undefined],
      [2, 5, undefined],
      [2, undefined, undefined],
    ];
    for (const [every, thicknessMm, unseenMm] of table) {
      const slices = stack(24, () => ({ thicknessMm })).filter((_, k) => k % every === 0);
      const { verdict } = examineSlices(slices, { slicesMin: 4 });
      expect(verdict.outcome).to.equal("ok");
      const told = verdict.findings.map(({ code, value }) => [code, value]);
      expect(told, `${every}, ${thicknessMm}`).to.deep.equal(
        unseenMm === undefined ? [] : [["SLICES_APART", unseenMm]],
      );
    }
    const mixed = stack(24, (k) => ({ thicknessMm: k === 3 ? undefined : 1 }));
    expect(examineSlices(mixed, { slicesMin: 4 }).verdict.findings).to.deep.equal([]);
  });

  it("does not call rounded positions irregular, whatever the step", () => {
    for (const stepMm of [0.4, 0.5, 0.625, 0.75, 1.25, 2.3437, 5]) {
      const rounded = stack(400, (k) => ({
        positionLpsMm: [0.1, 0.2, Math.round(10 * (k * stepMm + 3.21)) / 10],
      }));
      const { verdict, geometry } = examineSlices(rounded, options);
      expect(verdict.outcome, `${stepMm} mm`).to.equal("ok");
      expect(verdict.spacingMm![0]).to.be.closeTo(stepMm, 3e-4);
      expect(geometry?.placements[399]).to.deep.equal({ z: 399, row: 0, column: 0 });
    }
  });

  it("takes coronal and oblique stacks, and says so", () => {
    const coronal = examineSlices(
      stack(8, (k) => ({ orientation: [1, 0, 0, 0, 0, -1], positionLpsMm: [0, 2 * k, 0] })),
      options,
    );
    expect(coronal.verdict.outcome).to.equal("ok");
    expect(coronal.verdict.findings.map(({ code }) => code)).to.deep.equal(["NOT_AXIAL"]);
    const turned = (degrees: number) => {
      const [c, s] = [Math.cos((degrees * Math.PI) / 180), Math.sin((degrees * Math.PI) / 180)];
      return stack(8, (k) => ({
        orientation: [1, 0, 0, 0, c, s],
        positionLpsMm: [0, -2 * k * s, 2 * k * c],
      }));
    };
    const oblique = examineSlices(turned(20), options).verdict;
    expect(oblique.outcome).to.equal("ok");
    expect(oblique.findings[0]).to.deep.include({ code: "OBLIQUE", unit: "deg" });
    expect(oblique.findings[0]!.value).to.be.closeTo(20, 1e-3);
    expect(oblique.tiltDegrees).to.be.closeTo(0, 1e-3);
    expect(
      examineSlices(turned(20), { ...options, obliqueDegreesMax: 15 }).verdict.outcome,
    ).to.equal("refused");
  });

  it("accepts derived axial slices with a word, but not reformats in another plane", () => {
    const derived = () => ({ imageType: ["DERIVED", "PRIMARY", "AXIAL"] });
    const axial = examineSlices(stack(8, derived), options).verdict;
    expect(axial.outcome).to.equal("ok");
    expect(axial.findings[0]).to.include({ code: "DERIVED", value: 8 });
    const coronal = stack(8, (k) => ({
      imageType: ["DERIVED", "PRIMARY", "MPR"],
      orientation: [1, 0, 0, 0, 0, -1],
      positionLpsMm: [0, 2 * k, 0],
    }));
    expect(codesOf(coronal)).to.deep.equal(["REFORMAT"]);
    const rewritten = stack(8, () => ({ imageType: ["ORIGINAL", "SECONDARY", "AXIAL"] }));
    expect(examineSlices(rewritten, options).verdict.outcome).to.equal("ok");
  });

  it("tells of lossy and of inverted slices, and what it was told, after its own reasons", () => {
    const told = [{ code: "PHASES", value: 2, unit: "1", message: "Two." }];
    const slices = stack(8, (k) => ({
      isLossy: k < 3,
      photometricInterpretation: "MONOCHROME1",
    }));
    expect(
      examineSlices(slices, { ...options, findings: told }).verdict.findings.map((f) => [
        f.code,
        f.value,
      ]),
    ).to.deep.equal([
      ["LOSSY", 3],
      ["INVERTED", 8],
      ["PHASES", 2],
    ]);
    const refused = examineSlices(slices.slice(0, 3), { ...options, findings: told }).verdict;
    expect(refused.findings.map(({ code }) => code)).to.deep.equal(["TOO_FEW_SLICES", "PHASES"]);
  });

  it("decodes what the caller can decode", () => {
    const slices = stack(8, () => ({ transferSyntaxUid: "1.2.840.10008.1.2.4.90" }));
    expect(codesOf(slices)).to.deep.equal(["COMPRESSED"]);
    const canDecode = (uid: string) => uid.startsWith("1.2.840.10008.1.2.4.");
    expect(examineSlices(slices, { ...options, canDecode }).verdict.outcome).to.equal("ok");
  });

  it("finds a stack that bends between straight ends", () => {
    const bent = stack(9, (k) => ({ positionLpsMm: [k === 4 ? 3 : 0, 0, 5 * k] }));
    expect(codesOf(bent)).to.deep.equal(["SHIFTED_SLICES"]);
  });

  it("says of padding, and accepts it", () => {
    const { verdict } = examineSlices(
      stack(5, () => ({ paddingValue: -2000 })),
      options,
    );
    expect(verdict.outcome).to.equal("ok");
    expect(verdict.findings[0]).to.include({ code: "PADDING", value: -2000 });
  });

  const cases: readonly [string, string, (k: number) => Partial<SlicePlane>][] = [
    [
      "a slice without a position",
      "NO_POSITION",
      (k) => (k === 2 ? { positionLpsMm: undefined } : {}),
    ],
    [
      "a position that is no number",
      "NO_POSITION",
      (k) => (k === 2 ? { positionLpsMm: [0, 0, Number.NaN] } : {}),
    ],
    [
      "directions that are not square",
      "BAD_ORIENTATION",
      (k) => (k === 2 ? { orientation: [1, 0, 0, 1, 0, 0] } : {}),
    ],
    ["no pixel spacing", "NO_SPACING", () => ({ pixelSpacingMm: undefined })],
    ["a negative pixel spacing", "NO_SPACING", () => ({ pixelSpacingMm: [-1, 1] })],
    [
      "a localizer",
      "LOCALIZER",
      (k) => (k === 0 ? { imageType: ["ORIGINAL", "PRIMARY", "LOCALIZER"] } : {}),
    ],
    ["secondary images", "PROCESSED", () => ({ imageType: ["DERIVED", "SECONDARY"] })],
    ["projections", "PROCESSED", () => ({ imageType: ["DERIVED", "PRIMARY", "AXIAL", "X MIP"] })],
    ["compressed images", "COMPRESSED", () => ({ transferSyntaxUid: "1.2.840.10008.1.2.4.90" })],
    ["big-endian images", "BIG_ENDIAN", () => ({ transferSyntaxUid: "1.2.840.10008.1.2.2" })],
    ["several frames", "MULTIFRAME", () => ({ numberOfFrames: 2 })],
    ["color", "COLOR", () => ({ samplesPerPixel: 3, photometricInterpretation: "RGB" })],
    ["a high bit above the word", "BITS", () => ({ highBit: 16 })],
    ["no rescale", "NO_RESCALE", () => ({ rescaleIntercept: undefined })],
    ["something else than HU", "NOT_HU", () => ({ rescaleType: "Z_EFF" })],
    ["two matrices", "MIXED_MATRIX", (k) => (k > 3 ? { rows: 8 } : {})],
    ["two pixel spacings", "MIXED_SPACING", (k) => (k > 3 ? { pixelSpacingMm: [0.7, 0.9] } : {})],
    [
      "two orientations",
      "MIXED_ORIENTATION",
      (k) => (k > 3 ? { orientation: [-1, 0, 0, 0, 1, 0] } : {}),
    ],
    ["no rows", "BAD_MATRIX", () => ({ rows: 0 })],
    ["huge rows", "BAD_MATRIX", () => ({ rows: 65535 })],
  ];
  for (const [title, code, change] of cases) {
    it(`refuses ${title}`, () => {
      const { verdict, geometry } = examineSlices(stack(8, change), options);
      expect(verdict.outcome).to.equal("refused");
      expect(geometry).to.equal(null);
      expect(verdict.findings.map((f) => f.code)).to.include(code);
    });
  }

  it("says only that slices are deflated when their header was not read", () => {
    const unread = { rows: 0, columns: 0, positionLpsMm: undefined, orientation: undefined };
    const slices = stack(8, () => ({ ...unread, transferSyntaxUid: "1.2.840.10008.1.2.1.99" }));
    expect(codesOf(slices)).to.deep.equal(["DEFLATED"]);
  });

  it("refuses nothing at all without an error", () => {
    expect(codesOf([])).to.deep.equal(["TOO_FEW_SLICES"]);
  });
});
