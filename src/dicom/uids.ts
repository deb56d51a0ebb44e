/** UIDs: validity (PS3.5 9), transfer syntaxes (PS3.5 Annex A), SOP classes (PS3.4 B.5), and making new ones. */
import { createHash, randomBytes } from "node:crypto";
import { STORAGE_CLASS_TABLE } from "./storage-classes.ts";

export const UID = {
  implicitVrLittleEndian: "1.2.840.10008.1.2",
  explicitVrLittleEndian: "1.2.840.10008.1.2.1",
  deflatedExplicitVrLittleEndian: "1.2.840.10008.1.2.1.99",
  explicitVrBigEndian: "1.2.840.10008.1.2.2",
  applicationContext: "1.2.840.10008.3.1.1.1",
} as const;

export const SOP_CLASS = {
  verification: "1.2.840.10008.1.1",
  patientRootFind: "1.2.840.10008.5.1.4.1.2.1.1",
  patientRootMove: "1.2.840.10008.5.1.4.1.2.1.2",
  patientRootGet: "1.2.840.10008.5.1.4.1.2.1.3",
  studyRootFind: "1.2.840.10008.5.1.4.1.2.2.1",
  studyRootMove: "1.2.840.10008.5.1.4.1.2.2.2",
  studyRootGet: "1.2.840.10008.5.1.4.1.2.2.3",
  storageCommitmentPush: "1.2.840.10008.1.20.1",
  ctImageStorage: "1.2.840.10008.5.1.4.1.1.2",
  enhancedCtImageStorage: "1.2.840.10008.5.1.4.1.1.2.1",
  basicTextSr: "1.2.840.10008.5.1.4.1.1.88.11",
  enhancedSr: "1.2.840.10008.5.1.4.1.1.88.22",
  comprehensiveSr: "1.2.840.10008.5.1.4.1.1.88.33",
  comprehensive3dSr: "1.2.840.10008.5.1.4.1.1.88.34",
} as const;

export interface TransferSyntax {
  readonly name: string;
  readonly isLittleEndian: boolean;
  readonly isExplicit: boolean;
  readonly isEncapsulated: boolean;
  readonly isDeflated: boolean;
}

const native = (
  name: string,
  isExplicit: boolean,
  isLittleEndian = true,
  isDeflated = false,
): TransferSyntax => ({
  name,
  isLittleEndian,
  isExplicit,
  isEncapsulated: false,
  isDeflated,
});
const encapsulated = (name: string): TransferSyntax => ({
  name,
  isLittleEndian: true,
  isExplicit: true,
  isEncapsulated: true,
  isDeflated: false,
});

export const TRANSFER_SYNTAXES: ReadonlyMap<string, TransferSyntax> = new Map([
  [UID.implicitVrLittleEndian, native("Implicit VR Little Endian", false)],
  [UID.explicitVrLittleEndian, native("Explicit VR Little Endian", true)],
  [
    UID.deflatedExplicitVrLittleEndian,
    native("Deflated Explicit VR Little Endian", true, true, true),
  ],
  [UID.explicitVrBigEndian, native("Explicit VR Big Endian (retired)", true, false)],
  ["1.2.840.10008.1.2.5", encapsulated("RLE Lossless")],
  ["1.2.840.10008.1.2.4.50", encapsulated("JPEG Baseline (Process 1)")],
  ["1.2.840.10008.1.2.4.51", encapsulated("JPEG Extended (Process 2 and 4)")],
  ["1.2.840.10008.1.2.4.53", encapsulated("JPEG Spectral Selection (Process 6 and 8, retired)")],
  ["1.2.840.10008.1.2.4.55", encapsulated("JPEG Full Progression (Process 10 and 12, retired)")],
  ["1.2.840.10008.1.2.4.57", encapsulated("JPEG Lossless (Process 14)")],
  ["1.2.840.10008.1.2.4.70", encapsulated("JPEG Lossless SV1")],
  ["1.2.840.10008.1.2.4.80", encapsulated("JPEG-LS Lossless")],
  ["1.2.840.10008.1.2.4.81", encapsulated("JPEG-LS Near-lossless")],
  ["1.2.840.10008.1.2.4.90", encapsulated("JPEG 2000 Lossless")],
  ["1.2.840.10008.1.2.4.91", encapsulated("JPEG 2000")],
  ["1.2.840.10008.1.2.4.92", encapsulated("JPEG 2000 Part 2 Lossless")],
  ["1.2.840.10008.1.2.4.93", encapsulated("JPEG 2000 Part 2")],
  ["1.2.840.10008.1.2.4.100", encapsulated("MPEG2 Main Profile Main Level")],
  ["1.2.840.10008.1.2.4.101", encapsulated("MPEG2 Main Profile High Level")],
  ["1.2.840.10008.1.2.4.102", encapsulated("MPEG-4 AVC/H.264 High Profile")],
  ["1.2.840.10008.1.2.4.103", encapsulated("MPEG-4 AVC/H.264 BD-compatible")],
  ["1.2.840.10008.1.2.4.110", encapsulated("JPEG XL Lossless")],
  ["1.2.840.10008.1.2.4.111", encapsulated("JPEG XL JPEG Recompression")],
  ["1.2.840.10008.1.2.4.112", encapsulated("JPEG XL")],
  ["1.2.840.10008.1.2.4.201", encapsulated("HTJ2K Lossless")],
  ["1.2.840.10008.1.2.4.202", encapsulated("HTJ2K Lossless RPCL")],
  ["1.2.840.10008.1.2.4.203", encapsulated("HTJ2K")],
]);

/** Storage SOP classes by UID, retired ones seen in the field included. */
export const STORAGE_SOP_CLASSES: ReadonlyMap<string, string> = new Map(STORAGE_CLASS_TABLE);

export function isStorageSopClass(uid: string): boolean {
  return STORAGE_SOP_CLASSES.has(uid);
}

export function sopClassName(uid: string): string {
  return STORAGE_SOP_CLASSES.get(uid) ?? uid;
}

/** 1 to 64 characters of digits and dots; components without leading zero (PS3.5 9.1). */
export function isValidUid(uid: string): boolean {
  return uid.length <= 64 && /^(?:0|[1-9]\d*)(?:\.(?:0|[1-9]\d*))+$/.test(uid);
}

/** A UID that is always the same for a name: `2.25.` and a name-based UUID (PS3.5 B.2, RFC 9562 version 8). */
export function uidFromName(name: string): string {
  return uidFromBytes(
    createHash("sha256").update("kindred\u0000").update(name).digest().subarray(0, 16),
    0x80,
  );
}

/** A new random UID (PS3.5 B.2, UUID version 4). */
export function newUid(): string {
  return uidFromBytes(randomBytes(16), 0x40);
}

function uidFromBytes(bytes: Buffer, version: number): string {
  bytes[6] = (bytes[6]! & 0x0f) | version;
  bytes[8] = (bytes[8]! & 0x3f) | 0x80;
  return `2.25.${BigInt(`0x${bytes.toString("hex")}`)}`;
}
