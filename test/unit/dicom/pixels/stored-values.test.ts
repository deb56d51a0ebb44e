import { expect } from "chai";
import fc from "fast-check";
import { isLossySyntax } from "../../../../src/dicom/pixels/lossy.ts";
import { decodeNativePixels, fitSamples } from "../../../../src/dicom/pixels/stored-values.ts";
import { TRANSFER_SYNTAXES } from "../../../../src/dicom/uids.ts";
import { nativeValue } from "../../../support/pixel-files.ts";

/** Bits Allocated, Bits Stored, High Bit, signed; words in the file; stored values. */
const TABLE: readonly [string, number, number, number, boolean, number[], number[]][] = [
  ["16 unsigned", 16, 16, 15, false, [0, 1, 0x7fff, 0xffff], [0, 1, 32767, 65535]],
  ["16 signed", 16, 16, 15, true, [0, 0x7fff, 0x8000, 0xffff], [0, 32767, -32768, -1]],
  ["12 of 16 unsigned, overlay bits above", 16, 12, 11, false, [0xf123, 0x0fff], [0x123, 4095]],
  ["12 of 16 signed", 16, 12, 11, true, [0x0800, 0x07ff, 0x0fff], [-2048, 2047, -1]],
  ["12 of 16 signed, sign-extended already", 16, 12, 11, true, [0xffff, 0xf800], [-1, -2048]],
  ["12 of 16 signed, overlay bits above", 16, 12, 11, true, [0x77ff, 0xf001], [2047, 1]],
  ["12 of 16 at High Bit 15", 16, 12, 15, false, [0xfff0, 0x123f], [4095, 0x123]],
  ["12 of 16 signed at High Bit 15", 16, 12, 15, true, [0xffff, 0x8000, 0x7ff0], [-1, -2048, 2047]],
  ["10 of 16 at High Bit 12", 16, 10, 12, false, [0xe00f, 0x1ff8], [1, 1023]],
  ["1 of 16 signed", 16, 1, 0, true, [0, 1], [0, -1]],
  ["8 unsigned", 8, 8, 7, false, [0, 127, 255], [0, 127, 255]],
  ["8 signed", 8, 8, 7, true, [0, 127, 128, 255], [0, 127, -128, -1]],
  ["6 of 8 signed at High Bit 7", 8, 6, 7, true, [0x80, 0x7c], [-32, 31]],
  ["6 of 8 unsigned", 8, 6, 5, false, [0xff, 0x41], [63, 1]],
];

const REFUSED: readonly [number, number, number][] = [
  [32, 32, 31],
  [1, 1, 0],
  [12, 12, 11],
  [16, 0, -1],
  [16, 17, 16],
  [16, 12, 10],
  [16, 12, 16],
  [8, 12, 11],
  [16, 12.5, 15],
];

const layoutOf = (
  bitsAllocated: number,
  bitsStored: number,
  highBit: number,
  isSigned = false,
) => ({
  rows: 1,
  columns: 2,
  bitsAllocated,
  bitsStored,
  highBit,
  isSigned,
});

describe("stored values of native pixels", () => {
  for (const [name, allocated, stored, high, isSigned, words, values] of TABLE) {
    it(name, () => {
      const layout = { ...layoutOf(allocated, stored, high, isSigned), columns: words.length };
      const decoded = decodeNativePixels(nativeValue(words, allocated), layout);
      expect([...decoded]).to.deep.equal(values);
      expect(decoded).to.be.instanceOf(isSigned ? Int16Array : Uint16Array);
    });
  }

  for (const bits of REFUSED) {
    it(`refuses bits ${bits.join("/")}`, () => {
      expect(() => decodeNativePixels(Buffer.alloc(64), layoutOf(...bits))).to.throw(
        /pixel layout/,
      );
    });
  }

  it("gives back any value that is stored at any place", () => {
    const places = fc
      .tuple(fc.integer({ min: 1, max: 16 }), fc.integer({ min: 0, max: 15 }), fc.boolean())
      .filter(([stored, high]) => high >= stored - 1);
    fc.assert(
      fc.property(
        places,
        fc.nat(0xffff),
        fc.nat(0xffff),
        ([stored, high, isSigned], any, noise) => {
          const pattern = any & (0xffff >>> (16 - stored));
          const isNegative = isSigned && pattern >>> (stored - 1) === 1;
          const shift = high + 1 - stored;
          const around = noise & ~((0xffff >>> (16 - stored)) << shift);
          const word = (around | (pattern << shift)) & 0xffff;
          const layout = { ...layoutOf(16, stored, high, isSigned), columns: 1 };
          const [value] = decodeNativePixels(nativeValue([word], 16), layout);
          expect(value).to.equal(isNegative ? pattern - 2 ** stored : pattern);
        },
      ),
    );
  });

  it("refuses a value that is too short, and a matrix nobody has", () => {
    const layout = layoutOf(16, 12, 11);
    expect(() => decodeNativePixels(Buffer.alloc(3), layout)).to.throw(/shorter/);
    expect(() => decodeNativePixels(Buffer.alloc(8), { ...layout, rows: 0 })).to.throw(/missing/);
    const large = { ...layout, rows: 65535, columns: 65535 };
    expect(() => decodeNativePixels(Buffer.alloc(8), large)).to.throw(/larger than any CT/);
  });
});

describe("samples of a code stream", () => {
  const fitted = (
    words: number[],
    [precision, isSigned]: [number, boolean],
    [stored, isSetSigned]: [number, boolean],
    isLossy = false,
  ) => {
    const samples = { words: Uint16Array.from(words), precision, isSigned };
    const layout = { ...layoutOf(16, stored, stored - 1, isSetSigned), columns: words.length };
    return [...fitSamples(samples, layout, isLossy)];
  };

  it("are patterns of signed values where the code stream has no sign", () => {
    expect(fitted([6192, 8191, 12], [13, false], [13, true])).to.deep.equal([-2000, -1, 12]);
    expect(fitted([0xffff, 0x0fff, 5], [16, false], [12, true])).to.deep.equal([-1, -1, 5]);
  });

  it("keep their own sign", () => {
    expect(fitted([0xffff, 5], [12, true], [16, true])).to.deep.equal([-1, 5]);
  });

  it("are refused where sign or width cannot be right", () => {
    expect(() => fitted([0xffff], [16, true], [16, false])).to.throw(/value -1/);
    expect(() => fitted([1], [12, false], [16, true])).to.throw(/without a sign/);
    expect(() => fitted([4096], [16, false], [12, false])).to.throw(/value 4096/);
    expect(() => fitted([0x1800], [16, false], [12, true])).to.throw(/cannot hold/);
    expect(() => fitted([1], [17, false], [16, false])).to.throw(/17 bits/);
  });

  it("are clamped where lossy coding overshoots", () => {
    expect(fitted([4096, 4095], [16, false], [12, false], true)).to.deep.equal([4095, 4095]);
    expect(fitted([0xf000], [16, true], [12, true], true)).to.deep.equal([-2048]);
  });
});

describe("lossy transfer syntaxes", () => {
  it("are those that PS3.5 A.4 allows loss in", () => {
    const jpeg = [...TRANSFER_SYNTAXES.keys()]
      .filter(isLossySyntax)
      .map((uid) => uid.split(".").at(-1));
    expect(jpeg).to.have.members(["50", "51", "53", "55", "81", "91", "93", "111", "112", "203"]);
  });
});
