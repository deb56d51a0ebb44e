/** A peer that listens and does what a script says, right or wrong: what no library would answer. */
import { once } from "node:events";
import { createServer, type Socket } from "node:net";
import { type CommandSet, decodeCommandSet } from "../../src/dimse/command-set.ts";
import * as pdu from "../../src/dimse/upper-layer/pdu.ts";

/** One connection as the script sees it. */
export interface Visitor {
  readonly socket: Socket;
  send(...bytes: Buffer[]): void;
  /** The next PDU that the requestor sent; undefined when it closed first. */
  next(): Promise<{ type: number; body: Buffer } | undefined>;
  /** Reads the A-ASSOCIATE-RQ and answers it. */
  accept(change?: AcceptChange): Promise<void>;
  /** Reads one whole message: its command set, and its data set read to the end. */
  request(): Promise<{ command: CommandSet; contextId: number; dataSet: Buffer }>;
  /** Reads the A-RELEASE-RQ and answers it. */
  release(): Promise<void>;
}

export interface AcceptChange {
  /** Result of every context; 0 accepts. */
  readonly result?: number;
  /** Result by abstract syntax and transfer syntax; before `result`. */
  readonly resultOf?: (abstractSyntax: string, transferSyntax: string) => number;
  readonly transferSyntax?: string;
  readonly maximumLength?: number;
  readonly idOf?: (id: number) => number;
}

export interface ScriptedPeer {
  readonly port: number;
  /** What the requestor did last on each connection that is over: PDU types in order. */
  readonly heard: number[];
  stop(): Promise<void>;
}

export type Script = (visitor: Visitor) => Promise<void>;

/** @param script - runs for each connection; when it ends the connection stays as it is until `stop` */
export async function scriptedPeer(script: Script): Promise<ScriptedPeer> {
  const sockets = new Set<Socket>();
  const heard: number[] = [];
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.setNoDelay(true);
    socket.on("error", () => undefined);
    script(visitorOf(socket, heard)).catch(() => socket.destroy());
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    port: (server.address() as { port: number }).port,
    heard,
    async stop() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, "close");
    },
  };
}

function visitorOf(socket: Socket, heard: number[]): Visitor {
  const chunks = socket[Symbol.asyncIterator]();
  let buffer = Buffer.alloc(0);
  const visitor: Visitor = {
    socket,
    send: (...bytes) => void socket.write(Buffer.concat(bytes)),
    async next() {
      for (;;) {
        const end = buffer.length < 6 ? Number.POSITIVE_INFINITY : 6 + buffer.readUInt32BE(2);
        if (buffer.length >= end) {
          const one = { type: buffer[0]!, body: buffer.subarray(6, end) };
          buffer = buffer.subarray(end);
          heard.push(one.type);
          return one;
        }
        const step = await chunks.next().catch(() => ({ done: true, value: undefined }));
        if (step.done) return undefined;
        buffer = Buffer.concat([buffer, step.value as Buffer]);
      }
    },
    async accept(change = {}) {
      const rq = await visitor.next();
      if (rq?.type !== pdu.PDU.associateRq) throw new Error("no A-ASSOCIATE-RQ");
      visitor.send(acceptOf(rq.body, change));
    },
    async request() {
      const parts: { command: Buffer[]; data: Buffer[] } = { command: [], data: [] };
      for (;;) {
        const one = await visitor.next();
        if (one?.type !== pdu.PDU.pData) throw new Error("no P-DATA-TF");
        const contextId = one.body[4]!;
        const control = one.body[5]!;
        const isCommand = (control & 1) === 1;
        parts[isCommand ? "command" : "data"].push(one.body.subarray(6));
        if ((control & 2) === 0) continue;
        const command = decodeCommandSet(Buffer.concat(parts.command));
        if (isCommand && command.hasDataSet) continue;
        return { command, contextId, dataSet: Buffer.concat(parts.data) };
      }
    },
    async release() {
      const rq = await visitor.next();
      if (rq?.type === pdu.PDU.releaseRq) visitor.send(pdu.encodeReleaseRp());
    },
  };
  return visitor;
}

function item(type: number, ...parts: Buffer[]): Buffer {
  const body = Buffer.concat(parts);
  return Buffer.concat([Buffer.of(type, 0, body.length >> 8, body.length & 255), body]);
}

/** An A-ASSOCIATE-AC to the bytes of an A-ASSOCIATE-RQ. PS3.8 9.3.3. */
function acceptOf(rq: Buffer, change: AcceptChange): Buffer {
  const items: Buffer[] = [item(0x10, Buffer.from("1.2.840.10008.3.1.1.1"))];
  for (let at = 68; at < rq.length; at += 4 + rq.readUInt16BE(at + 2)) {
    if (rq[at] !== 0x20) continue;
    const id = rq[at + 4]!;
    const syntaxes: string[] = [];
    let abstractSyntax = "";
    const end = at + 4 + rq.readUInt16BE(at + 2);
    for (let sub = at + 8; sub < end; sub += 4 + rq.readUInt16BE(sub + 2)) {
      const text = rq.toString("latin1", sub + 4, sub + 4 + rq.readUInt16BE(sub + 2));
      if (rq[sub] === 0x30) abstractSyntax = text;
      else syntaxes.push(text);
    }
    const result = change.resultOf?.(abstractSyntax, syntaxes[0]!) ?? change.result ?? 0;
    const syntax = change.transferSyntax ?? syntaxes[0]!;
    const head = Buffer.of(change.idOf?.(id) ?? id, 0, result, 0);
    items.push(item(0x21, head, item(0x40, Buffer.from(syntax))));
  }
  const length = Buffer.alloc(4);
  length.writeUInt32BE(change.maximumLength ?? 16_384);
  items.push(item(0x50, item(0x51, length), item(0x52, Buffer.from("1.2.3"))));
  const body = Buffer.concat([rq.subarray(0, 68), ...items]);
  const head = Buffer.alloc(6);
  head[0] = pdu.PDU.associateAc;
  head.writeUInt32BE(body.length, 2);
  return Buffer.concat([head, body]);
}

/** A response as bytes of one P-DATA-TF; fields that are given replace the right ones. */
export function response(
  to: { command: CommandSet; contextId: number },
  fields: {
    status?: number;
    messageId?: number;
    commandField?: number;
    contextId?: number;
    dataSet?: Buffer;
    comment?: string;
  },
): Buffer {
  const us = (element: number, value: number) =>
    Buffer.from([0, 0, element & 255, element >> 8, 2, 0, 0, 0, value & 255, value >> 8]);
  const uid = Buffer.from(
    to.command.affectedSopClassUid.padEnd(
      to.command.affectedSopClassUid.length + (to.command.affectedSopClassUid.length % 2),
      "\0",
    ),
  );
  const uidHead = Buffer.from([0, 0, 2, 0, uid.length, 0, 0, 0]);
  const parts = [
    uidHead,
    uid,
    us(0x100, fields.commandField ?? to.command.commandField | 0x8000),
    us(0x120, fields.messageId ?? to.command.messageId),
    us(0x800, fields.dataSet === undefined ? 0x0101 : 0x0102),
  ];
  if (fields.status !== undefined) parts.push(us(0x900, fields.status));
  if (fields.comment !== undefined) {
    const text = Buffer.from(
      fields.comment.padEnd(fields.comment.length + (fields.comment.length % 2)),
    );
    parts.push(Buffer.from([0, 0, 2, 9, text.length, 0, 0, 0]), text);
  }
  const body = Buffer.concat(parts);
  const length = Buffer.alloc(12);
  length.writeUInt32LE(4, 4);
  length.writeUInt32LE(body.length, 8);
  const contextId = fields.contextId ?? to.contextId;
  const pdv = (isCommand: boolean, data: Buffer) =>
    pdu.encodePData({ contextId, isCommand, isLast: true, data });
  const command = pdv(true, Buffer.concat([length, body]));
  return fields.dataSet === undefined
    ? command
    : Buffer.concat([command, pdv(false, fields.dataSet)]);
}
