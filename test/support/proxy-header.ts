/** PROXY protocol version 2 headers, as a balancer writes them. */
import { isIPv6 } from "node:net";

const SIGNATURE = Buffer.from("0d0a0d0a000d0a515549540a", "hex");

/** @param source - undefined: the balancer calls for itself (LOCAL) */
export function proxyHeader(source: string | undefined, vectors: Buffer = Buffer.alloc(0)): Buffer {
  const addresses =
    source === undefined
      ? Buffer.alloc(0)
      : Buffer.concat([bytesOf(source), bytesOf(isIPv6(source) ? "::1" : "127.0.0.1"), PORTS]);
  const head = Buffer.concat([SIGNATURE, Buffer.alloc(4)]);
  head.writeUInt8(source === undefined ? 0x20 : 0x21, 12);
  head.writeUInt8(source === undefined ? 0x00 : isIPv6(source) ? 0x21 : 0x11, 13);
  head.writeUInt16BE(addresses.length + vectors.length, 14);
  return Buffer.concat([head, addresses, vectors]);
}

const PORTS = Buffer.from([0xc3, 0x50, 0x2b, 0x68]);

function bytesOf(address: string): Buffer {
  if (!isIPv6(address)) return Buffer.from(address.split(".").map(Number));
  // The browser's parser makes the short form of any IPv6 address, the last two groups of dotted ones included.
  const short = new URL(`http://[${address}]`).hostname.slice(1, -1);
  const [front = "", back] = short.split("::");
  const groups = (text: string) => (text === "" ? [] : text.split(":"));
  const missing = 8 - groups(front).length - groups(back ?? "").length;
  const all = [
    ...groups(front),
    ...Array.from({ length: missing }, () => "0"),
    ...groups(back ?? ""),
  ];
  const bytes = Buffer.alloc(16);
  for (const [index, group] of all.entries())
    bytes.writeUInt16BE(Number.parseInt(group, 16), index * 2);
  return bytes;
}
