/** Words of Pixel Data → stored values. PS3.5 8.1.1, 8.2. */
import { checkLayout, frameBytes, type PixelLayout, unreadable } from "./layout.ts";

/**
 * Decodes one uncompressed little-endian frame: shifted down by High Bit, sign-extended, bits above (old overlays) masked.
 *
 * @param value - at least the bytes of one frame; what follows is left alone
 * @param isOurs - true when the bytes may be overwritten
 * @returns stored values `[row][column]` flattened: a copy, or `value` itself where it is ours and aligned
 * @throws KindredError `DATASET_UNREADABLE` when bits or length do not fit
 */
export function decodeNativePixels(
  value: Uint8Array,
  layout: PixelLayout,
  isOurs = false,
): Int16Array | Uint16Array {
  checkLayout(layout);
  const byteCount = frameBytes(layout);
  if (value.length < byteCount) throw unreadable("Pixel Data is shorter than rows × columns");
  if (layout.bitsAllocated === 8)
    return storedValues(Uint16Array.from(value.subarray(0, byteCount)), layout);
  if (isOurs && value.byteOffset % 2 === 0)
    return storedValues(new Uint16Array(value.buffer, value.byteOffset, byteCount / 2), layout);
  // A copy: the caller may let the file buffer go, and alignment is not given.
  const copy = new Uint8Array(byteCount);
  copy.set(value.subarray(0, byteCount));
  return storedValues(new Uint16Array(copy.buffer), layout);
}

/** @param words - `[row][column]`, Bits Allocated wide; changed in place */
export function storedValues(words: Uint16Array, layout: PixelLayout): Int16Array | Uint16Array {
  const { bitsStored, highBit, isSigned } = layout;
  if (isSigned) {
    const signed = new Int16Array(words.buffer, words.byteOffset, words.length);
    const up = 31 - highBit;
    const down = 32 - bitsStored;
    if (down > 16 || up > 16)
      for (let i = 0; i < signed.length; i++) signed[i] = (signed[i]! << up) >> down;
    return signed;
  }
  const shift = highBit + 1 - bitsStored;
  const mask = 0xffff >>> (16 - bitsStored);
  if (bitsStored < 16)
    for (let i = 0; i < words.length; i++) words[i] = (words[i]! >>> shift) & mask;
  return words;
}

/** Samples as a code stream gives them. */
export interface CodedSamples {
  /** `[row][column]`: two's complement of 16 bits where `isSigned`, else `precision` bits. */
  readonly words: Uint16Array;
  readonly precision: number;
  /** Whether the code stream itself says that its samples are signed; JPEG and JPEG-LS cannot say so. */
  readonly isSigned: boolean;
}

/**
 * Fits decoded samples to the data set. A code stream without sign holds the pattern of a signed value's bits (PS3.5 8.2.1;
 * also in JPEG 2000 whose code stream contradicts Pixel Representation). Values beyond Bits Stored, which no right lossless
 * frame has, are refused; lossy coding may overshoot, there they are clamped.
 *
 * @throws KindredError `DATASET_UNREADABLE` when sign, precision or a value contradict the data set
 */
export function fitSamples(
  { words, precision, isSigned: isCodedSigned }: CodedSamples,
  layout: PixelLayout,
  isLossy: boolean,
): Int16Array | Uint16Array {
  const { bitsAllocated, bitsStored, highBit, isSigned } = layout;
  if (precision > bitsAllocated)
    throw unreadable(`it has ${precision} bits a pixel, Bits Allocated is ${bitsAllocated}`);
  if (highBit !== bitsStored - 1) {
    if (precision !== bitsAllocated || isCodedSigned)
      throw unreadable(`its ${precision} bits a pixel cannot be brought to High Bit ${highBit}`);
    return storedValues(words, layout);
  }
  if (isSigned && !isCodedSigned) {
    if (precision < bitsStored)
      throw unreadable(
        `it has ${precision} bits a pixel without a sign, the data set ${bitsStored} with one`,
      );
    return fitPatterns(words, precision, layout, isLossy);
  }
  const lowest = isSigned ? -(2 ** (bitsStored - 1)) : 0;
  const highest = isSigned ? -lowest - 1 : 2 ** bitsStored - 1;
  const coded = isCodedSigned ? new Int16Array(words.buffer, words.byteOffset) : words;
  for (let i = 0; i < coded.length; i++) {
    const value = coded[i]!;
    if (value >= lowest && value <= highest) continue;
    if (!isLossy) throw beyond(value, layout);
    coded[i] = value < lowest ? lowest : highest;
  }
  return isSigned ? (coded as Int16Array) : words;
}

function fitPatterns(
  words: Uint16Array,
  precision: number,
  layout: PixelLayout,
  isLossy: boolean,
): Int16Array {
  const { bitsStored } = layout;
  const values = new Int16Array(words.buffer, words.byteOffset, words.length);
  const down = 32 - bitsStored;
  const all = 0xffff >>> (16 - precision);
  for (let i = 0; i < words.length; i++) {
    const word = words[i]!;
    const value = (word << down) >> down;
    // Above Bits Stored there are zeros or copies of the sign.
    const isRight = (value & all) === word || word >>> bitsStored === 0;
    if (!isRight && !isLossy) throw beyond(word, layout);
    values[i] = value;
  }
  return values;
}

function beyond(value: number, { bitsStored, isSigned }: PixelLayout) {
  return unreadable(
    `it holds the value ${value}, which ${bitsStored} ${isSigned ? "signed" : "unsigned"} bits cannot hold`,
  );
}
