/** RLE Lossless: byte planes, each coded as PackBits. PS3.5 Annex G. */
import { type PixelLayout, unreadable } from "./layout.ts";

const HEADER_BYTES = 64;

/**
 * Whether bytes can be the start of an RLE frame: as many segments as a pixel has bytes, the first behind the header,
 * the others ascending, and zeros in the rest of the header.
 */
export function isRleHeader(bytes: Uint8Array, bitsAllocated: number): boolean {
  if (bytes.length < HEADER_BYTES) return false;
  const view = new DataView(bytes.buffer, bytes.byteOffset, HEADER_BYTES);
  const count = view.getUint32(0, true);
  if (count !== bitsAllocated / 8 || view.getUint32(4, true) !== HEADER_BYTES) return false;
  for (let segment = 1; segment < 15; segment++) {
    const offset = view.getUint32(4 + 4 * segment, true);
    if (segment < count ? offset <= view.getUint32(4 * segment, true) : offset !== 0) return false;
  }
  return true;
}

/**
 * @returns words `[row][column]`, Bits Allocated wide
 * @throws KindredError `DATASET_UNREADABLE` when a segment does not give exactly one byte a pixel
 */
export function decodeRle(frame: Uint8Array, layout: PixelLayout): Uint16Array {
  if (!isRleHeader(frame, layout.bitsAllocated)) throw unreadable("its RLE header is wrong");
  const view = new DataView(frame.buffer, frame.byteOffset, HEADER_BYTES);
  const count = layout.bitsAllocated / 8;
  const words = new Uint16Array(layout.rows * layout.columns);
  for (let segment = 0; segment < count; segment++) {
    const start = view.getUint32(4 + 4 * segment, true);
    const end = segment + 1 < count ? view.getUint32(8 + 4 * segment, true) : frame.length;
    if (end > frame.length) throw unreadable("an RLE segment lies beyond its end");
    // The first segment is the high byte.
    decodeSegment(frame.subarray(start, end), words, 8 * (count - 1 - segment));
  }
  return words;
}

function decodeSegment(bytes: Uint8Array, words: Uint16Array, shift: number): void {
  let at = 0;
  let to = 0;
  while (to < words.length) {
    if (at >= bytes.length) throw unreadable("an RLE segment ends too early");
    const head = bytes[at++]!;
    if (head === 128) continue;
    const count = head < 128 ? head + 1 : 257 - head;
    const taken = head < 128 ? count : 1;
    if (at + taken > bytes.length) throw unreadable("an RLE segment ends too early");
    if (to + count > words.length) throw unreadable("an RLE segment holds too many pixels");
    if (head < 128) for (let i = 0; i < count; i++) words[to++]! |= bytes[at + i]! << shift;
    else
      for (const value = bytes[at]! << shift, end = to + count; to < end; to++) words[to]! |= value;
    at += taken;
  }
  // Padding to an even length, or a run of nothing.
  while (at < bytes.length) {
    const byte = bytes[at++]!;
    if (byte !== 0 && byte !== 128) throw unreadable("an RLE segment holds too many pixels");
  }
}
