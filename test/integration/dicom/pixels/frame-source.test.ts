import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { openFrames } from "../../../../src/dicom/pixels/frame-source.ts";
import type { PixelLayout } from "../../../../src/dicom/pixels/layout.ts";
import { readSliceFile } from "../../../../src/dicom/slice-file.ts";
import { UID } from "../../../../src/dicom/uids.ts";
import { encodeLosslessJpeg, encodeRle } from "../../../support/pixel-encoders.ts";
import {
  type Encapsulation,
  encapsulated,
  extendedOffsetTable,
  nativeValue,
  type PixelFile,
  pixelFile,
} from "../../../support/pixel-files.ts";

const RLE = "1.2.840.10008.1.2.5";
const JPEG_LOSSLESS = "1.2.840.10008.1.2.4.70";
const LAYOUT: PixelLayout = {
  rows: 5,
  columns: 7,
  bitsAllocated: 16,
  bitsStored: 12,
  highBit: 11,
  isSigned: true,
};
const BYTES: PixelLayout = {
  ...LAYOUT,
  bitsAllocated: 8,
  bitsStored: 8,
  highBit: 7,
  isSigned: false,
};
const FRAMES = 3;

/** Words of a frame, 12 bits with overlay bits above. */
const words = (frame: number) =>
  Array.from({ length: 35 }, (_, i) => ((frame * 811 + i * 977) & 0xfff) | ((i & 3) << 14));
const storedOf = (frame: number, layout: PixelLayout) =>
  words(frame).map((word) => {
    const value = word & (2 ** layout.bitsStored - 1);
    return layout.isSigned && value >= 2048 ? value - 4096 : value;
  });
const allWords = Array.from({ length: FRAMES }, (_, frame) => words(frame));
const rleFrames = allWords.map((frame) => encodeRle(frame, 16));
const jpegFrames = allWords.map((frame) =>
  encodeLosslessJpeg(
    frame.map((word) => word & 0xfff),
    { rows: 5, columns: 7, precision: 12 },
  ),
);

describe("frames of a file", () => {
  const folder = mkdtempSync(join(tmpdir(), "kindred-frames-"));
  after(() => rmSync(folder, { recursive: true }));
  let count = 0;

  async function framesOf(bytes: Uint8Array): Promise<number[][]> {
    const path = join(folder, `${count++}.dcm`);
    writeFileSync(path, bytes);
    const source = await openFrames(path, await readSliceFile(path));
    try {
      const frames: number[][] = [];
      // Backwards, so that nothing depends on the order.
      for (let i = source.frameCount - 1; i >= 0; i--) frames.unshift([...(await source.frame(i))]);
      return frames;
    } finally {
      await source.close();
    }
  }

  async function refusal(bytes: Uint8Array): Promise<string> {
    return framesOf(bytes).then(
      () => "it was read",
      (error: { code?: string; message: string }) => `${error.code} ${error.message}`,
    );
  }

  for (const [name, transferSyntaxUid, vr] of [
    ["implicit little endian", UID.implicitVrLittleEndian, "OW"],
    ["explicit little endian", UID.explicitVrLittleEndian, "OW"],
    ["deflated", UID.deflatedExplicitVrLittleEndian, "OW"],
    ["explicit big endian", UID.explicitVrBigEndian, "OW"],
  ] as const) {
    it(`are right in ${name}, 16 bits`, async () => {
      const value = nativeValue(allWords.flat(), 16, transferSyntaxUid);
      const file = { layout: LAYOUT, transferSyntaxUid, frameCount: FRAMES, value, vr };
      const expected = allWords.map((_, frame) => storedOf(frame, LAYOUT));
      expect(await framesOf(pixelFile(file))).to.deep.equal(expected);
    });

    it(`are right in ${name}, 8 bits as bytes and as words`, async () => {
      // 35 bytes a frame: the second frame begins inside a word.
      const bytes = Buffer.concat([nativeValue(allWords.flat(), 8), Buffer.of(0)]);
      const expected = allWords.map((_, frame) => storedOf(frame, BYTES));
      const isBig = transferSyntaxUid === UID.explicitVrBigEndian;
      const file = { layout: BYTES, transferSyntaxUid, frameCount: FRAMES };
      expect(await framesOf(pixelFile({ ...file, value: bytes, vr: "OB" }))).to.deep.equal(
        expected,
      );
      const asWords = isBig ? Buffer.from(bytes).swap16() : bytes;
      expect(await framesOf(pixelFile({ ...file, value: asWords, vr: "OW" }))).to.deep.equal(
        expected,
      );
    });
  }

  const TABLES: readonly [string, Encapsulation, Partial<PixelFile>?][] = [
    ["one fragment a frame and no table", {}],
    ["one fragment a frame and a right table", { table: "right" }],
    ["one fragment a frame and a wrong table", { table: [0, 8, 16] }],
    ["many fragments a frame and a right table", { table: "right", fragmentBytes: 20 }],
    ["many fragments a frame and no table", { fragmentBytes: 64 }],
    ["many fragments a frame and a wrong table", { table: [0, 1, 2], fragmentBytes: 64 }],
    ["many fragments a frame and a table of another length", { table: [0], fragmentBytes: 64 }],
  ];
  for (const [name, options] of TABLES) {
    it(`are right with ${name}`, async () => {
      const file = { layout: LAYOUT, frameCount: FRAMES, isEncapsulated: true };
      const expected = allWords.map((_, frame) => storedOf(frame, LAYOUT));
      for (const [transferSyntaxUid, frames] of [
        [RLE, rleFrames],
        [JPEG_LOSSLESS, jpegFrames],
      ] as const) {
        const value = encapsulated(frames, options);
        const made = pixelFile({ ...file, transferSyntaxUid, value });
        expect(await framesOf(made), transferSyntaxUid).to.deep.equal(expected);
      }
    });
  }

  it("are right with an Extended Offset Table, where nothing else tells them apart", async () => {
    // The first fragment of each frame is too short to be known by its beginning.
    const value = encapsulated(rleFrames, { fragmentBytes: 20 });
    const file = {
      layout: LAYOUT,
      frameCount: FRAMES,
      isEncapsulated: true,
      transferSyntaxUid: RLE,
      value,
    };
    expect(await refusal(pixelFile(file))).to.match(/cannot be told where its 3 frames begin/);
    const before = extendedOffsetTable(rleFrames, 20);
    const expected = allWords.map((_, frame) => storedOf(frame, LAYOUT));
    expect(await framesOf(pixelFile({ ...file, before }))).to.deep.equal(expected);
  });

  const one = {
    layout: LAYOUT,
    transferSyntaxUid: UID.explicitVrLittleEndian,
    value: nativeValue(words(0), 16),
  };
  const rle = { ...one, transferSyntaxUid: RLE, isEncapsulated: true };
  const runs = rleFrames.slice(0, 1);
  const large = { ...LAYOUT, rows: 65_535, columns: 65_535 };
  const REFUSED: readonly [string, () => Uint8Array, RegExp][] = [
    ["more frames than pixels", () => pixelFile({ ...one, frameCount: 2 }), /2 frames .* need 140/],
    [
      "twice the pixels",
      () => pixelFile({ ...one, value: Buffer.concat([one.value, one.value]) }),
      /more than 1 frames/,
    ],
    ["a file that is cut", () => pixelFile(one).subarray(0, -10), /cut off/],
    ["an impossible matrix", () => pixelFile({ ...one, layout: large }), /larger than any CT/],
    ["three samples a pixel", () => pixelFile({ ...one, samplesPerPixel: 3 }), /3 samples/],
    [
      "32 bits",
      () =>
        pixelFile({
          ...one,
          layout: { ...LAYOUT, bitsAllocated: 32, bitsStored: 32, highBit: 31 },
        }),
      /Bits Allocated 32/,
    ],
    [
      "fragments in a native syntax",
      () =>
        pixelFile({ ...rle, transferSyntaxUid: one.transferSyntaxUid, value: encapsulated(runs) }),
      /are in fragments, which Explicit VR Little Endian has not/,
    ],
    [
      "no fragments in RLE",
      () => pixelFile({ ...one, transferSyntaxUid: RLE }),
      /not in fragments/,
    ],
    [
      "JPEG 2000 Part 2",
      () =>
        pixelFile({
          ...rle,
          transferSyntaxUid: "1.2.840.10008.1.2.4.93",
          value: encapsulated(runs),
        }),
      /Part 2 cannot be decoded/,
    ],
    ["no end", () => pixelFile({ ...rle, value: encapsulated(runs, { hasEnd: false }) }), /no end/],
    [
      "a fragment that is cut",
      () => pixelFile({ ...rle, value: encapsulated(runs, { hasEnd: false }) }).subarray(0, -6),
      /longer than the file/,
    ],
    ["no fragment", () => pixelFile({ ...rle, value: encapsulated([]) }), /hold no fragment/],
    [
      "fewer fragments than frames",
      () => pixelFile({ ...rle, frameCount: 3, value: encapsulated(runs) }),
      /1 compressed frames, not 3/,
    ],
    [
      "fragments without end",
      () =>
        pixelFile({
          ...rle,
          value: encapsulated(Array.from({ length: 600 }, () => Buffer.of(0, 0))),
        }),
      /more than 512 fragments/,
    ],
    [
      "a compressed frame out of all proportion",
      () => pixelFile({ ...rle, value: encapsulated([Buffer.alloc(1_100_000)]) }),
      /far more than its pixels/,
    ],
    [
      "a code stream of another size",
      () =>
        pixelFile({
          ...rle,
          layout: { ...LAYOUT, rows: 7, columns: 5 },
          transferSyntaxUid: JPEG_LOSSLESS,
          value: encapsulated(jpegFrames.slice(0, 1)),
        }),
      /Frame 1 cannot be decoded from JPEG Lossless SV1: its code stream has 5 × 7 pixels/,
    ],
    [
      "lossy code under a lossless name",
      () => {
        const frame = Buffer.from(jpegFrames[0]!);
        frame[frame.indexOf(Buffer.of(0xff, 0xc3)) + 1] = 0xc1;
        return pixelFile({
          ...rle,
          transferSyntaxUid: JPEG_LOSSLESS,
          value: encapsulated([frame]),
        });
      },
      /another JPEG process/,
    ],
    [
      "bytes in big endian where words must be",
      () => pixelFile({ ...one, transferSyntaxUid: UID.explicitVrBigEndian, vr: "OB" }),
      /order is not known/,
    ],
  ];
  for (const [name, make, reason] of REFUSED) {
    it(`are refused with ${name}`, async () => {
      expect(await refusal(make()))
        .to.match(/^DATASET_UNREADABLE /)
        .and.to.match(reason);
    });
  }

  it("of a deflated file take no more memory than the header allows, whatever is inflated", async () => {
    // 256 MiB of zeros behind 70 bytes of pixels.
    const bomb = { ...one, transferSyntaxUid: UID.deflatedExplicitVrLittleEndian };
    const whole = pixelFile({ ...bomb, value: Buffer.alloc(268_435_456) });
    const path = join(folder, "bomb.dcm");
    writeFileSync(path, whole);
    const header = { ...(await readSliceFile(path)) };
    // As if the header gave the right length.
    const pixelData = { offset: header.pixelData!.offset, length: 70 };
    const before = process.memoryUsage().arrayBuffers;
    const source = await openFrames(path, { ...header, pixelData });
    const failed = await source.frame(0).then(
      () => "read",
      (error: Error) => error.message,
    );
    await source.close();
    expect(failed).to.match(/cannot be inflated/);
    expect(process.memoryUsage().arrayBuffers - before).to.be.below(67_108_864);
  });
});
