/** Stored values of uncompressed little-endian Pixel Data. PS3.5 8.1, 8.2. */
import { KindredError } from "../kernel/errors.ts";

export interface PixelLayout {
  readonly rows: number;
  readonly columns: number;
  readonly bitsAllocated: number;
  readonly bitsStored: number;
  readonly highBit: number;
  readonly isSigned: boolean;
}

/**
 * Decodes one frame: sign-extended from High Bit, bits above (old overlays) masked.
 *
 * @returns stored values `[row][column]` flattened
 * @throws KindredError `DATASET_UNREADABLE` when bits or length do not fit
 */
export function decodeNativePixels(
  value: Uint8Array,
  layout: PixelLayout,
): Int16Array | Uint16Array {
  const { rows, columns, bitsAllocated, bitsStored, highBit, isSigned } = layout;
  const isPossible =
    (bitsAllocated === 8 || bitsAllocated === 16) &&
    bitsStored >= 1 &&
    bitsStored <= bitsAllocated &&
    highBit === bitsStored - 1;
  if (!isPossible) {
    throw new KindredError(
      "DATASET_UNREADABLE",
      `Bits ${bitsAllocated}/${bitsStored}/${highBit} are not a CT pixel layout`,
    );
  }
  const count = rows * columns;
  if (!Number.isSafeInteger(count) || count === 0 || value.length < (count * bitsAllocated) / 8) {
    throw new KindredError("DATASET_UNREADABLE", "Pixel Data is shorter than rows × columns");
  }
  const words =
    bitsAllocated === 16 ? words16(value, count) : Uint16Array.from(value.subarray(0, count));
  const shift = 16 - bitsStored;
  if (isSigned) {
    const signed = new Int16Array(words.buffer, words.byteOffset, count);
    if (shift > 0) extendSign(signed, shift);
    return signed;
  }
  if (shift > 0) mask(words, 0xffff >>> shift);
  return words;
}

/** A copy: the caller may keep it while the file buffer is let go, and alignment is not given. */
function words16(value: Uint8Array, count: number): Uint16Array {
  const copy = new Uint8Array(count * 2);
  copy.set(value.subarray(0, count * 2));
  return new Uint16Array(copy.buffer);
}

function extendSign(values: Int16Array, shift: number): void {
  for (let i = 0; i < values.length; i++) values[i] = (values[i]! << (shift + 16)) >> (shift + 16);
}

function mask(values: Uint16Array, bits: number): void {
  for (let i = 0; i < values.length; i++) values[i] = values[i]! & bits;
}
