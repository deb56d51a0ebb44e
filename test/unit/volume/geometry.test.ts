import { expect } from "chai";
import fc from "fast-check";
import { examineSlices } from "../../../src/volume/geometry.ts";
import type { SlicePlane } from "../../../src/volume/types.ts";
import { plane, stack } from "./planes.ts";

const options = { slicesMin: 4 };
const codesOf = (slices: readonly SlicePlane[]) =>
  examineSlices(slices, options).verdict.findings.map(({ code }) => code);

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
  });

  it("measures the tilt of the gantry from the vectors", () => {
    const slope = Math.tan((18.5 * Math.PI) / 180);
    const { verdict } = examineSlices(
      stack(8, (k) => ({ positionLpsMm: [0, 5 * k * slope, 5 * k] })),
      options,
    );
    expect(verdict.outcome).to.equal("refused");
    expect(verdict.findings.map(({ code }) => code)).to.deep.equal(["GANTRY_TILT"]);
    expect(verdict.tiltDegrees).to.be.closeTo(18.5, 1e-9);
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
    ["derived images", "DERIVED", () => ({ imageType: ["DERIVED", "PRIMARY"] })],
    ["secondary images", "DERIVED", () => ({ imageType: ["ORIGINAL", "SECONDARY"] })],
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

  it("refuses a coronal stack and too few slices, together", () => {
    const slices = stack(3, (k) => ({
      orientation: [1, 0, 0, 0, 0, -1],
      positionLpsMm: [0, 2 * k, 0],
    }));
    expect(codesOf(slices)).to.have.members(["TOO_FEW_SLICES", "NOT_AXIAL"]);
  });

  it("refuses nothing at all without an error", () => {
    expect(codesOf([])).to.deep.equal(["TOO_FEW_SLICES"]);
  });
});
