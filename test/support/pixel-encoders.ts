/** Small encoders for tests: RLE (PS3.5 Annex G) and JPEG lossless (ITU-T T.81 Annex H), written from the standards. */

/** @param words - stored words, `bitsAllocated` wide */
export function encodeRle(words: readonly number[], bitsAllocated: number): Buffer {
  const planes = bitsAllocated === 16 ? [8, 0] : [0];
  const segments = planes.map((shift) => packBits(words.map((word) => (word >>> shift) & 0xff)));
  const header = Buffer.alloc(64);
  header.writeUInt32LE(segments.length, 0);
  let at = 64;
  segments.forEach((segment, index) => {
    header.writeUInt32LE(at, 4 + 4 * index);
    at += segment.length;
  });
  return Buffer.concat([header, ...segments]);
}

function packBits(bytes: readonly number[]): Buffer {
  const out: number[] = [];
  for (let at = 0; at < bytes.length; ) {
    let run = 1;
    while (run < 128 && bytes[at + run] === bytes[at] && at + run < bytes.length) run++;
    if (run > 1) {
      out.push(257 - run, bytes[at]!);
      at += run;
      continue;
    }
    const from = at++;
    while (at < bytes.length && at - from < 128 && bytes[at] !== bytes[at + 1]) at++;
    out.push(at - from - 1, ...bytes.slice(from, at));
  }
  if (out.length % 2 === 1) out.push(0);
  return Buffer.from(out);
}

export interface LosslessJpeg {
  readonly rows: number;
  readonly columns: number;
  readonly precision: number;
  /** 1 to 7. T.81 table H.1. */
  readonly predictor?: number;
  readonly pointTransform?: number;
  /** Rows between restart markers; 0 for none. */
  readonly restartRows?: number;
}

/** One Huffman table with a code of 5 bits for each of the 17 categories. */
const CODE_BITS = 5;

/** @param samples - `[row][column]`, their lowest `pointTransform` bits are lost */
export function encodeLosslessJpeg(samples: readonly number[], image: LosslessJpeg): Buffer {
  const { rows, columns, precision, predictor = 1, pointTransform = 0, restartRows = 0 } = image;
  const values = samples.map((sample) => sample >>> pointTransform);
  const scans: Buffer[] = [];
  const rowsAtOnce = restartRows === 0 ? rows : restartRows;
  for (let first = 0, index = 0; first < rows; first += rowsAtOnce, index++) {
    if (index > 0) scans.push(Buffer.of(0xff, 0xd0 + ((index - 1) % 8)));
    const bits: string[] = [];
    for (let row = first; row < Math.min(rows, first + rowsAtOnce); row++) {
      for (let column = 0; column < columns; column++) {
        const at = row * columns + column;
        const [a, b, c] = [values[at - 1]!, values[at - columns]!, values[at - columns - 1]!];
        const isFirstRow = row === first;
        let predicted = [
          0,
          a,
          b,
          c,
          a + b - c,
          a + ((b - c) >> 1),
          b + ((a - c) >> 1),
          (a + b) >> 1,
        ][predictor]!;
        if (isFirstRow) predicted = column === 0 ? 1 << (precision - pointTransform - 1) : a;
        else if (column === 0) predicted = b;
        bits.push(codeOf((values[at]! - predicted) & 0xffff));
      }
    }
    scans.push(stuffed(bits.join("")));
  }
  const table = [0, 0, 0, 0, 0, 17, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
  const restart = restartRows * columns;
  return Buffer.concat([
    Buffer.of(0xff, 0xd8),
    segment(0xc3, [precision, rows >>> 8, rows & 255, columns >>> 8, columns & 255, 1, 1, 0x11, 0]),
    segment(0xc4, [...table, ...Array.from({ length: 17 }, (_, i) => i)]),
    ...(restart === 0 ? [] : [segment(0xdd, [restart >>> 8, restart & 255])]),
    segment(0xda, [1, 1, 0, predictor, 0, pointTransform]),
    ...scans,
    Buffer.of(0xff, 0xd9),
  ]);
}

/** Category and additional bits of a difference modulo 65536. T.81 table H.2. */
function codeOf(difference: number): string {
  const value = difference > 32_768 ? difference - 65_536 : difference;
  const size = value === 0 ? 0 : 32 - Math.clz32(Math.abs(value));
  const code = size.toString(2).padStart(CODE_BITS, "0");
  if (size === 0 || size === 16) return code;
  const extra = value > 0 ? value : value + (1 << size) - 1;
  return code + extra.toString(2).padStart(size, "0");
}

function stuffed(bits: string): Buffer {
  const out: number[] = [];
  for (let at = 0; at < bits.length; at += 8) {
    const byte = Number.parseInt(bits.slice(at, at + 8).padEnd(8, "1"), 2);
    out.push(byte);
    if (byte === 0xff) out.push(0);
  }
  return Buffer.from(out);
}

function segment(marker: number, value: readonly number[]): Buffer {
  const length = value.length + 2;
  return Buffer.from([0xff, marker, length >>> 8, length & 255, ...value]);
}
