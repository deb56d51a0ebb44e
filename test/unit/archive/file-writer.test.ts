import { expect } from "chai";
import fc from "fast-check";
import type { ArchiveFile } from "../../../src/archive/archive-fs.ts";
import { createDiskPace } from "../../../src/archive/disk-pace.ts";
import { createFileWriter } from "../../../src/archive/file-writer.ts";
import { BLOCK_BYTES, createBlocks, createHeldBytes } from "../../../src/archive/held-bytes.ts";

const blocks = createBlocks();
const prompt = () => createDiskPace();
/** A disk that was slow a moment ago. */
function slow() {
  let at = 0;
  const pace = createDiskPace(undefined, () => at);
  pace.measure(() => {
    at += 1000;
  });
  return pace;
}

/** A file in memory that writes at most so many bytes at once, as a kernel may. */
function shortFile(bytesMax: number) {
  const written: Uint8Array[] = [];
  let running = 0;
  let mostAtOnce = 0;
  const file: ArchiveFile = {
    async writev(buffers) {
      mostAtOnce = Math.max(mostAtOnce, ++running);
      await new Promise(setImmediate);
      const all = Buffer.concat(buffers).subarray(0, bytesMax);
      written.push(all);
      running--;
      return { bytesWritten: all.length };
    },
    writevNow(buffers) {
      expect(running, "a write on this thread while one of the pool runs").to.equal(0);
      const all = Buffer.concat(buffers).subarray(0, bytesMax);
      written.push(all);
      return all.length;
    },
    async datasync() {},
    async sync() {},
    async close() {},
  };
  return { file, bytes: () => Buffer.concat(written), mostAtOnce: () => mostAtOnce };
}

describe("the file writer", () => {
  it("writes what came, in order, whatever the pieces and however short the writes", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 40 }),
        fc.integer({ min: 1, max: 500 }),
        fc.integer({ min: 1, max: 4_000 }),
        fc.boolean(),
        async (pieces, bytesMax, heldBytesMax, isPrompt) => {
          const { file, bytes, mostAtOnce } = shortFile(bytesMax);
          const writer = createFileWriter(file, heldBytesMax, isPrompt ? prompt() : slow(), blocks);
          for (const piece of pieces) {
            const lent = Uint8Array.from(piece);
            await writer.write(lent);
            lent.fill(0xff);
          }
          await writer.flush();
          expect(bytes().equals(Buffer.concat(pieces))).to.equal(true);
          expect(writer.sizeBytes).to.equal(bytes().length);
          expect(mostAtOnce()).to.be.at.most(1);
        },
      ),
      { numRuns: 60 },
    );
  });

  it("holds no more than its bound: the write waits for the disk", async () => {
    const { promise: disk, resolve: diskIsReady } = Promise.withResolvers<void>();
    const writer = createFileWriter(
      {
        async writev(buffers) {
          await disk;
          return { bytesWritten: buffers.reduce((sum, one) => sum + one.length, 0) };
        },
        writevNow: () => expect.fail("the disk is slow"),
        async datasync() {},
        async sync() {},
        async close() {},
      },
      10_000,
      slow(),
      blocks,
    );
    let taken = 0;
    const filling = (async () => {
      for (; taken < 100; taken++) await writer.write(Buffer.alloc(1_000));
    })();
    await new Promise(setImmediate);
    expect(taken).to.be.within(4, 10);
    diskIsReady();
    await filling;
    await writer.flush();
    expect(writer.sizeBytes).to.equal(100_000);
  });

  for (const [disk, pace] of [
    ["prompt", prompt],
    ["slow", slow],
  ] as const) {
    it(`gives the error of a write to every later call, with a ${disk} disk`, async () => {
      const full = Object.assign(new Error("full"), { code: "ENOSPC" });
      const writer = createFileWriter(
        {
          writev: () => Promise.reject(full),
          writevNow() {
            throw full;
          },
          async datasync() {},
          async sync() {},
          async close() {},
        },
        1_000,
        pace(),
        blocks,
      );
      await writer.write(Buffer.alloc(10));
      for (const call of [() => writer.flush(), async () => writer.write(Buffer.alloc(1))]) {
        const error = await call().then(
          () => undefined,
          (reason: unknown) => reason,
        );
        expect(error).to.include({ code: "STORAGE_FULL" });
      }
      await writer.stop();
    });
  }
});

describe("bytes that wait for the disk", () => {
  it("come out as they went in, whatever the pieces, and go on behind what was taken", () => {
    fc.assert(
      fc.property(
        fc.array(fc.nat({ max: BLOCK_BYTES * 2 }), { maxLength: 8 }),
        fc.nat({ max: 8 }),
        (lengths, takenAfter) => {
          const held = createHeldBytes(blocks);
          const all: Buffer[] = [];
          const out: Buffer[] = [];
          const takeAll = () => {
            const { buffers, free } = held.take();
            expect(held.length).to.equal(0);
            out.push(...buffers.map((one) => Buffer.from(one)));
            free();
          };
          lengths.forEach((length, index) => {
            const lent = Buffer.alloc(length, index + 1);
            all.push(Buffer.from(lent));
            held.add(lent);
            lent.fill(0);
            if (index === takenAfter) takeAll();
          });
          takeAll();
          expect(Buffer.concat(out).equals(Buffer.concat(all))).to.equal(true);
        },
      ),
      { numRuns: 50 },
    );
  });

  it("lie in memory that nobody else has until it is given back", () => {
    const [one, other] = [createHeldBytes(blocks), createHeldBytes(blocks)];
    one.add(Buffer.alloc(10, 1));
    const taken = one.take();
    other.add(Buffer.alloc(10, 2));
    one.add(Buffer.alloc(10, 3));
    expect(Buffer.concat(taken.buffers)).to.deep.equal(Buffer.alloc(10, 1));
    taken.free();
    expect(Buffer.concat(other.take().buffers)).to.deep.equal(Buffer.alloc(10, 2));
  });
});

describe("the pace of the disk", () => {
  it("is prompt until a call is under way for a quarter of a second, and again when it ended", async () => {
    let at = 0;
    const pace = createDiskPace(undefined, () => at);
    expect(pace.isPrompt()).to.equal(true);
    const { promise, resolve } = Promise.withResolvers<void>();
    void pace.watch(promise);
    at = 200;
    void pace.watch(new Promise(() => undefined));
    expect(pace.isPrompt()).to.equal(true);
    at = 260;
    expect(pace.isPrompt(), "the first call hangs").to.equal(false);
    resolve();
    await promise;
    expect(pace.isPrompt(), "the second is young").to.equal(true);
    at = 500;
    expect(pace.isPrompt(), "the second hangs").to.equal(false);
  });

  it("is not prompt while any sync is under way", async () => {
    const pace = createDiskPace(undefined, () => 0);
    const [file, folder] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    void pace.watchSync(file.promise);
    const failing = pace.watchSync(folder.promise).catch(() => undefined);
    expect(pace.isPrompt()).to.equal(false);
    file.resolve();
    await file.promise;
    expect(pace.isPrompt(), "the other is under way").to.equal(false);
    folder.reject(new Error("no"));
    await failing;
    expect(pace.isPrompt()).to.equal(true);
  });

  it("is not prompt while a sync of another process is under way", async () => {
    let isOtherSyncing = true;
    const told: boolean[] = [];
    const pace = createDiskPace({
      set: (isUnderWay) => void told.push(isUnderWay),
      isAnySet: () => isOtherSyncing,
    });
    expect(pace.isPrompt()).to.equal(false);
    isOtherSyncing = false;
    expect(pace.isPrompt()).to.equal(true);
    const [first, second] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    void pace.watchSync(first.promise);
    void pace.watchSync(second.promise);
    first.resolve();
    await first.promise;
    expect(told, "told once, until the last has ended").to.deep.equal([true]);
    second.resolve();
    await second.promise;
    expect(told).to.deep.equal([true, false]);
  });

  it("rests for five seconds after a call on this thread took long", () => {
    let at = 0;
    const pace = createDiskPace(undefined, () => at);
    pace.measure(() => {
      at += 101;
    });
    expect(pace.isPrompt()).to.equal(false);
    at += 5_001;
    expect(pace.isPrompt()).to.equal(true);
  });
});
