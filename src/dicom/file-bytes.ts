/** Bytes of an open file by their offset; a file may be larger than memory. */
import { type FileHandle, open } from "node:fs/promises";
import { KindredError } from "../kernel/errors.ts";

/**
 * A buffer that one reading after the other goes into: fresh memory for every slice of a series costs more than reading it,
 * and lies around until the next garbage collection. What was read is good until the next reading.
 */
export class LentBytes {
  #bytes = Buffer.alloc(0);

  /** @returns its first `count` bytes, aligned for numbers of any size */
  first(count: number): Buffer {
    if (this.#bytes.length < count) this.#bytes = Buffer.allocUnsafeSlow(count);
    return this.#bytes.subarray(0, count);
  }
}

export class FileBytes {
  readonly #file: FileHandle;
  readonly size: number;

  private constructor(file: FileHandle, size: number) {
    this.#file = file;
    this.size = size;
  }

  /** @throws as `open` does */
  static async open(path: string): Promise<FileBytes> {
    const file = await open(path, "r");
    try {
      return new FileBytes(file, (await file.stat()).size);
    } catch (error) {
      await file.close();
      throw error;
    }
  }

  /**
   * @param count - bounded by the caller
   * @param lent - where to put them, instead of a new buffer
   * @returns fewer bytes at the end of the file
   */
  async readUpTo(offset: number, count: number, lent?: LentBytes): Promise<Uint8Array> {
    const wanted = Math.min(count, Math.max(0, this.size - offset));
    const bytes = lent?.first(wanted) ?? Buffer.allocUnsafeSlow(wanted);
    let filled = 0;
    while (filled < wanted) {
      const { bytesRead } = await this.#file.read(bytes, filled, wanted - filled, offset + filled);
      if (bytesRead === 0) break;
      filled += bytesRead;
    }
    return bytes.subarray(0, filled);
  }

  /**
   * @param count - bounded by the caller
   * @param lent - where to put them, instead of a new buffer
   * @throws KindredError `DATASET_UNREADABLE` when the file ends before
   */
  async read(offset: number, count: number, lent?: LentBytes): Promise<Uint8Array> {
    const isInside = offset >= 0 && offset + count <= this.size;
    const bytes = isInside ? await this.readUpTo(offset, count, lent) : undefined;
    if (bytes?.length === count) return bytes;
    throw new KindredError("DATASET_UNREADABLE", "the file ends inside its Pixel Data");
  }

  close(): Promise<void> {
    return this.#file.close();
  }
}
