/**
 * PDUs of the DICOM upper layer, pure: bytes in, values out. PS3.8 9.3. The two A-ASSOCIATE PDUs stand in
 * `associate-pdu.ts`. Reserved fields are not tested on receipt, as the standard demands.
 */

export const PDU = {
  associateRq: 1,
  associateAc: 2,
  associateRj: 3,
  pData: 4,
  releaseRq: 5,
  releaseRp: 6,
  abort: 7,
} as const;

/** Type, reserved byte and 32-bit length before every PDU. */
export const PDU_HEAD_BYTES = 6;
/** Length, presentation context id and message control header before the data of a PDV. PS3.8 9.3.5.1, E.2. */
export const PDV_HEAD_BYTES = 6;

/** Source of an A-ABORT. PS3.8 Table 9-26. */
export const ABORT_SOURCE = { user: 0, provider: 2 } as const;

/** Reasons of a provider abort. PS3.8 Table 9-26. */
export const ABORT_REASON = {
  notSpecified: 0,
  unrecognizedPdu: 1,
  unexpectedPdu: 2,
  unrecognizedParameter: 4,
  unexpectedParameter: 5,
  invalidParameter: 6,
} as const;

/** When this node aborts as provider, and with which reason. */
export const ABORT_OCCASIONS: Readonly<Record<keyof typeof ABORT_REASON, string>> = {
  notSpecified: "an error of this node while it read what the peer sent",
  unrecognizedPdu: "a PDU type that the protocol does not have; a PROXY header from elsewhere",
  unexpectedPdu: "a PDU that may not come in this state of the association",
  unrecognizedParameter: "never",
  unexpectedParameter: "never",
  invalidParameter:
    "a PDU, PDV or command set that is over a limit or holds a value that cannot be: a length that does not fit, a presentation context that was not accepted, fragments out of order, a response that answers nothing",
};

/** A PDU that breaks the protocol; `reason` goes into our A-ABORT. */
export class ProtocolError extends Error {
  readonly reason: number;
  constructor(reason: number, message: string) {
    super(message);
    this.name = "ProtocolError";
    this.reason = reason;
  }
}

/** The usual ProtocolError: a parameter of a PDU, PDV or command that cannot be. */
export function invalidParameter(why: string): ProtocolError {
  return new ProtocolError(ABORT_REASON.invalidParameter, why);
}

/** A presentation data value, or a piece of one. */
export interface Pdv {
  readonly contextId: number;
  readonly isCommand: boolean;
  readonly isLast: boolean;
  readonly data: Buffer;
}

/** The 6 bytes before the data of a PDV. @throws ProtocolError when its length cannot be */
export function decodePdvHead(head: Buffer): {
  readonly contextId: number;
  readonly isCommand: boolean;
  readonly isLast: boolean;
  readonly dataBytes: number;
} {
  const length = head.readUInt32BE(0);
  if (length < 2) throw invalidParameter("a PDV is too short for its header");
  const control = head[5]!;
  return {
    contextId: head[4]!,
    isCommand: (control & 1) === 1,
    isLast: (control & 2) === 2,
    dataBytes: length - 2,
  };
}

/** Type and length, then the parts as they are. */
export function encodePdu(type: number, ...parts: Buffer[]): Buffer {
  const head = Buffer.alloc(PDU_HEAD_BYTES);
  head[0] = type;
  head.writeUInt32BE(
    parts.reduce((sum, part) => sum + part.length, 0),
    2,
  );
  return Buffer.concat([head, ...parts]);
}

/** The 12 bytes before the data of a P-DATA-TF with one PDV, so that the data need not be copied. */
export function encodePDataHead(pdv: Omit<Pdv, "data"> & { readonly dataBytes: number }): Buffer {
  const head = Buffer.alloc(PDU_HEAD_BYTES + PDV_HEAD_BYTES);
  head[0] = PDU.pData;
  head.writeUInt32BE(pdv.dataBytes + PDV_HEAD_BYTES, 2);
  head.writeUInt32BE(pdv.dataBytes + 2, PDU_HEAD_BYTES);
  head[10] = pdv.contextId;
  head[11] = (pdv.isCommand ? 1 : 0) | (pdv.isLast ? 2 : 0);
  return head;
}

/** One P-DATA-TF with one PDV; the caller keeps it within the peer's maximum length. */
export function encodePData(pdv: Pdv): Buffer {
  return Buffer.concat([encodePDataHead({ ...pdv, dataBytes: pdv.data.length }), pdv.data]);
}

/** Result, source and reason of an A-ASSOCIATE-RJ. PS3.8 Table 9-21. */
export interface AssociateRj {
  readonly result: number;
  readonly source: number;
  readonly reason: number;
}

export function encodeAssociateRj(rejection: AssociateRj): Buffer {
  return encodePdu(
    PDU.associateRj,
    Buffer.of(0, rejection.result, rejection.source, rejection.reason),
  );
}

/** @throws ProtocolError when the body is too short */
export function decodeAssociateRj(body: Buffer): AssociateRj {
  if (body.length < 4) throw invalidParameter("an A-ASSOCIATE-RJ is too short");
  return { result: body[1]!, source: body[2]!, reason: body[3]! };
}

export function encodeReleaseRq(): Buffer {
  return encodePdu(PDU.releaseRq, Buffer.alloc(4));
}

export function encodeReleaseRp(): Buffer {
  return encodePdu(PDU.releaseRp, Buffer.alloc(4));
}

/** @param source - {@link ABORT_SOURCE}; the reason counts for the provider only */
export function encodeAbort(source: number, reason: number): Buffer {
  return encodePdu(PDU.abort, Buffer.of(0, 0, source, reason));
}
