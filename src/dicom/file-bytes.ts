/** Bytes of an open file by their offset; a file may be larger than memory. */
import { type FileHandle, open } from "node:fs/promises";
import { KindredError } from "../kernel/errors.ts";

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
   * @returns fewer bytes at the end of the file
   */
  async readUpTo(offset: number, count: number): Promise<Uint8Array> {
    const wanted = Math.min(count, Math.max(0, this.size - offset));
    const bytes = Buffer.allocUnsafeSlow(wanted);
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
   * @throws KindredError `DATASET_UNREADABLE` when the file ends before
   */
  async read(offset: number, count: number): Promise<Uint8Array> {
    const isInside = offset >= 0 && offset + count <= this.size;
    const bytes = isInside ? await this.readUpTo(offset, count) : undefined;
    if (bytes?.length === count) return bytes;
    throw new KindredError("DATASET_UNREADABLE", "the file ends inside its Pixel Data");
  }

  close(): Promise<void> {
    return this.#file.close();
  }
}
