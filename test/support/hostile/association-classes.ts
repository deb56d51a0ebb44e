/** Proposals that lie: contexts, syntaxes, user information, AE titles. PS3.8 9.3.2, PS3.7 D.3.3. */
import type { Random } from "../../../src/phantom/random.ts";
import {
  type Conversation,
  type HostileClass,
  OPENING,
  opening,
  pattern,
  REQUEST_REFUSED,
} from "./conversation.ts";
import { randomBytes } from "./pdu-classes.ts";
import {
  APPLICATION_CONTEXT,
  type AssociateChange,
  aeTitle,
  associate,
  CONTEXTS,
  CT_STORAGE,
  context,
  echoPdu,
  IMPLICIT,
  item,
  latin,
  maximumLengthItem,
  RELEASE_RQ,
  roleItem,
  u16,
  userItem,
  usualUser,
  VERIFICATION,
} from "./wire.ts";

/** After the proposal an echo on context 1 and a release: an association that was accepted must serve. */
function proposal(
  change: AssociateChange,
  expected: RegExp,
  wants: string,
  maximumLength?: number,
): Conversation {
  return {
    steps: [
      ...opening([{ send: associate(change) }]),
      { send: echoPdu() },
      { replies: 1 },
      { send: RELEASE_RQ },
    ],
    expected,
    wants,
    ...(maximumLength === undefined ? {} : { maximumLength }),
  };
}

const SERVED = pattern("AC RSP-8030-0000 RP END");
/** Served, or refused in any way: for proposals that are wrong in a part that does not matter. */
const SERVED_OR_REFUSED = /^(?:AC RSP-8030-0000 RP|AB-0-\d|AB-2-[0-6]|RJ-[12]-[123]-\d) END$/;
/** Accepted, but context 1 is not: the echo on it is a protocol error. */
const NOT_OFFERED = /^(?:AC AB-2-[0-6]|AB-0-\d|AB-2-[0-6]|RJ-[12]-[123]-\d) END$/;

function contextIds(random: Random): Conversation {
  const echo = (id: number) => context(id, VERIFICATION, IMPLICIT);
  const list = random.pick([
    [],
    [echo(2)],
    [echo(0)],
    [echo(1), echo(1)],
    [echo(1), echo(3), echo(254)],
    [...Array.from({ length: 128 }, (_, i) => echo(2 * i + 1)), echo(1)],
    [...Array.from({ length: 200 }, (_, i) => echo((2 * i + 1) & 255))],
  ]);
  return proposal(
    { contexts: list },
    REQUEST_REFUSED,
    "PS3.8 9.3.2.2: one to 128 contexts, odd ids, each once",
  );
}

function contextSyntaxes(random: Random): Conversation {
  const long = "1.2.840.10008.1.2".padEnd(65 + random.integer(400), ".1");
  const raw = (...parts: Buffer[]) => item(0x20, Buffer.concat([Buffer.of(1, 0, 0, 0), ...parts]));
  const abstract = item(0x30, latin(VERIFICATION));
  const contexts = random.pick<Buffer>([
    raw(abstract),
    raw(),
    raw(item(0x40, latin(IMPLICIT))),
    raw(abstract, item(0x40, Buffer.alloc(0))),
    raw(abstract, item(0x40, latin(long))),
    raw(abstract, item(0x40, Buffer.alloc(64))),
    context(1, long, IMPLICIT),
    context(1, "../../../etc/passwd", IMPLICIT),
    context(1, "\0".repeat(64), IMPLICIT),
    context(1, "1..2.840", IMPLICIT),
    item(0x20, Buffer.alloc(random.integer(4))),
  ]);
  return proposal(
    { contexts: [contexts] },
    NOT_OFFERED,
    "PS3.8 9.3.2.2: not acceptable; the context is refused or the request",
  );
}

function storageSyntaxes(random: Random): Conversation {
  const garbage = random.pick([
    "../../x",
    "not a uid",
    "1.2.840.10008.1.2.1\\1",
    "x".repeat(64),
    "1.2.840.10008.1.2.4.50".padEnd(200, ".9"),
    "\xff\xfe",
  ]);
  return proposal(
    { contexts: [...CONTEXTS.slice(0, 1), context(3, CT_STORAGE, garbage)] },
    SERVED_OR_REFUSED,
    "PS3.8 9.3.3.2: a transfer syntax that is no UID is never accepted",
  );
}

function manySyntaxes(random: Random): Conversation {
  const each = random.pick([latin("1.2.3"), Buffer.alloc(0), latin("9.".repeat(32))]);
  const one = item(0x40, each);
  const list = Buffer.concat(Array.from({ length: Math.floor(65_000 / one.length) }, () => one));
  const body = Buffer.concat([
    Buffer.of(3, 0, 0, 0),
    item(0x30, latin(CT_STORAGE)),
    list.subarray(0, 65_500 - (65_500 % one.length)),
  ]);
  const cut = body.subarray(
    0,
    body.length - ((body.length - 4 - 4 - CT_STORAGE.length) % one.length),
  );
  return proposal(
    { contexts: [...CONTEXTS.slice(0, 1), item(0x20, cut)] },
    SERVED_OR_REFUSED,
    "64 KB of transfer syntaxes: refused, or the context is (result 4)",
  );
}

function version(random: Random): Conversation {
  const value = random.integer(0x10000);
  return (value & 1) === 1
    ? proposal({ version: value }, SERVED, "PS3.8 9.3.2: only bit 0 is tested")
    : proposal({ version: value }, /^RJ-1-2-2 END$/, "PS3.8 9.3.4: protocol version not supported");
}

function applicationContext(random: Random): Conversation {
  const good = item(0x10, latin(APPLICATION_CONTEXT));
  const list = random.pick([
    [],
    [item(0x10, latin("1.2.3"))],
    [item(0x10, Buffer.alloc(0))],
    [item(0x10, randomBytes(random, 300))],
  ]);
  if (random.integer(5) === 0)
    return proposal(
      { applicationContext: [good, good] },
      SERVED_OR_REFUSED,
      "PS3.8 9.3.2.1: one application context",
    );
  return proposal(
    { applicationContext: list },
    /^(?:RJ-1-1-2|AB-0-\d|AB-2-[0-6]) END$/,
    "PS3.8 9.3.4: application context name not supported",
  );
}

function maximumLength(random: Random): Conversation {
  const bytes = random.pick([
    0,
    1,
    2,
    3,
    4,
    5,
    6,
    7,
    8,
    100,
    1023,
    0x7fffffff,
    0xffffffff,
    7 + random.integer(1017),
  ]);
  const user = [usualUser(bytes)];
  if (bytes === 0 || bytes >= 0x7fffffff)
    return proposal({ user }, SERVED, "PS3.8 D.1: 0 is no limit", bytes);
  // Too small to answer in: refused, or answered in PDUs that small; never longer ones, never a loop.
  return proposal(
    { user },
    SERVED_OR_REFUSED,
    "PS3.8 D.1: no P-DATA-TF over the peer's Maximum Length",
    bytes,
  );
}

function userInformation(random: Random): Conversation {
  const full = usualUser();
  const user = random.pick([
    [],
    [full, full],
    [userItem()],
    [item(0x50, randomBytes(random, 100))],
    [userItem(item(0x51, Buffer.alloc(0)))],
    [userItem(item(0x51, Buffer.alloc(3, 255)))],
    [userItem(maximumLengthItem(16_384), maximumLengthItem(6))],
    [userItem(maximumLengthItem(16_384), item(0x52, randomBytes(random, 3000)))],
    [userItem(maximumLengthItem(16_384), item(0x55, latin("\n\r\0\x1b[2J".repeat(300))))],
    [
      userItem(
        maximumLengthItem(16_384),
        ...Array.from({ length: 5000 }, () => item(0x59 + random.integer(100), Buffer.alloc(0))),
      ),
    ],
  ]);
  return proposal({ user }, SERVED_OR_REFUSED, "PS3.7 D.3.3: served or refused");
}

function negotiation(random: Random): Conversation {
  const sub = random.pick<Buffer>([
    roleItem(CT_STORAGE, 255, 255),
    roleItem(CT_STORAGE, 0, 0),
    roleItem(CT_STORAGE, 1, 1, 0xffff),
    roleItem("", 1, 1),
    roleItem(CT_STORAGE, 1, 1, CT_STORAGE.length + 1),
    item(0x54, Buffer.alloc(1)),
    item(0x53, Buffer.alloc(4)),
    item(0x53, Buffer.alloc(4, 255)),
    item(0x53, Buffer.alloc(random.integer(4))),
    item(0x53, Buffer.alloc(60_000)),
    item(0x56, Buffer.concat([u16(0xffff), latin(CT_STORAGE)])),
    item(0x56, randomBytes(random, 2000)),
    item(0x57, Buffer.concat([u16(3), latin("1.2"), u16(9), latin("1"), u16(0xfff0)])),
    item(0x57, randomBytes(random, 1000)),
    Buffer.concat(Array.from({ length: 2000 }, () => roleItem(CT_STORAGE, 1, 1))).subarray(
      0,
      30_000 - (30_000 % (8 + CT_STORAGE.length)),
    ),
  ]);
  return proposal(
    { user: [usualUser(16_384, sub)] },
    SERVED_OR_REFUSED,
    "PS3.7 D.3.3.3-5: served or refused",
  );
}

function userIdentity(random: Random): Conversation {
  const type = random.integer(2) === 0 ? random.integer(7) : random.integer(256);
  const token = random.pick([
    Buffer.alloc(0),
    latin("root"),
    randomBytes(random, 300),
    Buffer.alloc(64_000, 0x41),
  ]);
  const first = random.pick([token.length, 0xffff, 0, token.length + 1]) & 0xffff;
  const body = Buffer.concat([
    Buffer.of(type, random.integer(3)),
    u16(first),
    token,
    u16(random.pick([0, 0xffff, 4])),
    latin("pass"),
  ]);
  return proposal(
    { user: [usualUser(16_384, item(0x58, body.subarray(0, 65_000)))] },
    SERVED_OR_REFUSED,
    "PS3.7 D.3.3.7: served or refused",
  );
}

function titles(random: Random): Conversation {
  const bad = random.pick<Buffer>([
    aeTitle(""),
    Buffer.alloc(16),
    Buffer.alloc(16, 0xff),
    aeTitle("../../x"),
    aeTitle("A\\B"),
    aeTitle("KINDRED\r\nX"),
    aeTitle("\x1b[2J"),
    aeTitle("'; drop table--"),
    aeTitle("kindred"),
    aeTitle("hostile"),
    randomBytes(random, 16),
  ]);
  const control = (title: string) =>
    aeTitle(random.pick([`\t${title}`, `${title}\n`, `\xa0${title}`, `${title}\x0b`]));
  switch (random.integer(5)) {
    case 0:
      return proposal(
        { called: bad },
        /^RJ-1-1-7 END$/,
        "PS3.8 9.3.4: called AE title not recognized",
      );
    case 1:
      return proposal(
        { calling: bad },
        /^RJ-1-1-3 END$/,
        "PS3.8 9.3.4: calling AE title not recognized",
      );
    case 2:
      return proposal(
        { called: control("KINDRED") },
        /^RJ-1-1-7 END$/,
        "PS3.8 9.3.2: only spaces are not significant",
      );
    case 3:
      return proposal(
        { calling: control("HOSTILE") },
        /^RJ-1-1-3 END$/,
        "PS3.8 9.3.2: only spaces are not significant",
      );
    default:
      return proposal(
        { called: aeTitle("   KINDRED"), calling: aeTitle("  HOSTILE  ") },
        SERVED,
        "PS3.8 9.3.2: leading and trailing spaces are not significant",
      );
  }
}

/** Items that the standard does not know are skipped. PS3.8 9.3.1 note 1. */
function unknownItems(random: Random): Conversation {
  const strange = item(
    random.pick([0x00, 0x11, 0x22, 0x60, 0xff]),
    randomBytes(random, random.integer(2000)),
  );
  return proposal(
    { contexts: [...CONTEXTS, ...Array.from({ length: 1 + random.integer(20) }, () => strange)] },
    SERVED,
    "PS3.8 9.3.1: unrecognized items are ignored",
  );
}

/** Every context is on top of a full request: nothing but length. */
function fullRequest(random: Random): Conversation {
  const pad = item(0x60, Buffer.alloc(0xffff));
  const count = 1 + random.integer(4);
  return {
    steps: [
      ...opening([
        {
          send: associate({ contexts: [...CONTEXTS, ...Array.from({ length: count }, () => pad)] }),
        },
      ]),
      { send: RELEASE_RQ },
    ],
    expected: OPENING,
    wants: "a request of up to 256 KB: served, or refused unread",
  };
}

export const ASSOCIATION_CLASSES: readonly HostileClass[] = [
  { name: "context-ids", weight: 8, make: contextIds },
  { name: "context-syntaxes", weight: 10, make: contextSyntaxes },
  { name: "context-storage-syntaxes", weight: 6, make: storageSyntaxes },
  { name: "context-64-kb-of-syntaxes", weight: 3, make: manySyntaxes },
  { name: "protocol-version", weight: 6, make: version },
  { name: "application-context", weight: 6, make: applicationContext },
  { name: "maximum-length", weight: 14, make: maximumLength },
  { name: "user-information", weight: 10, make: userInformation },
  { name: "negotiation-items", weight: 12, make: negotiation },
  { name: "user-identity", weight: 8, make: userIdentity },
  { name: "ae-titles", weight: 12, make: titles },
  { name: "unknown-items", weight: 4, make: unknownItems },
  { name: "request-full-length", weight: 2, make: fullRequest },
];
