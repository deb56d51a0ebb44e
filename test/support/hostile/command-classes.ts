/** Command sets that lie. PS3.7 6.3, 9.3, Annex C and E. */
import type { Random } from "../../../src/phantom/random.ts";
import type { Conversation, HostileClass } from "./conversation.ts";
import { ABORTED, established, SURVIVED_OR_ABORTED } from "./message-classes.ts";
import { randomBytes } from "./pdu-classes.ts";
import {
  COMMAND_LAST,
  CONTEXT,
  type CommandFields,
  CT_STORAGE,
  command,
  commandBody,
  commandPdu,
  DATA_LAST,
  dataPdus,
  echoFields,
  findFields,
  implicit,
  latin,
  NO_DATA_SET,
  pData,
  pdv,
  storeFields,
  VERIFICATION,
  WITH_DATA_SET,
} from "./wire.ts";

const GARBAGE_DATA = Buffer.from("garbage that is no data set at all");
/** A C-STORE-RSP that is a failure, then life goes on; or A-ABORT. */
const STORE_REFUSED =
  /^AC (?:RSP-8001-(?!0000)[0-9A-F]{4} (?:RSP-8030-0000 RP|AB-(?:0-\d|2-[0-6]))|AB-(?:0-\d|2-[0-6])) END$/;

function send(contextId: number, bytes: Buffer): Buffer {
  return pData(pdv(contextId, COMMAND_LAST, bytes));
}

function garbage(random: Random): Conversation {
  const bytes = random.pick<Buffer>([
    randomBytes(random, 1 + random.integer(300)),
    Buffer.alloc(0),
    Buffer.alloc(200),
    Buffer.alloc(200, 0xff),
    command(echoFields()).subarray(0, 13),
    implicit(0x0002, latin(VERIFICATION), 0xffffffff),
    implicit(0x0002, latin(VERIFICATION), 0x7ffffff0),
  ]);
  return established(send(1, bytes), ABORTED, "PS3.7 6.3.1: no command set; A-ABORT");
}

function groupLength(random: Random): Conversation {
  const body = commandBody(echoFields());
  const bytes = random.pick<Buffer>([
    command(echoFields(), 0),
    command(echoFields(), 0xffffffff),
    command(echoFields(), random.integer(1000)),
    body,
    Buffer.concat([body, implicit(0, Buffer.alloc(4))]),
    Buffer.concat([implicit(0, Buffer.alloc(0)), body]),
  ]);
  return established(send(1, bytes), SURVIVED_OR_ABORTED, "PS3.7 E.1: tolerated or refused");
}

function elements(random: Random): Conversation {
  const echo = echoFields();
  const bytes = random.pick<CommandFields>([
    [...echo, [0x00080005, "ISO_IR 100"], [0x7fe00010, randomBytes(random, 500)]],
    [...echo, ...echo],
    [...echo.toReversed()],
    [...echo, [0x0100, 0x0001], [0x0800, WITH_DATA_SET]],
    [...echo, [0x0000ffff, randomBytes(random, 9000)]],
    [...echo, [0x0110, Buffer.alloc(0)]],
    [[0x0002, "x".repeat(15_000)], ...echo.slice(1)],
    [...echo.map(([tag]) => [tag, Buffer.of(1)] as const)],
  ]);
  return established(
    send(1, command(bytes)),
    SURVIVED_OR_ABORTED,
    "PS3.7 E.1: tolerated or refused",
  );
}

function missing(random: Random): Conversation {
  const [id, full] = random.pick<[number, CommandFields]>([
    [1, echoFields()],
    [CONTEXT.storeExplicit, storeFields("1.2.3.4")],
    [CONTEXT.find, findFields()],
  ]);
  const out = random.integer(full.length);
  const fields = full.filter((_, index) => index !== out);
  const hasData = id !== 1 && fields.some(([tag]) => tag === 0x0800);
  return established(
    Buffer.concat([commandPdu(id, fields), hasData ? dataPdus(id, GARBAGE_DATA) : Buffer.alloc(0)]),
    // A missing Affected SOP Instance UID must never be a success of C-STORE.
    /^AC (?:RSP-(?!8001-0000|8020-FF)\S+ )*?(?:RSP-8030-0000\*? RP|AB-(?:0-\d|2-[0-6])) END$/,
    "PS3.7 9.3: mandatory fields; a failure status or A-ABORT",
  );
}

function commandField(random: Random): Conversation {
  const known = [
    0x0010, 0x0021, 0x0100, 0x0110, 0x0120, 0x0130, 0x0140, 0x0150, 0x0000, 0x0002, 0x0031, 0x7fff,
  ];
  const value =
    random.integer(2) === 0 ? random.integer(0x8000) : random.pick(known as [number, ...number[]]);
  const fields: CommandFields = echoFields().map(([tag, old]) => [
    tag,
    tag === 0x0100 ? value : old,
  ]);
  const id = random.pick([1, CONTEXT.find, CONTEXT.storeExplicit]);
  return established(
    commandPdu(id, fields),
    // What is not offered on the context is refused (PS3.7 Annex C: 0211H and others), but for the echo itself.
    /^AC (?:RSP-(?!8001-0000|8021-0000|8010-0000)\S+ )*?(?:RSP-8030-0000\*? RP|AB-(?:0-\d|2-[0-6])) END$/,
    "PS3.7 C.5.23: 0211H unrecognized operation, or A-ABORT",
  );
}

function otherContext(random: Random): Conversation {
  const bytes = random.pick<Buffer>([
    commandPdu(CONTEXT.find, echoFields()),
    commandPdu(CONTEXT.storeExplicit, echoFields()),
    Buffer.concat([commandPdu(1, storeFields("1.2.3.4")), dataPdus(1, GARBAGE_DATA)]),
    Buffer.concat([
      commandPdu(CONTEXT.find, storeFields("1.2.3.4")),
      dataPdus(CONTEXT.find, GARBAGE_DATA),
    ]),
    Buffer.concat([
      commandPdu(CONTEXT.storeExplicit, findFields()),
      dataPdus(CONTEXT.storeExplicit, GARBAGE_DATA),
    ]),
  ]);
  return established(
    bytes,
    /^AC (?:RSP-80(?:30|01|20)-(?!0000|FF)\S+ )?(?:RSP-8030-0000 RP|AB-(?:0-\d|2-[0-6])) END$/,
    "PS3.7 9.1: an operation of another SOP class than the context's is refused",
  );
}

function sopClass(random: Random): Conversation {
  const uid = random.pick([
    "",
    "1.2.840.10008.5.1.4.1.1.4",
    "../../etc",
    "x".repeat(4096),
    VERIFICATION,
    `${CT_STORAGE}.1`,
  ]);
  const id = CONTEXT.storeExplicit;
  const fields = storeFields("1.2.3.4").map(([tag, old]) => [tag, tag === 2 ? uid : old] as const);
  return established(
    Buffer.concat([commandPdu(id, fields), dataPdus(id, GARBAGE_DATA)]),
    STORE_REFUSED,
    "PS3.7 9.1.1.1: the SOP class is the context's; a failure status or A-ABORT",
  );
}

function instanceUid(random: Random): Conversation {
  const uid = random.pick([
    "",
    "../../../../etc/passwd",
    "/etc/passwd",
    "..\\..\\x",
    "1.2.3/4",
    "1.2.3\0/x",
    "1.2.3%2f",
    "CON",
    "1..2",
    "1.02.3",
    ".",
    "..",
    "1.2.".repeat(1024),
    "9".repeat(4096),
    "1.2.3'; drop table instance; --",
    "\u202e1.2.3",
  ]);
  const id = CONTEXT.storeExplicit;
  return established(
    Buffer.concat([commandPdu(id, storeFields(uid)), dataPdus(id, GARBAGE_DATA)]),
    STORE_REFUSED,
    "PS3.5 9.1: not a UID; a failure status or A-ABORT",
  );
}

function messageId(random: Random): Conversation {
  const id = random.pick([0, 0xffff, 1]);
  return established(
    Buffer.concat([
      commandPdu(1, echoFields(id)),
      commandPdu(1, echoFields(id)),
      commandPdu(1, echoFields(id)),
    ]),
    /^AC RSP-8030-0000\* RP END$/,
    "PS3.7 9.3.5: any Message ID; one request after the other",
  );
}

function dataSetType(random: Random): Conversation {
  const store = CONTEXT.storeExplicit;
  const change = (fields: CommandFields, type: number) =>
    fields.map(([tag, old]) => [tag, tag === 0x0800 ? type : old] as const);
  const bytes = random.pick<Buffer>([
    Buffer.concat([
      commandPdu(store, change(storeFields("1.2.3.4"), NO_DATA_SET)),
      dataPdus(store, GARBAGE_DATA),
    ]),
    Buffer.concat([
      commandPdu(CONTEXT.find, change(findFields(), NO_DATA_SET)),
      dataPdus(CONTEXT.find, GARBAGE_DATA),
    ]),
    commandPdu(1, change(echoFields(), WITH_DATA_SET)),
    commandPdu(store, change(storeFields("1.2.3.4"), NO_DATA_SET)),
    Buffer.concat([commandPdu(1, echoFields()), pData(pdv(1, DATA_LAST, GARBAGE_DATA))]),
    Buffer.concat([
      commandPdu(1, change(echoFields(), random.integer(0x10000))),
      dataPdus(1, GARBAGE_DATA),
    ]),
  ]);
  return established(
    bytes,
    /^AC (?:RSP-(?!8001-0000|8020-0000)\S+ )*?(?:RSP-8030-0000\*? RP|AB-(?:0-\d|2-[0-6])) END$/,
    "PS3.7 9.3: Command Data Set Type says whether a data set follows",
  );
}

function responses(random: Random): Conversation {
  const field = random.pick([
    0x8001, 0x8020, 0x8030, 0x8021, 0x8010, 0x8100, 0x8140, 0xffff, 0x8000,
  ]);
  const fields: CommandFields = [
    [0x0002, VERIFICATION],
    [0x0100, field],
    [0x0120, random.integer(0x10000)],
    [0x0800, NO_DATA_SET],
    [0x0900, random.integer(0x10000)],
  ];
  return established(
    commandPdu(random.pick([1, CONTEXT.find, CONTEXT.storeExplicit]), fields),
    ABORTED,
    "PS3.7 9.1: a response that answers nothing; A-ABORT",
  );
}

function cancels(random: Random): Conversation {
  const cancel = (messageIdRef: number, type = NO_DATA_SET) =>
    commandPdu(random.pick([1, CONTEXT.find, CONTEXT.storeExplicit]), [
      [0x0100, 0x0fff],
      [0x0120, messageIdRef],
      [0x0800, type],
    ]);
  const flood = Array.from({ length: random.pick([1, 10, 5000]) }, () =>
    cancel(random.integer(0x10000)),
  );
  return established(
    Buffer.concat(flood),
    /^AC RSP-8030-0000 RP END$/,
    "PS3.7 9.3.2.3: a C-CANCEL that finds nothing has no response and no effect",
  );
}

export const COMMAND_CLASSES: readonly HostileClass[] = [
  { name: "command-garbage", weight: 10, make: garbage },
  { name: "command-group-length", weight: 8, make: groupLength },
  { name: "command-elements", weight: 8, make: elements },
  { name: "command-missing-fields", weight: 8, make: missing },
  { name: "command-field", weight: 12, make: commandField },
  { name: "command-other-context", weight: 6, make: otherContext },
  { name: "command-sop-class", weight: 6, make: sopClass },
  { name: "command-instance-uid", weight: 10, make: instanceUid },
  { name: "command-message-id", weight: 4, make: messageId },
  { name: "command-data-set-type", weight: 6, make: dataSetType },
  { name: "response-out-of-the-blue", weight: 6, make: responses },
  { name: "cancel-for-nothing", weight: 4, make: cancels },
];
