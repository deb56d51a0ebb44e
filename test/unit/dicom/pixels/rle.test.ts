import { expect } from "chai";
import fc from "fast-check";
import { decodeRle } from "../../../../src/dicom/pixels/rle.ts";
import { encodeRle } from "../../../support/pixel-encoders.ts";

const layoutOf = (bitsAllocated: number, columns: number) => ({
  rows: 1,
  columns,
  bitsAllocated,
  bitsStored: bitsAllocated,
  highBit: bitsAllocated - 1,
  isSigned: false,
});

/** A frame of 8-bit pixels with the given segment. */
function frameOf(segment: readonly number[], offset = 64, count = 1): Buffer {
  const header = Buffer.alloc(64);
  header.writeUInt32LE(count, 0);
  header.writeUInt32LE(offset, 4);
  return Buffer.concat([header, Buffer.from(segment)]);
}

describe("RLE", () => {
  it("gives back every image", () => {
    // Few different values, so that there are runs.
    const words = fc.array(fc.oneof(fc.constantFrom(0, 0x0101, 0x80ff), fc.nat(0xffff)), {
      minLength: 1,
      maxLength: 600,
    });
    fc.assert(
      fc.property(words, fc.constantFrom(8, 16), (any, bits) => {
        const stored = any.map((word) => word & (2 ** bits - 1));
        const decoded = decodeRle(encodeRle(stored, bits), layoutOf(bits, stored.length));
        expect([...decoded]).to.deep.equal(stored);
      }),
    );
  });

  const REFUSED: readonly [string, Buffer, RegExp][] = [
    ["no header", Buffer.alloc(10), /header/],
    ["segments of another number", frameOf([2, 1, 2, 3], 64, 2), /header/],
    ["a first segment elsewhere", frameOf([2, 1, 2, 3], 66), /header/],
    ["a literal run that is cut", frameOf([2, 1, 2]), /too early/],
    ["a repeated run that is cut", frameOf([254]), /too early/],
    ["too few pixels", frameOf([1, 1, 2]), /too early/],
    ["a run over the end of the frame", frameOf([253, 7]), /too many/],
    ["pixels after the last one", frameOf([2, 1, 2, 3, 2, 9, 9, 9]), /too many/],
  ];
  for (const [name, frame, reason] of REFUSED) {
    it(`refuses ${name}`, () => {
      expect(() => decodeRle(frame, layoutOf(8, 3))).to.throw(reason);
    });
  }

  it("passes over runs of nothing, and padding", () => {
    expect([...decodeRle(frameOf([128, 254, 7, 128, 0]), layoutOf(8, 3))]).to.deep.equal([7, 7, 7]);
  });
});
