/** DICOM files: preamble and file meta information. PS3.10 7.1. */
import { KindredError } from "../kernel/errors.ts";
import { IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME } from "../kernel/version.ts";
import { DataSet } from "./data-set.ts";
import { decodeDataSet } from "./decode.ts";
import { encodeDataSet } from "./encode.ts";
import { TAG } from "./tags.ts";
import { UID } from "./uids.ts";

const PREAMBLE_BYTES = 128;
const META_BYTES_MAX = 65_536;
const META_LENGTH_TAG = 0x00020000;
/** File Meta Information Group Length with its head. */
const META_LENGTH_BYTES = 12;
/** The preamble is zeros: a sender's bytes could be a program. */
const PREFIX = Buffer.concat([Buffer.alloc(PREAMBLE_BYTES), Buffer.from("DICM", "latin1")]);

/** Preamble, `DICM` and file meta of a file that we write. */
export function encodeFileMeta(instance: {
  sopClassUid: string;
  sopInstanceUid: string;
  transferSyntaxUid: string;
  sourceAeTitle?: string;
}): Buffer {
  const meta = new DataSet()
    .setBytes(META_LENGTH_TAG, "UL", new Uint8Array(4))
    .setBytes(0x00020001, "OB", Uint8Array.of(0, 1))
    .setString(0x00020002, "UI", instance.sopClassUid)
    .setString(0x00020003, "UI", instance.sopInstanceUid)
    .setString(TAG.TransferSyntaxUID, "UI", instance.transferSyntaxUid)
    .setString(0x00020012, "UI", IMPLEMENTATION_CLASS_UID)
    .setString(0x00020013, "SH", IMPLEMENTATION_VERSION_NAME);
  if (instance.sourceAeTitle !== undefined)
    meta.setString(0x00020016, "AE", instance.sourceAeTitle);
  const bytes = encodeDataSet(meta, UID.explicitVrLittleEndian);
  // It counts what follows it.
  bytes.writeUInt32LE(bytes.length - META_LENGTH_BYTES, 8);
  return Buffer.concat([PREFIX, bytes]);
}

export interface FileMeta {
  readonly meta: DataSet;
  /** Where the data set begins, from the start of the file. */
  readonly dataSetOffset: number;
  readonly transferSyntaxUid: string;
}

/**
 * Reads the file meta; a file without preamble is taken as a bare data set in implicit VR little endian.
 *
 * @throws KindredError `DATASET_UNREADABLE` when it is no DICOM
 */
export function decodeFileMeta(bytes: Uint8Array): FileMeta {
  const hasPrefix =
    bytes.length >= 132 && Buffer.from(bytes.subarray(128, 132)).toString("latin1") === "DICM";
  if (!hasPrefix) return bareDataSet(bytes);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let end = 132;
  while (end + 8 <= bytes.length && end < META_BYTES_MAX && view.getUint16(end, true) === 2) {
    const vr = String.fromCharCode(bytes[end + 4]!, bytes[end + 5]!);
    const isLong = vr === "OB" || vr === "UN" || vr === "UT" || vr === "SQ" || vr === "OW";
    if (isLong && end + 12 > bytes.length) break;
    const length = isLong ? 12 + view.getUint32(end + 8, true) : 8 + view.getUint16(end + 6, true);
    end += length;
  }
  if (end > bytes.length)
    throw new KindredError("DATASET_UNREADABLE", "The file meta information is truncated");
  const meta = decodeDataSet(bytes.subarray(132, end), {
    transferSyntaxUid: UID.explicitVrLittleEndian,
  });
  const transferSyntaxUid = meta.string(TAG.TransferSyntaxUID) || UID.implicitVrLittleEndian;
  return { meta, dataSetOffset: end, transferSyntaxUid };
}

function bareDataSet(bytes: Uint8Array): FileMeta {
  const group = bytes.length >= 8 ? bytes[0]! + bytes[1]! * 256 : 0;
  if (group !== 2 && group !== 8) {
    throw new KindredError(
      "DATASET_UNREADABLE",
      "This is no DICOM file: it has neither a preamble nor a data set",
    );
  }
  const vr = String.fromCharCode(bytes[4]!, bytes[5]!);
  const transferSyntaxUid = /^[A-Z]{2}$/.test(vr)
    ? UID.explicitVrLittleEndian
    : UID.implicitVrLittleEndian;
  return { meta: new DataSet(), dataSetOffset: 0, transferSyntaxUid };
}
