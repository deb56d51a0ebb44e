/**
 * Writes one file from buffers that are lent for a call. While the disk is prompt, larger ones go into the page cache at once, with
 * the smaller ones before them; what waits is copied. Otherwise one writev of the thread pool at a time runs while more arrive.
 * What is held is bounded either way.
 */
import { type ArchiveFile, asStorageError } from "./archive-fs.ts";
import type { DiskPace } from "./disk-pace.ts";
import { type Blocks, createHeldBytes, type HeldBytes } from "./held-bytes.ts";

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
  return new PacedWriter(file, heldBytesMax, pace, blocks);
}

/** A class, not closures: there is one for each instance on its way, and for each file made ahead. */
class PacedWriter implements FileWriter {
  readonly #file: ArchiveFile;
  readonly #heldBytesMax: number;
  readonly #pace: DiskPace;
  readonly #waiting: HeldBytes;
  sizeBytes = 0;
  #writingBytes = 0;
  #running: Promise<void> | undefined;
  #failure: { readonly error: unknown } | undefined;
  #isFlushing = false;

  constructor(file: ArchiveFile, heldBytesMax: number, pace: DiskPace, blocks: Blocks) {
    this.#file = file;
    this.#heldBytesMax = heldBytesMax;
    this.#pace = pace;
    this.#waiting = createHeldBytes(blocks);
  }

  write(bytes: Uint8Array): Promise<void> | undefined {
    this.#check();
    this.sizeBytes += bytes.length;
    if (!this.#wroteAtOnce(bytes, Math.min(AT_ONCE_BYTES, this.#heldBytesMax))) {
      this.#waiting.add(bytes);
      this.#start();
    }
    this.#check();
    return this.#isFull() ? this.#room() : undefined;
  }

  async flush(): Promise<void> {
    this.#isFlushing = true;
    if (this.#waiting.length > 0 && !this.#wroteAtOnce(NOTHING, 0)) this.#start();
    while (this.#running !== undefined) await this.#running;
    this.#check();
  }

  async stop(): Promise<void> {
    this.#drop();
    while (this.#running !== undefined) await this.#running;
  }

  /** Writes what waits and the bytes behind it on this thread, if they are that many and it is harmless. */
  #wroteAtOnce(bytes: Uint8Array, leastBytes: number): boolean {
    if (this.#waiting.length + bytes.length < leastBytes) return false;
    if (this.#running !== undefined || !this.#pace.isPrompt()) return false;
    const { buffers, free } = this.#waiting.take();
    let left: readonly Uint8Array[] = [...buffers, bytes];
    try {
      while (left.length > 0)
        left = withoutFirst(
          left,
          this.#pace.measure(() => this.#file.writevNow(left)),
        );
    } catch (error) {
      this.#fail(error);
    } finally {
      free();
    }
    return true;
  }

  #start(): void {
    if (this.#running === undefined && this.#isDue()) this.#running = this.#run();
  }

  async #run(): Promise<void> {
    try {
      while (this.#isDue()) {
        this.#writingBytes = this.#waiting.length;
        const { buffers, free } = this.#waiting.take();
        await this.#pace.watch(writeAll(this.#file, buffers)).finally(free);
        this.#writingBytes = 0;
      }
    } catch (error) {
      this.#fail(error);
    } finally {
      this.#writingBytes = 0;
      this.#running = undefined;
    }
  }

  #isDue(): boolean {
    const { length } = this.#waiting;
    return length > 0 && (this.#isFlushing || length >= Math.ceil(this.#heldBytesMax / 2));
  }

  #isFull(): boolean {
    return (
      this.#running !== undefined && this.#waiting.length + this.#writingBytes >= this.#heldBytesMax
    );
  }

  async #room(): Promise<void> {
    while (this.#isFull()) await this.#running;
    this.#check();
  }

  #fail(error: unknown): void {
    try {
      asStorageError(error);
    } catch (storageError) {
      this.#failure ??= { error: storageError };
    }
    this.#drop();
  }

  #drop(): void {
    this.#waiting.take().free();
  }

  #check(): void {
    if (this.#failure !== undefined) throw this.#failure.error;
  }
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
