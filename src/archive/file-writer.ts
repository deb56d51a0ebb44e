/**
 * Writes one file from buffers that are lent for a call. While the disk is prompt, larger ones go into the page cache at once, with
 * the smaller ones before them; what waits is copied. Otherwise one writev of the thread pool at a time runs while more arrive.
 * What is held is bounded either way.
 */
import { type ArchiveFile, asStorageError } from "./archive-fs.ts";
import type { DiskPace } from "./disk-pace.ts";
import { type Blocks, createHeldBytes } from "./held-bytes.ts";

/** What is written at once on this thread: small enough to be in the processor's cache still. */
const AT_ONCE_BYTES = 32_768;

export interface FileWriter {
  /** Bytes of the file so far, written or waiting. */
  readonly sizeBytes: number;
  /**
   * Writes the bytes or copies them: the buffer is the caller's again when this returns. A promise only when the bound is
   * reached: it resolves when there is room again.
   *
   * @throws KindredError `STORAGE_FULL` of this or an earlier buffer, at once or by the promise
   */
  write(bytes: Uint8Array): Promise<void> | undefined;
  /** Resolves when everything is written. @throws KindredError `STORAGE_FULL` */
  flush(): Promise<void>;
  /** Resolves when no write runs any more; what waited is dropped. Never rejects. */
  stop(): Promise<void>;
}

/**
 * @param heldBytesMax - bytes that may wait for the disk; half of them are written together
 * @param blocks - the memory in which they wait
 */
export function createFileWriter(
  file: ArchiveFile,
  heldBytesMax: number,
  pace: DiskPace,
  blocks: Blocks,
): FileWriter {
  const atOnceBytes = Math.min(AT_ONCE_BYTES, heldBytesMax);
  const togetherBytes = Math.ceil(heldBytesMax / 2);
  const waiting = createHeldBytes(blocks);
  let writingBytes = 0;
  let sizeBytes = 0;
  let running: Promise<void> | undefined;
  let failure: { error: unknown } | undefined;
  let isFlushing = false;

  const isDue = () => waiting.length > 0 && (isFlushing || waiting.length >= togetherBytes);

  /** Writes what waits and the bytes behind it on this thread, if they are that many and it is harmless. */
  const wroteAtOnce = (bytes: Uint8Array, leastBytes: number): boolean => {
    if (waiting.length + bytes.length < leastBytes) return false;
    if (running !== undefined || !pace.isPrompt()) return false;
    const { buffers, free } = waiting.take();
    let left: readonly Uint8Array[] = [...buffers, bytes];
    try {
      while (left.length > 0)
        left = withoutFirst(
          left,
          pace.measure(() => file.writevNow(left)),
        );
    } catch (error) {
      fail(error);
    } finally {
      free();
    }
    return true;
  };
  const drop = () => waiting.take().free();
  const fail = (error: unknown) => {
    try {
      asStorageError(error);
    } catch (storageError) {
      failure ??= { error: storageError };
    }
    drop();
  };

  const run = async () => {
    try {
      while (isDue()) {
        writingBytes = waiting.length;
        const { buffers, free } = waiting.take();
        await pace.watch(writeAll(file, buffers)).finally(free);
        writingBytes = 0;
      }
    } catch (error) {
      fail(error);
    } finally {
      writingBytes = 0;
      running = undefined;
    }
  };
  const start = () => {
    if (running === undefined && isDue()) running = run();
  };
  const isFull = () => running !== undefined && waiting.length + writingBytes >= heldBytesMax;
  const room = async () => {
    while (isFull()) await running;
    check();
  };
  const check = () => {
    if (failure !== undefined) throw failure.error;
  };

  return {
    get sizeBytes() {
      return sizeBytes;
    },
    write(bytes) {
      check();
      sizeBytes += bytes.length;
      if (!wroteAtOnce(bytes, atOnceBytes)) {
        waiting.add(bytes);
        start();
      }
      check();
      return isFull() ? room() : undefined;
    },
    async flush() {
      isFlushing = true;
      if (waiting.length > 0 && !wroteAtOnce(NOTHING, 0)) start();
      while (running !== undefined) await running;
      check();
    },
    async stop() {
      drop();
      while (running !== undefined) await running;
    },
  };
}

const NOTHING = new Uint8Array(0);

async function writeAll(file: ArchiveFile, buffers: readonly Uint8Array[]): Promise<void> {
  let left = buffers;
  while (left.length > 0) {
    const { bytesWritten } = await file.writev(left).catch(asStorageError);
    left = withoutFirst(left, bytesWritten);
  }
}

/** What a short write has left. */
function withoutFirst(buffers: readonly Uint8Array[], count: number): readonly Uint8Array[] {
  let written = count;
  for (let index = 0; index < buffers.length; index++) {
    const buffer = buffers[index]!;
    if (written < buffer.length) return [buffer.subarray(written), ...buffers.slice(index + 1)];
    written -= buffer.length;
  }
  return [];
}
