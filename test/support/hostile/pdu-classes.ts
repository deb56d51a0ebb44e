/** Lies about PDUs: type, length, framing. PS3.8 9.2 (state table), 9.3.1. */
import type { Random } from "../../../src/phantom/random.ts";
import {
  ABORT_BEFORE,
  type Conversation,
  type HostileClass,
  OPENING,
  opening,
  REQUEST_REFUSED,
} from "./conversation.ts";
import {
  ABORT,
  associate,
  associateBody,
  echoPdu,
  latin,
  pData,
  pdu,
  pdv,
  RELEASE_RQ,
  u16,
} from "./wire.ts";

const CUT_BODY = Buffer.alloc(40, 0x41);

export function randomBytes(random: Random, count: number): Buffer {
  return Buffer.from(Array.from({ length: count }, () => random.integer(256)));
}

function unknownType(random: Random): number {
  return random.integer(9) === 0 ? 0 : 8 + random.integer(248);
}

function typeUnknown(random: Random): Conversation {
  const bad = pdu(unknownType(random), randomBytes(random, random.integer(40)));
  if (random.integer(2) === 0)
    return {
      steps: [{ send: bad }],
      expected: ABORT_BEFORE,
      wants: "PS3.8 Table 9-10 Sta2 Evt19: AA-1",
    };
  return {
    steps: [...opening([{ send: associate() }]), { send: bad }],
    expected: /^AC AB-2-1 END$/,
    wants: "PS3.8 Table 9-10 Sta6 Evt19: AA-8, reason 1 unrecognized PDU",
  };
}

function lengthTooLong(random: Random): Conversation {
  const body = associateBody();
  const lie = body.length + 1 + random.integer(60_000);
  if (random.integer(2) === 0)
    return {
      steps: [{ send: pdu(1, body, lie) }],
      expected: /^END$/,
      wants: "PS3.8 Table 9-10 Sta2 Evt18: ARTIM expires, AA-2 closes",
    };
  return {
    steps: [
      ...opening([{ send: associate() }]),
      { send: pdu(4, pData(pdv(1, 3, CUT_BODY)).subarray(6), 100 + random.integer(100_000)) },
    ],
    expected: /^AC AB-[02]-\d END$/,
    wants: "a PDU that is never whole ends by our message timer, with A-ABORT",
  };
}

function lengthTooShort(random: Random): Conversation {
  const body = associateBody();
  return {
    steps: [{ send: pdu(1, body, random.integer(body.length)) }, { send: RELEASE_RQ }],
    expected: /^(?:AC )?(?:AB-[02]-\d|RJ-[12]-[123]-\d|RP) END$/,
    wants: "PS3.8 Table 9-10: the cut request, or what follows it, is an invalid PDU",
  };
}

function length4Gb(random: Random): Conversation {
  const claim = random.pick([0xffffffff, 0x7fffffff, 0x80000000, 0x01000000, 0x00100001]);
  if (random.integer(2) === 0)
    return {
      steps: [{ send: pdu(random.pick([1, 4, 5]), CUT_BODY, claim) }],
      expected: ABORT_BEFORE,
      wants: "refused unread (PS3.8 Table 9-10 Sta2 Evt19: AA-1)",
    };
  return {
    steps: [
      ...opening([{ send: associate() }]),
      { send: pdu(random.pick([4, 5, 1, 2]), CUT_BODY, claim) },
    ],
    expected: /^AC AB-2-[1-6] END$/,
    wants: "refused unread (PS3.8 Table 9-10 Sta6 Evt19: AA-8)",
  };
}

function lengthZero(random: Random): Conversation {
  const type = random.pick([1, 2, 3, 4, 5, 6]);
  if (random.integer(2) === 0)
    return {
      steps: [{ send: pdu(type, Buffer.alloc(0)) }],
      expected: /^(?:AB-[02]-\d|RJ-1-[12]-[12]) END$/,
      wants: "PS3.8 Table 9-10 Sta2: AA-1",
    };
  return {
    steps: [...opening([{ send: associate() }]), { send: pdu(type, Buffer.alloc(0)) }],
    // A release request is a release request even when its reserved bytes are missing.
    expected: type === 5 ? /^AC (?:RP|AB-2-[1-6]) END$/ : /^AC AB-2-[1-6] END$/,
    wants: "PS3.8 Table 9-10 Sta6: AA-8",
  };
}

function shortRequest(random: Random): Conversation {
  return {
    steps: [{ send: pdu(1, associateBody().subarray(0, random.integer(68))) }],
    expected: REQUEST_REFUSED,
    wants: "PS3.8 9.3.2: 68 bytes are fixed",
  };
}

/** Where the 16-bit lengths of items and sub-items stand in a request body. */
function lengthPlaces(body: Buffer): number[] {
  const places: number[] = [];
  const walk = (from: number, to: number) => {
    for (let at = from; at + 4 <= to; at += 4 + body.readUInt16BE(at + 2)) {
      places.push(at + 2);
      const end = at + 4 + body.readUInt16BE(at + 2);
      if (body[at] === 0x20) walk(at + 8, end);
      if (body[at] === 0x50) walk(at + 4, end);
    }
  };
  walk(68, body.length);
  return places;
}

function itemLength(random: Random): Conversation {
  const body = associateBody();
  const places = lengthPlaces(body) as [number, ...number[]];
  const place = random.pick(places);
  const true16 = body.readUInt16BE(place);
  const lie = random.pick([
    0,
    1,
    3,
    true16 + 1,
    true16 - 1,
    true16 + 4,
    0xffff,
    0x8000,
    random.integer(0x10000),
  ]);
  u16(Math.max(0, lie)).copy(body, place);
  return {
    steps: [...opening([{ send: pdu(1, body) }]), { send: RELEASE_RQ }],
    expected: OPENING,
    wants: "PS3.8 9.3.2: refused, or served as far as it can be read; never an overrun",
  };
}

function overAnnounced(random: Random): Conversation {
  const bytes = 131_072 + 1 + random.integer(100_000);
  const body = pData(pdv(1, 1, Buffer.alloc(bytes - 6))).subarray(6);
  return {
    steps: [...opening([{ send: associate() }]), { send: pdu(4, body) }],
    expected: /^AC AB-2-[0456] END$/,
    wants: "PS3.8 D.1: a P-DATA-TF over the Maximum Length that we announced",
  };
}

function otherProtocol(random: Random): Conversation {
  const hello = Buffer.concat([
    Buffer.of(0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3),
    randomBytes(random, 500),
  ]);
  const text = random.pick([
    "GET / HTTP/1.1\r\nHost: pacs\r\n\r\n",
    "POST /dicom-web/studies HTTP/1.1\r\nContent-Length: 9999999\r\n\r\n",
    "SSH-2.0-OpenSSH_9.9\r\n",
    "\x0bMSH|^~\\&|A|B\r\x1c\r",
    "EHLO x\r\n",
  ]);
  return {
    steps: [{ send: random.integer(2) === 0 ? hello : latin(text) }],
    expected: ABORT_BEFORE,
    wants: "PS3.8 Table 9-10 Sta2 Evt19: AA-1",
  };
}

function outOfState(random: Random): Conversation {
  const early = random.pick([
    echoPdu(),
    RELEASE_RQ,
    pdu(2, associateBody()),
    pdu(3, Buffer.of(0, 1, 1, 1)),
    pdu(6, Buffer.alloc(4)),
  ]);
  if (random.integer(2) === 0)
    return {
      steps: [{ send: early }],
      expected: ABORT_BEFORE,
      wants: "PS3.8 Table 9-10 Sta2 Evt3/4/10/12/13: AA-1",
    };
  const late = random.pick([
    associate(),
    pdu(2, associateBody()),
    pdu(3, Buffer.of(0, 1, 1, 1)),
    pdu(6, Buffer.alloc(4)),
  ]);
  return {
    steps: [...opening([{ send: associate() }]), { send: late }],
    expected: /^AC AB-2-2 END$/,
    wants: "PS3.8 Table 9-10 Sta6 Evt3/4/6/13: AA-8, reason 2 unexpected PDU",
  };
}

function abortFirst(random: Random): Conversation {
  const abort = random.pick([ABORT, pdu(7, Buffer.of(0, 0, 255, 255))]);
  const steps = random.integer(2) === 0 ? [] : opening([{ send: associate() }]);
  return {
    steps: [...steps, { send: abort }],
    expected: steps.length === 0 ? /^END$/ : /^AC END$/,
    wants: "PS3.8 Table 9-10 Evt16: AA-2/AA-3 close, without an answer",
  };
}

export const PDU_CLASSES: readonly HostileClass[] = [
  { name: "pdu-type-unknown", weight: 12, make: typeUnknown },
  { name: "pdu-length-too-long", weight: 4, make: lengthTooLong },
  { name: "pdu-length-too-short", weight: 8, make: lengthTooShort },
  { name: "pdu-length-4-gb", weight: 8, make: length4Gb },
  { name: "pdu-length-zero", weight: 8, make: lengthZero },
  { name: "pdu-over-announced-length", weight: 4, make: overAnnounced },
  { name: "pdu-out-of-state", weight: 12, make: outOfState },
  { name: "request-short", weight: 8, make: shortRequest },
  { name: "request-item-lengths", weight: 16, make: itemLength },
  { name: "other-protocol", weight: 8, make: otherProtocol },
  { name: "abort-from-peer", weight: 4, make: abortFirst },
];
