/** DICOM files: preamble and file meta information. PS3.10 7.1. */
import { KindredError } from "../kernel/errors.ts";
import { IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME } from "../kernel/version.ts";
import type { DataSet } from "./data-set.ts";
import { decodeDataSet } from "./decode.ts";
import { TAG } from "./tags.ts";
import { UID } from "./uids.ts";
import { isLongVr, vrAt } from "./vr.ts";

const PREAMBLE_BYTES = 128;
const META_BYTES_MAX = 65_536;
/** Preamble, `DICM`, File Meta Information Group Length and Version. The preamble is zeros: a sender's bytes could be a program. */
const META_START = Buffer.concat([
  Buffer.alloc(PREAMBLE_BYTES),
  Buffer.from("DICM", "latin1"),
  Buffer.of(2, 0, 0, 0, 0x55, 0x4c, 4, 0, 0, 0, 0, 0),
  Buffer.of(2, 0, 1, 0, 0x4f, 0x42, 0, 0, 2, 0, 0, 0, 0, 1),
]);
/** Where the group length ends; it counts what follows. */
const META_LENGTH_END = PREAMBLE_BYTES + 4 + 12;
/** Tag, VR and a length of 16 bits. */
const META_HEAD_BYTES = 8;

/** Preamble, `DICM` and file meta of a file that we write. */
export function encodeFileMeta(instance: {
  sopClassUid: string;
  sopInstanceUid: string;
  transferSyntaxUid: string;
  sourceAeTitle?: string;
}): Buffer {
  const { sourceAeTitle } = instance;
  // Every instance that is received has one: a dozen elements in the order of their tags, without a data set in between.
  const texts: (readonly [element: number, vr: "UI" | "SH" | "AE", value: string])[] = [
    [0x0002, "UI", instance.sopClassUid],
    [0x0003, "UI", instance.sopInstanceUid],
    [0x0010, "UI", instance.transferSyntaxUid],
    [0x0012, "UI", IMPLEMENTATION_CLASS_UID],
    [0x0013, "SH", IMPLEMENTATION_VERSION_NAME],
  ];
  if (sourceAeTitle !== undefined) texts.push([0x0016, "AE", sourceAeTitle]);
  let size = META_START.length;
  for (const [, , value] of texts) size += META_HEAD_BYTES + evenLength(value);
  const bytes = Buffer.allocUnsafe(size);
  let at = META_START.copy(bytes);
  for (const [element, vr, value] of texts) {
    at = bytes.writeUInt16LE(0x0002, at);
    at = bytes.writeUInt16LE(element, at);
    at += bytes.write(vr, at, "latin1");
    at = bytes.writeUInt16LE(evenLength(value), at);
    at += bytes.write(value, at, "latin1");
    if (value.length % 2 === 1) bytes[at++] = vr === "UI" ? 0 : 0x20;
  }
  bytes.writeUInt32LE(size - META_LENGTH_END, META_LENGTH_END - 4);
  return bytes;
}

const evenLength = (value: string) => value.length + (value.length % 2);

export interface FileMeta {
  readonly meta: DataSet;
  /** Where the data set begins, from the start of the file. */
  readonly dataSetOffset: number;
  readonly transferSyntaxUid: string;
}

/**
 * Reads the file meta information. Where the transfer syntax is not named, and where a file is a bare data set, it is told
 * from the first element.
 *
 * @throws KindredError `DATASET_UNREADABLE` when it is no DICOM
 */
export function decodeFileMeta(bytes: Uint8Array): FileMeta {
  const hasPrefix =
    bytes.length >= 132 && Buffer.from(bytes.subarray(128, 132)).toString("latin1") === "DICM";
  const start = hasPrefix ? 132 : 0;
  if (!hasPrefix && !isBare(bytes)) {
    throw new KindredError(
      "DATASET_UNREADABLE",
      "This is no DICOM file: it has neither a preamble nor a data set",
    );
  }
  const end = metaEnd(bytes, start);
  if (end > bytes.length)
    throw new KindredError("DATASET_UNREADABLE", "The file meta information is truncated");
  const meta = decodeDataSet(bytes.subarray(start, end), {
    transferSyntaxUid: UID.explicitVrLittleEndian,
  });
  const transferSyntaxUid = meta.string(TAG.TransferSyntaxUID) || apparentSyntax(bytes, end);
  return { meta, dataSetOffset: end, transferSyntaxUid };
}

/** Where group 0002 ends, by its elements: its stated length is often wrong. */
function metaEnd(bytes: Uint8Array, start: number): number {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let end = start;
  while (end + 8 <= bytes.length && end < META_BYTES_MAX && view.getUint16(end, true) === 2) {
    const isLong = isLongVr(String.fromCharCode(bytes[end + 4]!, bytes[end + 5]!));
    if (isLong && end + 12 > bytes.length) break;
    end += isLong ? 12 + view.getUint32(end + 8, true) : 8 + view.getUint16(end + 6, true);
  }
  return end;
}

/** It begins with group 0002 or 0008, in either byte order. */
function isBare(bytes: Uint8Array): boolean {
  if (bytes.length < 8) return false;
  const [first, second] = [bytes[0]!, bytes[1]!];
  return second === 0 ? first === 2 || first === 8 : first === 0 && second === 8;
}

/** The native transfer syntax that the first element of a data set is written in. */
function apparentSyntax(bytes: Uint8Array, at: number): string {
  if (at + 6 > bytes.length || vrAt(bytes, at + 4) === undefined) return UID.implicitVrLittleEndian;
  // A data set begins with a low group: in the wrong byte order it is 256 times as high.
  return bytes[at]! === 0 && bytes[at + 1]! !== 0
    ? UID.explicitVrBigEndian
    : UID.explicitVrLittleEndian;
}
