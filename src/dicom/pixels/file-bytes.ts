/** Bytes of an open file by their offset; a file may be larger than memory. */
import { type FileHandle, open } from "node:fs/promises";
import { unreadable } from "./layout.ts";

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
   * @throws KindredError `DATASET_UNREADABLE` when the file ends before
   */
  async read(offset: number, count: number): Promise<Uint8Array> {
    if (offset < 0 || offset + count > this.size)
      throw unreadable("the file ends inside its Pixel Data");
    const bytes = new Uint8Array(count);
    let at = 0;
    while (at < count) {
      const { bytesRead } = await this.#file.read(bytes, at, count - at, offset + at);
      if (bytesRead === 0) throw unreadable("the file ends inside its Pixel Data");
      at += bytesRead;
    }
    return bytes;
  }

  close(): Promise<void> {
    return this.#file.close();
  }
}
