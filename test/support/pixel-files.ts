/** DICOM files made around Pixel Data: any layout, byte order, fragments and offset tables, right or wrong. */
import { deflateRawSync } from "node:zlib";
import type { PixelLayout } from "../../src/dicom/pixels/layout.ts";
import { TRANSFER_SYNTAXES, UID } from "../../src/dicom/uids.ts";

export interface PixelFile {
  readonly layout: PixelLayout;
  readonly transferSyntaxUid: string;
  readonly frameCount?: number;
  readonly samplesPerPixel?: number;
  /** Value of Pixel Data; with `isEncapsulated` its items up to the end. */
  readonly value: Uint8Array;
  readonly isEncapsulated?: boolean;
  readonly vr?: "OB" | "OW";
  /** Elements of explicit VR that stand before Pixel Data, already encoded. */
  readonly before?: Uint8Array;
}

/** A Part 10 file with what a header scan needs, and Pixel Data. */
export function pixelFile(file: PixelFile): Buffer {
  const { layout, transferSyntaxUid, frameCount = 1 } = file;
  const syntax = TRANSFER_SYNTAXES.get(transferSyntaxUid);
  const isLittle = syntax?.isLittleEndian ?? true;
  const isExplicit = syntax?.isExplicit ?? true;
  const element = (tag: number, vr: string, value: Uint8Array | string, length?: number) =>
    encodeElement({ tag, vr, value, length, isLittle, isExplicit });
  const us = (tag: number, value: number) => element(tag, "US", u16(value, isLittle));
  const body = Buffer.concat([
    element(0x00080008, "CS", "ORIGINAL\\PRIMARY\\AXIAL"),
    element(0x00080016, "UI", "1.2.840.10008.5.1.4.1.1.2"),
    element(0x00080018, "UI", "1.2.3.4"),
    us(0x00280002, file.samplesPerPixel ?? 1),
    element(0x00280004, "CS", "MONOCHROME2"),
    ...(frameCount === 1 ? [] : [element(0x00280008, "IS", String(frameCount))]),
    us(0x00280010, layout.rows),
    us(0x00280011, layout.columns),
    us(0x00280100, layout.bitsAllocated),
    us(0x00280101, layout.bitsStored),
    us(0x00280102, layout.highBit),
    us(0x00280103, layout.isSigned ? 1 : 0),
    file.before ?? Buffer.alloc(0),
    element(
      0x7fe00010,
      file.vr ?? (file.isEncapsulated === true || layout.bitsAllocated === 8 ? "OB" : "OW"),
      file.value,
      file.isEncapsulated === true ? 0xffffffff : undefined,
    ),
  ]);
  const isDeflated = syntax?.isDeflated === true;
  return Buffer.concat([
    fileMeta(transferSyntaxUid),
    isDeflated ? even(deflateRawSync(body)) : body,
  ]);
}

export interface Encapsulation {
  /** Bytes of a fragment, even; a frame in one piece when not given. */
  readonly fragmentBytes?: number;
  readonly table?: "empty" | "right" | readonly number[];
  /** False leaves the sequence's end away. */
  readonly hasEnd?: boolean;
}

/** Items of encapsulated Pixel Data. PS3.5 A.4. */
export function encapsulated(frames: readonly Uint8Array[], options: Encapsulation = {}): Buffer {
  const { fragmentBytes = Number.POSITIVE_INFINITY, table = "empty", hasEnd = true } = options;
  const { items, offsets } = fragmentsOf(frames, fragmentBytes);
  const values = table === "empty" ? [] : table === "right" ? offsets : table;
  const tableValue = Buffer.concat(values.map((offset) => u32(offset)));
  return Buffer.concat([
    item(tableValue),
    ...items,
    ...(hasEnd ? [Buffer.from("feffdde000000000", "hex")] : []),
  ]);
}

/** Extended Offset Table and its Lengths, for {@link PixelFile.before}. PS3.3 C.7.6.3.1.8. */
export function extendedOffsetTable(
  frames: readonly Uint8Array[],
  fragmentBytes = Number.POSITIVE_INFINITY,
): Buffer {
  const { offsets } = fragmentsOf(frames, fragmentBytes);
  const values = (numbers: readonly number[]) => Buffer.concat(numbers.map((one) => u64(one)));
  const element = (tag: number, value: Buffer) =>
    encodeElement({ tag, vr: "OV", value, length: undefined, isLittle: true, isExplicit: true });
  return Buffer.concat([
    element(0x7fe00001, values(offsets)),
    element(0x7fe00002, values(frames.map(({ length }) => length))),
  ]);
}

function fragmentsOf(frames: readonly Uint8Array[], fragmentBytes: number) {
  const items: Buffer[] = [];
  const offsets: number[] = [];
  let at = 0;
  for (const frame of frames) {
    offsets.push(at);
    const bytes = even(frame);
    for (let from = 0; from < bytes.length; from += fragmentBytes) {
      const one = item(bytes.subarray(from, Math.min(bytes.length, from + fragmentBytes)));
      items.push(one);
      at += one.length;
    }
  }
  return { items, offsets };
}

function item(value: Uint8Array): Buffer {
  return Buffer.concat([Buffer.from("feff00e0", "hex"), u32(value.length), value]);
}

interface ElementParts {
  readonly tag: number;
  readonly vr: string;
  readonly value: Uint8Array | string;
  /** As it is written, when another than that of the value. */
  readonly length: number | undefined;
  readonly isLittle: boolean;
  readonly isExplicit: boolean;
}

function encodeElement({ tag, vr, value, length, isLittle, isExplicit }: ElementParts): Buffer {
  const pad = vr === "UI" ? "\0" : " ";
  const bytes =
    typeof value === "string"
      ? Buffer.from(value.length % 2 === 0 ? value : `${value}${pad}`, "latin1")
      : even(value);
  const tagBytes = Buffer.concat([u16(tag >>> 16, isLittle), u16(tag & 0xffff, isLittle)]);
  const long = u32(length ?? bytes.length, isLittle);
  if (!isExplicit) return Buffer.concat([tagBytes, long, bytes]);
  const vrBytes = Buffer.from(vr, "latin1");
  if (["OB", "OW", "OV"].includes(vr))
    return Buffer.concat([tagBytes, vrBytes, Buffer.alloc(2), long, bytes]);
  return Buffer.concat([tagBytes, vrBytes, u16(bytes.length, isLittle), bytes]);
}

function fileMeta(transferSyntaxUid: string): Buffer {
  const element = (tag: number, vr: string, value: Uint8Array | string) =>
    encodeElement({ tag, vr, value, length: undefined, isLittle: true, isExplicit: true });
  const rest = Buffer.concat([
    element(0x00020001, "OB", Buffer.of(0, 1)),
    element(0x00020002, "UI", "1.2.840.10008.5.1.4.1.1.2"),
    element(0x00020003, "UI", "1.2.3.4"),
    element(0x00020010, "UI", transferSyntaxUid),
  ]);
  const length = element(0x00020000, "UL", u32(rest.length));
  return Buffer.concat([Buffer.alloc(128), Buffer.from("DICM"), length, rest]);
}

/** Bytes of stored words as the file of a transfer syntax has them. */
export function nativeValue(
  words: readonly number[],
  bitsAllocated: number,
  transferSyntaxUid: string = UID.explicitVrLittleEndian,
): Buffer {
  if (bitsAllocated === 8) return Buffer.from(words.map((word) => word & 0xff));
  const isLittle = TRANSFER_SYNTAXES.get(transferSyntaxUid)?.isLittleEndian ?? true;
  return Buffer.concat(words.map((word) => u16(word & 0xffff, isLittle)));
}

function even(bytes: Uint8Array): Uint8Array {
  return bytes.length % 2 === 0 ? bytes : Buffer.concat([bytes, Buffer.of(0)]);
}

function u16(value: number, isLittle = true): Buffer {
  const bytes = Buffer.alloc(2);
  if (isLittle) bytes.writeUInt16LE(value);
  else bytes.writeUInt16BE(value);
  return bytes;
}

function u32(value: number, isLittle = true): Buffer {
  const bytes = Buffer.alloc(4);
  if (isLittle) bytes.writeUInt32LE(value);
  else bytes.writeUInt32BE(value);
  return bytes;
}

function u64(value: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(BigInt(value));
  return bytes;
}
