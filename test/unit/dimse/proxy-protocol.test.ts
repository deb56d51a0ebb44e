import { isIP } from "node:net";
import { expect } from "chai";
import fc from "fast-check";
import { decodeProxyHeader, proxyHeaderRest } from "../../../src/dimse/proxy-protocol.ts";
import { PROXY_HEADER_BYTES_MAX } from "../../../src/kernel/limits.ts";
import { proxyHeader } from "../../support/proxy-header.ts";

const HEAD_BYTES = 16;

function decode(bytes: Buffer) {
  const head = bytes.subarray(0, HEAD_BYTES);
  const rest = proxyHeaderRest(head);
  return decodeProxyHeader(head, bytes.subarray(HEAD_BYTES, HEAD_BYTES + rest));
}

describe("PROXY protocol version 2", () => {
  it("reads the source of TCP over IPv4 and IPv6, whatever vectors follow", () => {
    for (const tlv of [Buffer.alloc(0), Buffer.from([0x04, 0, 3, 1, 2, 3]), Buffer.alloc(500, 7)]) {
      expect(decode(proxyHeader("10.1.2.3", tlv))).to.deep.equal({ sourceAddress: "10.1.2.3" });
      expect(decode(proxyHeader("2001:db8::7", tlv))).to.deep.equal({
        sourceAddress: "2001:db8::7",
      });
    }
  });

  it("knows no source where the balancer calls for itself", () => {
    expect(decode(proxyHeader(undefined))).to.deep.equal({ sourceAddress: undefined });
    expect(decode(proxyHeader(undefined, Buffer.alloc(40, 1)))).to.deep.equal({
      sourceAddress: undefined,
    });
  });

  const wrong: [string, (head: Buffer) => void][] = [
    ["another signature", (head) => head.writeUInt8(0x51, 3)],
    ["version 1", (head) => head.writeUInt8(0x11, 12)],
    ["version 3", (head) => head.writeUInt8(0x31, 12)],
    ["an unknown command", (head) => head.writeUInt8(0x22, 12)],
    ["UDP over IPv4", (head) => head.writeUInt8(0x12, 13)],
    ["a unix socket", (head) => head.writeUInt8(0x31, 13)],
    ["no room for its addresses", (head) => head.writeUInt16BE(11, 14)],
    ["IPv6 in the room of IPv4", (head) => head.writeUInt8(0x21, 13)],
    ["a length over the limit", (head) => head.writeUInt16BE(PROXY_HEADER_BYTES_MAX - 15, 14)],
  ];
  for (const [what, damage] of wrong) {
    it(`refuses ${what}`, () => {
      const bytes = proxyHeader("10.1.2.3");
      damage(bytes);
      expect(() => decode(bytes)).to.throw();
    });
  }

  it("gives an address or an error for any bytes, and never asks for more than the limit", () => {
    const head = fc.oneof(
      fc.uint8Array({ minLength: HEAD_BYTES, maxLength: HEAD_BYTES }),
      fc
        .tuple(fc.uint8Array({ minLength: 4, maxLength: 4 }))
        .map(([tail]) => Buffer.concat([proxyHeader("1.2.3.4").subarray(0, 12), tail])),
    );
    fc.assert(
      fc.property(head, fc.uint8Array({ minLength: 216, maxLength: 5000 }), (first, second) => {
        const bytes = Buffer.from(first);
        let rest: number;
        try {
          rest = proxyHeaderRest(bytes);
        } catch {
          return;
        }
        expect(rest).to.be.at.most(PROXY_HEADER_BYTES_MAX - HEAD_BYTES);
        const { sourceAddress } = decodeProxyHeader(bytes, Buffer.from(second));
        if (sourceAddress !== undefined) expect(isIP(sourceAddress)).to.be.greaterThan(0);
      }),
      { numRuns: 5000 },
    );
  });

  it("writes and reads every address the same", () => {
    fc.assert(
      fc.property(fc.oneof(fc.ipV4(), fc.ipV6()), (address) => {
        const { sourceAddress } = decode(proxyHeader(address));
        expect(isIP(sourceAddress ?? "")).to.equal(isIP(address));
        expect(decode(proxyHeader(sourceAddress))).to.deep.equal({ sourceAddress });
      }),
    );
  });
});
