/**
 * What the messages of storage commitment carry: Action Information of the N-ACTION and Event Information of the
 * N-EVENT-REPORT. PS3.4 J.3.2.1.1, J.3.3.1.1. Everything comes from outside: counted, measured and checked here.
 */
import { DataSet } from "../dicom/data-set.ts";
import { decodeDataSet } from "../dicom/decode.ts";
import { encodeDataSet } from "../dicom/encode.ts";
import { TAG } from "../dicom/tags.ts";
import { isValidUid } from "../dicom/uids.ts";
import { KindredError } from "../kernel/errors.ts";
import type { CommitmentResult, FailedReference, InstanceReference } from "./ports.ts";

/** The well-known SOP Instance that every message names. PS3.4 J.3.5. */
export const COMMITMENT_INSTANCE_UID = "1.2.840.10008.1.20.1.1";
/** Request Storage Commitment. PS3.4 J.3.2. */
export const REQUEST_ACTION_TYPE = 1;
/** Storage Commitment Request Successful, and Complete - Failures Exist. PS3.4 J.3.3. */
export const EVENT_TYPE = { successful: 1, failuresExist: 2 } as const;

/** Two UIDs of 64 characters, their heads, a Failure Reason and room for a Storage Media File-Set ID and UID. */
const REFERENCE_BYTES_MAX = 320;
const ELEMENTS_OF_REFERENCE_MAX = 8;
const FIXED_BYTES_MAX = 4_096;
const FIXED_ELEMENTS_MAX = 32;
/** An item, and whatever a peer nests in it (nothing of that is ours). */
const DEPTH_MAX = 4;

/** Longest information with so many references, bytes. */
export function informationBytesMax(referencesMax: number): number {
  return FIXED_BYTES_MAX + referencesMax * REFERENCE_BYTES_MAX;
}

export function encodeActionInformation(
  request: {
    readonly transactionUid: string;
    readonly references: readonly InstanceReference[];
  },
  transferSyntaxUid: string,
): Buffer {
  const information = new DataSet()
    .setString(TAG.TransactionUID, "UI", request.transactionUid)
    .setItems(TAG.ReferencedSOPSequence, request.references.map(referenceItem));
  return encodeDataSet(information, transferSyntaxUid);
}

/** @throws KindredError `DATASET_UNREADABLE`, `BAD_REQUEST`, `INSTANCE_TOO_LARGE` with what is wrong */
export function decodeActionInformation(
  bytes: Buffer,
  options: { readonly transferSyntaxUid: string; readonly referencesMax: number },
): { transactionUid: string; references: InstanceReference[] } {
  const information = decode(bytes, options);
  const transactionUid = transactionOf(information);
  const references = referencesOf(information, TAG.ReferencedSOPSequence, options.referencesMax);
  if (references.length === 0)
    throw new KindredError("BAD_REQUEST", "Referenced SOP Sequence is missing or empty");
  return { transactionUid, references: once(references) };
}

/** The event type that fits a result: failures exist, or none do. */
export function eventTypeOf(result: CommitmentResult): number {
  return result.failed.length === 0 ? EVENT_TYPE.successful : EVENT_TYPE.failuresExist;
}

export function encodeEventInformation(
  result: CommitmentResult,
  retrieveAeTitle: string,
  transferSyntaxUid: string,
): Buffer {
  const information = new DataSet()
    .setString(TAG.RetrieveAETitle, "AE", retrieveAeTitle)
    .setString(TAG.TransactionUID, "UI", result.transactionUid);
  // Each sequence is there only when it has items: both are required to have one at least.
  if (result.failed.length > 0)
    information.setItems(TAG.FailedSOPSequence, result.failed.map(failedItem));
  if (result.committed.length > 0)
    information.setItems(TAG.ReferencedSOPSequence, result.committed.map(referenceItem));
  return encodeDataSet(information, transferSyntaxUid);
}

/** @throws KindredError `DATASET_UNREADABLE`, `BAD_REQUEST`, `INSTANCE_TOO_LARGE` with what is wrong */
export function decodeEventInformation(
  bytes: Buffer,
  options: { readonly transferSyntaxUid: string; readonly referencesMax: number },
): CommitmentResult {
  const information = decode(bytes, options);
  const { referencesMax } = options;
  const committed = referencesOf(information, TAG.ReferencedSOPSequence, referencesMax);
  const failed = failedOf(information, referencesMax - committed.length);
  if (committed.length + failed.length === 0)
    throw new KindredError("BAD_REQUEST", "The report names no SOP instance");
  return { transactionUid: transactionOf(information), committed, failed };
}

function decode(
  bytes: Buffer,
  options: { readonly transferSyntaxUid: string; readonly referencesMax: number },
): DataSet {
  return decodeDataSet(bytes, {
    transferSyntaxUid: options.transferSyntaxUid,
    depthMax: DEPTH_MAX,
    elementsAllowed: FIXED_ELEMENTS_MAX + (options.referencesMax + 1) * ELEMENTS_OF_REFERENCE_MAX,
  });
}

function transactionOf(information: DataSet): string {
  const [uid, ...more] = information.strings(TAG.TransactionUID);
  if (uid === undefined || more.length > 0 || !isValidUid(uid))
    throw new KindredError("BAD_REQUEST", "Transaction UID is missing or is not one UID");
  return uid;
}

function referencesOf(information: DataSet, tag: number, referencesMax: number) {
  return itemsOf(information, tag, referencesMax).map(reference);
}

function failedOf(information: DataSet, referencesMax: number): FailedReference[] {
  return itemsOf(information, TAG.FailedSOPSequence, referencesMax).map((item) => ({
    ...reference(item),
    // A report without its required reason is still a report of failure: 0110H, processing failure.
    reason: item.integer(TAG.FailureReason) ?? 0x0110,
  }));
}

function itemsOf(information: DataSet, tag: number, itemsMax: number): readonly DataSet[] {
  const items = information.items(tag);
  if (items.length > itemsMax)
    throw new KindredError("INSTANCE_TOO_LARGE", "Too many references: ask in several requests");
  return items;
}

function reference(item: DataSet): InstanceReference {
  const sopClassUid = item.string(TAG.ReferencedSOPClassUID);
  const sopInstanceUid = item.string(TAG.ReferencedSOPInstanceUID);
  if (!isLikeUid(sopClassUid) || !isLikeUid(sopInstanceUid))
    throw new KindredError("BAD_REQUEST", "A reference lacks a SOP Class or Instance UID");
  return { sopClassUid, sopInstanceUid };
}

/** Digits and dots, 1 to 64: a malformed UID names nothing we keep, and its own answer says so. */
function isLikeUid(uid: string | undefined): uid is string {
  return uid !== undefined && /^[0-9.]{1,64}$/.test(uid);
}

/** The same reference twice is one reference. */
function once(references: readonly InstanceReference[]): InstanceReference[] {
  const seen = new Map(references.map((one) => [`${one.sopClassUid} ${one.sopInstanceUid}`, one]));
  return [...seen.values()];
}

function referenceItem(one: InstanceReference): DataSet {
  return new DataSet()
    .setString(TAG.ReferencedSOPClassUID, "UI", one.sopClassUid)
    .setString(TAG.ReferencedSOPInstanceUID, "UI", one.sopInstanceUid);
}

function failedItem(one: FailedReference): DataSet {
  return referenceItem(one).setBytes(
    TAG.FailureReason,
    "US",
    Uint8Array.of(one.reason & 0xff, one.reason >>> 8),
  );
}
