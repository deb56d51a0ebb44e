import { deflateRawSync } from "node:zlib";
import { expect } from "chai";
import fc from "fast-check";
import { DataSet } from "../../../src/dicom/data-set.ts";
import { decodeDataSet } from "../../../src/dicom/decode.ts";
import { encodeDataSet } from "../../../src/dicom/encode.ts";
import { StreamScanner } from "../../../src/dicom/stream-scanner.ts";
import { TAG } from "../../../src/dicom/tags.ts";
import { UID } from "../../../src/dicom/uids.ts";
import { KindredError } from "../../../src/kernel/errors.ts";

function sample(): DataSet {
  return new DataSet()
    .setString(TAG.SOPInstanceUID, "UI", "1.2.3")
    .setString(TAG.PatientName, "PN", "Test^Name")
    .setItems(0x00081140, [new DataSet().setString(0x00081155, "UI", "1.2.3.4"), new DataSet()])
    .setBytes(TAG.PixelData, "OW", new Uint8Array(1000).fill(7));
}

function scan(bytes: Buffer, cuts: readonly number[], transferSyntaxUid: string) {
  const scanner = new StreamScanner({ transferSyntaxUid });
  let at = 0;
  for (const cut of [...cuts].sort((a, b) => a - b)) {
    if (cut <= at || cut >= bytes.length) continue;
    void scanner.push(bytes.subarray(at, cut));
    at = cut;
  }
  void scanner.push(bytes.subarray(at));
  return scanner.finish();
}

for (const syntax of [UID.explicitVrLittleEndian, UID.implicitVrLittleEndian]) {
  describe(`StreamScanner over ${syntax}`, () => {
    const bytes = encodeDataSet(sample(), syntax);

    it("gives the same answer for every chunking", () => {
      const whole = scan(bytes, [], syntax);
      expect(whole.state).to.equal("complete");
      expect(whole.pixelDataBytes).to.equal(1000);
      fc.assert(
        fc.property(
          fc.array(fc.integer({ min: 1, max: bytes.length - 1 }), { maxLength: 40 }),
          (cuts) => {
            expect(scan(bytes, cuts, syntax)).to.deep.equal(whole);
          },
        ),
      );
    });

    it("calls every cut inside an element truncated, and a cut between elements whole", () => {
      let complete = 0;
      for (let end = 1; end < bytes.length; end++) {
        const { state } = scan(bytes.subarray(0, end), [], syntax);
        if (state === "complete") complete++;
        else expect(state).to.equal("truncated");
      }
      // After SOP Instance UID, after Referenced Image Sequence, after Patient's Name.
      expect(complete).to.equal(3);
    });

    it("keeps a header that decodes to everything before the pixels", () => {
      const { header } = scan(bytes, [9, 10, 11], syntax);
      const read = decodeDataSet(header, { transferSyntaxUid: syntax, untilTag: 0x7fe00000 });
      expect(read.string(TAG.PatientName)).to.equal("Test^Name");
      expect(read.items(0x00081140)).to.have.length(2);
    });

    it("decodes or refuses mutated bytes, and never fails otherwise", () => {
      fc.assert(
        fc.property(
          fc.array(fc.tuple(fc.nat(bytes.length - 1), fc.nat(255)), { minLength: 1, maxLength: 8 }),
          (edits) => {
            const mutated = Buffer.from(bytes);
            for (const [at, value] of edits) mutated[at] = value;
            scan(mutated, [3, 50, 51], syntax);
            try {
              decodeDataSet(mutated, { transferSyntaxUid: syntax });
            } catch (error) {
              expect(error).to.be.instanceOf(KindredError);
            }
          },
        ),
        { numRuns: 500 },
      );
    });

    it("decodes what it encodes to the very same bytes", () => {
      expect(
        encodeDataSet(decodeDataSet(bytes, { transferSyntaxUid: syntax }), syntax).equals(bytes),
      ).to.equal(true);
    });
  });
}

describe("data sets made to be dear", () => {
  const head = encodeDataSet(
    new DataSet().setString(TAG.SOPInstanceUID, "UI", "1.2.3"),
    UID.explicitVrLittleEndian,
  );
  /** `count` empty elements of eight bytes, ascending from (0009,0000). */
  const tinyElements = (count: number) => {
    const bytes = Buffer.alloc(count * 8);
    for (let i = 0; i < count; i++) {
      bytes.writeUInt16LE(0x0009 + Math.floor(i / 0x10000), i * 8);
      bytes.writeUInt16LE(i % 0x10000, i * 8 + 2);
      bytes.write("SH", i * 8 + 4, "latin1");
    }
    return bytes;
  };

  it("inflates a thousandfold data set in turns, so that others are served meanwhile", async () => {
    const megabytes = 32;
    const value = Buffer.alloc(12 + megabytes * 1_048_576);
    value.write("\x09\0\x10\x10OB", "latin1");
    value.writeUInt32LE(value.length - 12, 8);
    const bytes = deflateRawSync(Buffer.concat([head, value]), { level: 9 });
    expect(bytes.length).to.be.lessThan(65_536);
    let turns = 0;
    let isOver = false;
    const count = () => {
      turns++;
      if (!isOver) setImmediate(count);
    };
    setImmediate(count);
    const scanner = new StreamScanner({ transferSyntaxUid: UID.deflatedExplicitVrLittleEndian });
    await scanner.push(bytes);
    isOver = true;
    expect(turns).to.be.greaterThan(megabytes);
    expect(scanner.finish().state).to.equal("complete");
  });

  it("looks no further at what inflates beyond all measure", async () => {
    const value = Buffer.alloc(12 + 80 * 1_048_576);
    value.write("\x09\0\x10\x10OB", "latin1");
    value.writeUInt32LE(value.length - 12, 8);
    const bytes = deflateRawSync(Buffer.concat([head, value]), { level: 9 });
    const scanner = new StreamScanner({ transferSyntaxUid: UID.deflatedExplicitVrLittleEndian });
    await scanner.push(bytes);
    const { state, header } = scanner.finish();
    expect(state).to.equal("unparsed");
    expect(header.equals(head)).to.equal(true);
  });

  it("does not inflate on what is no data set", async () => {
    const bytes = deflateRawSync(Buffer.alloc(64 * 1_048_576), { level: 9 });
    const scanner = new StreamScanner({ transferSyntaxUid: UID.deflatedExplicitVrLittleEndian });
    await scanner.push(bytes);
    expect(scanner.finish()).to.include({ state: "unparsed", sizeBytes: bytes.length });
  });

  it("reads of a header no more elements than allowed, and gives what came before", () => {
    const read = (bytes: Buffer) =>
      decodeDataSet(bytes, { transferSyntaxUid: UID.explicitVrLittleEndian, elementsMax: 100 });
    const flat = read(Buffer.concat([head, tinyElements(5000)]));
    expect(flat.string(TAG.SOPInstanceUID)).to.equal("1.2.3");
    expect(flat.elements.size).to.equal(100);
    const items = Buffer.alloc(5000 * 8);
    for (let at = 0; at < items.length; at += 8) items.writeUInt32LE(0xe000fffe, at);
    const sequence = Buffer.alloc(12);
    sequence.write("\x08\0\x40\x11SQ", "latin1");
    sequence.writeUInt32LE(items.length, 8);
    const nested = read(Buffer.concat([head, sequence, items]));
    expect([...nested.elements.keys()]).to.deep.equal([TAG.SOPInstanceUID]);
    const item = Buffer.from([0xfe, 0xff, 0, 0xe0, 0xff, 0xff, 0xff, 0xff]);
    const openEnded = Buffer.from(sequence);
    openEnded.writeUInt32LE(0xffffffff, 8);
    const within = read(Buffer.concat([head, openEnded, item, tinyElements(5000)]));
    expect([...within.elements.keys()]).to.deep.equal([TAG.SOPInstanceUID]);
  });
});
