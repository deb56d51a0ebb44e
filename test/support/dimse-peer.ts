/** A requestor whose every message the test writes and reads: C-MOVE, C-GET with its sub-operations, C-CANCEL. */
import { once } from "node:events";
import { connect } from "node:net";
import { DataSet } from "../../src/dicom/data-set.ts";
import { decodeDataSet } from "../../src/dicom/decode.ts";
import { encodeDataSet } from "../../src/dicom/encode.ts";
import { TAG } from "../../src/dicom/tags.ts";
import { UID } from "../../src/dicom/uids.ts";
import { COMMAND, type CommandSet, decodeCommandSet } from "../../src/dimse/command-set.ts";
import type {
  PresentationContextAnswer,
  PresentationContextProposal,
} from "../../src/dimse/upper-layer/associate-pdu.ts";
import type { PdvPiece } from "../../src/dimse/upper-layer/pdu-reader.ts";
import { UpperLayer } from "../../src/dimse/upper-layer/upper-layer.ts";
import type { UserInformation } from "../../src/dimse/upper-layer/user-information.ts";

export interface Message {
  readonly contextId: number;
  readonly command: CommandSet;
  /** Of a C-MOVE-RSP or C-GET-RSP; a count that is not there is undefined. */
  readonly counts: {
    readonly remaining: number | undefined;
    readonly completed: number | undefined;
    readonly failed: number | undefined;
    readonly warning: number | undefined;
  };
  readonly dataSet: Buffer;
}

export interface DimsePeer {
  readonly contexts: readonly PresentationContextAnswer[];
  /** What was agreed by role selection and extended negotiation. */
  readonly user: UserInformation;
  send(contextId: number, command: Buffer, dataSet?: Buffer): Promise<void>;
  /** The next message, in order of arrival; undefined when the association ended first. */
  next(): Promise<Message | undefined>;
  release(): Promise<void>;
  abort(): void;
}

const SECONDS = 30;

export async function associatePeer(options: {
  readonly port: number;
  readonly callingAeTitle: string;
  readonly calledAeTitle?: string;
  readonly contexts: readonly PresentationContextProposal[];
  readonly user?: Partial<UserInformation>;
}): Promise<DimsePeer> {
  const socket = connect({ host: "127.0.0.1", port: options.port });
  await once(socket, "connect");
  const messages: Message[] = [];
  const waiting: ((message: Message | undefined) => void)[] = [];
  let isEnded = false;
  let command: Buffer[] = [];
  let data: Buffer[] = [];
  const deliver = (contextId: number) => {
    const bytes = Buffer.concat(command);
    const message = {
      contextId,
      command: decodeCommandSet(bytes),
      counts: countsOf(bytes),
      dataSet: Buffer.concat(data),
    };
    command = [];
    data = [];
    const taker = waiting.shift();
    if (taker === undefined) messages.push(message);
    else taker(message);
  };
  const { promise, resolve, reject } = Promise.withResolvers<DimsePeer>();
  const layer: UpperLayer = new UpperLayer({
    socket,
    role: "requestor",
    limits: {
      maxPduBytes: 131_072,
      artimSeconds: 2,
      idleSeconds: SECONDS,
      messageSeconds: SECONDS,
      writeSeconds: SECONDS,
    },
    user: {
      associateConfirmed: ({ contexts, user }) =>
        resolve({
          contexts,
          user,
          async send(contextId, commandBytes, dataSet) {
            const pdv = { contextId, isLast: true };
            await layer.sendData({ ...pdv, isCommand: true, data: commandBytes });
            for (let at = 0; dataSet !== undefined && at < dataSet.length; at += 16_000) {
              const part = dataSet.subarray(at, at + 16_000);
              const isLast = at + 16_000 >= dataSet.length;
              await layer.sendData({ contextId, isLast, isCommand: false, data: part });
            }
          },
          next() {
            const first = messages.shift();
            if (first !== undefined || isEnded) return Promise.resolve(first);
            return new Promise((take) => waiting.push(take));
          },
          release: () => layer.release(),
          abort: () => layer.abort({ kind: "aborted" }),
        }),
      associateRejected: () => reject(new Error("the association was rejected")),
      async dataIndicated(piece: PdvPiece) {
        (piece.isCommand ? command : data).push(Buffer.from(piece.data));
        if (!piece.isLast) return;
        const hasMore = piece.isCommand && decodeCommandSet(Buffer.concat(command)).hasDataSet;
        if (!hasMore) deliver(piece.contextId);
      },
      releaseIndicated: async () => undefined,
      awaiting: () => "nothing",
      ended() {
        isEnded = true;
        reject(new Error("the association ended"));
        for (const take of waiting.splice(0)) take(undefined);
      },
    },
  });
  void layer.run({
    protocolVersion: 1,
    calledAeTitle: options.calledAeTitle ?? "KINDRED",
    callingAeTitle: options.callingAeTitle,
    applicationContext: UID.applicationContext,
    contexts: options.contexts,
    user: {
      maximumLength: 131_072,
      implementationClassUid: "1.2",
      implementationVersionName: "TEST",
      ...options.user,
    },
  });
  return promise;
}

function countsOf(command: Buffer): Message["counts"] {
  const set = decodeDataSet(command, { transferSyntaxUid: UID.implicitVrLittleEndian });
  return {
    remaining: set.integer(0x00001020),
    completed: set.integer(0x00001021),
    failed: set.integer(0x00001022),
    warning: set.integer(0x00001023),
  };
}

const us = (value: number) => Uint8Array.of(value & 0xff, value >>> 8);

/** A C-MOVE-RQ (with a destination) or C-GET-RQ. PS3.7 9.3.3.1, 9.3.4.1. */
export function encodeRetrieveRequest(request: {
  readonly sopClassUid: string;
  readonly messageId: number;
  readonly destination?: string;
}): Buffer {
  const { destination } = request;
  const set = new DataSet()
    .setString(0x00000002, "UI", request.sopClassUid)
    .setBytes(0x00000100, "US", us(destination === undefined ? COMMAND.get : COMMAND.move))
    .setBytes(0x00000110, "US", us(request.messageId))
    .setBytes(0x00000700, "US", us(0))
    .setBytes(0x00000800, "US", us(0x0102));
  if (destination !== undefined) set.setString(0x00000600, "AE", destination);
  return withLength(set);
}

/** A C-CANCEL-RQ. PS3.7 9.3.2.3. */
export function encodeCancel(messageId: number): Buffer {
  return withLength(
    new DataSet()
      .setBytes(0x00000100, "US", us(COMMAND.cancel))
      .setBytes(0x00000120, "US", us(messageId))
      .setBytes(0x00000800, "US", us(0x0101)),
  );
}

function withLength(set: DataSet): Buffer {
  const body = encodeDataSet(set, UID.implicitVrLittleEndian);
  const length = Buffer.alloc(4);
  length.writeUInt32LE(body.length);
  const head = new DataSet().setBytes(0x00000000, "UL", length);
  return Buffer.concat([encodeDataSet(head, UID.implicitVrLittleEndian), body]);
}

/** An identifier in explicit VR little endian. */
export function retrieveIdentifier(
  level: string,
  keys: Readonly<Partial<Record<"patient" | "study" | "series" | "instance", string | string[]>>>,
): Buffer {
  const set = new DataSet().setString(TAG.QueryRetrieveLevel, "CS", level);
  if (keys.patient !== undefined) set.setString(TAG.PatientID, "LO", keys.patient);
  if (keys.study !== undefined) set.setString(TAG.StudyInstanceUID, "UI", keys.study);
  if (keys.series !== undefined) set.setString(TAG.SeriesInstanceUID, "UI", keys.series);
  if (keys.instance !== undefined) set.setString(TAG.SOPInstanceUID, "UI", keys.instance);
  return encodeDataSet(set, UID.explicitVrLittleEndian);
}

/** Failed SOP Instance UID List (0008,0058) of a final response. */
export function failedUidsOf(message: Message): string[] {
  if (message.dataSet.length === 0) return [];
  const set = decodeDataSet(message.dataSet, { transferSyntaxUid: UID.explicitVrLittleEndian });
  return set.strings(TAG.FailedSOPInstanceUIDList);
}
