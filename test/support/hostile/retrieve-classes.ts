/** C-MOVE and C-GET that lie, and peers that answer their sub-operations with lies. PS3.4 C.4.2, C.4.3; PS3.7 9.1.3, 9.1.4. */
import type { Random } from "../../../src/phantom/random.ts";
import { type Conversation, type HostileClass, opening } from "./conversation.ts";
import { randomBytes } from "./pdu-classes.ts";
import {
  aeTitle,
  associate,
  CONTEXT,
  CONTEXTS,
  type CommandFields,
  CT_STORAGE,
  commandPdu,
  context,
  dataPdus,
  echoFields,
  echoPdu,
  even,
  IMPLICIT,
  implicit,
  latin,
  NO_DATA_SET,
  RELEASE_RQ,
  roleItem,
  u16le,
  u32le,
  usualUser,
  WITH_DATA_SET,
} from "./wire.ts";

const PATIENT_MOVE = "1.2.840.10008.5.1.4.1.2.1.2";
const PATIENT_GET = "1.2.840.10008.5.1.4.1.2.1.3";
const STUDY_MOVE = "1.2.840.10008.5.1.4.1.2.2.2";
const STUDY_GET = "1.2.840.10008.5.1.4.1.2.2.3";
/** Presentation context ids beside the usual ones. */
const ID = { studyMove: 21, studyGet: 23, patientMove: 25, patientGet: 27 } as const;
/** A peer with a port at which nobody listens. */
export const CLOSED_DESTINATION = "CLOSED";
/** A patient of whom the node has some instances. */
export const RETRIEVABLE_PATIENT = "FILL";

const UNDEFINED = 0xffffffff;
const ROLE = roleItem(CT_STORAGE, 0, 1);

function request(hasRole = true): Buffer {
  return associate({
    contexts: [
      ...CONTEXTS,
      context(ID.studyMove, STUDY_MOVE, IMPLICIT),
      context(ID.studyGet, STUDY_GET, IMPLICIT),
      context(ID.patientMove, PATIENT_MOVE, IMPLICIT),
      context(ID.patientGet, PATIENT_GET, IMPLICIT),
    ],
    ...(hasRole ? { user: [usualUser(16_384, ROLE)] } : {}),
  });
}

interface Asked {
  readonly id: number;
  readonly fields: CommandFields;
}

function move(destination: Buffer, isPatient = false, messageId = 1): Asked {
  return {
    id: isPatient ? ID.patientMove : ID.studyMove,
    fields: [
      [0x0002, isPatient ? PATIENT_MOVE : STUDY_MOVE],
      [0x0100, 0x0021],
      [0x0110, messageId],
      [0x0600, destination],
      [0x0700, 0],
      [0x0800, WITH_DATA_SET],
    ],
  };
}

function get(isPatient = false, messageId = 1): Asked {
  return {
    id: isPatient ? ID.patientGet : ID.studyGet,
    fields: [
      [0x0002, isPatient ? PATIENT_GET : STUDY_GET],
      [0x0100, 0x0010],
      [0x0110, messageId],
      [0x0700, 0],
      [0x0800, WITH_DATA_SET],
    ],
  };
}

const either = (random: Random, isPatient = false) =>
  random.integer(2) === 0 ? move(aeTitle(CLOSED_DESTINATION), isPatient) : get(isPatient);

const bytesOf = ({ id, fields }: Asked, identifier: Buffer) =>
  Buffer.concat([commandPdu(id, fields), dataPdus(id, identifier, 16_000)]);

/** The request on an association with every retrieve context, then an echo and a release. */
function conversation(
  asked: readonly [Asked, Buffer] | Buffer,
  expected: RegExp,
  wants: string,
  more: Partial<Conversation> & { readonly hasRole?: boolean } = {},
): Conversation {
  const { hasRole = true, ...rest } = more;
  const send = Buffer.isBuffer(asked) ? asked : bytesOf(...asked);
  // While a C-GET is answered the peer may send responses and C-CANCEL only.
  const isGet = !Buffer.isBuffer(asked) && [ID.studyGet, ID.patientGet].includes(asked[0].id as 23);
  return {
    steps: [
      ...opening([{ send: request(hasRole) }]),
      { send },
      ...(isGet ? [] : [{ send: echoPdu(77) }]),
      { send: RELEASE_RQ },
    ],
    expected,
    wants,
    endMs: 20_000,
    ...rest,
  };
}

const key = (tag: number, value: string) => implicit(tag, even(value));
const level = (value: string) => key(0x00080052, value);

const REFUSED =
  /^AC RSP-80(?:21|10)-(?:A70[12]|A900|C[0-9A-F]{3}|0122|A801) (?:RSP-8030-0000 )?RP END$/;
const ANSWERED =
  /^AC (?:RSP-80(?:21|10)-FF00\*? )?RSP-80(?:21|10)-(?:0000|A70[12]|A900|C[0-9A-F]{3}|A801) (?:RSP-8030-0000 )?RP END$/;

function structure(random: Random): Conversation {
  const open = Buffer.concat([
    u16le(0x0008),
    u16le(0x1115),
    u32le(UNDEFINED),
    u16le(0xfffe),
    u16le(0xe000),
    u32le(UNDEFINED),
  ]);
  const bytes = random.pick<Buffer>([
    Buffer.concat([
      level("STUDY"),
      ...Array.from({ length: random.pick([20, 33, 3000]) }, () => open),
    ]),
    Buffer.concat([level("STUDY"), implicit(0x0020000d, latin("1"), 0x7fffffff)]),
    Buffer.concat([level("STUDY"), implicit(0x0020000d, latin("1"), UNDEFINED)]),
    level("STUDY").subarray(0, 1 + random.integer(12)),
    randomBytes(random, 1 + random.integer(500)),
    Buffer.alloc(1000),
    Buffer.alloc(1000, 0xff),
    Buffer.alloc(0),
    Buffer.concat([level("STUDY"), implicit(0x0020000d, Buffer.alloc(70_000, 0x31))]),
  ]);
  return conversation(
    [either(random), bytes],
    REFUSED,
    "an identifier that cannot be read, or is too long: A900H or Cxxx",
  );
}

function levels(random: Random): Conversation {
  const value = random.pick([
    "",
    "FRAME",
    "study",
    "STUDY\\SERIES",
    "../..",
    "\0",
    "x".repeat(5000),
    "*",
  ]);
  const isPatient = random.integer(2) === 0;
  const identifier =
    random.integer(5) === 0
      ? key(0x0020000d, "1.2.3")
      : Buffer.concat([level(value), key(0x00100020, "H7"), key(0x0020000d, "1.2.3")]);
  return conversation(
    [either(random, isPatient), identifier],
    // Of several values the first is taken.
    value.startsWith("STUDY") ? ANSWERED : REFUSED,
    "PS3.4 C.4.2.1.4: the level is one of the model's",
  );
}

/** Unique keys that are missing, are no UIDs, or are lists where none may stand. */
function badKeys(random: Random): Conversation {
  const uid = random.pick([
    "",
    "1.2.*",
    "../../x",
    "1.2\\..\\3",
    "1".repeat(10_000),
    "\\".repeat(5000),
    "1.2.3\0\0.4",
    "'; drop table study; --",
    "1.2.x",
    "-",
  ]);
  const identifier = random.pick<Buffer>([
    Buffer.concat([level("STUDY"), key(0x0020000d, uid)]),
    Buffer.concat([level("SERIES"), key(0x0020000d, "1.2.3"), key(0x0020000e, uid)]),
    Buffer.concat([level("SERIES"), key(0x0020000d, "1.2\\1.3"), key(0x0020000e, "1.2")]),
    Buffer.concat([level("SERIES"), key(0x0020000e, "1.2")]),
    Buffer.concat([
      level("IMAGE"),
      key(0x00080018, uid),
      key(0x0020000d, "1.2"),
      key(0x0020000e, "1.3"),
    ]),
    Buffer.concat([
      level("IMAGE"),
      key(0x00080018, "1.2"),
      key(0x0020000d, uid),
      key(0x0020000e, uid),
    ]),
  ]);
  return conversation(
    [either(random), identifier],
    REFUSED,
    "PS3.4 C.4.2.2.1: unique keys, single values above the level",
  );
}

function patientKeys(random: Random): Conversation {
  const value = random.pick([
    "H*",
    "*",
    "?",
    "H1\\H2",
    "",
    "nobody",
    "\x1b$B\x1b(J",
    "%",
    "x".repeat(60_000),
    "\0",
    "H7\0",
    "\xff\xfe",
  ]);
  return conversation(
    [
      move(aeTitle(CLOSED_DESTINATION), true),
      Buffer.concat([level("PATIENT"), implicit(0x00100020, even(value))]),
    ],
    ANSWERED,
    "PS3.4 C.4.2.2.1: a Patient ID is one value, of any text",
  );
}

/** Thousands of UIDs that nobody has. */
function longLists(random: Random): Conversation {
  const count = random.pick([500, 3000, 9000]);
  const list = Array.from({ length: count }, (_, i) => `2.25.${i}`)
    .join("\\")
    .slice(0, 60_000);
  return conversation(
    [
      either(random),
      Buffer.concat([level("STUDY"), key(0x0020000d, list.replace(/\\[^\\]*$/, ""))]),
    ],
    ANSWERED,
    "PS3.4 C.4.2.2.1: a list of UIDs at the level",
  );
}

function destinations(random: Random): Conversation {
  const title = random.pick<Buffer>([
    Buffer.alloc(0),
    latin("KINDRED "),
    latin("SIMILAR "),
    latin("SIMTEXT "),
    latin("NOBODY"),
    latin("HOSTILE "),
    latin("closed"),
    latin("CLOSED\\NOBODY "),
    latin("CLOSED\0\0"),
    latin("\0"),
    latin("x".repeat(2000)),
    latin("constructor "),
    latin("__proto__ "),
    randomBytes(random, 16),
  ]);
  return conversation(
    [move(title), Buffer.concat([level("STUDY"), key(0x0020000d, "1.2.3")])],
    title.toString("latin1").startsWith("CLOSED\0") ? ANSWERED : REFUSED,
    "PS3.4 C.4.2.1.5: A801H for a destination that is no peer to call",
  );
}

/** A destination that cannot be reached, once or many times on one association. */
function unreachable(random: Random): Conversation {
  const identifier = Buffer.concat([level("PATIENT"), key(0x00100020, `H${random.integer(50)}`)]);
  const many = 1 + random.integer(6);
  return conversation(
    Buffer.concat(
      Array.from({ length: many }, (_, i) =>
        bytesOf(move(aeTitle(CLOSED_DESTINATION), true, i + 1), identifier),
      ),
    ),
    /^AC (?:RSP-8021-(?:FF00|A702|0000)\*? )+(?:RSP-8030-0000 )?RP END$/,
    "PS3.4 C.4.2.1.5: A702H, every sub-operation failed",
    { endMs: 30_000 },
  );
}

const WHOLE_PATIENT = Buffer.concat([level("PATIENT"), key(0x00100020, RETRIEVABLE_PATIENT)]);

/** C-GET without the role or a context for what it asks: nothing can be sent. */
function withoutRole(): Conversation {
  return conversation(
    [get(true), WHOLE_PATIENT],
    /^AC (?:RSP-8010-FF00\*? )?RSP-8010-A702 (?:RSP-8030-0000 )?RP END$/,
    "PS3.7 D.3.3.4: without the SCP role nothing is sent on the association",
    { hasRole: false },
  );
}

/** What the peer says where it owes the response to a C-STORE sub-operation of the node's. */
function lyingAnswer(random: Random): Conversation {
  const response = (change: Partial<Record<number, number | string>> = {}): CommandFields =>
    [
      [0x0002, change[0x0002] ?? CT_STORAGE],
      [0x0100, change[0x0100] ?? 0x8001],
      [0x0120, change[0x0120] ?? 1],
      [0x0800, change[0x0800] ?? NO_DATA_SET],
      [0x0900, change[0x0900] ?? 0],
    ] as CommandFields;
  const said = random.pick<Buffer>([
    commandPdu(CONTEXT.storeExplicit, response({ 288: 999 })),
    commandPdu(CONTEXT.storeExplicit, response({ 256: 0x8020 })),
    commandPdu(CONTEXT.storeExplicit, response({ 2048: WITH_DATA_SET })),
    commandPdu(CONTEXT.storeExplicit, response().slice(0, 4)),
    commandPdu(CONTEXT.echo, response()),
    commandPdu(CONTEXT.echo, echoFields()),
    Buffer.concat(Array.from({ length: 50 }, () => commandPdu(CONTEXT.storeExplicit, response()))),
    bytesOf(get(true, 2), WHOLE_PATIENT),
    commandPdu(CONTEXT.storeExplicit, [
      [0x0002, CT_STORAGE],
      [0x0100, 0x0001],
      [0x0110, 9],
      [0x0700, 0],
      [0x0800, WITH_DATA_SET],
      [0x1000, "1.2.3"],
    ]),
    RELEASE_RQ,
    Buffer.alloc(0),
  ]);
  return {
    steps: [
      ...opening([{ send: request() }]),
      { send: bytesOf(get(true), WHOLE_PATIENT) },
      { replies: 1 },
      { send: said },
    ],
    // Where the lie is as good as a response, the node waits for the next one, and in vain.
    expected: /^AC (?:RSP-0001-\?\?\?\?\*? |RSP-8010-\S+ |RP )*(?:AB-(?:0-\d|2-[0-6]) )?END$/,
    wants:
      "PS3.7 9.1.3: a response that answers nothing is A-ABORT; one that does not come ends by a timer",
    endMs: 20_000,
  };
}

function cancels(random: Random): Conversation {
  const cancel = (messageId: number) =>
    commandPdu(random.pick([ID.patientMove, ID.studyMove, CONTEXT.echo]), [
      [0x0100, 0x0fff],
      [0x0120, messageId],
      [0x0800, NO_DATA_SET],
    ]);
  const asked = bytesOf(move(aeTitle(CLOSED_DESTINATION), true), WHOLE_PATIENT);
  const flood = Buffer.concat(Array.from({ length: 1 + random.integer(300) }, () => cancel(1)));
  return conversation(
    random.pick<Buffer>([
      Buffer.concat([asked, flood]),
      Buffer.concat([flood, asked]),
      Buffer.concat([asked, cancel(2), cancel(0), cancel(0xffff)]),
      Buffer.concat([flood, asked, flood]),
    ]),
    /^AC (?:RSP-8021-(?:FF00|FE00|A702)\*? )+(?:RSP-8030-0000 )?RP END$/,
    "PS3.7 9.3.2.3: a C-CANCEL ends the request it names, or nothing",
  );
}

export const RETRIEVE_CLASSES: readonly HostileClass[] = [
  { name: "retrieve-structure", weight: 6, make: structure },
  { name: "retrieve-level", weight: 4, make: levels },
  { name: "retrieve-bad-keys", weight: 6, make: badKeys },
  { name: "retrieve-patient-keys", weight: 4, make: patientKeys },
  { name: "retrieve-long-lists", weight: 2, make: longLists },
  { name: "move-destination", weight: 6, make: destinations },
  { name: "move-unreachable", weight: 3, make: unreachable },
  { name: "get-without-role", weight: 2, make: withoutRole },
  { name: "get-lying-answer", weight: 6, make: lyingAnswer },
  { name: "retrieve-cancels", weight: 3, make: cancels },
];
