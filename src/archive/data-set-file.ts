/** The data set of a kept file, read piece by piece and never looked into. */
import { type FileHandle, open } from "node:fs/promises";
import { decodeFileMeta } from "../dicom/part10.ts";
import type { OpenDataSet } from "../dimse/ports.ts";
import { KindredError } from "../kernel/errors.ts";

/** Bytes of one read. Pieces of a block may wait in a socket long after the next one was read. */
const BLOCK_BYTES = 1_048_576;
const FREE_BLOCKS_MAX = 8;
/** More than preamble and file meta information that we write; a file of one block is then read at once. */
const HEAD_BYTES = 4_096;

/**
 * First blocks that are used again. Otherwise each image is an allocation outside V8's heap, and the collections which
 * those cause take a quarter of the CPU of sending.
 */
export interface BlockPool {
  take(): Buffer;
  /** Nobody reads it any more. */
  give(block: Buffer): void;
}

export function createBlockPool(): BlockPool {
  const free: Buffer[] = [];
  return {
    take: () => free.pop() ?? Buffer.allocUnsafeSlow(BLOCK_BYTES),
    give(block) {
      if (free.length < FREE_BLOCKS_MAX) free.push(block);
    },
  };
}

/**
 * Opens the file and reads its first block; the handle of a file that is in it whole is closed at once.
 *
 * @param sizeBytes - size of the data set as it was kept
 * @throws KindredError `NOT_FOUND`; `DATASET_INCOMPLETE` when the file has not that size
 */
export async function openDataSetFile(
  path: string,
  sizeBytes: number,
  pool: BlockPool,
): Promise<OpenDataSet> {
  const handle = await open(path, "r").catch(notReadable);
  let isOpen = true;
  const closeHandle = async () => {
    if (!isOpen) return;
    isOpen = false;
    await handle.close();
  };
  const block = pool.take();
  let isHeld = true;
  const giveBlock = () => {
    if (isHeld) pool.give(block);
    isHeld = false;
  };
  try {
    const wanted = Math.min(BLOCK_BYTES, HEAD_BYTES + sizeBytes);
    const first = await readInto(block.subarray(0, wanted), handle, 0);
    const { dataSetOffset } = decodeFileMeta(first);
    const fileBytes = dataSetOffset + sizeBytes;
    // A short read says where the file ends; a full one does not.
    const actualBytes = first.length < wanted ? first.length : (await handle.stat()).size;
    if (actualBytes !== fileBytes) {
      throw new KindredError("DATASET_INCOMPLETE", "The file has another size than was kept", {
        details: { expectedBytes: fileBytes, actualBytes },
      });
    }
    if (first.length === fileBytes) await closeHandle();
    return {
      sizeBytes,
      async close(isDelivered = false) {
        if (isDelivered) giveBlock();
        await closeHandle();
      },
      async *pieces(bytesMax) {
        yield* cut(first.subarray(dataSetOffset), bytesMax);
        yield* rest(handle, { from: first.length, to: fileBytes }, bytesMax);
      },
    };
  } catch (error) {
    giveBlock();
    await closeHandle().catch(() => undefined);
    throw error;
  }
}

/** The next block is read while the pieces of the one before go out. */
async function* rest(
  handle: FileHandle,
  range: { readonly from: number; readonly to: number },
  bytesMax: number,
): AsyncGenerator<Buffer> {
  const read = (at: number) => {
    const block = Buffer.allocUnsafeSlow(Math.min(BLOCK_BYTES, range.to - at));
    const reading = readInto(block, handle, at);
    // It is awaited a block later; until then nobody handles its rejection.
    reading.catch(() => undefined);
    return reading;
  };
  let at = range.from;
  let next = at < range.to ? read(at) : undefined;
  try {
    while (next !== undefined) {
      const block: Buffer = await next;
      at += block.length;
      if (block.length === 0)
        throw new KindredError("DATASET_INCOMPLETE", "The file ended while it was read");
      next = at < range.to ? read(at) : undefined;
      yield* cut(block, bytesMax);
    }
  } finally {
    await next?.catch(() => undefined);
  }
}

function* cut(block: Buffer, bytesMax: number): Generator<Buffer> {
  for (let at = 0; at < block.length; at += bytesMax) yield block.subarray(at, at + bytesMax);
}

/** Fills the block; the part that was filled is shorter only at the end of the file. */
async function readInto(block: Buffer, handle: FileHandle, at: number): Promise<Buffer> {
  let filled = 0;
  while (filled < block.length) {
    const { bytesRead } = await handle.read(block, filled, block.length - filled, at + filled);
    if (bytesRead === 0) break;
    filled += bytesRead;
  }
  return block.subarray(0, filled);
}

function notReadable(error: NodeJS.ErrnoException): never {
  throw new KindredError("NOT_FOUND", `The file cannot be opened (${error.code ?? "?"})`, {
    cause: error,
  });
}
