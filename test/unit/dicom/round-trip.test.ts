import { expect } from "chai";
import fc from "fast-check";
import { DataSet, type Element } from "../../../src/dicom/data-set.ts";
import { decodeDataSet } from "../../../src/dicom/decode.ts";
import { encodeDataSet } from "../../../src/dicom/encode.ts";
import { StreamScanner } from "../../../src/dicom/stream-scanner.ts";
import { isPixelData } from "../../../src/dicom/tags.ts";
import { UID } from "../../../src/dicom/uids.ts";
import { isLongVr } from "../../../src/dicom/vr.ts";

const VRS =
  "AE AS AT CS DA DS DT FD FL IS LO LT OB OD OF OL OV OW PN SH SL SS ST SV TM UC UI UL UN UR US UT UV".split(
    " ",
  );

/** Plain elements of any tag, and sequences of data sets of the same kind; nothing in the delimiters' group. */
const { dataSet } = fc.letrec<{ dataSet: DataSet; element: Element }>((tie) => ({
  dataSet: fc
    .uniqueArray(tie("element"), { maxLength: 8, selector: (one) => one.tag })
    .map((elements) => new DataSet(elements)),
  element: fc.oneof(
    { depthSize: "small", withCrossShrink: true },
    fc.record({
      tag: fc
        .tuple(fc.integer({ min: 8, max: 0xfffd }), fc.nat(0xffff))
        .map(([group, number]) => group * 0x10000 + number),
      vr: fc.constantFrom(...VRS),
      value: fc.uint8Array({ maxLength: 60 }).map((bytes) => bytes.subarray(bytes.length % 2)),
    }),
    fc.record({
      tag: fc.integer({ min: 0x00081000, max: 0x5fffffff }),
      vr: fc.constant("SQ"),
      value: fc.constant(new Uint8Array(0)),
      items: fc.array(tie("dataSet"), { maxLength: 3 }),
    }),
  ),
}));

/** A data set as plain data that can be compared. */
function plain(one: DataSet): unknown {
  return [...one.elements.values()]
    .sort((a, b) => a.tag - b.tag)
    .map(({ tag, vr, value, items }) => [
      tag,
      vr,
      Buffer.from(value).toString("hex"),
      items?.map(plain),
    ]);
}

describe("encode, then decode", () => {
  for (const syntax of [UID.explicitVrLittleEndian, UID.deflatedExplicitVrLittleEndian]) {
    it(`gives the same data set (${syntax})`, () => {
      fc.assert(
        fc.property(dataSet, (one) => {
          const bytes = encodeDataSet(one, syntax);
          expect(bytes.length % 2).to.equal(0);
          const back = decodeDataSet(bytes, { transferSyntaxUid: syntax });
          expect(plain(back)).to.deep.equal(plain(one));
        }),
        { numRuns: 300 },
      );
    });

    it(`is whole to the scanner, in any chunking (${syntax})`, () => {
      fc.assert(
        fc.property(dataSet, fc.array(fc.nat(), { maxLength: 20 }), (one, places) => {
          const bytes = encodeDataSet(one, syntax);
          const scanner = new StreamScanner({ transferSyntaxUid: syntax });
          let at = 0;
          for (const cut of places
            .map((place) => place % (bytes.length + 1))
            .sort((a, b) => a - b)) {
            void scanner.push(bytes.subarray(at, cut));
            at = cut;
          }
          void scanner.push(bytes.subarray(at));
          const { state, header, isHeaderComplete } = scanner.finish();
          expect({ state, isHeaderComplete }).to.deep.equal({
            state: "complete",
            isHeaderComplete: true,
          });
          const before = [...one.elements.values()].filter(({ tag }) => tag < 0x7fe00000);
          const head = decodeDataSet(header, { transferSyntaxUid: UID.explicitVrLittleEndian });
          expect(plain(head)).to.deep.equal(plain(new DataSet(before)));
        }),
        { numRuns: 200 },
      );
    });
  }

  it("gives the same bytes again in implicit VR", () => {
    const syntax = UID.implicitVrLittleEndian;
    fc.assert(
      fc.property(dataSet, (one) => {
        // Private elements: what the dictionary calls a sequence must hold items.
        const elements = [...one.elements.values()]
          .filter((element) => element.items === undefined)
          .map((element) => ({ ...element, tag: (element.tag | 0x11000) >>> 0 }));
        const bytes = encodeDataSet(new DataSet(elements), syntax);
        const back = decodeDataSet(bytes, { transferSyntaxUid: syntax });
        expect(encodeDataSet(back, syntax).equals(bytes)).to.equal(true);
      }),
    );
  });

  it("gives the same from big endian as from little endian", () => {
    fc.assert(
      fc.property(dataSet, (one) => {
        const little = decodeDataSet(encodeDataSet(one, UID.explicitVrLittleEndian), {
          transferSyntaxUid: UID.explicitVrLittleEndian,
        });
        const big = decodeDataSet(bigEndian(one), { transferSyntaxUid: UID.explicitVrBigEndian });
        expect(plain(big)).to.deep.equal(plain(little));
      }),
    );
  });
});

const WIDTHS: Readonly<Record<string, number>> = {
  ...Object.fromEntries("AT OW SS US".split(" ").map((vr) => [vr, 2])),
  ...Object.fromEntries("FL OF OL SL UL".split(" ").map((vr) => [vr, 4])),
  ...Object.fromEntries("FD OD OV SV UV".split(" ").map((vr) => [vr, 8])),
};

/** An encoder for the test alone, straight from PS3.5 7.1.2 and A.3; sequences have undefined lengths. */
function bigEndian(one: DataSet): Buffer {
  const elements = [...one.elements.values()].sort((a, b) => a.tag - b.tag);
  return Buffer.concat(
    elements.map(({ tag, vr, value, items }) => {
      expect(isPixelData(tag) && items !== undefined).to.equal(false);
      const head = Buffer.alloc(isLongVr(vr) ? 12 : 8);
      head.writeUInt32BE(tag);
      head.write(vr, 4, "latin1");
      if (items !== undefined) {
        head.writeUInt32BE(0xffffffff, 8);
        const parts = items.flatMap((item) => [
          Buffer.from("fffee000ffffffff", "hex"),
          bigEndian(item),
          Buffer.from("fffee00d00000000", "hex"),
        ]);
        return Buffer.concat([head, ...parts, Buffer.from("fffee0dd00000000", "hex")]);
      }
      if (head.length === 12) head.writeUInt32BE(value.length, 8);
      else head.writeUInt16BE(value.length, 6);
      const width = WIDTHS[vr] ?? 1;
      const turned = Buffer.from(value);
      for (let at = 0; at + width <= turned.length; at += width)
        turned.subarray(at, at + width).reverse();
      return Buffer.concat([head, turned]);
    }),
  );
}
