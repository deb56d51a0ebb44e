/** A peer that sends bytes we wrote by hand: what no library would send. */
import { connect, type Socket } from "node:net";
import { SOP_CLASS, UID } from "../../src/dicom/uids.ts";
import { encodeAssociateRq } from "../../src/dimse/upper-layer/associate-pdu.ts";
import type { UserIdentity } from "../../src/dimse/upper-layer/user-information.ts";

export interface RawPeer {
  readonly socket: Socket;
  send(bytes: Buffer): void;
  /** The next PDU: type and body; undefined when the connection was closed first. */
  next(): Promise<{ type: number; body: Buffer } | undefined>;
  /** Resolves when the other side closed. */
  closed(): Promise<void>;
  end(): void;
}

export function rawPeer(port: number): Promise<RawPeer> {
  return new Promise((resolve, reject) => {
    const socket = connect({ port, host: "127.0.0.1", noDelay: true });
    socket.once("error", reject);
    socket.once("connect", () => {
      socket.on("error", () => undefined);
      const chunks = socket[Symbol.asyncIterator]();
      let buffer = Buffer.alloc(0);
      const peer: RawPeer = {
        socket,
        send: (bytes) => void socket.write(bytes),
        async next() {
          for (;;) {
            if (buffer.length >= 6 && buffer.length >= 6 + buffer.readUInt32BE(2)) {
              const end = 6 + buffer.readUInt32BE(2);
              const pdu = { type: buffer[0]!, body: buffer.subarray(6, end) };
              buffer = buffer.subarray(end);
              return pdu;
            }
            const step = await chunks.next().catch(() => ({ done: true, value: undefined }));
            if (step.done) return undefined;
            buffer = Buffer.concat([buffer, step.value as Buffer]);
          }
        },
        async closed() {
          while ((await peer.next()) !== undefined);
        },
        end: () => socket.destroy(),
      };
      resolve(peer);
    });
  });
}

/** An A-ASSOCIATE-RQ for C-ECHO. */
export function associateEcho(
  changes: { readonly callingAeTitle?: string; readonly userIdentity?: UserIdentity } = {},
): Buffer {
  const { callingAeTitle = "SENDER", userIdentity } = changes;
  return encodeAssociateRq({
    protocolVersion: 1,
    calledAeTitle: "KINDRED",
    callingAeTitle,
    applicationContext: UID.applicationContext,
    contexts: [
      {
        id: 1,
        abstractSyntax: SOP_CLASS.verification,
        transferSyntaxes: [UID.implicitVrLittleEndian],
      },
    ],
    user: {
      maximumLength: 16_384,
      implementationClassUid: "1.2",
      implementationVersionName: "RAW",
      ...(userIdentity === undefined ? {} : { userIdentity }),
    },
  });
}
