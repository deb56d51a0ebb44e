/** DIMSE command sets: implicit VR little endian, group 0000. PS3.7 6.3, E.1. */
import { DataSet } from "../dicom/data-set.ts";
import { decodeDataSet } from "../dicom/decode.ts";
import { encodeDataSet } from "../dicom/encode.ts";
import { UID } from "../dicom/uids.ts";
import { KindredError } from "../kernel/errors.ts";

/** Command Field (0000,0100) of the requests; a response has {@link COMMAND.response} set. PS3.7 E.1-1. */
export const COMMAND = {
  store: 0x0001,
  get: 0x0010,
  find: 0x0020,
  move: 0x0021,
  echo: 0x0030,
  eventReport: 0x0100,
  action: 0x0130,
  cancel: 0x0fff,
  response: 0x8000,
} as const;

/** Names for logs and metrics; a field that is not listed is `other`. */
export const COMMAND_NAME: Readonly<Record<number, string>> = {
  [COMMAND.store]: "C-STORE",
  [COMMAND.get]: "C-GET",
  [COMMAND.find]: "C-FIND",
  [COMMAND.move]: "C-MOVE",
  [COMMAND.echo]: "C-ECHO",
  [COMMAND.eventReport]: "N-EVENT-REPORT",
  [COMMAND.action]: "N-ACTION",
};

const COMMAND_TAG = {
  groupLength: 0x00000000,
  affectedSopClassUid: 0x00000002,
  requestedSopClassUid: 0x00000003,
  commandField: 0x00000100,
  messageId: 0x00000110,
  messageIdBeingRespondedTo: 0x00000120,
  moveDestination: 0x00000600,
  priority: 0x00000700,
  dataSetType: 0x00000800,
  status: 0x00000900,
  errorComment: 0x00000902,
  affectedSopInstanceUid: 0x00001000,
  requestedSopInstanceUid: 0x00001001,
  eventTypeId: 0x00001002,
  actionTypeId: 0x00001008,
  remaining: 0x00001020,
  completed: 0x00001021,
  failed: 0x00001022,
  warning: 0x00001023,
  moveOriginatorAeTitle: 0x00001030,
  moveOriginatorMessageId: 0x00001031,
} as const;

/** Command Group Length with its head. */
const GROUP_LENGTH_BYTES = 12;
const NO_DATA_SET = 0x0101;
const WITH_DATA_SET = 0x0102;
const ERROR_COMMENT_CHARACTERS_MAX = 64;
const PRIORITY_MEDIUM = 0;

/** A command set as it came; "" and undefined for what was not there. */
export interface CommandSet {
  readonly commandField: number;
  readonly messageId: number;
  readonly messageIdBeingRespondedTo: number;
  readonly affectedSopClassUid: string;
  readonly requestedSopClassUid: string;
  readonly affectedSopInstanceUid: string;
  readonly requestedSopInstanceUid: string;
  readonly moveDestination: string;
  /** Of a C-STORE-RQ that is a sub-operation of a C-MOVE: who asked for it, and in which message. */
  readonly moveOriginator: { readonly aeTitle: string; readonly messageId: number } | undefined;
  readonly eventTypeId: number | undefined;
  readonly actionTypeId: number | undefined;
  readonly status: number | undefined;
  readonly errorComment: string;
  readonly hasDataSet: boolean;
}

/** Numbers of sub-operations of a C-MOVE or C-GET. PS3.7 9.1.3.1. */
export interface SubOperations {
  readonly remaining: number;
  readonly completed: number;
  readonly failed: number;
  readonly warning: number;
}

/** @throws KindredError `DATASET_UNREADABLE` when it is no command set, or none with a Command Field (PS3.7 6.3.1) */
export function decodeCommandSet(bytes: Buffer): CommandSet {
  const set = decodeDataSet(bytes, { transferSyntaxUid: UID.implicitVrLittleEndian, depthMax: 0 });
  const us = (tag: number) => {
    const value = set.get(tag)?.value;
    return value !== undefined && value.length >= 2 ? value[0]! + value[1]! * 256 : undefined;
  };
  const text = (tag: number) => latin(set.get(tag)?.value).replace(/[\0 ]+$/, "");
  const commandField = us(COMMAND_TAG.commandField);
  if (commandField === undefined)
    throw new KindredError("DATASET_UNREADABLE", "A command set without Command Field");
  return {
    commandField,
    messageId: us(COMMAND_TAG.messageId) ?? 0,
    messageIdBeingRespondedTo: us(COMMAND_TAG.messageIdBeingRespondedTo) ?? 0,
    affectedSopClassUid: text(COMMAND_TAG.affectedSopClassUid),
    requestedSopClassUid: text(COMMAND_TAG.requestedSopClassUid),
    affectedSopInstanceUid: text(COMMAND_TAG.affectedSopInstanceUid),
    requestedSopInstanceUid: text(COMMAND_TAG.requestedSopInstanceUid),
    moveDestination: text(COMMAND_TAG.moveDestination).trim(),
    moveOriginator: set.has(COMMAND_TAG.moveOriginatorAeTitle)
      ? {
          aeTitle: text(COMMAND_TAG.moveOriginatorAeTitle).trim(),
          messageId: us(COMMAND_TAG.moveOriginatorMessageId) ?? 0,
        }
      : undefined,
    eventTypeId: us(COMMAND_TAG.eventTypeId),
    actionTypeId: us(COMMAND_TAG.actionTypeId),
    status: us(COMMAND_TAG.status),
    errorComment: text(COMMAND_TAG.errorComment),
    hasDataSet: (us(COMMAND_TAG.dataSetType) ?? NO_DATA_SET) !== NO_DATA_SET,
  };
}

function latin(value: Uint8Array | undefined): string {
  return value === undefined
    ? ""
    : Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString("latin1");
}

const us = (value: number) => Uint8Array.of(value & 0xff, value >>> 8);

/** Encodes a command set with its group length, which counts what follows it. */
function encode(set: DataSet): Buffer {
  set.setBytes(COMMAND_TAG.groupLength, "UL", Buffer.alloc(4));
  const bytes = encodeDataSet(set, UID.implicitVrLittleEndian);
  bytes.writeUInt32LE(bytes.length - GROUP_LENGTH_BYTES, 8);
  return bytes;
}

function head(commandField: number, hasDataSet: boolean): DataSet {
  return new DataSet()
    .setBytes(COMMAND_TAG.commandField, "US", us(commandField))
    .setBytes(COMMAND_TAG.dataSetType, "US", us(hasDataSet ? WITH_DATA_SET : NO_DATA_SET));
}

export interface ResponseFields {
  readonly status: number;
  /** Error Comment (0000,0902), cut to 64 printable characters; no patient data. */
  readonly comment?: string | undefined;
  readonly hasDataSet?: boolean;
  readonly subOperations?: Partial<SubOperations>;
}

/** The response to a request: same message, SOP class and instance. PS3.7 9.3, 10.3. */
export function encodeResponse(request: CommandSet, answer: ResponseFields): Buffer {
  const set = head(request.commandField | COMMAND.response, answer.hasDataSet === true)
    .setBytes(COMMAND_TAG.messageIdBeingRespondedTo, "US", us(request.messageId))
    .setBytes(COMMAND_TAG.status, "US", us(answer.status));
  // N-ACTION names a Requested SOP; its response says Affected (PS3.7 10.3.5.2).
  setUid(
    set,
    COMMAND_TAG.affectedSopClassUid,
    request.affectedSopClassUid || request.requestedSopClassUid,
  );
  setUid(
    set,
    COMMAND_TAG.affectedSopInstanceUid,
    request.affectedSopInstanceUid || request.requestedSopInstanceUid,
  );
  if (request.commandField === COMMAND.action && request.actionTypeId !== undefined)
    set.setBytes(COMMAND_TAG.actionTypeId, "US", us(request.actionTypeId));
  if (request.commandField === COMMAND.eventReport && request.eventTypeId !== undefined)
    set.setBytes(COMMAND_TAG.eventTypeId, "US", us(request.eventTypeId));
  if (answer.comment !== undefined) {
    const printable = answer.comment.replace(/[^\x20-\x5b\x5d-\x7e]/g, "?");
    set.setString(COMMAND_TAG.errorComment, "LO", printable.slice(0, ERROR_COMMENT_CHARACTERS_MAX));
  }
  for (const [name, count] of Object.entries(answer.subOperations ?? {}))
    set.setBytes(COMMAND_TAG[name as keyof SubOperations], "US", us(Math.min(count, 0xffff)));
  return encode(set);
}

function setUid(set: DataSet, tag: number, uid: string): void {
  if (uid !== "") set.setString(tag, "UI", uid);
}

export interface StoreRequestFields {
  readonly messageId: number;
  readonly sopClassUid: string;
  readonly sopInstanceUid: string;
  /** Of a C-MOVE sub-operation: who asked for it, and in which message. */
  readonly moveOriginator?: { readonly aeTitle: string; readonly messageId: number } | undefined;
}

/** A C-STORE-RQ. PS3.7 9.3.1.1. */
export function encodeStoreRequest(request: StoreRequestFields): Buffer {
  const set = head(COMMAND.store, true)
    .setString(COMMAND_TAG.affectedSopClassUid, "UI", request.sopClassUid)
    .setBytes(COMMAND_TAG.messageId, "US", us(request.messageId))
    .setBytes(COMMAND_TAG.priority, "US", us(PRIORITY_MEDIUM))
    .setString(COMMAND_TAG.affectedSopInstanceUid, "UI", request.sopInstanceUid);
  if (request.moveOriginator !== undefined) {
    set
      .setString(COMMAND_TAG.moveOriginatorAeTitle, "AE", request.moveOriginator.aeTitle)
      .setBytes(COMMAND_TAG.moveOriginatorMessageId, "US", us(request.moveOriginator.messageId));
  }
  return encode(set);
}

/** An N-EVENT-REPORT-RQ with event information. PS3.7 10.3.1.1. */
export function encodeEventReportRequest(request: {
  readonly messageId: number;
  readonly sopClassUid: string;
  readonly sopInstanceUid: string;
  readonly eventTypeId: number;
}): Buffer {
  return encode(
    head(COMMAND.eventReport, true)
      .setString(COMMAND_TAG.affectedSopClassUid, "UI", request.sopClassUid)
      .setBytes(COMMAND_TAG.messageId, "US", us(request.messageId))
      .setString(COMMAND_TAG.affectedSopInstanceUid, "UI", request.sopInstanceUid)
      .setBytes(COMMAND_TAG.eventTypeId, "US", us(request.eventTypeId)),
  );
}

/** An N-ACTION-RQ with action information. PS3.7 10.3.5.1. */
export function encodeActionRequest(request: {
  readonly messageId: number;
  readonly sopClassUid: string;
  readonly sopInstanceUid: string;
  readonly actionTypeId: number;
}): Buffer {
  return encode(
    head(COMMAND.action, true)
      .setString(COMMAND_TAG.requestedSopClassUid, "UI", request.sopClassUid)
      .setBytes(COMMAND_TAG.messageId, "US", us(request.messageId))
      .setString(COMMAND_TAG.requestedSopInstanceUid, "UI", request.sopInstanceUid)
      .setBytes(COMMAND_TAG.actionTypeId, "US", us(request.actionTypeId)),
  );
}

/** A C-ECHO-RQ. PS3.7 9.3.5.1. */
export function encodeEchoRequest(request: {
  readonly messageId: number;
  readonly sopClassUid: string;
}): Buffer {
  return encode(
    head(COMMAND.echo, false)
      .setString(COMMAND_TAG.affectedSopClassUid, "UI", request.sopClassUid)
      .setBytes(COMMAND_TAG.messageId, "US", us(request.messageId)),
  );
}
