/** Items and sub-items inside the A-ASSOCIATE PDUs: type, reserved, 16-bit length, value. PS3.8 9.3.2. */
import { invalidParameter } from "./pdu.ts";

export interface Item {
  readonly type: number;
  readonly data: Buffer;
}

/** @throws ProtocolError when an item does not fit into what holds it */
export function items(data: Buffer): Item[] {
  const found: Item[] = [];
  for (let at = 0; at < data.length; ) {
    if (data.length - at < 4) throw invalidParameter("an item is cut");
    const length = data.readUInt16BE(at + 2);
    if (length > data.length - at - 4) throw invalidParameter("an item is longer than its PDU");
    found.push({ type: data[at]!, data: data.subarray(at + 4, at + 4 + length) });
    at += 4 + length;
  }
  return found;
}

/** A value behind its 16-bit length. @throws ProtocolError when it does not fit */
export function lengthPrefixed(data: Buffer, at: number): { value: Buffer; end: number } {
  if (data.length < at + 2) throw invalidParameter("a sub-item is cut");
  const start = at + 2;
  const end = start + data.readUInt16BE(at);
  if (data.length < end) throw invalidParameter("a sub-item is longer than its item");
  return { value: data.subarray(start, end), end };
}

/** A UID without its padding; longer ones are cut to what a UID may have, so that they match nothing. */
export function uid(data: Buffer | undefined): string {
  return (data ?? Buffer.alloc(0))
    .toString("latin1")
    .replace(/[\0 ]+$/, "")
    .slice(0, 65);
}

export function text(value: string): Buffer {
  return Buffer.from(value, "latin1");
}

export function encodeItem(type: number, ...parts: Buffer[]): Buffer {
  const head = Buffer.alloc(4);
  head[0] = type;
  head.writeUInt16BE(
    parts.reduce((sum, part) => sum + part.length, 0),
    2,
  );
  return Buffer.concat([head, ...parts]);
}
