/**
 * The Huffman-coded scan of a JPEG frame with one component. Lossless frames (T.81 Annex H) are decoded here; of sequential
 * DCT frames (Annex F) the code is walked to its last bit, because the codec that decodes them fills up what is missing and
 * skips what is left over without a word.
 */
import { EntropyBits, type HuffmanTable, huffmanTables, restartIntervals } from "./huffman.ts";
import { checkEndOfImage, endOfScan, type JpegFrame } from "./jpeg-markers.ts";
import { unreadable } from "./layout.ts";

/**
 * @returns samples `[row][column]`, `precision` bits each
 * @throws KindredError `DATASET_UNREADABLE` unless the code gives exactly all samples
 */
export function decodeLossless(bytes: Uint8Array, frame: JpegFrame): Uint16Array {
  const { rows, columns, precision, restartInterval, scan } = frame;
  const predictor = scan.ss;
  const transform = scan.ahAl & 15;
  const isPossible =
    precision >= 2 && precision <= 16 && predictor >= 1 && predictor <= 7 && transform < precision;
  if (!isPossible || restartInterval % columns !== 0)
    throw unreadable("its JPEG lossless header is broken");
  const table = tableOf(huffmanTables(frame.huffmanSegments), scan.tables >>> 4);
  const rowsAtOnce = restartInterval === 0 ? rows : restartInterval / columns;
  const samples = new Uint16Array(rows * columns);
  const intervals = scanIntervals(bytes, frame, Math.ceil(rows / rowsAtOnce));
  for (const [index, { start, end }] of intervals.entries()) {
    const bits = new EntropyBits(bytes, start, end);
    const first = index * rowsAtOnce;
    const last = Math.min(rows, first + rowsAtOnce);
    const middle = 1 << (precision - transform - 1);
    for (let row = first; row < last; row++)
      decodeRow(
        bits,
        table,
        samples,
        row * columns,
        columns,
        row === first ? 0 : predictor,
        middle,
      );
    bits.finish();
  }
  checkSamples(samples, precision - transform);
  if (transform > 0) for (let i = 0; i < samples.length; i++) samples[i]! <<= transform;
  return samples;
}

/** @param predictor - 0 for the first row after a restart, which is predicted from the left only. T.81 H.1.1. */
function decodeRow(
  bits: EntropyBits,
  table: HuffmanTable,
  samples: Uint16Array,
  start: number,
  columns: number,
  predictor: number,
  middle: number,
): void {
  const end = start + columns;
  // Left, above, and above left, as the standard names them.
  let ra = predictor === 0 ? middle : samples[start - columns]!;
  let rc = 0;
  for (let at = start; at < end; at++) {
    const rb = predictor === 0 ? 0 : samples[at - columns]!;
    let predicted = ra;
    if (at > start && predictor > 1) predicted = predict(predictor, ra, rb, rc);
    const size = bits.symbol(table);
    if (size > 16) throw unreadable("its compressed data are damaged");
    // Modulo 65536, as the array keeps it.
    samples[at] = predicted + bits.difference(size);
    ra = samples[at]!;
    rc = rb;
  }
}

function predict(predictor: number, ra: number, rb: number, rc: number): number {
  switch (predictor) {
    case 2:
      return rb;
    case 3:
      return rc;
    case 4:
      return ra + rb - rc;
    case 5:
      return ra + ((rb - rc) >> 1);
    case 6:
      return rb + ((ra - rc) >> 1);
    default:
      return (ra + rb) >> 1;
  }
}

/** A sample with more bits than it may have comes from damaged data. */
function checkSamples(samples: Uint16Array, bits: number): void {
  let all = 0;
  for (const sample of samples) all |= sample;
  if (all >>> bits !== 0) throw unreadable("its compressed data are damaged");
}

/**
 * Walks the code of a sequential DCT frame. What it cannot find out: damage that turns one code into another of the same
 * length.
 *
 * @throws KindredError `DATASET_UNREADABLE` unless the code holds exactly the frame's blocks
 */
export function checkSequential(bytes: Uint8Array, frame: JpegFrame): void {
  const { rows, columns, restartInterval, scan } = frame;
  if (scan.ss !== 0 || scan.se !== 63 || scan.ahAl !== 0)
    throw unreadable("its JPEG scan header is broken");
  const tables = huffmanTables(frame.huffmanSegments);
  const dc = tableOf(tables, scan.tables >>> 4);
  const ac = tableOf(tables, 16 + (scan.tables & 15));
  const blocks = Math.ceil(rows / 8) * Math.ceil(columns / 8);
  const blocksAtOnce = restartInterval === 0 ? blocks : restartInterval;
  const intervals = scanIntervals(bytes, frame, Math.ceil(blocks / blocksAtOnce));
  for (const [index, { start, end }] of intervals.entries()) {
    const bits = new EntropyBits(bytes, start, end);
    const count = Math.min(blocksAtOnce, blocks - index * blocksAtOnce);
    for (let block = 0; block < count; block++) walkBlock(bits, dc, ac);
    bits.finish();
  }
}

function walkBlock(bits: EntropyBits, dc: HuffmanTable, ac: HuffmanTable): void {
  const size = bits.symbol(dc);
  if (size > 15) throw unreadable("its compressed data are damaged");
  bits.difference(size);
  for (let k = 1; k < 64; k++) {
    const runAndSize = bits.symbol(ac);
    const acSize = runAndSize & 15;
    const run = runAndSize >>> 4;
    if (acSize === 0 && run < 15) {
      if (run !== 0) throw unreadable("its compressed data are damaged");
      return;
    }
    k += run;
    if (k > 63) throw unreadable("its compressed data are damaged");
    bits.difference(acSize);
  }
}

function scanIntervals(bytes: Uint8Array, frame: JpegFrame, count: number) {
  const end = endOfScan(bytes, frame.scanStart);
  checkEndOfImage(bytes, end);
  return restartIntervals(bytes, frame.scanStart, end, count);
}

function tableOf(tables: ReadonlyMap<number, HuffmanTable>, id: number): HuffmanTable {
  const table = tables.get(id);
  if (table === undefined) throw unreadable("a Huffman table is missing");
  return table;
}
