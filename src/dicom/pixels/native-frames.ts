/** Frames of uncompressed Pixel Data: one after the other without a gap. PS3.5 8.1.1, A.5 (deflated). */
import { createReadStream } from "node:fs";
import { pipeline } from "node:stream/promises";
import { createInflateRaw } from "node:zlib";
import type { FileBytes, LentBytes } from "../file-bytes.ts";
import { decodeFileMeta } from "../part10.ts";
import { frameBytes, type PixelLayout, unreadable } from "./layout.ts";

/** File meta information is read from so much of the file's beginning. */
const META_BYTES = 131_072;
/** A deflated data set with more pixels would have to be held in memory whole. */
const DEFLATED_PIXEL_BYTES_MAX = 536_870_912;
/** What may follow Pixel Data in a deflated data set (padding, signatures) before inflating stops. */
const DEFLATED_REST_BYTES_MAX = 16_777_216;

/** Where uncompressed Pixel Data lie. */
export interface NativePixels {
  readonly layout: PixelLayout;
  readonly frameCount: number;
  readonly offset: number;
  readonly length: number;
}

/**
 * @throws KindredError `DATASET_UNREADABLE` when length and frames cannot belong together
 */
export function checkNativeLength({ layout, frameCount, length }: NativePixels): void {
  const bytes = frameBytes(layout);
  const needed = bytes * frameCount;
  if (length < needed)
    throw unreadable(
      `Pixel Data have ${length} bytes, ${frameCount} frames of ${layout.rows} × ${layout.columns} need ${needed}`,
    );
  // Some padding is usual; a whole frame more says that matrix, bits or Number of Frames are wrong.
  if (length >= needed + bytes)
    throw unreadable(
      `Pixel Data have ${length} bytes, which is more than ${frameCount} frames of ${layout.rows} × ${layout.columns}`,
    );
}

/**
 * Reads one frame.
 *
 * @param isBigEndian - 16-bit words come with the high byte first; two 8-bit pixels share a word (PS3.5 8.1.2)
 * @returns its bytes, little endian
 */
export async function readNativeFrame(
  file: FileBytes,
  pixels: NativePixels,
  index: number,
  isBigEndian: boolean,
  lent?: LentBytes,
): Promise<Uint8Array> {
  const bytes = frameBytes(pixels.layout);
  const start = index * bytes;
  if (!isBigEndian) return file.read(pixels.offset + start, bytes, lent);
  const wordStart = start - (start % 2);
  const wordEnd = start + bytes + ((start + bytes) % 2);
  const read = await file.read(pixels.offset + wordStart, wordEnd - wordStart, lent);
  const words = Buffer.from(read.buffer, read.byteOffset, read.length);
  return words.swap16().subarray(start - wordStart, start - wordStart + bytes);
}

/**
 * The VR of Pixel Data, from the element's head before its value.
 *
 * @throws KindredError `DATASET_UNREADABLE` when no such head stands there
 */
export async function pixelDataVr(file: FileBytes, offset: number): Promise<"OB" | "OW"> {
  const head = Buffer.from(await file.read(offset - 12, 12));
  const isPixelData = head.readUInt16BE(0) === 0x7fe0 && head.readUInt16BE(2) === 0x0010;
  const vr = head.toString("latin1", 4, 6);
  if (!isPixelData || (vr !== "OB" && vr !== "OW"))
    throw unreadable("Pixel Data are not where the header says");
  return vr;
}

/**
 * Inflates a deflated data set up to its end and keeps Pixel Data only. Memory is what the header's frames need,
 * whatever the stream claims, and so is time.
 *
 * @param pixels - its offset counts from the start of the inflated data set
 * @returns bytes of all frames
 */
export async function inflatePixels(
  path: string,
  file: FileBytes,
  pixels: NativePixels,
): Promise<Uint8Array> {
  const { offset } = pixels;
  const count = frameBytes(pixels.layout) * pixels.frameCount;
  if (count > DEFLATED_PIXEL_BYTES_MAX)
    throw unreadable(`${pixels.frameCount} deflated frames are too many to inflate at once`);
  const { dataSetOffset } = decodeFileMeta(await file.read(0, Math.min(file.size, META_BYTES)));
  const kept = new Uint8Array(count);
  const end = offset + pixels.length;
  let at = 0;
  try {
    await pipeline(
      createReadStream(path, { start: dataSetOffset }),
      createInflateRaw(),
      async (output: AsyncIterable<Buffer>) => {
        for await (const chunk of output) {
          const from = Math.max(0, offset - at);
          const to = Math.min(chunk.length, offset + count - at);
          if (from < to) kept.set(chunk.subarray(from, to), at + from - offset);
          at += chunk.length;
          if (at > end + DEFLATED_REST_BYTES_MAX)
            throw unreadable("it does not end after Pixel Data");
        }
      },
    );
  } catch (cause) {
    throw unreadable("The deflated data set cannot be inflated", cause);
  }
  if (at < end) throw unreadable("The deflated data set ends inside its Pixel Data");
  return kept;
}
