/**
 * PROXY protocol version 2: the header by which a TCP balancer says for whom it calls. HAProxy, "The PROXY protocol",
 * 2.2. Written here because the parsers on npm take a whole buffer and cannot tell a cut header from a wrong one, do not
 * bound its length, and have been left alone for years; these are sixty lines.
 */
import { type Socket, SocketAddress } from "node:net";
import { PROXY_HEADER_BYTES_MAX } from "../kernel/limits.ts";
import { peerTimeout } from "./upper-layer/peer-timeout.ts";

export interface ProxyHeader {
  /** The peer's address; undefined when the balancer calls for itself (LOCAL) or does not know (UNSPEC). */
  readonly sourceAddress: string | undefined;
}

const SIGNATURE = Buffer.from("\r\n\r\n\0\r\nQUIT\n", "latin1");
const HEAD_BYTES = 16;
const COMMAND = { local: 0x20, proxy: 0x21 } as const;
/** Address family and transport → bytes of source and destination address and port. */
const FAMILY = { unspecified: 0x00, tcp4: 0x11, tcp6: 0x21 } as const;
const ADDRESS_BYTES: Readonly<Record<number, number>> = {
  [FAMILY.unspecified]: 0,
  [FAMILY.tcp4]: 12,
  [FAMILY.tcp6]: 36,
};

/**
 * How many bytes follow the first sixteen.
 *
 * @param head - the first sixteen bytes
 * @throws Error in a few words when this is no header that we take
 */
export function proxyHeaderRest(head: Buffer): number {
  if (!head.subarray(0, SIGNATURE.length).equals(SIGNATURE)) throw new Error("no signature");
  const command = head[12]!;
  if (command !== COMMAND.local && command !== COMMAND.proxy)
    throw new Error("another version or command");
  const bytes = head.readUInt16BE(14);
  if (HEAD_BYTES + bytes > PROXY_HEADER_BYTES_MAX) throw new Error("longer than the limit");
  if (command === COMMAND.local) return bytes;
  const needed = ADDRESS_BYTES[head[13]!];
  if (needed === undefined) throw new Error("neither TCP over IPv4 nor over IPv6");
  if (bytes < needed) throw new Error("too short for its addresses");
  return bytes;
}

/** Reads a header that {@link proxyHeaderRest} found good; type-length-value vectors behind the addresses are skipped. */
export function decodeProxyHeader(head: Buffer, rest: Buffer): ProxyHeader {
  if (head[12] === COMMAND.local || head[13] === FAMILY.unspecified)
    return { sourceAddress: undefined };
  if (head[13] === FAMILY.tcp4) return { sourceAddress: [...rest.subarray(0, 4)].join(".") };
  const groups = Array.from({ length: 8 }, (_, index) => rest.readUInt16BE(index * 2).toString(16));
  // In its short form, as a socket would tell it.
  const { address } = new SocketAddress({ family: "ipv6", address: groups.join(":") });
  return { sourceAddress: address };
}

/**
 * Takes the header off a connection; what follows it stays in the socket.
 *
 * @throws Error in a few words when no good header came in time; the socket is then still open
 */
export async function readProxyHeader(socket: Socket, seconds: number): Promise<ProxyHeader> {
  let isLate = false;
  let wake: () => void = () => undefined;
  const timer = peerTimeout(seconds, () => {
    isLate = true;
    wake();
  });
  const onEvent = () => wake();
  const events = ["readable", "end", "close", "error"] as const;
  for (const event of events) socket.on(event, onEvent);
  const exactly = async (bytes: number): Promise<Buffer> => {
    for (;;) {
      const got = socket.read(bytes) as Buffer | null;
      if (got?.length === bytes) return got;
      if (got !== null || socket.readableEnded || socket.destroyed) throw new Error("closed early");
      if (isLate) throw new Error("no header in time");
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
    }
  };
  try {
    const head = await exactly(HEAD_BYTES);
    const rest = proxyHeaderRest(head);
    return decodeProxyHeader(head, rest === 0 ? Buffer.alloc(0) : await exactly(rest));
  } finally {
    timer.cancel();
    for (const event of events) socket.off(event, onEvent);
  }
}
