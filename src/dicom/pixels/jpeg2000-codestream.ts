/**
 * The skeleton of a JPEG 2000 or HTJ2K code stream (ITU-T T.800 Annex A, T.814): main header, and tile-parts whose lengths
 * must lead from one to the next and to the end marker. What lies in their packets has no checksum.
 */
import { checkPadding } from "./jpeg-markers.ts";
import { unreadable } from "./layout.ts";

export interface Jpeg2000Image {
  readonly rows: number;
  readonly columns: number;
  readonly components: number;
  readonly precision: number;
  readonly isSigned: boolean;
  /** Coded with the reversible 5/3 wavelet; a precondition of lossless. */
  readonly isReversible: boolean;
  /** High-throughput block coder (Part 15). */
  readonly isHighThroughput: boolean;
}

const SIZ = 0xff51;
const COD = 0xff52;
const COC = 0xff53;
const SOT = 0xff90;
const SOD = 0xff93;
const EOC = 0xffd9;
/** CT encoders write one tile; each costs the decoder kilobytes before a byte of it is read. */
const TILES_MAX = 1024;
/** Smaller precincts (2^n samples) than any encoder makes would cost the decoder memory out of all proportion. */
const PRECINCT_EXPONENT_MIN = 4;
const JP2_SIGNATURE = Buffer.from("0000000c6a5020200d0a870a", "hex");

/**
 * The code stream of a frame that comes in a JP2 file, which PS3.5 A.4.4 forbids and some write; else the frame.
 *
 * @throws KindredError `DATASET_UNREADABLE` when such a file has none
 */
export function codestreamOf(bytes: Uint8Array): Uint8Array {
  if (!JP2_SIGNATURE.equals(bytes.subarray(0, JP2_SIGNATURE.length))) return bytes;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let at = 0; at + 8 <= bytes.length; ) {
    const length = view.getUint32(at);
    const isCodestream = view.getUint32(at + 4) === 0x6a703263;
    // 0: up to the end. 64-bit lengths have no place in a frame.
    if (isCodestream && length === 0) return bytes.subarray(at + 8);
    if (length < 8 || at + length > bytes.length) break;
    if (isCodestream) return bytes.subarray(at + 8, at + length);
    at += length;
  }
  throw unreadable("its JP2 file holds no code stream");
}

/**
 * @throws KindredError `DATASET_UNREADABLE` when the code stream is cut, misses a tile or has a shape no CT encoder writes
 */
export function readCodestream(bytes: Uint8Array): Jpeg2000Image {
  const reader = new Segments(bytes);
  if (reader.marker() !== 0xff4f) throw unreadable("it does not begin as a JPEG 2000 code stream");
  if (reader.marker() !== SIZ) throw unreadable("its JPEG 2000 header is broken");
  const { tiles, ...size } = readSize(reader.segment());
  let coding: { isReversible: boolean; isHighThroughput: boolean } | undefined;
  let marker = reader.marker();
  for (; marker !== SOT; marker = reader.marker()) {
    const segment = reader.segment();
    if (marker === COD) coding = readCoding(segment);
    if (marker === COC) throw unreadable("its JPEG 2000 header is of a kind that is not read");
  }
  if (coding === undefined) throw unreadable("its JPEG 2000 header is broken");
  const seen = new Set<number>();
  while (marker === SOT) {
    const start = reader.at - 2;
    const segment = reader.segment();
    if (segment.byteLength !== 8) throw unreadable("a tile of its code stream is broken");
    const tile = segment.getUint16(0);
    const length = segment.getUint32(2);
    if (tile >= tiles) throw unreadable("a tile of its code stream is broken");
    seen.add(tile);
    for (marker = reader.marker(); marker !== SOD; marker = reader.marker()) {
      const inner = reader.segment();
      if (marker === COC) throw unreadable("its JPEG 2000 header is of a kind that is not read");
      if (marker === COD && readCoding(inner).isReversible !== coding.isReversible)
        throw unreadable("its tiles are coded in different ways");
    }
    // The last one may leave its length open: up to the end marker.
    const end = length === 0 ? reader.lastEndMarker() : start + length;
    if (end < reader.at) throw unreadable("a tile of its code stream is broken");
    reader.at = end;
    marker = reader.marker();
  }
  if (marker !== EOC) throw unreadable("a tile of its code stream is broken");
  if (seen.size !== tiles) throw unreadable("its code stream lacks a tile");
  checkPadding(bytes, reader.at);
  return { ...size, ...coding };
}

function readSize(siz: DataView) {
  const components = siz.byteLength >= 36 ? siz.getUint16(34) : 0;
  if (components < 1 || siz.byteLength !== 36 + 3 * components)
    throw unreadable("its JPEG 2000 header is broken");
  const [columns, rows, left, top, tileColumns, tileRows, tileLeft, tileTop] = Array.from(
    { length: 8 },
    (_, i) => siz.getUint32(2 + 4 * i),
  ) as [number, number, number, number, number, number, number, number];
  const hasOffset = left + top + tileLeft + tileTop > 0;
  const isSubsampled = siz.getUint8(37) !== 1 || siz.getUint8(38) !== 1;
  if (hasOffset || isSubsampled || tileColumns === 0 || tileRows === 0)
    throw unreadable("its JPEG 2000 header is of a kind that is not read");
  const tiles = Math.ceil(columns / tileColumns) * Math.ceil(rows / tileRows);
  if (tiles > TILES_MAX) throw unreadable(`its code stream has ${tiles} tiles`);
  const depth = siz.getUint8(36);
  return {
    rows,
    columns,
    components,
    precision: (depth & 0x7f) + 1,
    isSigned: depth > 0x7f,
    tiles,
  };
}

function readCoding(cod: DataView): { isReversible: boolean; isHighThroughput: boolean } {
  if (cod.byteLength < 10) throw unreadable("its JPEG 2000 header is broken");
  const hasPrecincts = (cod.getUint8(0) & 1) === 1;
  const levels = cod.getUint8(5);
  if (levels > 32 || cod.byteLength !== 10 + (hasPrecincts ? levels + 1 : 0))
    throw unreadable("its JPEG 2000 header is broken");
  for (let at = 10; at < cod.byteLength; at++) {
    const size = cod.getUint8(at);
    if ((size & 15) < PRECINCT_EXPONENT_MIN || size >>> 4 < PRECINCT_EXPONENT_MIN)
      throw unreadable("its JPEG 2000 header is of a kind that is not read");
  }
  return {
    isReversible: cod.getUint8(9) === 1,
    isHighThroughput: (cod.getUint8(8) & 0x40) !== 0,
  };
}

class Segments {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  marker(): number {
    if (this.at + 2 > this.#bytes.length)
      throw unreadable("its code stream is cut off: there is no end marker");
    this.at += 2;
    return this.#view.getUint16(this.at - 2);
  }

  /** The value of the marker segment whose marker was just read. */
  segment(): DataView {
    const start = this.at;
    const length = start + 2 <= this.#bytes.length ? this.#view.getUint16(start) : 0;
    if (length < 2 || start + length > this.#bytes.length)
      throw unreadable("its JPEG 2000 header is broken");
    this.at = start + length;
    return new DataView(this.#bytes.buffer, this.#bytes.byteOffset + start + 2, length - 2);
  }

  lastEndMarker(): number {
    let at = this.#bytes.length - 2;
    while (at > this.at && this.#view.getUint16(at) !== EOC) at--;
    return at;
  }
}
