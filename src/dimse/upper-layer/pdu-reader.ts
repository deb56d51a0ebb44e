/**
 * Cuts a byte stream into PDUs with hard limits: a PDU's claimed length is judged before its body is kept. PS3.8 9.3.1.
 * P-DATA-TF is handed on piece by piece as it arrives, as views of the chunks that came from the socket, so that image data
 * are neither joined nor copied here.
 */
import { ASSOCIATE_PDU_BYTES_MAX } from "../../kernel/limits.ts";
import {
  ABORT_REASON,
  decodePdvHead,
  invalidParameter,
  PDU,
  PDU_HEAD_BYTES,
  PDV_HEAD_BYTES,
  type Pdv,
  ProtocolError,
} from "./pdu.ts";

/** Reject, release and abort have a body of four bytes; some peers pad. */
const SHORT_PDU_BYTES_MAX = 64;

/** A whole PDU of another type than P-DATA-TF. */
export interface RawPdu {
  readonly kind: "pdu";
  readonly type: number;
  readonly body: Buffer;
}

/** A piece of a PDV: `isLast` stands on the last piece of a last fragment only. */
export interface PdvPiece extends Pdv {
  readonly kind: "pdv";
}

export type PduPart = RawPdu | PdvPiece;

export class PduReader {
  readonly #dataBytesMax: number;
  #chunk: Buffer = Buffer.alloc(0);
  #at = 0;
  /** Head of a PDU or PDV that a chunk boundary cut. */
  readonly #head = Buffer.alloc(PDU_HEAD_BYTES);
  #headBytes = 0;
  /** Body of a PDU that is kept whole, and how much of it is there. */
  #body: { readonly type: number; readonly bytes: Buffer; filled: number } | undefined;
  /** Bytes left of the P-DATA-TF being read; undefined outside one. */
  #dataLeft: number | undefined;
  #pdv: { contextId: number; isCommand: boolean; isLast: boolean; left: number } | undefined;

  /** @param dataBytesMax - the Maximum Length that we announced; PS3.8 D.1: it counts the PDV items, without these six bytes */
  constructor(dataBytesMax: number) {
    this.#dataBytesMax = dataBytesMax;
  }

  /** True when a PDU has begun and is not whole. */
  get isPartial(): boolean {
    return this.#headBytes > 0 || this.#body !== undefined || this.#dataLeft !== undefined;
  }

  /** Takes the next chunk; the one before must have been read to its end. The pieces of {@link next} are views of it. */
  push(chunk: Buffer): void {
    this.#chunk = chunk;
    this.#at = 0;
  }

  /** The next whole PDU or piece of a PDV; undefined when more bytes are needed. @throws ProtocolError */
  next(): PduPart | undefined {
    for (;;) {
      if (this.#pdv !== undefined) return this.#piece();
      if (this.#body !== undefined) return this.#whole();
      const isInData = this.#dataLeft !== undefined;
      if (!this.#fillHead(isInData ? PDV_HEAD_BYTES : PDU_HEAD_BYTES)) return undefined;
      if (isInData) {
        const empty = this.#beginPdv();
        if (empty !== undefined) return empty;
      } else {
        this.#beginPdu();
      }
    }
  }

  #beginPdu(): void {
    const type = this.#head[0]!;
    const length = this.#head.readUInt32BE(2);
    if (length > limitOf(type, this.#dataBytesMax))
      throw invalidParameter(`a PDU of type ${type} claims ${length} bytes`);
    if (type !== PDU.pData) {
      this.#body = { type, bytes: Buffer.alloc(length), filled: 0 };
      return;
    }
    if (length === 0) throw invalidParameter("a P-DATA-TF without PDV");
    this.#dataLeft = length;
  }

  /** A PDV without data is a piece of its own. */
  #beginPdv(): PdvPiece | undefined {
    const { contextId, isCommand, isLast, dataBytes } = decodePdvHead(this.#head);
    const left = this.#dataLeft! - PDV_HEAD_BYTES;
    if (dataBytes > left) throw invalidParameter("a PDV is longer than its PDU");
    const after = left - dataBytes;
    if (after > 0 && after < PDV_HEAD_BYTES) throw invalidParameter("a PDV is cut");
    this.#dataLeft = left;
    if (dataBytes > 0) {
      this.#pdv = { contextId, isCommand, isLast, left: dataBytes };
      return undefined;
    }
    this.#endOfPdv();
    return { kind: "pdv", contextId, isCommand, isLast, data: Buffer.alloc(0) };
  }

  #endOfPdv(): void {
    this.#pdv = undefined;
    if (this.#dataLeft === 0) this.#dataLeft = undefined;
  }

  #piece(): PdvPiece | undefined {
    const pdv = this.#pdv!;
    const count = Math.min(pdv.left, this.#chunk.length - this.#at);
    if (count === 0) return undefined;
    const data = this.#chunk.subarray(this.#at, this.#at + count);
    this.#at += count;
    pdv.left -= count;
    this.#dataLeft! -= count;
    const { contextId, isCommand } = pdv;
    const isLast = pdv.isLast && pdv.left === 0;
    if (pdv.left === 0) this.#endOfPdv();
    return { kind: "pdv", contextId, isCommand, isLast, data };
  }

  #whole(): RawPdu | undefined {
    const body = this.#body!;
    const count = Math.min(body.bytes.length - body.filled, this.#chunk.length - this.#at);
    this.#chunk.copy(body.bytes, body.filled, this.#at, this.#at + count);
    this.#at += count;
    body.filled += count;
    if (body.filled < body.bytes.length) return undefined;
    this.#body = undefined;
    return { kind: "pdu", type: body.type, body: body.bytes };
  }

  /** Gathers a head over chunk boundaries; an unknown PDU type is refused at its first byte. */
  #fillHead(bytes: number): boolean {
    const count = Math.min(bytes - this.#headBytes, this.#chunk.length - this.#at);
    this.#chunk.copy(this.#head, this.#headBytes, this.#at, this.#at + count);
    this.#at += count;
    this.#headBytes += count;
    if (this.#dataLeft === undefined && this.#headBytes > 0) checkType(this.#head[0]!);
    if (this.#headBytes < bytes) return false;
    this.#headBytes = 0;
    return true;
  }
}

function checkType(type: number): void {
  if (type < PDU.associateRq || type > PDU.abort)
    throw new ProtocolError(
      ABORT_REASON.unrecognizedPdu,
      `PDU type ${type} does not exist${LOOKS_LIKE[type] ?? ""}`,
    );
}

/** What a first byte that is no PDU type most often is: for the log. */
const LOOKS_LIKE: Readonly<Record<number, string>> = {
  22: ": a TLS handshake on a port without TLS (dimse.tls.port is the one with it)",
  13: ": a PROXY protocol header from an address that is not in dimse.proxyFrom",
  71: ": an HTTP request (http.port is the one for it)",
  80: ": an HTTP request, or a PROXY protocol header of version 1 (only 2 is spoken)",
};

function limitOf(type: number, dataBytesMax: number): number {
  if (type === PDU.pData) return dataBytesMax;
  return type === PDU.associateRq || type === PDU.associateAc
    ? ASSOCIATE_PDU_BYTES_MAX
    : SHORT_PDU_BYTES_MAX;
}
