/**
 * The least that a receiver in Node can do, to know what a ratio to storescp can be at all: reads into one buffer, hops from head to
 * head, writes what came with calls on this thread, and answers 0000H. No limits, no checks, no digest, no header, no row, no sync;
 * associations are taken as they come. It is for loopback and this bench alone.
 *
 *   node bench/least-receiver.ts PORT FOLDER
 */
import { closeSync, openSync, writeSync } from "node:fs";
import { createServer, type Socket } from "node:net";
import { join } from "node:path";
import { decodeCommandSet, encodeResponse } from "../src/dimse/command-set.ts";
import { withReadBuffer } from "../src/dimse/read-buffer.ts";
import { decodeAssociateRq, encodeAssociateAc } from "../src/dimse/upper-layer/associate-pdu.ts";
import {
  decodePdvHead,
  encodePData,
  encodeReleaseRp,
  PDU,
  PDU_HEAD_BYTES,
  PDV_HEAD_BYTES,
} from "../src/dimse/upper-layer/pdu.ts";

const [port, folder] = [Number(process.argv[2]), process.argv[3]!];
const MAXIMUM_LENGTH = 131_072;

let files = 0;

function serve(socket: Socket): void {
  /** Bytes of a head, a command or an association PDU that are not yet complete. */
  let held: Buffer = Buffer.alloc(0);
  let pduLeft = 0;
  let pdvLeft = 0;
  let isCommand = false;
  let isLast = false;
  let contextId = 0;
  let command: Buffer = Buffer.alloc(0);
  let fd: number | undefined;

  const answer = () => {
    closeSync(fd!);
    fd = undefined;
    const data = encodeResponse(decodeCommandSet(command), { status: 0 });
    command = Buffer.alloc(0);
    socket.write(encodePData({ contextId, isCommand: true, isLast: true, data }));
  };

  /** @returns bytes used; 0 when more are needed */
  const step = (bytes: Buffer): number => {
    if (pdvLeft > 0) {
      const part = bytes.subarray(0, Math.min(pdvLeft, bytes.length));
      if (isCommand) command = Buffer.concat([command, part]);
      else {
        fd ??= openSync(join(folder, `${files++}.dcm`), "wx", 0o600);
        writeSync(fd, part);
      }
      pdvLeft -= part.length;
      pduLeft -= part.length;
      if (pdvLeft === 0 && isLast && !isCommand) answer();
      return part.length;
    }
    if (pduLeft > 0) {
      if (bytes.length < PDV_HEAD_BYTES) return 0;
      ({ contextId, isCommand, isLast, dataBytes: pdvLeft } = decodePdvHead(bytes));
      pduLeft -= PDV_HEAD_BYTES;
      return PDV_HEAD_BYTES;
    }
    if (bytes.length < PDU_HEAD_BYTES) return 0;
    const length = bytes.readUInt32BE(2);
    if (bytes[0] === PDU.pData) {
      pduLeft = length;
      return PDU_HEAD_BYTES;
    }
    if (bytes.length < PDU_HEAD_BYTES + length) return 0;
    if (bytes[0] === PDU.releaseRq) socket.end(encodeReleaseRp());
    else accept(bytes.subarray(PDU_HEAD_BYTES, PDU_HEAD_BYTES + length));
    return PDU_HEAD_BYTES + length;
  };

  const accept = (body: Buffer) => {
    const rq = decodeAssociateRq(body);
    const contexts = rq.contexts.map(({ id, transferSyntaxes }) => ({
      id,
      result: 0 as const,
      transferSyntax: transferSyntaxes[0]!,
    }));
    const user = {
      maximumLength: MAXIMUM_LENGTH,
      implementationClassUid: "2.25.1",
      implementationVersionName: "LEAST",
    };
    socket.write(encodeAssociateAc({ ...rq, contexts, user }));
  };

  socket.on("data", (chunk: Buffer) => {
    let bytes = held.length === 0 ? chunk : Buffer.concat([held, chunk]);
    for (let used = -1; used !== 0 && bytes.length > 0; ) {
      used = step(bytes);
      bytes = bytes.subarray(used);
    }
    held = Buffer.from(bytes);
  });
  socket.on("error", () => socket.destroy());
}

createServer({ pauseOnConnect: true, noDelay: true }, (accepted) => {
  const socket = withReadBuffer(accepted);
  serve(socket);
  socket.resume();
}).listen(port, "127.0.0.1");
