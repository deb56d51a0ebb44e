import { expect } from "chai";
import { DataSet } from "../../../src/dicom/data-set.ts";
import { decodeDataSet } from "../../../src/dicom/decode.ts";
import { encodeDataSet } from "../../../src/dicom/encode.ts";
import { TAG } from "../../../src/dicom/tags.ts";
import { UID } from "../../../src/dicom/uids.ts";
import { KindredError } from "../../../src/kernel/errors.ts";

const EXPLICIT = UID.explicitVrLittleEndian;
const IMPLICIT = UID.implicitVrLittleEndian;
const BIG = UID.explicitVrBigEndian;
const DEFLATED = UID.deflatedExplicitVrLittleEndian;
const JPEG = "1.2.840.10008.1.2.4.50";
const ITEM = "feff00e0";
const ITEM_END = "feff0de0 00000000";
const SEQUENCE_END = "feffdde0 00000000";

const hex = (...parts: string[]) => Buffer.from(parts.join("").replace(/\s/g, ""), "hex");
const ascii = (text: string) => Buffer.from(text, "latin1").toString("hex");
const decode = (bytes: Uint8Array, transferSyntaxUid: string = EXPLICIT, more = {}) =>
  decodeDataSet(bytes, { transferSyntaxUid, ...more });

/** Tag, VR and value of each VR: as text or numbers, and its bytes in both byte orders. PS3.5 6.2, 7.3. */
const VALUES: readonly {
  vr: string;
  read: readonly (string | number)[];
  little: string;
  big?: string;
}[] = [
  ...["AE", "AS", "CS", "DA", "DT", "LO", "LT", "PN", "SH", "ST", "TM"].map((vr) => ({
    vr,
    read: ["1234"],
    little: ascii("1234"),
  })),
  ...["UC", "UR", "UT"].map((vr) => ({ vr, read: ["abcd"], little: ascii("abcd") })),
  { vr: "UI", read: ["1.2"], little: `${ascii("1.2")}00` },
  { vr: "DS", read: [-1.5, 20], little: ascii("-1.5\\2e1") },
  { vr: "IS", read: [-7, 12], little: ascii("-7\\12 ") },
  { vr: "US", read: [0x0102, 0xfffe], little: "0201 feff", big: "0102 fffe" },
  { vr: "SS", read: [0x0102, -2], little: "0201 feff", big: "0102 fffe" },
  { vr: "UL", read: [0x01020304], little: "04030201", big: "01020304" },
  { vr: "SL", read: [-2], little: "feffffff", big: "fffffffe" },
  { vr: "FL", read: [1.5, -2], little: "0000c03f 000000c0", big: "3fc00000 c0000000" },
  { vr: "FD", read: [1.5], little: "000000000000f83f", big: "3ff8000000000000" },
  { vr: "UV", read: [0x010203040506], little: "0605040302010000", big: "0000010203040506" },
  { vr: "SV", read: [-2], little: "feffffffffffffff", big: "fffffffffffffffe" },
  { vr: "AT", read: [], little: "1000 2000", big: "0010 0020" },
  { vr: "OB", read: [], little: "01020304" },
  { vr: "OW", read: [], little: "01020304", big: "02010403" },
  { vr: "OF", read: [], little: "01020304", big: "04030201" },
  { vr: "OL", read: [], little: "01020304", big: "04030201" },
  { vr: "OD", read: [], little: "0102030405060708", big: "0807060504030201" },
  { vr: "OV", read: [], little: "0102030405060708", big: "0807060504030201" },
  { vr: "UN", read: [], little: "01020304" },
  // Of an edition to come: a 32-bit length, and bytes left alone.
  { vr: "ZZ", read: [], little: "01020304" },
];
const LONG = new Set("OB OD OF OL OV OW SV UC UN UR UT UV ZZ".split(" "));
const PRIVATE = 0x00091010;

/** One explicit VR element by the letter of PS3.5 7.1.2. */
function element(vr: string, value: string, isLittle = true): Buffer {
  const bytes = hex(value);
  const length = Buffer.alloc(LONG.has(vr) ? 6 : 2);
  if (LONG.has(vr) && isLittle) length.writeUInt32LE(bytes.length, 2);
  else if (LONG.has(vr)) length.writeUInt32BE(bytes.length, 2);
  else if (isLittle) length.writeUInt16LE(bytes.length);
  else length.writeUInt16BE(bytes.length);
  const tag = hex(isLittle ? "09001010" : "00091010");
  return Buffer.concat([tag, Buffer.from(vr, "latin1"), length, bytes]);
}

describe("every value representation", () => {
  for (const { vr, read, little, big } of VALUES) {
    it(`${vr} reads the same from both byte orders and goes out as it came in`, () => {
      const bytes = element(vr, little);
      const inLittle = decode(bytes);
      const inBig = decode(element(vr, big ?? little, false), BIG);
      for (const dataSet of [inLittle, inBig]) {
        const got = dataSet.get(PRIVATE)!;
        expect(got.vr).to.equal(vr);
        expect(Buffer.from(got.value).toString("hex")).to.equal(hex(little).toString("hex"));
        if (typeof read[0] === "number") expect(dataSet.numbers(PRIVATE)).to.deep.equal(read);
        if (typeof read[0] === "string") expect(dataSet.strings(PRIVATE)).to.deep.equal(read);
        expect(encodeDataSet(dataSet, EXPLICIT).equals(bytes)).to.equal(true);
      }
    });

    it(`${vr} survives deflating and implicit VR`, () => {
      const dataSet = decode(element(vr, little));
      expect(decode(encodeDataSet(dataSet, DEFLATED), DEFLATED).get(PRIVATE)).to.deep.equal(
        dataSet.get(PRIVATE),
      );
      const implicit = decode(encodeDataSet(dataSet, IMPLICIT), IMPLICIT).get(PRIVATE)!;
      expect(Buffer.from(implicit.value).toString("hex")).to.equal(hex(little).toString("hex"));
    });
  }

  it("makes odd values even with the padding of the VR", () => {
    const padded = (vr: string) =>
      encodeDataSet(new DataSet().setBytes(PRIVATE, vr, Buffer.from("a")), EXPLICIT).at(-1);
    for (const vr of ["AE", "CS", "LO", "PN", "UT", "UR"]) expect(padded(vr), vr).to.equal(0x20);
    for (const vr of ["UI", "OB", "UN"]) expect(padded(vr), vr).to.equal(0);
  });

  it("writes a value too long for a 16-bit length as UN, and reads it back whole", () => {
    const value = Buffer.alloc(0x10000, "7");
    const bytes = encodeDataSet(new DataSet().setBytes(PRIVATE, "LO", value), EXPLICIT);
    const got = decode(bytes).get(PRIVATE)!;
    expect(got.vr).to.equal("UN");
    expect(value.equals(got.value)).to.equal(true);
  });

  it("swaps whole values only, and leaves what is over", () => {
    const got = decode(element("US", "0102 03", false), BIG).get(PRIVATE)!;
    expect(Buffer.from(got.value).toString("hex")).to.equal("020103");
  });

  it("refuses to write big endian", () => {
    expect(() => encodeDataSet(new DataSet(), BIG)).to.throw(KindredError);
  });
});

describe("sequences", () => {
  const STUDY = `0800 1811 5549 0600 ${ascii("1.2.34")}`;
  const nested = (hexText: string, syntax: string = EXPLICIT) => decode(hex(hexText), syntax);

  it("read the same with defined and with undefined lengths, items likewise", () => {
    const item = "08005011 5549 0400 312e3200".replace(/\s/g, "");
    const forms = [
      `08001111 5351 0000 14000000 ${ITEM} 0c000000 ${item}`,
      `08001111 5351 0000 ffffffff ${ITEM} 0c000000 ${item} ${SEQUENCE_END}`,
      `08001111 5351 0000 1c000000 ${ITEM} ffffffff ${item} ${ITEM_END}`,
      `08001111 5351 0000 ffffffff ${ITEM} ffffffff ${item} ${ITEM_END} ${SEQUENCE_END}`,
    ];
    for (const form of forms) {
      const dataSet = nested(`${form} ${STUDY}`);
      const items = dataSet.items(0x00081111);
      expect(items, form).to.have.length(1);
      expect(items[0]!.string(0x00081150)).to.equal("1.2");
      expect(dataSet.string(0x00081118)).to.equal("1.2.34");
      expect(encodeDataSet(dataSet, EXPLICIT).toString("hex")).to.equal(
        hex(`${forms[0]} ${STUDY}`).toString("hex"),
      );
    }
  });

  it("keep empty sequences and empty items", () => {
    const dataSet = new DataSet()
      .setItems(0x00081111, [])
      .setItems(0x00081115, [new DataSet(), new DataSet()]);
    for (const syntax of [EXPLICIT, IMPLICIT, DEFLATED]) {
      const back = decode(encodeDataSet(dataSet, syntax), syntax);
      expect(back.get(0x00081111)!.items).to.deep.equal([]);
      expect(back.items(0x00081115)).to.have.length(2);
    }
  });

  it("UN of undefined length is an implicit VR sequence in explicit VR, and in big endian too", () => {
    const inside = `${ITEM} ffffffff 08005011 04000000 312e3200 ${ITEM_END} ${SEQUENCE_END}`;
    const little = nested(`09001010 554e 0000 ffffffff ${inside} ${STUDY}`);
    const big = decode(
      hex(`00091010 554e 0000 ffffffff ${inside} 00081118 5549 0006 ${ascii("1.2.34")}`),
      BIG,
    );
    for (const dataSet of [little, big]) {
      expect(dataSet.get(PRIVATE)!.vr).to.equal("SQ");
      expect(dataSet.items(PRIVATE)[0]!.string(0x00081150)).to.equal("1.2");
      expect(dataSet.string(0x00081118)).to.equal("1.2.34");
    }
  });

  it("take the sign of US or SS attributes from the data set around them", () => {
    const lut = new DataSet()
      .setBytes(TAG.PixelRepresentation, "US", Uint8Array.of(1, 0))
      .setItems(0x00283010, [new DataSet().setBytes(0x00280120, "SS", Uint8Array.of(0x30, 0xf8))]);
    const back = decode(encodeDataSet(lut, IMPLICIT), IMPLICIT);
    expect(back.items(0x00283010)[0]!.number(0x00280120)).to.equal(-2000);
  });

  it("are followed to the depth allowed and no further", () => {
    const deep = (levels: number): DataSet =>
      levels === 0 ? new DataSet() : new DataSet().setItems(0x00081111, [deep(levels - 1)]);
    const bytes = encodeDataSet(deep(5), EXPLICIT);
    expect(decode(bytes, EXPLICIT, { depthMax: 5 }).items(0x00081111)).to.have.length(1);
    expect(() => decode(bytes, EXPLICIT, { depthMax: 4 })).to.throw(/nested too deeply/);
  });

  for (const [what, bytes] of [
    ["an element where an item must stand", `08001111 5351 0000 08000000 ${STUDY}`],
    ["an item longer than its sequence", `08001111 5351 0000 08000000 ${ITEM} 10000000`],
    ["a sequence without its end", `08001111 5351 0000 ffffffff ${ITEM} 00000000`],
    ["an item without its end", `08001111 5351 0000 ffffffff ${ITEM} ffffffff ${STUDY}`],
    ["a stray item", `${ITEM} 00000000`],
    ["a stray delimiter", `${STUDY} ${SEQUENCE_END}`],
    [
      "an element longer than its item",
      `08001111 5351 0000 14000000 ${ITEM} 0c000000 08005011 5549 0800 312e3200`,
    ],
    ["no VR", "08001811 3132 0600 312e322e3334"],
    ["a cut length", "08001811 5549 06"],
    ["a value longer than what is left", "08001811 5549 0800 312e3200"],
  ] as const) {
    it(`refuse ${what}`, () => {
      expect(() => decode(hex(bytes)))
        .to.throw(KindredError)
        .with.property("code", "DATASET_UNREADABLE");
    });
  }
});

describe("encapsulated Pixel Data", () => {
  const run = `${ITEM} 00000000 ${ITEM} 04000000 ffd8ffd9 ${SEQUENCE_END}`;
  const whole = `e07f1000 4f42 0000 ffffffff ${run}`;

  it("are kept as the run of fragments and go out as they came in", () => {
    const dataSet = decode(hex(whole, "fcfffcff 4f42 0000 02000000 0000"), JPEG);
    const pixels = dataSet.get(TAG.PixelData)!;
    expect(pixels.isEncapsulated).to.equal(true);
    expect(Buffer.from(pixels.value).toString("hex")).to.equal(hex(run).toString("hex"));
    // What follows them is read too.
    expect(dataSet.has(0xfffcfffc)).to.equal(true);
    expect(encodeDataSet(dataSet, JPEG).subarray(0, hex(whole).length).equals(hex(whole))).to.equal(
      true,
    );
  });

  for (const [what, bytes] of [
    ["no delimiter", whole.slice(0, -SEQUENCE_END.length)],
    ["a fragment of undefined length", whole.replace("04000000", "ffffffff")],
    ["a fragment longer than what is left", whole.replace("04000000", "ff000000")],
    ["an element among the fragments", whole.replace(`${ITEM} 04000000`, "08001811 04000000")],
  ] as const) {
    it(`are refused with ${what}`, () => {
      expect(() => decode(hex(bytes), JPEG)).to.throw(KindredError);
    });
  }
});

describe("decodeDataSet", () => {
  const plain = new DataSet()
    .setString(TAG.PatientName, "PN", "A^B")
    .setBytes(TAG.PixelData, "OW", new Uint8Array(100));

  it("stops before the tag it is told", () => {
    for (const syntax of [EXPLICIT, IMPLICIT, DEFLATED]) {
      const bytes = encodeDataSet(plain, syntax);
      const head = decode(bytes, syntax, { untilTag: TAG.PixelData });
      expect(head.has(TAG.PixelData)).to.equal(false);
      expect(head.string(TAG.PatientName)).to.equal("A^B");
    }
  });

  it("keeps the first of two elements with one tag", () => {
    const twice = Buffer.concat([element("LO", ascii("ab")), element("LO", ascii("cd"))]);
    expect(decode(twice).string(PRIVATE)).to.equal("ab");
  });

  it("copies short values and empties long ones when told what to keep", () => {
    const bytes = encodeDataSet(plain, EXPLICIT);
    const kept = decode(bytes, EXPLICIT, { keepValueBytesMax: 50 });
    bytes.fill(0);
    expect(kept.string(TAG.PatientName)).to.equal("A^B");
    expect(kept.get(TAG.PixelData)!.value.length).to.equal(0);
  });

  it("reads a transfer syntax it does not know as explicit VR little endian", () => {
    expect(decode(encodeDataSet(plain, EXPLICIT), "1.2.3.4").string(TAG.PatientName)).to.equal(
      "A^B",
    );
  });

  it("refuses what cannot be inflated", () => {
    expect(() => decode(Buffer.alloc(20, 0xff), DEFLATED)).to.throw(/cannot be inflated/);
  });

  it("takes an empty data set", () => {
    for (const syntax of [EXPLICIT, IMPLICIT, BIG, JPEG])
      expect(decode(Buffer.alloc(0), syntax).elements.size).to.equal(0);
  });
});
