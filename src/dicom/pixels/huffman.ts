/** Huffman tables and entropy-coded bits of JPEG, read so strictly that no bit may be missing or left. T.81 C, F.2.2. */
import { unreadable } from "./layout.ts";

/** For each of the 65536 possible next 16 bits: code length × 256 + value; 0 for no code. */
export type HuffmanTable = Uint16Array;

/**
 * @param segments - values of DHT segments; a later table takes the place of an earlier one with its number
 * @returns by class × 16 + destination (T.81 B.2.4.2)
 * @throws KindredError `DATASET_UNREADABLE` when codes do not fit
 */
export function huffmanTables(segments: readonly Uint8Array[]): ReadonlyMap<number, HuffmanTable> {
  const tables = new Map<number, HuffmanTable>();
  for (const segment of segments) {
    let at = 0;
    while (at < segment.length) {
      const lengths = segment.subarray(at + 1, at + 17);
      const count = lengths.reduce((sum, one) => sum + one, 0);
      const values = segment.subarray(at + 17, at + 17 + count);
      const id = segment[at]!;
      if (lengths.length < 16 || values.length < count || count > 256 || (id & 0xef) > 3)
        throw unreadable("a Huffman table is broken");
      tables.set(id, tableOf(lengths, values));
      at += 17 + count;
    }
  }
  return tables;
}

function tableOf(lengths: Uint8Array, values: Uint8Array): HuffmanTable {
  const table = new Uint16Array(65_536);
  let from = 0;
  let index = 0;
  for (let bits = 1; bits <= 16; bits++) {
    const span = 1 << (16 - bits);
    for (let i = 0; i < lengths[bits - 1]!; i++) {
      if (from + span > table.length) throw unreadable("a Huffman table is broken");
      table.fill(bits * 256 + values[index++]!, from, from + span);
      from += span;
    }
  }
  return table;
}

/** Bits of one restart interval. */
export class EntropyBits {
  readonly #bytes: Uint8Array;
  readonly #end: number;
  #at: number;
  /** The next bits, at the lower end. */
  #bits = 0;
  #count = 0;
  /** Zero bits that were put in behind the end. */
  #missing = 0;

  constructor(bytes: Uint8Array, start: number, end: number) {
    this.#bytes = bytes;
    this.#at = start;
    this.#end = end;
  }

  /** The value of the next code. */
  symbol(table: HuffmanTable): number {
    if (this.#count < 16) this.#fill();
    const entry = table[(this.#bits >>> (this.#count - 16)) & 0xffff]!;
    if (entry === 0) throw unreadable("its compressed data are damaged");
    this.#count -= entry >>> 8;
    return entry & 0xff;
  }

  /** A difference or coefficient of `size` additional bits, 0 to 16. T.81 F.2.2.1. */
  difference(size: number): number {
    if (size === 0) return 0;
    // A difference of 32768 has no additional bits (T.81 H.1.2.2).
    if (size === 16) return 32_768;
    if (this.#count < 16) this.#fill();
    this.#count -= size;
    const value = (this.#bits >>> this.#count) & ((1 << size) - 1);
    return value < 1 << (size - 1) ? value - (1 << size) + 1 : value;
  }

  /**
   * @throws KindredError `DATASET_UNREADABLE` when bits were missing, or more are left than fill a byte
   */
  finish(): void {
    const left = this.#count - this.#missing + 8 * (this.#end - this.#at);
    if (left < 0) throw unreadable("its compressed data end too early");
    if (left > 7) throw unreadable("its compressed data are damaged: some are left over");
  }

  /** To at least 16 bits; `#bits` never holds more than 31. */
  #fill(): void {
    while (this.#count <= 22) {
      let byte = 0;
      if (this.#at < this.#end) {
        byte = this.#bytes[this.#at++]!;
        // A data byte FF is followed by 00 (T.81 F.1.2.3).
        if (byte === 0xff) this.#at++;
      } else {
        this.#missing += 8;
        if (this.#missing > 64) throw unreadable("its compressed data end too early");
      }
      this.#bits = (this.#bits << 8) | byte;
      this.#count += 8;
    }
  }
}

/**
 * The restart intervals of a scan: each from its first byte to the marker that ends it.
 *
 * @param count - how many there must be
 * @throws KindredError `DATASET_UNREADABLE` when there are others, or their numbers do not run on
 */
export function restartIntervals(
  bytes: Uint8Array,
  start: number,
  end: number,
  count: number,
): readonly { readonly start: number; readonly end: number }[] {
  const intervals: { start: number; end: number }[] = [];
  let from = start;
  for (let at = bytes.indexOf(0xff, start); at >= 0 && at < end; at = bytes.indexOf(0xff, at + 2)) {
    if (bytes[at + 1] === 0) continue;
    const isNext = bytes[at + 1] === 0xd0 + (intervals.length % 8);
    if (!isNext || intervals.length >= count) throw unreadable("its restart markers are wrong");
    intervals.push({ start: from, end: at });
    from = at + 2;
  }
  intervals.push({ start: from, end });
  if (intervals.length !== count) throw unreadable("its restart markers are wrong");
  return intervals;
}
