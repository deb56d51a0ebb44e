/** Ends, silences and floods at every point, and plain mutation of good bytes. PS3.8 9.2. */
import type { Random } from "../../../src/phantom/random.ts";
import { type Conversation, type HostileClass, opening, type Step } from "./conversation.ts";
import { findBytes } from "./find-classes.ts";
import { randomBytes } from "./pdu-classes.ts";
import { anyUid, elementsOf, storeBytes } from "./store-classes.ts";
import {
  ABORT,
  type AssociateChange,
  aeTitle,
  associate,
  COMMAND_PART,
  CONTEXT,
  CONTEXTS,
  echoPdu,
  even,
  implicit,
  pData,
  pdv,
  RELEASE_RQ,
} from "./wire.ts";

const QUERY = Buffer.concat([
  implicit(0x00080052, even("STUDY")),
  implicit(0x00100020, even("H7")),
  implicit(0x0020000d, Buffer.alloc(0)),
]);
/** One line a slice: many answers. */
const WIDE_QUERY = Buffer.concat([
  implicit(0x00080052, even("STUDY")),
  ...[
    0x00080020, 0x00080030, 0x00080050, 0x00080061, 0x00081030, 0x00100010, 0x00100020, 0x00100030,
  ].map((tag) => implicit(tag, Buffer.alloc(0))),
  implicit(0x0020000d, Buffer.alloc(0)),
]);

/** What a good peer would send after its request: one entry a PDU or more. */
export function good(random: Random): Buffer[] {
  const uid = anyUid(random);
  return [
    echoPdu(),
    storeBytes(uid, Buffer.concat(elementsOf(random, uid)), CONTEXT.storeExplicit, 300),
    findBytes(QUERY),
    RELEASE_RQ,
  ];
}

/** All bytes before a random point; the request is answered first, if the point lies behind it. */
function until(random: Random): readonly Step[] {
  const rest = Buffer.concat(good(random));
  const request = associate();
  const point = random.integer(request.length + rest.length);
  return point < request.length
    ? [{ send: request.subarray(0, point) }]
    : [...opening([{ send: request }]), { send: rest.subarray(0, point - request.length) }];
}

function halfClose(random: Random): Conversation {
  return {
    steps: [...until(random), { close: "half" }],
    expected: /^(?:AC )?(?:RSP-\S+ )*(?:RP |AB-\S+ )?END$/,
    wants: "PS3.8 Table 9-10 Evt17: a closed transport ends the association at once (AA-4, AA-5)",
    endMs: 1500,
  };
}

function reset(random: Random): Conversation {
  return {
    steps: [...until(random), { close: "reset" }],
    expected: /^(?:AC )?(?:RSP-\S+ )*(?:RP )?(?:CUT|END)$/,
    wants: "PS3.8 Table 9-10 Evt17",
  };
}

function abort(random: Random): Conversation {
  const parts = good(random);
  return {
    steps: [
      ...opening([{ send: associate() }]),
      { send: Buffer.concat([...parts.slice(0, random.integer(parts.length)), ABORT]) },
    ],
    expected: /^AC (?:RSP-\S+ )*(?:PART )?END$/,
    wants: "PS3.8 Table 9-10 Sta6 Evt16: AA-3 closes, without an answer",
  };
}

function release(random: Random): Conversation {
  const uid = anyUid(random);
  const store = storeBytes(uid, Buffer.concat(elementsOf(random, uid)), CONTEXT.storeExplicit, 300);
  const bytes = random.pick<Buffer>([
    Buffer.concat([RELEASE_RQ, RELEASE_RQ]),
    Buffer.concat([RELEASE_RQ, echoPdu()]),
    Buffer.concat([findBytes(QUERY), RELEASE_RQ]),
    Buffer.concat([store.subarray(0, store.length - 300), RELEASE_RQ]),
    Buffer.concat([pData(pdv(1, COMMAND_PART, Buffer.alloc(12))), RELEASE_RQ]),
    Buffer.concat([RELEASE_RQ, associate()]),
  ]);
  return {
    steps: [...opening([{ send: associate() }]), { send: bytes }],
    expected: /^AC (?:RSP-\S+ )*(?:RP|AB-(?:0-\d|2-[0-6]))(?: AB-[02]-\d)? END$/,
    wants: "PS3.8 Table 9-10 Evt12: AR-2; what follows a release is not served",
  };
}

function silent(random: Random): Conversation {
  const partial = associate().subarray(0, random.pick([0, 1, 5, 6, 70]));
  return {
    steps: partial.length === 0 ? [] : [{ send: partial }],
    expected: /^END$/,
    wants: "PS3.8 Table 9-10 Sta2 Evt18: ARTIM, AA-2 closes",
  };
}

function idle(random: Random): Conversation {
  const first = random.pick([Buffer.alloc(0), echoPdu()]);
  return {
    steps: [...opening([{ send: associate() }]), { send: first }],
    expected: /^AC (?:RSP-8030-0000 )?AB-[02]-\d END$/,
    wants: "an association that is silent ends by our idle timer, with A-ABORT",
  };
}

function unfinished(random: Random): Conversation {
  const uid = anyUid(random);
  const store = storeBytes(uid, Buffer.concat(elementsOf(random, uid)), CONTEXT.storeExplicit, 300);
  const half = store.subarray(0, 20 + random.integer(store.length - 30));
  return {
    steps: [...opening([{ send: associate() }]), { send: half }],
    expected: /^AC AB-[02]-\d END$/,
    wants: "a message that does not go on ends by our message timer, with A-ABORT",
  };
}

function byteASecond(random: Random): Conversation {
  const everyMs = random.pick([200, 400]);
  if (random.integer(2) === 0)
    return {
      steps: [{ send: associate(), bytesEach: 1, everyMs }],
      expected: /^END$/,
      wants: "PS3.8 Table 9-10 Sta2 Evt18: single bytes do not restart ARTIM",
    };
  return {
    steps: [...opening([{ send: associate() }]), { send: findBytes(QUERY), bytesEach: 1, everyMs }],
    expected: /^AC AB-[02]-\d END$/,
    wants: "single bytes do not restart the message timer",
  };
}

function bytePerPacket(random: Random): Conversation {
  const request = associate({ contexts: CONTEXTS.slice(0, 1) });
  const bytesEach = 1 + random.integer(5);
  return {
    steps: [
      ...opening([{ send: request, bytesEach }]),
      { send: echoPdu(), bytesEach },
      { replies: 1 },
      { send: RELEASE_RQ, bytesEach },
    ],
    expected: /^AC RSP-8030-0000 RP END$/,
    wants: "PS3.8 9.1: a byte stream; how it is cut does not matter",
  };
}

function neverReads(random: Random): Conversation {
  const finds = Array.from({ length: 400 + random.integer(100) }, (_, i) =>
    findBytes(WIDE_QUERY, i + 1),
  );
  return {
    steps: [
      ...opening([{ send: associate() }]),
      { reading: false },
      { send: Buffer.concat(finds) },
      // What goes on being sent shows when the node has let go.
      { drip: echoPdu(), everyMs: 250, forMs: 45_000 },
      { reading: true },
    ],
    expected: /^AC (?:RSP-\S+ )*(?:PART )?END$/,
    wants: "a peer that leaves our bytes unread is cut off by our write timer",
  };
}

/** A peer of its own: what it is refused is not taken from others. */
const FLOODER: AssociateChange = { calling: aeTitle("FLOODER") };

function associationFlood(random: Random): Conversation {
  return {
    steps: [
      ...opening([{ send: associate(FLOODER) }]),
      { pauseMs: 200 + random.integer(300) },
      { send: echoPdu() },
      { replies: 1 },
      { send: RELEASE_RQ },
    ],
    expected: /^(?:AC RSP-8030-0000 RP END|RJ-2-3-[12] END|END)$/,
    wants: "PS3.8 9.3.4: RJ 2/3/2 over the limit; others are served",
    parallel: 300,
  };
}

function silentFlood(random: Random): Conversation {
  const start = random.pick([Buffer.alloc(0), Buffer.of(1), associate(FLOODER).subarray(0, 100)]);
  return {
    steps: start.length === 0 ? [] : [{ send: start }],
    expected: /^END$/,
    wants: "silent connections of one address do not lock out another",
    parallel: 300,
  };
}

type Mutation = (random: Random, bytes: Buffer) => Buffer;

export const MUTATIONS: Readonly<Record<string, Mutation>> = {
  bytes(random, bytes) {
    const out = Buffer.from(bytes);
    for (let edits = 1 + random.integer(12); edits > 0; edits--)
      out[random.integer(out.length)] = random.integer(256);
    return out;
  },
  bits(random, bytes) {
    const out = Buffer.from(bytes);
    for (let edits = 1 + random.integer(20); edits > 0; edits--)
      out[random.integer(out.length)]! ^= 1 << random.integer(8);
    return out;
  },
  cut(random, bytes) {
    const from = random.integer(bytes.length);
    return Buffer.concat([bytes.subarray(0, from), bytes.subarray(from + 1 + random.integer(200))]);
  },
  insert(random, bytes) {
    const at = random.integer(bytes.length);
    return Buffer.concat([
      bytes.subarray(0, at),
      randomBytes(random, 1 + random.integer(200)),
      bytes.subarray(at),
    ]);
  },
  repeat(random, bytes) {
    const from = random.integer(bytes.length);
    const to = from + random.integer(400);
    return Buffer.concat([bytes.subarray(0, to), bytes.subarray(from)]);
  },
  numbers(random, bytes) {
    const out = Buffer.from(bytes);
    const edge = random.pick([0, 1, 0x7fff, 0x8000, 0xffff]);
    for (let edits = 1 + random.integer(4); edits > 0; edits--)
      out.writeUInt16BE(edge, random.integer(out.length - 1));
    return out;
  },
};

/** Good bytes, mutated in the request, behind it, or in both. */
function mutated(mutate: Mutation) {
  return (random: Random): Conversation => {
    const request = associate();
    const rest = Buffer.concat(good(random));
    const where = random.integer(3);
    const steps: Step[] =
      where === 0
        ? [{ send: mutate(random, Buffer.concat([request, rest])) }]
        : [
            ...opening([{ send: where === 1 ? mutate(random, request) : request }]),
            { send: where === 1 ? rest : mutate(random, rest) },
          ];
    return {
      steps: [...steps, { pauseMs: 250 }, { close: random.pick(["close", "reset"]) }],
      expected: /^(?:(?:AC|RSP-\S+|RP|RJ-\S+|AB-\S+|PART) )*(?:END|CUT)$/,
      wants: "whatever: no fault, no hang",
    };
  };
}

export const ENDING_CLASSES: readonly HostileClass[] = [
  { name: "half-close-anywhere", weight: 12, make: halfClose },
  { name: "reset-anywhere", weight: 12, make: reset },
  { name: "abort-anywhere", weight: 8, make: abort },
  { name: "release-anywhere", weight: 8, make: release },
  { name: "silent", weight: 3, make: silent },
  { name: "idle", weight: 1, make: idle },
  { name: "message-unfinished", weight: 3, make: unfinished },
  { name: "byte-a-second", weight: 2, make: byteASecond },
  { name: "byte-a-packet", weight: 4, make: bytePerPacket },
  { name: "never-reads", weight: 0.3, make: neverReads },
  { name: "flood-of-associations", weight: 0.3, make: associationFlood },
  { name: "flood-of-silence", weight: 0.3, make: silentFlood },
  ...Object.entries(MUTATIONS).map(([name, mutate]) => ({
    name: `mutated-${name}`,
    weight: 20,
    make: mutated(mutate),
  })),
];
