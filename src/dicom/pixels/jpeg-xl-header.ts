/**
 * Size and sample depth of a JPEG XL image (ISO/IEC 18181-1 D.3, E), which its decoder would take from it unchecked. Bits come
 * least significant first. Images with a preview, animation, orientation, extra channels or colour are not CT.
 */
import { unreadable } from "./layout.ts";

export interface JpegXlImage {
  readonly rows: number;
  readonly columns: number;
  readonly precision: number;
}

const CONTAINER_SIGNATURE = Buffer.from("0000000c4a584c200d0a870a", "hex");
/** Columns for rows, by ratio 1 to 7. */
const RATIOS = [1, 1, 12 / 10, 4 / 3, 3 / 2, 16 / 9, 5 / 4, 2] as const;
const GRAY = 1;

/**
 * @throws KindredError `DATASET_UNREADABLE` when it is no plain grey image with integer samples
 */
export function readJpegXlHeader(frame: Uint8Array): JpegXlImage {
  const bits = new Bits(codestreamOf(frame));
  if (bits.take(16) !== 0x0aff) throw unreadable("it does not begin as a JPEG XL code stream");
  const isSmall = bits.take(1) === 1;
  const rows = isSmall ? 8 * (bits.take(5) + 1) : bits.size();
  const ratio = bits.take(3);
  const ownColumns = () => (isSmall ? 8 * (bits.take(5) + 1) : bits.size());
  const columns = ratio === 0 ? ownColumns() : Math.floor(rows * RATIOS[ratio]! + 1e-6);
  const isDefault = bits.take(1) === 1;
  const hasExtraFields = !isDefault && bits.take(1) === 1;
  if (isDefault || (hasExtraFields && bits.take(6) !== 0)) throw notPlain();
  const isFloat = bits.take(1) === 1;
  if (isFloat) throw notPlain();
  const precision = bits.choice([8, 10, 12], 6);
  bits.take(1);
  const extraChannels = bits.take(2);
  const isXyb = bits.take(1) === 1;
  const isDefaultColour = bits.take(1) === 1;
  const hasProfile = !isDefaultColour && bits.take(1) === 1;
  if (extraChannels !== 0 || isDefaultColour || hasProfile) throw notPlain();
  // Colour space: an enumeration, 0 RGB, 1 grey.
  if (bits.take(2) !== GRAY) throw notPlain();
  if (isXyb && precision > 16) throw notPlain();
  return { rows, columns, precision };
}

function notPlain() {
  return unreadable("its JPEG XL image is of a kind that is not read");
}

/** The code stream's beginning: bare, or in the first `jxlc` or `jxlp` box. */
function codestreamOf(bytes: Uint8Array): Uint8Array {
  if (!CONTAINER_SIGNATURE.equals(bytes.subarray(0, CONTAINER_SIGNATURE.length))) return bytes;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let at = 0; at + 8 <= bytes.length; ) {
    const length = view.getUint32(at);
    const kind = view.getUint32(at + 4);
    if (kind === 0x6a786c63) return bytes.subarray(at + 8);
    if (kind === 0x6a786c70) return bytes.subarray(at + 12);
    if (length < 8) break;
    at += length;
  }
  throw unreadable("its JPEG XL file holds no code stream");
}

class Bits {
  readonly #bytes: Uint8Array;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  take(count: number): number {
    if (this.#at + count > 8 * this.#bytes.length)
      throw unreadable("its JPEG XL header is cut off");
    let value = 0;
    for (let i = 0; i < count; i++, this.#at++)
      value += ((this.#bytes[this.#at >>> 3]! >>> (this.#at & 7)) & 1) * 2 ** i;
    return value;
  }

  size(): number {
    return 1 + this.take([9, 13, 18, 30][this.take(2)]!);
  }

  /** One of three values, or one more than a number of bits. */
  choice(values: readonly [number, number, number], bits: number): number {
    const selector = this.take(2);
    return selector < 3 ? values[selector]! : 1 + this.take(bits);
  }
}
