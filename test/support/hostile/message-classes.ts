/** Lies about PDVs and messages: contexts, lengths, order, floods. PS3.8 9.3.5, Annex E; PS3.7 6.3. */
import type { Random } from "../../../src/phantom/random.ts";
import {
  type Conversation,
  type HostileClass,
  opening,
  type Step,
  TIMERS,
} from "./conversation.ts";
import { randomBytes } from "./pdu-classes.ts";
import {
  ABORT,
  associate,
  COMMAND_LAST,
  COMMAND_PART,
  CONTEXT,
  command,
  commandPdu,
  DATA_LAST,
  DATA_PART,
  echoFields,
  echoPdu,
  findFields,
  pData,
  pdu,
  pdv,
  RELEASE_RQ,
  storeFields,
} from "./wire.ts";

/** On an established association: the bytes, then an echo and a release, if it is still alive. */
export function established(
  send: Buffer | readonly Step[],
  expected: RegExp,
  wants: string,
  more: Partial<Conversation> = {},
): Conversation {
  const steps = Buffer.isBuffer(send) ? [{ send }] : send;
  return {
    steps: [
      ...opening([{ send: associate() }]),
      ...steps,
      { send: echoPdu(77) },
      { send: RELEASE_RQ },
    ],
    expected,
    wants,
    ...more,
  };
}

const INVALID = /^AC AB-2-[0456] END$/;
/** The PDVs before the bad one may have been a whole message, answered already. */
const INVALID_AT_LAST = /^AC (?:RSP-\S+ )?AB-2-[0456] END$/;
/** Above the PDUs: DIMSE may abort as the service user, or answer and go on. */
export const ABORTED = /^AC (?:RSP-\S+ )*AB-(?:0-\d|2-[0-6]) END$/;
export const SURVIVED_OR_ABORTED =
  /^AC (?:RSP-\S+ )*?(?:RSP-8030-0000\*? RP|AB-(?:0-\d|2-[0-6])) END$/;

function pdvContext(random: Random): Conversation {
  const id = random.pick([0, 2, 13, 254, 255, CONTEXT.unknown, CONTEXT.unknown]);
  const bad =
    random.integer(2) === 0
      ? commandPdu(id, echoFields())
      : pData(pdv(id, DATA_PART, randomBytes(random, 50)));
  return established(bad, INVALID, "PS3.8 9.3.5.1: only accepted presentation contexts");
}

function pdvLength(random: Random): Conversation {
  const echo = command(echoFields());
  const body = random.pick<Buffer>([
    pdv(1, COMMAND_LAST, echo, 0),
    pdv(1, COMMAND_LAST, echo, 1),
    pdv(1, COMMAND_LAST, echo, echo.length + 3),
    pdv(1, COMMAND_LAST, echo, 0xffffffff),
    pdv(1, COMMAND_LAST, echo, 0x80000000),
    pdv(1, COMMAND_LAST, echo, 2 + random.integer(echo.length)),
    Buffer.concat([pdv(1, COMMAND_LAST, echo), Buffer.alloc(1 + random.integer(5))]),
    Buffer.alloc(0),
    Buffer.alloc(1 + random.integer(5), random.integer(256)),
  ]);
  return established(pdu(4, body), INVALID_AT_LAST, "PS3.8 9.3.5.1: PDVs fill their PDU exactly");
}

function pdvOdd(random: Random): Conversation {
  const echo = command(echoFields());
  const cut = 1 + 2 * random.integer(echo.length / 2 - 1);
  return established(
    pData(pdv(1, COMMAND_PART, echo.subarray(0, cut)), pdv(1, COMMAND_LAST, echo.subarray(cut))),
    SURVIVED_OR_ABORTED,
    "PS3.8 9.3.5.1 wants even fragments; odd ones are joined or refused",
  );
}

/** Header bits that are reserved are not tested. PS3.8 E.2. */
function pdvHeader(random: Random): Conversation {
  const header = random.integer(64) * 4 + COMMAND_LAST;
  return established(
    pData(pdv(1, header, command(echoFields()))),
    SURVIVED_OR_ABORTED,
    "PS3.8 E.2: bits 2 to 7 are not tested",
  );
}

function emptyFlood(random: Random): Conversation {
  const many = 20_000;
  const empty = pData(...Array.from({ length: many }, () => pdv(1, COMMAND_PART, Buffer.alloc(0))));
  const rounds = 1 + random.integer(12);
  return established(
    Buffer.concat([...Array.from({ length: rounds }, () => empty), commandPdu(1, echoFields())]),
    SURVIVED_OR_ABORTED,
    "empty PDVs cost a bounded amount: skipped, or refused",
  );
}

function emptyDrip(random: Random): Conversation {
  const [context, start] = random.pick<[number, Buffer]>([
    [1, Buffer.alloc(0)],
    [CONTEXT.storeExplicit, commandPdu(CONTEXT.storeExplicit, storeFields("1.2.3.4"))],
  ]);
  const part = start.length === 0 ? COMMAND_PART : DATA_PART;
  return established(
    [
      { send: start },
      {
        drip: pData(pdv(context, part, Buffer.alloc(0))),
        everyMs: 250,
        forMs: TIMERS.messageSeconds * 1000 + 3500,
      },
    ],
    ABORTED,
    "empty fragments are no progress: the message timer ends the association",
  );
}

function emptyDataFlood(random: Random): Conversation {
  const empty = pData(
    ...Array.from({ length: 5000 }, () => pdv(CONTEXT.storeExplicit, DATA_PART, Buffer.alloc(0))),
  );
  return established(
    Buffer.concat([
      commandPdu(CONTEXT.storeExplicit, storeFields("1.2.3.4")),
      ...Array.from({ length: 1 + random.integer(30) }, () => empty),
      pData(pdv(CONTEXT.storeExplicit, DATA_LAST, Buffer.alloc(0))),
    ]),
    /^AC (?:RSP-8001-(?!0000)[0-9A-F]{4} RSP-8030-0000 RP|AB-(?:0-\d|2-[0-6])) END$/,
    "an empty data set is no instance: a failure status, or A-ABORT",
  );
}

function mixed(random: Random): Conversation {
  const id = CONTEXT.find;
  const find = pdv(id, COMMAND_LAST, command(findFields()));
  const data = pdv(id, DATA_LAST, Buffer.alloc(0));
  const echo = pdv(1, COMMAND_LAST, command(echoFields()));
  const bytes = random.pick<Buffer>([
    pData(find, data),
    pData(echo, echo, echo),
    pData(find, data, echo),
    Buffer.concat([pData(echo, find), pData(data, echo)]),
  ]);
  return established(
    bytes,
    SURVIVED_OR_ABORTED,
    "PS3.8 E.2: command and data in one P-DATA-TF, served in order or refused",
  );
}

function order(random: Random): Conversation {
  const store = CONTEXT.storeExplicit;
  const begin = commandPdu(store, storeFields("1.2.3.4"));
  const halfEcho = command(echoFields()).subarray(0, 20);
  const bytes = random.pick<Buffer>([
    pData(pdv(store, DATA_LAST, randomBytes(random, 100))),
    pData(pdv(store, DATA_PART, randomBytes(random, 100))),
    Buffer.concat([begin, pData(pdv(CONTEXT.find, DATA_LAST, randomBytes(random, 100)))]),
    Buffer.concat([begin, commandPdu(1, echoFields())]),
    Buffer.concat([begin, commandPdu(store, storeFields("1.2.3.5", 2))]),
    Buffer.concat([pData(pdv(1, COMMAND_PART, halfEcho)), commandPdu(CONTEXT.find, findFields())]),
    Buffer.concat([pData(pdv(1, COMMAND_PART, halfEcho)), pData(pdv(1, DATA_LAST, halfEcho))]),
    Buffer.concat([commandPdu(1, echoFields()), pData(pdv(1, DATA_LAST, halfEcho))]),
  ]);
  return established(
    bytes,
    ABORTED,
    "PS3.7 6.3.1: a message is its command, then its data set, on one context",
  );
}

function endlessCommand(random: Random): Conversation {
  const each = 1 + random.integer(2000);
  const part = pData(pdv(1, COMMAND_PART, randomBytes(random, each)));
  const count = Math.ceil(70_000 / each);
  return established(
    Buffer.concat(Array.from({ length: count }, () => part)),
    ABORTED,
    "a command set without end is refused at a limit",
  );
}

function rejectedThenTalks(random: Random): Conversation {
  const bad = random.pick([
    associate({ calling: Buffer.from("STRANGER        ") }),
    associate({ called: Buffer.from("NOBODY          ") }),
    associate({ version: 2 }),
  ]);
  const after = random.pick([echoPdu(), RELEASE_RQ, associate(), pdu(0x33, Buffer.alloc(4))]);
  if (random.integer(2) === 0)
    return {
      steps: [{ send: Buffer.concat([bad, after]) }],
      expected: /^RJ-1-[12]-[237](?: AB-[02]-\d)* END$/,
      wants: "PS3.8 Table 9-10 Sta13: nothing is served (AA-6), or A-ABORT (AA-7)",
    };
  return {
    steps: [{ send: bad }, { lingerSending: after }],
    expected: /^RJ-1-[12]-[237](?: AB-[02]-\d)* END GONE$/,
    wants: "PS3.8 Table 9-10 Sta13 Evt18: ARTIM ends the connection whatever the peer sends",
  };
}

function abortedThenTalks(random: Random): Conversation {
  const after = random.pick([
    echoPdu(),
    RELEASE_RQ,
    associate(),
    pData(pdv(1, COMMAND_PART, Buffer.alloc(10))),
  ]);
  const unassociated = random.integer(2) === 0;
  return {
    steps: unassociated
      ? [{ send: echoPdu() }, { lingerSending: after }]
      : [...opening([{ send: associate() }]), { send: associate() }, { lingerSending: after }],
    expected: unassociated
      ? /^AB-0-\d(?: AB-[02]-\d)* END GONE$/
      : /^AC AB-2-2(?: AB-[02]-\d)* END GONE$/,
    wants: "PS3.8 Table 9-10 Sta13 Evt18: ARTIM ends the connection whatever the peer sends",
  };
}

function releasedThenTalks(random: Random): Conversation {
  const after = random.pick([echoPdu(), RELEASE_RQ, associate(), ABORT]);
  return {
    steps: [...opening([{ send: associate() }]), { send: RELEASE_RQ }, { lingerSending: after }],
    expected: /^AC RP(?: AB-[02]-\d)* END GONE$/,
    wants: "PS3.8 Table 9-10 Sta13 Evt18: ARTIM ends the connection whatever the peer sends",
  };
}

export const MESSAGE_CLASSES: readonly HostileClass[] = [
  { name: "pdv-context", weight: 8, make: pdvContext },
  { name: "pdv-length", weight: 14, make: pdvLength },
  { name: "pdv-odd", weight: 6, make: pdvOdd },
  { name: "pdv-header-bits", weight: 4, make: pdvHeader },
  { name: "pdv-empty-flood", weight: 3, make: emptyFlood },
  { name: "pdv-empty-drip", weight: 2, make: emptyDrip },
  { name: "pdv-empty-data-flood", weight: 3, make: emptyDataFlood },
  { name: "command-and-data-mixed", weight: 6, make: mixed },
  { name: "message-order", weight: 10, make: order },
  { name: "command-without-end", weight: 4, make: endlessCommand },
  { name: "rejected-then-talks", weight: 4, make: rejectedThenTalks },
  { name: "aborted-then-talks", weight: 3, make: abortedThenTalks },
  { name: "released-then-talks", weight: 3, make: releasedThenTalks },
];
