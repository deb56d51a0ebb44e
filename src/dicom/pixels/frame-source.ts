/** Frames of a DICOM file, one at a time, whatever transfer syntax they came in. */

import { FileBytes, type LentBytes } from "../file-bytes.ts";
import { TRANSFER_SYNTAXES, UID } from "../uids.ts";
import { codedBytesMax, decodeFrame, isDecodable, RLE_LOSSLESS } from "./codecs.ts";
import { type Fragment, groupFragments, walkFragments } from "./fragments.ts";
import { checkLayout, type PixelLayout, syntaxName, unreadable } from "./layout.ts";
import {
  checkNativeLength,
  inflatePixels,
  type NativePixels,
  pixelDataVr,
  readNativeFrame,
} from "./native-frames.ts";
import { isRleHeader } from "./rle.ts";
import { decodeNativePixels } from "./stored-values.ts";

/** What is used of a file's header; same shape as slice-file.ts gives. */
export interface FrameHeader {
  readonly transferSyntaxUid: string;
  /** One for each frame; their pixel layout is one and the same. */
  readonly planes: readonly (PixelLayout & {
    readonly samplesPerPixel: number;
    readonly numberOfFrames: number;
  })[];
  readonly pixelData: {
    /** Of the value in the file; in the inflated data set when that is deflated. */
    readonly offset: number;
    /** Undefined when of undefined length, i.e. encapsulated. */
    readonly length: number | undefined;
  } | null;
}

export interface FrameSource {
  readonly frameCount: number;
  /**
   * @param index - from 0
   * @returns stored values `[row][column]` flattened: a new array each time, or with lent bytes perhaps one that the next
   *   frame overwrites
   * @throws KindredError `DATASET_UNREADABLE` naming what is wrong; see mustDiscardThread in codecs.ts
   */
  frame(index: number): Promise<Int16Array | Uint16Array>;
  close(): Promise<void>;
}

/** True when frames of the transfer syntax can be read. */
export function canReadFrames(transferSyntaxUid: string): boolean {
  const isNative = TRANSFER_SYNTAXES.get(transferSyntaxUid)?.isEncapsulated === false;
  return isNative || isDecodable(transferSyntaxUid);
}

/** A multi-frame CT has some thousand frames at most. */
const FRAMES_MAX = 65_536;
/** Beginnings by which a fragment is known as a frame's first: JPEG and JPEG-LS, JPEG 2000, JPEG XL, JP2 and JPEG XL files. */
const FRAME_STARTS = ["ffd8ff", "ff4fff51", "ff0a", "0000000c6a5020", "0000000c4a584c20"].map(
  (hex) => Buffer.from(hex, "hex"),
);
const RLE_HEADER_BYTES = 64;

/**
 * Opens a file for reading its frames. Nothing but the frame asked for is read, except that a deflated data set is inflated
 * once.
 *
 * @param lent - uncompressed frames are read into it, one over the other
 * @throws KindredError `DATASET_UNREADABLE` when header and Pixel Data contradict each other
 */
export async function openFrames(
  path: string,
  header: FrameHeader,
  lent?: LentBytes,
): Promise<FrameSource> {
  const { transferSyntaxUid, pixelData } = header;
  const plane = header.planes[0];
  if (pixelData === null || plane === undefined) throw unreadable("It has no Pixel Data");
  checkLayout(plane);
  if (plane.samplesPerPixel !== 1)
    throw unreadable(`It has ${plane.samplesPerPixel} samples a pixel, CT has one`);
  const frameCount = plane.numberOfFrames;
  if (!Number.isInteger(frameCount) || frameCount < 1 || frameCount > FRAMES_MAX)
    throw unreadable(`Number of Frames is ${frameCount}`);
  const syntax = TRANSFER_SYNTAXES.get(transferSyntaxUid);
  const isEncapsulated = syntax?.isEncapsulated ?? true;
  const { offset, length } = pixelData;
  if (isEncapsulated !== (length === undefined))
    throw unreadable(
      `Pixel Data are ${isEncapsulated ? "not " : ""}in fragments, which ${syntaxName(transferSyntaxUid)} ${isEncapsulated ? "needs" : "has not"}`,
    );
  if (isEncapsulated && !isDecodable(transferSyntaxUid))
    throw unreadable(
      `${syntaxName(transferSyntaxUid)} cannot be decoded: no codec for it is installed`,
    );
  const file = await FileBytes.open(path);
  try {
    const pixels = { layout: plane, frameCount, offset, length: length ?? 0 };
    const read = isEncapsulated
      ? await encapsulatedReader(file, pixels, transferSyntaxUid)
      : await nativeReader(path, file, pixels, transferSyntaxUid, lent);
    return {
      frameCount,
      frame: async (index) => {
        if (!Number.isInteger(index) || index < 0 || index >= frameCount)
          throw unreadable(`It has no frame ${index + 1}`);
        return read(index);
      },
      close: () => file.close(),
    };
  } catch (error) {
    await file.close();
    throw error;
  }
}

type Read = (index: number) => Promise<Int16Array | Uint16Array>;

async function nativeReader(
  path: string,
  file: FileBytes,
  pixels: NativePixels,
  transferSyntaxUid: string,
  lent: LentBytes | undefined,
): Promise<Read> {
  const { layout, offset, length } = pixels;
  checkNativeLength(pixels);
  if (transferSyntaxUid === UID.deflatedExplicitVrLittleEndian) {
    // The promise is kept: several frames are asked for, one after the other or at once.
    let inflated: Promise<Uint8Array> | undefined;
    const bytes = (layout.rows * layout.columns * layout.bitsAllocated) / 8;
    return async (index) => {
      inflated ??= inflatePixels(path, file, pixels);
      return decodeNativePixels((await inflated).subarray(index * bytes), layout);
    };
  }
  if (offset + length > file.size) throw unreadable("The file is cut off inside its Pixel Data");
  const isBig = transferSyntaxUid === UID.explicitVrBigEndian;
  const isOb = isBig && (await pixelDataVr(file, offset)) === "OB";
  if (isOb && layout.bitsAllocated === 16)
    throw unreadable("Pixel Data of 16 bits are written as bytes, so their order is not known");
  return async (index) =>
    decodeNativePixels(
      await readNativeFrame(file, pixels, index, isBig && !isOb, lent),
      layout,
      lent !== undefined,
    );
}

async function encapsulatedReader(
  file: FileBytes,
  { layout, frameCount, offset }: NativePixels,
  transferSyntaxUid: string,
): Promise<Read> {
  const encapsulated = await walkFragments(file, offset, frameCount);
  const { fragments } = encapsulated;
  const starts = await groupFragments(file, encapsulated, frameCount, async (fragment) => {
    const bytes = await file.read(fragment.offset, Math.min(fragment.length, RLE_HEADER_BYTES));
    if (transferSyntaxUid === RLE_LOSSLESS) return isRleHeader(bytes, layout.bitsAllocated);
    return FRAME_STARTS.some((start) => start.equals(bytes.subarray(0, start.length)));
  });
  return async (index) => {
    const own = fragments.slice(starts[index]!, starts[index + 1] ?? fragments.length);
    const bytes = await joined(file, own, codedBytesMax(layout), index + 1);
    return decodeFrame(bytes, transferSyntaxUid, layout, index + 1);
  };
}

async function joined(
  file: FileBytes,
  fragments: readonly Fragment[],
  bytesMax: number,
  frameNumber: number,
): Promise<Uint8Array> {
  const count = fragments.reduce((sum, { length }) => sum + length, 0);
  if (count > bytesMax)
    throw unreadable(
      `Frame ${frameNumber} has ${count} compressed bytes, far more than its pixels`,
    );
  if (fragments.length === 1) return file.read(fragments[0]!.offset, count);
  const bytes = new Uint8Array(count);
  let at = 0;
  for (const { offset, length } of fragments) {
    bytes.set(await file.read(offset, length), at);
    at += length;
  }
  return bytes;
}
