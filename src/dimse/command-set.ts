/**
 * DIMSE command sets: implicit VR little endian, group 0000. PS3.7 6.3, E.1. They are read and written here and not by way of a
 * data set: every message has one, and they are a dozen flat elements.
 */
import { formatTag } from "../dicom/tags.ts";
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

/** Of group 0000. */
const GROUP_LAST = 0xffff;
/** Tag and length: all of a command set is implicit VR. */
const ELEMENT_HEAD_BYTES = 8;
/** Command Group Length with its head. */
const GROUP_LENGTH_BYTES = 12;
const NUL = 0x00;
const SPACE = 0x20;
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
  const set = new CommandElements(bytes);
  const commandField = set.us(COMMAND_TAG.commandField);
  if (commandField === undefined) throw unreadable("it has no Command Field");
  const moveOriginator = set.text(COMMAND_TAG.moveOriginatorAeTitle);
  return {
    commandField,
    messageId: set.us(COMMAND_TAG.messageId) ?? 0,
    messageIdBeingRespondedTo: set.us(COMMAND_TAG.messageIdBeingRespondedTo) ?? 0,
    affectedSopClassUid: set.text(COMMAND_TAG.affectedSopClassUid) ?? "",
    requestedSopClassUid: set.text(COMMAND_TAG.requestedSopClassUid) ?? "",
    affectedSopInstanceUid: set.text(COMMAND_TAG.affectedSopInstanceUid) ?? "",
    requestedSopInstanceUid: set.text(COMMAND_TAG.requestedSopInstanceUid) ?? "",
    moveDestination: (set.text(COMMAND_TAG.moveDestination) ?? "").trim(),
    moveOriginator:
      moveOriginator === undefined
        ? undefined
        : {
            aeTitle: moveOriginator.trim(),
            messageId: set.us(COMMAND_TAG.moveOriginatorMessageId) ?? 0,
          },
    eventTypeId: set.us(COMMAND_TAG.eventTypeId),
    actionTypeId: set.us(COMMAND_TAG.actionTypeId),
    status: set.us(COMMAND_TAG.status),
    errorComment: set.text(COMMAND_TAG.errorComment) ?? "",
    hasDataSet: (set.us(COMMAND_TAG.dataSetType) ?? NO_DATA_SET) !== NO_DATA_SET,
  };
}

/** Where the elements of a command set lie: none is a sequence, and each is asked for once. Of a tag that comes twice the first counts. */
class CommandElements {
  readonly #bytes: Buffer;
  readonly #tags: number[] = [];
  readonly #starts: number[] = [];
  readonly #ends: number[] = [];

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
    for (let at = 0; at < bytes.length; ) {
      if (bytes.length - at < ELEMENT_HEAD_BYTES) throw unreadable("it ends inside an element");
      const tag = bytes.readUInt16LE(at) * 0x10000 + bytes.readUInt16LE(at + 2);
      const length = bytes.readUInt32LE(at + 4);
      if (tag > GROUP_LAST) throw unreadable(`${formatTag(tag)} stands in it`);
      at += ELEMENT_HEAD_BYTES;
      if (length > bytes.length - at)
        throw unreadable(`${formatTag(tag)} is longer than what is left`);
      this.#tags.push(tag);
      this.#starts.push(at);
      at += length;
      this.#ends.push(at);
    }
  }

  us(tag: number): number | undefined {
    const index = this.#tags.indexOf(tag);
    if (index < 0) return undefined;
    const start = this.#starts[index]!;
    return this.#ends[index]! - start < 2 ? undefined : this.#bytes.readUInt16LE(start);
  }

  /** Without the padding at its end. */
  text(tag: number): string | undefined {
    const index = this.#tags.indexOf(tag);
    if (index < 0) return undefined;
    const start = this.#starts[index]!;
    let end = this.#ends[index]!;
    while (end > start && isPadding(this.#bytes[end - 1]!)) end--;
    return this.#bytes.toString("latin1", start, end);
  }
}

const isPadding = (byte: number) => byte === NUL || byte === SPACE;

const unreadable = (why: string) =>
  new KindredError("DATASET_UNREADABLE", `The command set cannot be read: ${why}`);

/** An element by tag: a number is US, a text UI unless its tag is of {@link TEXTS}. */
type Field = readonly [tag: number, value: number | string];

/** What is padded with a space. PS3.5 6.2. */
const TEXTS: ReadonlySet<number> = new Set([
  COMMAND_TAG.errorComment,
  COMMAND_TAG.moveOriginatorAeTitle,
]);

/** Encodes a command set with its group length, which counts what follows it. @param fields - in the order of their tags */
function encode(fields: readonly Field[]): Buffer {
  let size = GROUP_LENGTH_BYTES;
  for (const [, value] of fields) size += ELEMENT_HEAD_BYTES + valueBytes(value);
  const bytes = Buffer.allocUnsafe(size);
  bytes.writeUInt32LE(COMMAND_TAG.groupLength, 0);
  bytes.writeUInt32LE(4, 4);
  let at = bytes.writeUInt32LE(size - GROUP_LENGTH_BYTES, 8);
  for (const [tag, value] of fields) {
    at = bytes.writeUInt16LE(tag >>> 16, at);
    at = bytes.writeUInt16LE(tag & 0xffff, at);
    at = bytes.writeUInt32LE(valueBytes(value), at);
    if (typeof value === "number") {
      at = bytes.writeUInt16LE(value, at);
    } else {
      at += bytes.write(value, at, "latin1");
      if (value.length % 2 === 1) bytes[at++] = TEXTS.has(tag) ? SPACE : NUL;
    }
  }
  return bytes;
}

const valueBytes = (value: number | string) =>
  typeof value === "number" ? 2 : value.length + (value.length % 2);

const dataSetType = (hasDataSet: boolean): Field => [
  COMMAND_TAG.dataSetType,
  hasDataSet ? WITH_DATA_SET : NO_DATA_SET,
];

export interface ResponseFields {
  readonly status: number;
  /** Error Comment (0000,0902), cut to 64 printable characters; no patient data. */
  readonly comment?: string | undefined;
  readonly hasDataSet?: boolean;
  readonly subOperations?: Partial<SubOperations>;
}

/** The response to a request: same message, SOP class and instance. PS3.7 9.3, 10.3. */
export function encodeResponse(request: CommandSet, answer: ResponseFields): Buffer {
  // N-ACTION names a Requested SOP; its response says Affected (PS3.7 10.3.5.2).
  const sopClassUid = request.affectedSopClassUid || request.requestedSopClassUid;
  const sopInstanceUid = request.affectedSopInstanceUid || request.requestedSopInstanceUid;
  const fields: Field[] = [];
  if (sopClassUid !== "") fields.push([COMMAND_TAG.affectedSopClassUid, sopClassUid]);
  fields.push(
    [COMMAND_TAG.commandField, request.commandField | COMMAND.response],
    [COMMAND_TAG.messageIdBeingRespondedTo, request.messageId],
    dataSetType(answer.hasDataSet === true),
    [COMMAND_TAG.status, answer.status],
  );
  if (answer.comment !== undefined) {
    const printable = answer.comment.replace(/[^\x20-\x5b\x5d-\x7e]/g, "?");
    fields.push([COMMAND_TAG.errorComment, printable.slice(0, ERROR_COMMENT_CHARACTERS_MAX)]);
  }
  if (sopInstanceUid !== "") fields.push([COMMAND_TAG.affectedSopInstanceUid, sopInstanceUid]);
  if (request.commandField === COMMAND.eventReport && request.eventTypeId !== undefined)
    fields.push([COMMAND_TAG.eventTypeId, request.eventTypeId]);
  if (request.commandField === COMMAND.action && request.actionTypeId !== undefined)
    fields.push([COMMAND_TAG.actionTypeId, request.actionTypeId]);
  const { subOperations } = answer;
  if (subOperations !== undefined) {
    for (const name of SUB_OPERATIONS) {
      const count = subOperations[name];
      if (count !== undefined) fields.push([COMMAND_TAG[name], Math.min(count, 0xffff)]);
    }
  }
  return encode(fields);
}

/** In the order of their tags. */
const SUB_OPERATIONS = ["remaining", "completed", "failed", "warning"] as const;

export interface StoreRequestFields {
  readonly messageId: number;
  readonly sopClassUid: string;
  readonly sopInstanceUid: string;
  /** Of a C-MOVE sub-operation: who asked for it, and in which message. */
  readonly moveOriginator?: { readonly aeTitle: string; readonly messageId: number } | undefined;
}

/** A C-STORE-RQ. PS3.7 9.3.1.1. */
export function encodeStoreRequest(request: StoreRequestFields): Buffer {
  const fields: Field[] = [
    [COMMAND_TAG.affectedSopClassUid, request.sopClassUid],
    [COMMAND_TAG.commandField, COMMAND.store],
    [COMMAND_TAG.messageId, request.messageId],
    [COMMAND_TAG.priority, PRIORITY_MEDIUM],
    dataSetType(true),
    [COMMAND_TAG.affectedSopInstanceUid, request.sopInstanceUid],
  ];
  if (request.moveOriginator !== undefined) {
    fields.push(
      [COMMAND_TAG.moveOriginatorAeTitle, request.moveOriginator.aeTitle],
      [COMMAND_TAG.moveOriginatorMessageId, request.moveOriginator.messageId],
    );
  }
  return encode(fields);
}

/** An N-EVENT-REPORT-RQ with event information. PS3.7 10.3.1.1. */
export function encodeEventReportRequest(request: {
  readonly messageId: number;
  readonly sopClassUid: string;
  readonly sopInstanceUid: string;
  readonly eventTypeId: number;
}): Buffer {
  return encode([
    [COMMAND_TAG.affectedSopClassUid, request.sopClassUid],
    [COMMAND_TAG.commandField, COMMAND.eventReport],
    [COMMAND_TAG.messageId, request.messageId],
    dataSetType(true),
    [COMMAND_TAG.affectedSopInstanceUid, request.sopInstanceUid],
    [COMMAND_TAG.eventTypeId, request.eventTypeId],
  ]);
}

/** An N-ACTION-RQ with action information. PS3.7 10.3.5.1. */
export function encodeActionRequest(request: {
  readonly messageId: number;
  readonly sopClassUid: string;
  readonly sopInstanceUid: string;
  readonly actionTypeId: number;
}): Buffer {
  return encode([
    [COMMAND_TAG.requestedSopClassUid, request.sopClassUid],
    [COMMAND_TAG.commandField, COMMAND.action],
    [COMMAND_TAG.messageId, request.messageId],
    dataSetType(true),
    [COMMAND_TAG.requestedSopInstanceUid, request.sopInstanceUid],
    [COMMAND_TAG.actionTypeId, request.actionTypeId],
  ]);
}

/** A C-ECHO-RQ. PS3.7 9.3.5.1. */
export function encodeEchoRequest(request: {
  readonly messageId: number;
  readonly sopClassUid: string;
}): Buffer {
  return encode([
    [COMMAND_TAG.affectedSopClassUid, request.sopClassUid],
    [COMMAND_TAG.commandField, COMMAND.echo],
    [COMMAND_TAG.messageId, request.messageId],
    dataSetType(false),
  ]);
}
