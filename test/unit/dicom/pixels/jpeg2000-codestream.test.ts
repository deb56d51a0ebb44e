import { expect } from "chai";
import { codestreamOf, readCodestream } from "../../../../src/dicom/pixels/jpeg2000-codestream.ts";

interface Shape {
  readonly size?: readonly number[];
  readonly depth?: number;
  readonly components?: number;
  /** Levels, code block style, transformation, precinct sizes. */
  readonly coding?: readonly [number, number, number, ...number[]];
  readonly tileParts?: readonly { tile: number; body: number; length?: number }[];
  readonly end?: readonly number[];
}

const u16 = (value: number) => [value >>> 8, value & 255];
const u32 = (value: number) => [
  value >>> 24,
  (value >>> 16) & 255,
  (value >>> 8) & 255,
  value & 255,
];
const segment = (marker: number, value: readonly number[]) => [
  ...u16(marker),
  ...u16(value.length + 2),
  ...value,
];

/** A code stream whose packets are zeros. */
function codestream(shape: Shape = {}): Buffer {
  const {
    size = [100, 50, 0, 0, 100, 50, 0, 0],
    depth = 0x8b,
    components = 1,
    coding: [levels, style, transform, ...precincts] = [5, 0, 1],
    tileParts = [{ tile: 0, body: 10 }],
    end = [0xff, 0xd9],
  } = shape;
  const sizes = [...u16(0), ...size.flatMap(u32), ...u16(components)];
  const depths = Array.from({ length: components }, () => [depth, 1, 1]).flat();
  const scod = precincts.length > 0 ? 1 : 0;
  return Buffer.from([
    0xff,
    0x4f,
    ...segment(0xff51, [...sizes, ...depths]),
    ...segment(0xff52, [scod, 0, 0, 1, 0, levels, 4, 4, style, transform, ...precincts]),
    ...segment(0xff5c, [0x40, 0x60]),
    ...tileParts.flatMap(({ tile, body, length = body + 14 }) => [
      ...segment(0xff90, [...u16(tile), ...u32(length), 0, 1]),
      0xff,
      0x93,
      ...Array.from({ length: body }, () => 0),
    ]),
    ...end,
  ]);
}

describe("JPEG 2000 code stream", () => {
  it("says what it holds", () => {
    expect(readCodestream(codestream())).to.deep.equal({
      rows: 50,
      columns: 100,
      components: 1,
      precision: 12,
      isSigned: true,
      isReversible: true,
      isHighThroughput: false,
    });
    const lossyHt = codestream({ depth: 15, coding: [5, 0x40, 0] });
    expect(readCodestream(lossyHt)).to.include({
      precision: 16,
      isSigned: false,
      isReversible: false,
      isHighThroughput: true,
    });
  });

  it("may have tiles in parts, an open last length and padding", () => {
    const tiles = [0, 1, 0].map((tile) => ({ tile, body: 4 }));
    const size = [100, 50, 0, 0, 50, 50, 0, 0];
    expect(readCodestream(codestream({ size, tileParts: tiles }))).to.include({ rows: 50 });
    const open = codestream({ tileParts: [{ tile: 0, body: 4, length: 0 }], end: [0xff, 0xd9, 0] });
    expect(readCodestream(open)).to.include({ columns: 100 });
  });

  const REFUSED: readonly [string, Shape, RegExp][] = [
    ["no end marker", { end: [] }, /cut off/],
    ["something after the end", { end: [0xff, 0xd9, 1] }, /follows/],
    [
      "a tile-part that is too long",
      { tileParts: [{ tile: 0, body: 9, length: 24 }] },
      /broken|cut/,
    ],
    ["a tile-part that is too short", { tileParts: [{ tile: 0, body: 9, length: 20 }] }, /broken/],
    ["a tile that is not there", { tileParts: [{ tile: 1, body: 9 }] }, /broken/],
    ["a missing tile", { size: [100, 50, 0, 0, 50, 50, 0, 0] }, /lacks a tile/],
    ["tiles without number", { size: [4000, 4000, 0, 0, 1, 1, 0, 0] }, /16000000 tiles/],
    ["tiles without size", { size: [100, 50, 0, 0, 0, 50, 0, 0] }, /not read/],
    ["an offset", { size: [100, 50, 1, 0, 100, 50, 0, 0] }, /not read/],
    ["precincts of a sample", { coding: [1, 0, 1, 0x00, 0x88] }, /not read/],
    ["levels without end", { coding: [33, 0, 1] }, /broken/],
  ];
  for (const [name, shape, reason] of REFUSED) {
    it(`is refused with ${name}`, () => {
      expect(() => readCodestream(codestream(shape))).to.throw(reason);
    });
  }

  it("is refused when cut anywhere", () => {
    const whole = codestream();
    for (let end = 0; end < whole.length; end++)
      expect(() => readCodestream(whole.subarray(0, end)), `cut at ${end}`).to.throw();
  });

  it("is found in a JP2 file", () => {
    const inner = codestream();
    const box = (kind: string, value: Uint8Array) =>
      Buffer.concat([Buffer.from(u32(value.length + 8)), Buffer.from(kind), value]);
    const file = Buffer.concat([
      box("jP  ", Buffer.of(0x0d, 0x0a, 0x87, 0x0a)),
      box("ftyp", Buffer.from("jp2 ")),
      box("jp2c", inner),
    ]);
    expect(codestreamOf(file)).to.deep.equal(inner);
    expect(() => codestreamOf(file.subarray(0, 20))).to.throw(/no code stream/);
  });
});
