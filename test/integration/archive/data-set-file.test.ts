import { randomBytes } from "node:crypto";
import { appendFileSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import { createBlockPool, openDataSetFile } from "../../../src/archive/data-set-file.ts";
import { encodeFileMeta } from "../../../src/dicom/part10.ts";
import { SOP_CLASS, UID } from "../../../src/dicom/uids.ts";
import { codeOf } from "../../../src/kernel/errors.ts";
import { temporaryFolder } from "../../support/node-under-test.ts";

const MIB = 1_048_576;
const folder = temporaryFolder();
const pool = createBlockPool();
const meta = encodeFileMeta({
  sopClassUid: SOP_CLASS.ctImageStorage,
  sopInstanceUid: "1.2.3",
  transferSyntaxUid: UID.explicitVrLittleEndian,
});

function fileOf(dataSet: Buffer): string {
  const path = join(folder, `${randomBytes(4).toString("hex")}.dcm`);
  writeFileSync(path, Buffer.concat([meta, dataSet]));
  return path;
}

describe("the data set of a kept file", () => {
  const edge = MIB - meta.length;
  for (const size of [2, 1000, 526_000, edge - 1, edge, edge + 1, 2 * MIB, 3 * MIB + 12_345]) {
    for (const piece of [16_376, 131_066, 4 * MIB]) {
      it(`of ${size} bytes comes whole in pieces of at most ${piece}`, async () => {
        const dataSet = randomBytes(size);
        const open = await openDataSetFile(fileOf(dataSet), size, pool);
        const pieces: Buffer[] = [];
        for await (const one of open.pieces(piece)) pieces.push(one);
        expect(pieces.every((one) => one.length > 0 && one.length <= piece)).to.equal(true);
        expect(Buffer.concat(pieces).equals(dataSet)).to.equal(true);
        await open.close(true);
      });
    }
  }

  it("keeps its memory until it was delivered, and then shares it", async () => {
    const [a, b, c] = [randomBytes(1000), randomBytes(1000), randomBytes(1000)];
    const read = async (dataSet: Buffer) => {
      const open = await openDataSetFile(fileOf(dataSet), 1000, pool);
      const { value } = await open
        .pieces(4 * MIB)
        [Symbol.asyncIterator]()
        .next();
      return { open, piece: value as Buffer };
    };
    const first = await read(a);
    await first.open.close();
    // Not delivered: it may still wait in a socket.
    const second = await read(b);
    expect(first.piece.equals(a)).to.equal(true);
    await second.open.close(true);
    await second.open.close(true);
    const [third, fourth] = [await read(c), await read(a)];
    expect(third.piece.buffer === second.piece.buffer).to.equal(true);
    expect(fourth.piece.buffer === third.piece.buffer).to.equal(false);
    expect(third.piece.equals(c)).to.equal(true);
  });

  it("may be closed at any time, read or not", async () => {
    const open = await openDataSetFile(fileOf(randomBytes(3 * MIB)), 3 * MIB, pool);
    for await (const _ of open.pieces(1000)) break;
    await open.close();
    const unread = await openDataSetFile(fileOf(randomBytes(3 * MIB)), 3 * MIB, pool);
    await unread.close();
    await unread.close();
  });

  const code = (path: string, size: number) =>
    openDataSetFile(path, size, pool).then(
      () => "opened",
      (error: unknown) => codeOf(error),
    );

  for (const size of [1000, 3 * MIB]) {
    it(`of ${size} bytes is refused when the file has another size or is gone`, async () => {
      const path = fileOf(randomBytes(size));
      truncateSync(path, meta.length + size - 1);
      expect(await code(path, size)).to.equal("DATASET_INCOMPLETE");
      appendFileSync(path, "12");
      expect(await code(path, size)).to.equal("DATASET_INCOMPLETE");
      expect(await code(join(folder, "nowhere"), size)).to.equal("NOT_FOUND");
    });
  }

  it("is refused when the file is no DICOM file", async () => {
    const path = join(folder, "text");
    writeFileSync(path, "not at all");
    expect(await code(path, 10)).to.equal("DATASET_UNREADABLE");
  });
});
