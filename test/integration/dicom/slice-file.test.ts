/** Header facts of files on disk: hostile ones, huge ones, and how little of them is read. */
import {
  closeSync,
  ftruncateSync,
  mkdtempSync,
  openSync,
  rmSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { deflateRawSync } from "node:zlib";
import { expect } from "chai";
import { readSliceFile } from "../../../src/dicom/slice-file.ts";
import { FRAMES_MAX } from "../../../src/dicom/slice-plane.ts";
import { TAG } from "../../../src/dicom/tags.ts";
import { KindredError } from "../../../src/kernel/errors.ts";
import { CLASSIC, enhanced, headerOf } from "../../support/frames.ts";
import { fileBytes, head, headerBytes, itemBytes, MANNERS } from "../../support/header-bytes.ts";

const EXPLICIT = MANNERS.find(
  ({ syntax, isOpenEnded }) => syntax.endsWith(".2.1") && !isOpenEnded,
)!;
const DEFLATED = "1.2.840.10008.1.2.1.99";
const JPEG_LOSSLESS = "1.2.840.10008.1.2.4.70";
const MUTATIONS = 2_000;
const FILE_MS_MAX = 2_000;
const RSS_BYTES_MAX = 400_000_000;

/** The head of a sequence of undefined length. */
const sequence = (tag: number) =>
  Buffer.concat([
    head(tag, 0, EXPLICIT).subarray(0, 4),
    Buffer.from("SQ\0\0\xff\xff\xff\xff", "latin1"),
  ]);
const pixels = (length: number, value = new Uint8Array(0)) => {
  const bytes = Buffer.from("e07f10004f57000000000000", "hex");
  bytes.writeUInt32LE(length, 8);
  return Buffer.concat([bytes, value]);
};

/** A small generator of its own, so that a failure can be repeated. */
function randomOf(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  };
}

describe("the header of an image file", function () {
  this.timeout(120_000);
  let folder: string;
  let path: string;
  before(() => {
    folder = mkdtempSync(join(tmpdir(), "kindred-slices-"));
    path = join(folder, "slice.dcm");
  });
  after(() => rmSync(folder, { recursive: true }));

  const read = (bytes: Uint8Array) => {
    writeFileSync(path, bytes);
    return readSliceFile(path);
  };
  const refused = async (bytes: Uint8Array, words: RegExp) => {
    const error: unknown = await read(bytes).then(
      ({ planes }) => expect.fail(`read ${planes.length} planes`),
      (caught: unknown) => caught,
    );
    expect(error).to.be.instanceOf(KindredError).with.property("code", "DATASET_UNREADABLE");
    expect((error as Error).message).to.match(words);
  };

  it("is read behind a private block of three gigabytes, which is not read itself", async () => {
    const blockBytes = 3_000_000_000;
    const block = Buffer.from("090010104f42000000000000", "hex");
    block.writeUInt32LE(blockBytes, 8);
    const begin = fileBytes(block, EXPLICIT.syntax);
    const end = Buffer.concat([
      headerBytes(headerOf(CLASSIC), EXPLICIT),
      pixels(40, Buffer.alloc(40)),
    ]);
    const file = openSync(path, "w");
    writeSync(file, begin, 0, begin.length, 0);
    // Sparse: it takes no room.
    ftruncateSync(file, begin.length + blockBytes);
    writeSync(file, end, 0, end.length, begin.length + blockBytes);
    closeSync(file);
    const began = performance.now();
    const { planes, pixelData } = await readSliceFile(path);
    expect(performance.now() - began).to.be.lessThan(FILE_MS_MAX);
    expect(planes[0]!.positionLpsMm).to.deep.equal([-10, -20, 30]);
    expect(pixelData).to.deep.equal({
      offset: begin.length + blockBytes + end.length - 40,
      length: 40,
    });
  });

  it("is read of a deflated file without its pixels, however many follow", async () => {
    const header = headerBytes(headerOf(CLASSIC), EXPLICIT);
    const pixelBytes = Buffer.alloc(30_000_000, 7);
    const deflated = deflateRawSync(Buffer.concat([header, pixels(pixelBytes.length, pixelBytes)]));
    const whole = await read(fileBytes(deflated, DEFLATED));
    expect(whole.planes[0]!.rows).to.equal(4);
    expect(whole.pixelData).to.deep.equal({ offset: header.length + 12, length: 30_000_000 });
    // What stands behind the header may be missing or broken.
    const half = await read(fileBytes(deflated.subarray(0, deflated.length / 2), DEFLATED));
    expect(half).to.deep.equal(whole);
    await refused(fileBytes(deflated.subarray(0, 100), DEFLATED), /ends/);
    await refused(fileBytes(Buffer.alloc(500, 0xff), DEFLATED), /./);
  });

  it("is read of a bare data set, in the encoding that is seen", async () => {
    for (const manner of MANNERS) {
      // It begins as data sets do.
      const header = headerOf({ SpecificCharacterSet: "ISO_IR 100", ...enhanced(2) });
      const bytes = headerBytes(header, manner);
      const { planes, transferSyntaxUid } = await read(bytes);
      expect(transferSyntaxUid).to.equal(manner.syntax);
      expect(planes[0]!.rows).to.equal(4);
    }
    const meta = fileBytes(headerBytes(headerOf(CLASSIC), EXPLICIT), EXPLICIT.syntax);
    expect((await read(meta.subarray(132))).planes[0]!.rows).to.equal(4);
    await refused(Buffer.from("# a text\n"), /no DICOM/);
    await refused(new Uint8Array(0), /no DICOM/);
  });

  it("has as many planes as its pixels hold frames, and no more than are read", async () => {
    const stated = (
      frames: string,
      pixelBytes: number,
      syntax = EXPLICIT.syntax,
      length = pixelBytes,
    ) => {
      const header = headerOf({ ...CLASSIC, NumberOfFrames: frames });
      const value = Buffer.alloc(pixelBytes);
      return fileBytes(
        Buffer.concat([headerBytes(header, EXPLICIT), pixels(length, value)]),
        syntax,
      );
    };
    const count = async (bytes: Uint8Array) => (await read(bytes)).planes.length;
    // A frame has 40 bytes.
    expect(await count(stated("3", 120))).to.equal(3);
    expect(await count(stated("2000000000", 120))).to.equal(3);
    expect(await count(stated("2000000000", 120, EXPLICIT.syntax, 0xfffffffe))).to.equal(3);
    expect(await count(stated("3", 79))).to.equal(1);
    expect(await count(stated("3", 0))).to.equal(1);
    expect(await count(stated("9", 80, JPEG_LOSSLESS, 0xffffffff))).to.equal(9);
    expect(await count(stated(`${FRAMES_MAX}`, 40 * FRAMES_MAX))).to.equal(FRAMES_MAX);
    await refused(stated(`${FRAMES_MAX + 1}`, 40 * (FRAMES_MAX + 1)), /at most 20000/);
    await refused(stated("2000000000", 8 * 30_000, JPEG_LOSSLESS, 0xffffffff), /at most 20000/);
  });

  it("says that there are no pixels, and which are none of CT", async () => {
    const header = headerBytes(headerOf(CLASSIC), EXPLICIT);
    const float = Buffer.from("e07f08004f46000028000000", "hex");
    for (const end of [Buffer.alloc(0), Buffer.concat([float, Buffer.alloc(40)])]) {
      const { pixelData, planes } = await read(
        fileBytes(Buffer.concat([header, end]), EXPLICIT.syntax),
      );
      expect(pixelData).to.equal(null);
      expect(planes).to.have.length(1);
    }
    await refused(fileBytes(header.subarray(0, -3), EXPLICIT.syntax), /ends/);
    const error = await readSliceFile(join(folder, "absent")).catch((caught: unknown) => caught);
    expect(error).to.be.instanceOf(KindredError).with.property("code", "NOT_FOUND");
  });

  it("is refused in bounded time and memory when it is built to cost much", async () => {
    const empty = itemBytes(headerOf({}), EXPLICIT);
    const item = itemBytes(
      headerOf({ PlanePositionSequence: [{ ImagePositionPatient: "1\\2\\3" }] }),
      EXPLICIT,
    );
    const frames = (one: Buffer, bytes: number) =>
      Buffer.concat([
        sequence(TAG.PerFrameFunctionalGroupsSequence),
        Buffer.alloc(Math.floor(bytes / one.length) * one.length, one),
      ]);
    const bomb = deflateRawSync(
      Buffer.concat([Buffer.from("090010104f420000ffffff7f", "hex"), Buffer.alloc(200_000_000)]),
    );
    const files = [
      fileBytes(frames(empty, 30_000_000), EXPLICIT.syntax),
      fileBytes(frames(item, 60_000_000), EXPLICIT.syntax),
      fileBytes(frames(item, 70_000_000), EXPLICIT.syntax),
      fileBytes(bomb, DEFLATED),
    ];
    const before = process.memoryUsage().rss;
    for (const bytes of files) {
      const began = performance.now();
      await refused(bytes, /header|ends/i);
      expect(performance.now() - began).to.be.lessThan(4 * FILE_MS_MAX);
    }
    expect(process.memoryUsage().rss - before).to.be.lessThan(RSS_BYTES_MAX);
  });

  it(`of ${MUTATIONS} damaged files is read or refused, soon and with little memory`, async () => {
    const random = randomOf(20261126);
    const seeds = MANNERS.flatMap((manner) =>
      [headerOf(CLASSIC), headerOf(enhanced(12)), headerOf(enhanced(40))].map((header) => ({
        syntax: manner.syntax,
        bytes: Buffer.concat([headerBytes(header, manner), Buffer.alloc(400)]),
      })),
    );
    const lengths = [0, 1, 2, 7, 0xff, 0xffff, 0x10000, 0x7fffffff, 0xfffffffe, 0xffffffff];
    const outcomes = { read: 0, refused: 0 };
    const before = process.memoryUsage().rss;
    let slowestMs = 0;
    for (let round = 0; round < MUTATIONS; round++) {
      const seed = seeds[round % seeds.length]!;
      let bytes = Buffer.from(seed.bytes);
      for (let hit = random(4); hit >= 0; hit--) {
        const at = random(bytes.length - 8);
        const kind = random(5);
        if (kind === 0) bytes[at] = bytes[at]! ^ (1 << random(8));
        else if (kind === 1) bytes.writeUInt32LE(lengths[random(lengths.length)]!, at);
        else if (kind === 2) bytes.copy(bytes, at, random(bytes.length - 8));
        else if (kind === 3) bytes = bytes.subarray(0, Math.max(64, at));
        else lieOfLength(bytes, at, lengths[random(lengths.length)]!);
      }
      const isDeflated = random(5) === 0;
      const file = isDeflated
        ? fileBytes(deflateRawSync(bytes), DEFLATED)
        : fileBytes(bytes, seed.syntax);
      const began = performance.now();
      try {
        const { planes, pixelData } = await read(file);
        outcomes.read++;
        expect(planes.length).to.be.within(1, FRAMES_MAX);
        for (const { positionLpsMm, orientation, pixelSpacingMm, rescaleSlope } of planes) {
          const numbers = [positionLpsMm, orientation, pixelSpacingMm, rescaleSlope ?? 1].flat();
          expect(numbers.every((one) => one === undefined || Number.isFinite(one))).to.equal(true);
        }
        if (pixelData !== null && !isDeflated)
          expect(pixelData.offset).to.be.within(132, file.length);
      } catch (error) {
        if (!(error instanceof KindredError)) throw error;
        expect(error.code, `round ${round}`).to.equal("DATASET_UNREADABLE");
        outcomes.refused++;
      }
      slowestMs = Math.max(slowestMs, performance.now() - began);
    }
    expect(slowestMs).to.be.lessThan(FILE_MS_MAX);
    expect(process.memoryUsage().rss - before).to.be.lessThan(RSS_BYTES_MAX);
    expect(outcomes.read).to.be.greaterThan(MUTATIONS / 10);
    expect(outcomes.refused).to.be.greaterThan(MUTATIONS / 10);
  });
});

/** Puts a length into the next item or sequence from `at` on. */
function lieOfLength(bytes: Buffer, at: number, length: number): void {
  const item = bytes.indexOf("feff00e0", at, "hex");
  if (item >= 0 && item + 8 <= bytes.length) bytes.writeUInt32LE(length, item + 4);
}
