/**
 * Writes one file from buffers that are lent for a call. While the disk is prompt, larger ones go into the page cache at once, with
 * the smaller ones before them; what waits is copied. Otherwise one writev of the thread pool at a time runs while more arrive.
 * What is held is bounded either way.
 */
import { type ArchiveFile, asStorageError } from "./archive-fs.ts";
import type { DiskPace } from "./disk-pace.ts";

/** What a buffer that waits costs beside its bytes; a peer may send them one byte at a time. */
const BUFFER_COST_BYTES = 256;
/** What is written at once on this thread: small enough to be in the processor's cache still. */
const AT_ONCE_BYTES = 32_768;
/** writev takes at most 1024 buffers (IOV_MAX). */
const BUFFERS_MAX = 512;

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

/** @param heldBytesMax - bytes that may wait for the disk; half of them are written together */
export function createFileWriter(
  file: ArchiveFile,
  heldBytesMax: number,
  pace: DiskPace,
): FileWriter {
  const atOnceBytes = Math.min(AT_ONCE_BYTES, heldBytesMax);
  const togetherBytes = Math.ceil(heldBytesMax / 2);
  let waiting: Uint8Array[] = [];
  let waitingBytes = 0;
  let writingBytes = 0;
  let sizeBytes = 0;
  let running: Promise<void> | undefined;
  let failure: { error: unknown } | undefined;
  let isFlushing = false;

  const isDue = () =>
    waiting.length > 0 &&
    (isFlushing || waitingBytes >= togetherBytes || waiting.length >= BUFFERS_MAX);

  /** Writes what waits on this thread, if that is due and harmless. */
  const writeAtOnce = (leastBytes: number) => {
    if (running !== undefined || waiting.length === 0 || !pace.isPrompt()) return;
    if (waitingBytes < leastBytes && waiting.length < BUFFERS_MAX) return;
    let left: readonly Uint8Array[] = waiting;
    waiting = [];
    waitingBytes = 0;
    try {
      while (left.length > 0)
        left = withoutFirst(
          left,
          pace.measure(() => file.writevNow(left)),
        );
    } catch (error) {
      fail(error);
    }
  };
  const fail = (error: unknown) => {
    try {
      asStorageError(error);
    } catch (storageError) {
      failure ??= { error: storageError };
    }
    waiting = [];
    waitingBytes = 0;
  };

  const run = async () => {
    try {
      while (isDue()) {
        const batch = waiting;
        writingBytes = waitingBytes;
        waiting = [];
        waitingBytes = 0;
        await pace.watch(writeAll(file, batch));
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
  const isFull = () => running !== undefined && waitingBytes + writingBytes >= heldBytesMax;
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
      waiting.push(bytes);
      waitingBytes += bytes.length + BUFFER_COST_BYTES;
      sizeBytes += bytes.length;
      writeAtOnce(atOnceBytes);
      // What must wait is copied: the caller uses its buffer again.
      if (waiting.at(-1) === bytes) waiting[waiting.length - 1] = Buffer.from(bytes);
      start();
      check();
      return isFull() ? room() : undefined;
    },
    async flush() {
      isFlushing = true;
      writeAtOnce(0);
      start();
      while (running !== undefined) await running;
      check();
    },
    async stop() {
      waiting = [];
      waitingBytes = 0;
      while (running !== undefined) await running;
    },
  };
}

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
