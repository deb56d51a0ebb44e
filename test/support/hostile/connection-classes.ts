/**
 * Lies before an association: on the port with TLS (RFC 8446 4 and 5, RFC 5246), over it, and in the PROXY protocol
 * version 2 header of a balancer that is trusted (HAProxy, "The PROXY protocol", 2.2).
 */
import type { Random } from "../../../src/phantom/random.ts";
import { proxyHeader } from "../proxy-header.ts";
import {
  type Conversation,
  type HostileClass,
  opening,
  type Step,
  TIMERS,
} from "./conversation.ts";
import { good, MUTATIONS } from "./ending-classes.ts";
import { randomBytes } from "./pdu-classes.ts";
import { associate, echoPdu, RELEASE_RQ, u16 } from "./wire.ts";

/** Connections from here must begin with a PROXY header. */
export const BALANCER_ADDRESS = "127.0.0.4";
/** A ClientHello as Node sent it once: TLS 1.3 and 1.2, X25519. */
const CLIENT_HELLO = Buffer.from(
  "16030100b3010000af03033e86b316c13a6708e7cb212010c287e9d53d40933c3fb7da00e057e8f2d0c1a020d06a14110c69b8271b887c11" +
    "cd2f8ff48000e2418b67c0b53b2590d6bf563e2200041301c02b01000062ff01000100000b000403000102000a00040002001d0023000000" +
    "16000000170000000d000400020403002b00050403040303002d00020101003300260024001d0020956aa937429c628c3361b784cf3d36b7" +
    "601f47f3169746699324625d38d6711d",
  "hex",
);
const RECORD_HEAD_BYTES = 5;

/** Alerts of TLS read as PDUs are cut ones. */
const ENDED = /^(?:PART )?(?:END|CUT)$/;
const SERVED = /^AC RSP-8030-0000 RP END$/;
/** Whatever: no fault, no hang. */
const ENDS = /^(?:(?:AC|RSP-\S+|RP|RJ-\S+|AB-\S+|PART) )*(?:END|CUT)$/;
const record = (type: number, body: Buffer, claimedBytes = body.length) =>
  Buffer.concat([Buffer.of(type, 3, 3), u16(claimedBytes), body]);

function handshakeGarbage(random: Random): Conversation {
  const hello = CLIENT_HELLO.subarray(RECORD_HEAD_BYTES);
  const bytes = random.pick<Buffer>([
    randomBytes(random, 1 + random.integer(600)),
    associate(),
    Buffer.from("GET / HTTP/1.1\r\nHost: x\r\n\r\n"),
    record(22, hello, 0xffff),
    record(22, hello, 0),
    record(22, Buffer.alloc(0)),
    record(23, randomBytes(random, 200)),
    record(21, Buffer.of(2, 40)),
    record(20, Buffer.of(1)),
    record(random.integer(256), hello),
    record(22, Buffer.concat([Buffer.of(1, 0xff, 0xff, 0xff), hello.subarray(4)])),
    Buffer.concat(Array.from({ length: 3_000 }, () => record(22, Buffer.alloc(0)))),
    Buffer.concat(Array.from({ length: 3_000 }, () => record(21, Buffer.of(1, 0)))),
    Buffer.concat([CLIENT_HELLO, CLIENT_HELLO]),
    Buffer.concat([CLIENT_HELLO, record(23, randomBytes(random, 100))]),
    Buffer.concat([...hello].map((byte) => record(22, Buffer.of(byte)))),
    Buffer.alloc(300_000, 22),
  ]);
  return {
    over: "tls port",
    steps: [{ send: bytes }],
    expected: ENDED,
    wants: "RFC 8446 6.2: an alert, or the end; the handshake has the ARTIM time",
  };
}

function mutatedHello(random: Random): Conversation {
  const mutate = random.pick(Object.values(MUTATIONS) as [(typeof MUTATIONS)[string]]);
  return {
    over: "tls port",
    steps: [{ send: mutate(random, CLIENT_HELLO) }],
    expected: ENDED,
    wants: "RFC 8446 4.1.2: what is no ClientHello ends the connection",
  };
}

/** The start of a handshake, and then silence, a cut, or a byte now and then. */
function handshakeLeft(random: Random): Conversation {
  const part = CLIENT_HELLO.subarray(0, random.integer(CLIENT_HELLO.length + 1));
  const then = random.pick<Step>([
    { pauseMs: 10 },
    { close: "half" },
    { close: "reset" },
    { close: "close" },
    { drip: Buffer.of(0), everyMs: 200, forMs: TIMERS.artimSeconds * 1000 + 2_500 },
  ]);
  return {
    over: "tls port",
    steps: [{ send: part }, then],
    expected: ENDED,
    wants: "the handshake has the ARTIM time, whatever drips in",
  };
}

/** A caller with no certificate, or one that another CA signed. */
function wrongCertificate(random: Random): Conversation {
  return {
    over: "tls",
    certificate: random.pick(["none", "stranger"]),
    steps: [{ send: Buffer.concat([associate(), echoPdu(), RELEASE_RQ]) }],
    expected: /^END$/,
    wants: "PS3.15 B.12: without a certificate of the CA nothing is served",
  };
}

/** Good and mutated bytes inside of TLS, and ends at any point. */
function overTls(random: Random): Conversation {
  const request = associate();
  const rest = Buffer.concat(good(random));
  const mutate = random.pick(Object.values(MUTATIONS) as [(typeof MUTATIONS)[string]]);
  const where = random.integer(4);
  if (where === 0)
    return {
      over: "tls",
      steps: [
        ...opening([{ send: request }]),
        { send: echoPdu(), bytesEach: 1 + random.integer(10) },
        { send: RELEASE_RQ },
      ],
      expected: SERVED,
      wants: "records may cut a PDU anywhere",
    };
  const steps: readonly Step[] =
    where === 1
      ? [{ send: mutate(random, Buffer.concat([request, rest])) }]
      : [...opening([{ send: request }]), { send: mutate(random, rest) }];
  return {
    over: "tls",
    steps: [...steps, { pauseMs: 250 }, { close: random.pick(["close", "reset", "half"]) }],
    expected: ENDS,
    wants: "whatever: no fault, no hang",
  };
}

const talk = Buffer.concat([associate(), echoPdu(), RELEASE_RQ]);
/** The connection is refused before anything is read as a PDU. */
const NO_HEADER = /^(?:AB-2-1 END|END)$/;

function withHeader(
  header: Buffer,
  expected: RegExp,
  wants: string,
  more: Partial<Conversation> = {},
): Conversation {
  return {
    from: BALANCER_ADDRESS,
    steps: [{ send: Buffer.concat([header, talk]) }],
    expected,
    wants,
    ...more,
  };
}

const put = (header: Buffer, at: number, ...bytes: number[]) => {
  const out = Buffer.from(header);
  for (const [index, byte] of bytes.entries()) out[at + index] = byte;
  return out;
};

function badHeader(random: Random): Conversation {
  const fine = proxyHeader("127.0.0.5");
  const header = random.pick<Buffer>([
    put(fine, random.integer(12), random.integer(256) ^ 0x55),
    put(fine, 12, random.pick([0x00, 0x01, 0x10, 0x11, 0x22, 0x2f, 0x31, 0xff])),
    put(fine, 13, random.pick([0x12, 0x22, 0x31, 0x32, 0x13, 0xff, 0x01])),
    put(fine, 14, 0xff, 0xff),
    put(fine, 14, 0x10, 0x00),
    put(fine, 14, 0, random.integer(12)),
    put(proxyHeader("::1"), 14, 0, random.integer(36)),
    Buffer.from("PROXY TCP4 127.0.0.5 127.0.0.1 50000 11112\r\n"),
    Buffer.alloc(16),
    Buffer.alloc(0),
    randomBytes(random, 16),
  ]);
  // A changed byte may happen to be the same, and TLVs may swallow what follows.
  return withHeader(
    header,
    header.equals(fine) ? SERVED : NO_HEADER,
    "no header that is good: A-ABORT by the provider, unrecognized PDU",
  );
}

/** Addresses that are good, are nobody's, or are not those of the peer. */
function claimedAddress(random: Random): Conversation {
  const [header, expected] = random.pick<[Buffer, RegExp]>([
    [proxyHeader("127.0.0.5"), SERVED],
    [proxyHeader("::ffff:127.0.0.5"), SERVED],
    [proxyHeader(undefined), SERVED],
    [proxyHeader("127.0.0.6", randomBytes(random, 300)), SERVED],
    [proxyHeader(undefined, randomBytes(random, 4_000)), SERVED],
    [put(proxyHeader("127.0.0.5"), 13, 0x00), SERVED],
    [proxyHeader("10.1.2.3"), /^RJ-1-1-3 END$/],
    [proxyHeader("0.0.0.0"), /^RJ-1-1-3 END$/],
    [proxyHeader("255.255.255.255"), /^RJ-1-1-3 END$/],
    [proxyHeader("::"), /^RJ-1-1-3 END$/],
    [proxyHeader("::1"), /^RJ-1-1-3 END$/],
    [proxyHeader("ff02::1"), /^RJ-1-1-3 END$/],
    [proxyHeader("::ffff:10.1.2.3"), /^RJ-1-1-3 END$/],
    [proxyHeader("64:ff9b::7f00:5"), /^RJ-1-1-3 END$/],
  ]);
  return withHeader(header, expected, "the address in the header is the peer's, and no other");
}

function cutHeader(random: Random): Conversation {
  const header = proxyHeader(random.pick(["127.0.0.5", "::ffff:127.0.0.5"]));
  const part = header.subarray(0, random.integer(header.length));
  const then = random.pick<Step>([
    { pauseMs: 10 },
    { close: "half" },
    { close: "reset" },
    { close: "close" },
  ]);
  return {
    from: BALANCER_ADDRESS,
    steps: [{ send: part }, then],
    expected: /^(?:AB-2-1 )?(?:END|CUT)$/,
    wants: "a header that does not come within the ARTIM time ends the connection",
  };
}

/** Byte by byte and whole, with and without what follows in one packet. */
function slicedHeader(random: Random): Conversation {
  const bytes = Buffer.concat([
    proxyHeader("127.0.0.5", randomBytes(random, random.integer(60))),
    talk,
  ]);
  return {
    from: BALANCER_ADDRESS,
    steps: [{ send: bytes, bytesEach: 1 + random.integer(20) }],
    expected: SERVED,
    wants: "a header in pieces is a header",
  };
}

function mutatedHeader(random: Random): Conversation {
  const mutate = random.pick(Object.values(MUTATIONS) as [(typeof MUTATIONS)[string]]);
  const header = proxyHeader("127.0.0.5", randomBytes(random, random.integer(100)));
  return {
    from: BALANCER_ADDRESS,
    ...(random.integer(4) === 0 ? { over: "tls port" as const } : {}),
    steps: [
      { send: Buffer.concat([mutate(random, header), talk]) },
      { pauseMs: 250 },
      { close: random.pick(["close", "reset"]) },
    ],
    expected: ENDS,
    wants: "whatever: no fault, no hang",
  };
}

function headerThenTls(random: Random): Conversation {
  const after = random.pick<Buffer>([CLIENT_HELLO, talk, randomBytes(random, 200)]);
  return withHeader(
    Buffer.concat([proxyHeader("127.0.0.5"), after]),
    ENDED,
    "behind the header TLS is awaited on the port for it",
    { over: "tls port" },
  );
}

/** From an address that is not trusted a header is no PDU. */
function strangersHeader(random: Random): Conversation {
  const header = random.pick([proxyHeader("127.0.0.5"), proxyHeader(undefined)]);
  return {
    steps: [{ send: Buffer.concat([header, talk]) }],
    expected: /^AB-0-\d END$/,
    wants: "PS3.8 Table 9-9 AA-1: unrecognized PDU",
  };
}

export const CONNECTION_CLASSES: readonly HostileClass[] = [
  { name: "tls-handshake-garbage", weight: 8, make: handshakeGarbage },
  { name: "tls-mutated-hello", weight: 8, make: mutatedHello },
  { name: "tls-handshake-left", weight: 3, make: handshakeLeft },
  { name: "tls-wrong-certificate", weight: 2, make: wrongCertificate },
  { name: "tls-mutated", weight: 10, make: overTls },
  { name: "proxy-bad-header", weight: 6, make: badHeader },
  { name: "proxy-claimed-address", weight: 6, make: claimedAddress },
  { name: "proxy-cut-header", weight: 3, make: cutHeader },
  { name: "proxy-sliced-header", weight: 3, make: slicedHeader },
  { name: "proxy-mutated-header", weight: 8, make: mutatedHeader },
  { name: "proxy-then-tls", weight: 3, make: headerThenTls },
  { name: "proxy-of-a-stranger", weight: 2, make: strangersHeader },
];
