/**
 * Marker segments of JPEG (ITU-T T.81 Annex B) and JPEG-LS (T.87 Annex C) up to the first scan, and the bounds of that scan.
 * A CT frame has one component; with Huffman coding and without progression it has one scan too.
 */
import { unreadable } from "./layout.ts";

export const MARKER = {
  DHT: 0xc4,
  RST0: 0xd0,
  SOI: 0xd8,
  EOI: 0xd9,
  SOS: 0xda,
  DRI: 0xdd,
  SOF55: 0xf7,
} as const;

export interface JpegFrame {
  /** Start-of-frame marker: C0 baseline, C1 extended, C2 progressive, C3 lossless, F7 JPEG-LS. */
  readonly process: number;
  readonly precision: number;
  readonly rows: number;
  readonly columns: number;
  readonly components: number;
  /** Restart interval in MCUs; 0 for none. */
  readonly restartInterval: number;
  /** Values of the DHT segments before the first scan, in order. */
  readonly huffmanSegments: readonly Uint8Array[];
  /** Table selector, Ss/NEAR, Se/ILV, and Ah/Al of the first scan's header. */
  readonly scan: {
    readonly tables: number;
    readonly ss: number;
    readonly se: number;
    readonly ahAl: number;
  };
  /** Where the first scan's data begin. */
  readonly scanStart: number;
}

/** Start-of-frame markers: C0 to CF without DHT (C4), JPG (C8) and DAC (CC), and F7. */
function isStartOfFrame(marker: number): boolean {
  if (marker === MARKER.SOF55) return true;
  return (
    marker >= 0xc0 && marker <= 0xcf && marker !== MARKER.DHT && marker !== 0xc8 && marker !== 0xcc
  );
}

/**
 * @throws KindredError `DATASET_UNREADABLE` when segments do not follow each other as they must
 */
export function readJpegFrame(bytes: Uint8Array): JpegFrame {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length < 4 || view.getUint16(0) !== 0xffd8)
    throw unreadable("it does not begin as a JPEG code stream");
  const huffmanSegments: Uint8Array[] = [];
  let frame:
    | Pick<JpegFrame, "process" | "precision" | "rows" | "columns" | "components">
    | undefined;
  let restartInterval = 0;
  let at = 2;
  for (;;) {
    // A marker may be preceded by any number of FF.
    while (bytes[at] === 0xff && bytes[at + 1] === 0xff) at++;
    if (at + 4 > bytes.length) throw unreadable("its JPEG header is cut off");
    const marker = bytes[at + 1]!;
    const length = view.getUint16(at + 2);
    const end = at + 2 + length;
    const isSegment =
      bytes[at] === 0xff && marker >= 0xc0 && (marker < MARKER.RST0 || marker > MARKER.EOI);
    if (!isSegment || length < 2 || end > bytes.length)
      throw unreadable("its JPEG header is broken");
    const value = bytes.subarray(at + 4, end);
    at = end;
    if (isStartOfFrame(marker)) {
      if (frame !== undefined) throw unreadable("it holds two JPEG frames");
      frame = startOfFrame(marker, value);
    } else if (marker === MARKER.DHT) huffmanSegments.push(value);
    else if (marker === MARKER.DRI) restartInterval = numberOf(value);
    else if (marker === MARKER.SOS) {
      if (frame === undefined) throw unreadable("it has a scan before its frame header");
      return {
        ...frame,
        restartInterval,
        huffmanSegments,
        scan: startOfScan(value),
        scanStart: at,
      };
    }
  }
}

function startOfFrame(process: number, value: Uint8Array) {
  if (value.length < 9 || value.length !== 6 + 3 * value[5]!)
    throw unreadable("its JPEG frame header is broken");
  return {
    process,
    precision: value[0]!,
    rows: value[1]! * 256 + value[2]!,
    columns: value[3]! * 256 + value[4]!,
    components: value[5]!,
  };
}

function startOfScan(value: Uint8Array): JpegFrame["scan"] {
  if (value.length !== 6 || value[0] !== 1) throw unreadable("its JPEG scan header is broken");
  return { tables: value[2]!, ss: value[3]!, se: value[4]!, ahAl: value[5]! };
}

function numberOf(value: Uint8Array): number {
  // JPEG-LS allows 2 to 4 bytes (T.87 C.2.5).
  if (value.length < 2 || value.length > 4) throw unreadable("its restart interval is broken");
  return value.reduce((sum, byte) => sum * 256 + byte, 0);
}

/**
 * The end of entropy-coded data: the next marker that is no restart.
 *
 * @param isLs - in JPEG-LS a byte after FF below 80 is data; in JPEG only 00 is (T.87 A.1, T.81 B.1.1.5)
 * @returns offset of the marker's FF; the length of the bytes when there is none
 */
export function endOfScan(bytes: Uint8Array, from: number, isLs = false): number {
  const dataMax = isLs ? 0x7f : 0;
  for (let at = bytes.indexOf(0xff, from); at >= 0; at = bytes.indexOf(0xff, at + 1)) {
    const next = bytes[at + 1];
    if (next === undefined) break;
    const isRestart = next >= MARKER.RST0 && next < MARKER.SOI;
    if (next > dataMax && !isRestart) return at;
  }
  return bytes.length;
}

/**
 * Whether the EOI marker stands at `at` and nothing but padding follows it.
 *
 * @throws KindredError `DATASET_UNREADABLE` when data end otherwise
 */
export function checkEndOfImage(bytes: Uint8Array, at: number): void {
  let marker = at;
  while (bytes[marker] === 0xff && bytes[marker + 1] === 0xff) marker++;
  if (marker + 1 >= bytes.length)
    throw unreadable("its code stream is cut off: there is no end marker");
  if (bytes[marker + 1] !== MARKER.EOI)
    throw unreadable("its code stream goes on where it must end");
  checkPadding(bytes, marker + 2);
}

/** One byte makes a fragment's length even; some writers fill up with more. */
export function checkPadding(bytes: Uint8Array, from: number): void {
  for (let at = from; at < bytes.length; at++) {
    if (bytes[at] !== 0 && bytes[at] !== 0xff)
      throw unreadable("something follows the end marker of its code stream");
  }
}
