/** Storage commitment that lies: N-ACTION, and N-EVENT-REPORT of a peer. PS3.4 Annex J; PS3.7 10.1.1, 10.1.4. */
import type { Random } from "../../../src/phantom/random.ts";
import { type Conversation, type HostileClass, opening, type Step } from "./conversation.ts";
import { randomBytes } from "./pdu-classes.ts";
import {
  aeTitle,
  associate,
  CONTEXTS,
  type CommandFields,
  CT_STORAGE,
  commandPdu,
  context,
  dataPdus,
  echoPdu,
  even,
  IMPLICIT,
  implicit,
  NO_DATA_SET,
  RELEASE_RQ,
  roleItem,
  u16le,
  u32le,
  usualUser,
  WITH_DATA_SET,
} from "./wire.ts";

/** A peer that is asked for storage commitment, and may report. */
export const REPORTING_PEER = "REPORTER";
const COMMITMENT = "1.2.840.10008.1.20.1";
const INSTANCE = "1.2.840.10008.1.20.1.1";
const ID = 31;
const UNDEFINED = 0xffffffff;
const REFERENCED_SEQUENCE = 0x00081199;
const FAILED_SEQUENCE = 0x00081198;

/** @param isReversed - the peer takes the SCP role, and may report */
function request(isReversed: boolean): Buffer {
  const role = roleItem(COMMITMENT, 1, isReversed ? 1 : 0);
  return associate({
    ...(isReversed ? { calling: aeTitle(REPORTING_PEER) } : {}),
    contexts: [...CONTEXTS, context(ID, COMMITMENT, IMPLICIT)],
    user: [usualUser(16_384, role)],
  });
}

type Change = Readonly<Record<number, number | string | Buffer | undefined>>;

function actionFields(change: Change = {}): CommandFields {
  return changed(
    [
      [0x0003, COMMITMENT],
      [0x0100, 0x0130],
      [0x0110, 1],
      [0x0800, WITH_DATA_SET],
      [0x1001, INSTANCE],
      [0x1008, 1],
    ],
    change,
  );
}

function eventFields(change: Change = {}): CommandFields {
  return changed(
    [
      [0x0002, COMMITMENT],
      [0x0100, 0x0100],
      [0x0110, 1],
      [0x0800, WITH_DATA_SET],
      [0x1000, INSTANCE],
      [0x1002, 1],
    ],
    change,
  );
}

/** A field that is changed to undefined is left out. */
function changed(fields: CommandFields, change: Change): CommandFields {
  return fields.flatMap(([tag, value]) => {
    const given = tag in change ? change[tag] : value;
    return given === undefined ? [] : [[tag, given] as const];
  });
}

const uid = (tag: number, value: string) => implicit(tag, even(value, "\0"));
const transaction = (random: Random) =>
  uid(0x00081195, `2.25.${1 + random.integer(2 ** 31)}${1 + random.integer(2 ** 31)}`);
const itemOf = (...elements: Buffer[]) => implicit(0xfffee000, Buffer.concat(elements));
const reference = (sopClassUid: string, instanceUid: string) =>
  itemOf(uid(0x00081150, sopClassUid), uid(0x00081155, instanceUid));
const references = (...items: Buffer[]) => implicit(REFERENCED_SEQUENCE, Buffer.concat(items));

function conversation(
  send: Buffer,
  expected: RegExp,
  wants: string,
  isReversed = false,
): Conversation {
  const steps: Step[] = [{ send }, { send: echoPdu(77) }, { send: RELEASE_RQ }];
  return {
    steps: [...opening([{ send: request(isReversed) }]), ...steps],
    expected,
    wants,
    endMs: 20_000,
  };
}

const action = (dataSet: Buffer, change: Change = {}) =>
  Buffer.concat([commandPdu(ID, actionFields(change)), dataPdus(ID, dataSet, 16_000)]);

const REFUSED = /^AC RSP-8130-(?!0000|0110)[0-9A-F]{4} RSP-8030-0000 RP END$/;
const ANSWERED = /^AC RSP-8130-(?!0110)[0-9A-F]{4} RSP-8030-0000 RP END$/;

function structure(random: Random): Conversation {
  const good = [transaction(random), references(reference(CT_STORAGE, "1.2.3"))];
  const open = Buffer.concat([
    u16le(0x0008),
    u16le(0x1199),
    u32le(UNDEFINED),
    u16le(0xfffe),
    u16le(0xe000),
    u32le(UNDEFINED),
  ]);
  const whole = Buffer.concat(good);
  const bytes = random.pick<Buffer>([
    Buffer.concat([good[0]!, ...Array.from({ length: random.pick([5, 33, 3000]) }, () => open)]),
    Buffer.concat([good[0]!, implicit(REFERENCED_SEQUENCE, Buffer.alloc(8), 0x7fffffff)]),
    Buffer.concat([good[0]!, implicit(REFERENCED_SEQUENCE, Buffer.alloc(8), UNDEFINED)]),
    whole.subarray(0, 1 + random.integer(whole.length - 1)),
    randomBytes(random, 1 + random.integer(500)),
    Buffer.alloc(1000),
    Buffer.alloc(1000, 0xff),
    Buffer.alloc(0),
    good[0]!,
    good[1]!,
    Buffer.concat([good[0]!, references()]),
    Buffer.concat([uid(0x00081195, ""), good[1]!]),
    Buffer.concat([uid(0x00081195, "x".repeat(3000)), good[1]!]),
    Buffer.concat([uid(0x00081195, "1.2.*"), good[1]!]),
    Buffer.concat([uid(0x00081195, "1.2\\1.3\\".repeat(100)), good[1]!]),
  ]);
  // Cut behind the transaction, or where it happens to fit, it is another of these.
  return conversation(action(bytes), REFUSED, "PS3.4 J.3.2.1.1: refused, 0115H or the like");
}

function manyReferences(random: Random): Conversation {
  const count = random.pick([1000, 20_000, 20_001, 60_000]);
  const items = Array.from({ length: count }, (_, i) => reference(CT_STORAGE, `2.25.${i}`));
  return conversation(
    action(Buffer.concat([transaction(random), references(...items)])),
    count > 20_000 ? REFUSED : ANSWERED,
    "more references than commitment.referencesMax: 0213H",
  );
}

function oddReferences(random: Random): Conversation {
  const odd = random.pick<readonly Buffer[]>([
    [reference(CT_STORAGE, "1.2.3"), reference(CT_STORAGE, "1.2.3")],
    [reference("", "")],
    [reference("1.2", "")],
    [itemOf()],
    [itemOf(uid(0x00081155, "1.2.3"))],
    [reference("../../x", "'; drop table instance; --")],
    [reference(CT_STORAGE, "9".repeat(5000))],
    [reference(CT_STORAGE, "\0\0\0")],
    [itemOf(references(reference(CT_STORAGE, "1.2")))],
    [itemOf(...Array.from({ length: 5000 }, (_, i) => implicit(0x00090000 + i, Buffer.alloc(0))))],
    Array.from({ length: 3000 }, () => itemOf()),
    [reference(CT_STORAGE, "1.2\\1.3")],
    [reference("1".repeat(64), "1".repeat(64))],
    [reference("....", "....")],
  ]);
  return conversation(
    action(Buffer.concat([transaction(random), references(...odd)])),
    ANSWERED,
    "PS3.4 J.3.2.1.1: refused, or taken and reported as failed; never a fault",
  );
}

/** The same transaction again and again, with the same and with other references. */
function repeated(random: Random): Conversation {
  const id = transaction(random);
  const one = Buffer.concat([id, references(reference(CT_STORAGE, "1.2.3"))]);
  const other = Buffer.concat([id, references(reference(CT_STORAGE, "1.2.4"))]);
  const many = Array.from({ length: 2 + random.integer(20) }, (_, i) =>
    action(random.integer(2) === 0 ? one : other, { 272: i + 1 }),
  );
  return conversation(
    Buffer.concat(many),
    /^AC (?:RSP-8130-(?!0110)[0-9A-F]{4}\*? )+RSP-8030-0000 RP END$/,
    "PS3.4 J.3.2: one transaction, whatever is asked again under its name",
  );
}

function commands(random: Random): Conversation {
  const dataSet = Buffer.concat([transaction(random), references(reference(CT_STORAGE, "1.2.3"))]);
  const [change, expected] = random.pick<[Change, RegExp]>([
    [{ 4104: random.pick([0, 2, 0xffff]) }, REFUSED],
    [{ 4104: undefined }, REFUSED],
    [{ 4104: Buffer.alloc(1) }, REFUSED],
    [{ 4097: random.pick(["1.2.3", "", "x", "1.2.840.10008.1.20.1.1.1"]) }, REFUSED],
    [{ 4097: undefined }, REFUSED],
    [{ 4097: randomBytes(random, 40) }, REFUSED],
    [{ 3: random.pick(["1.2.3", CT_STORAGE, ""]) }, REFUSED],
    [{ 3: undefined }, REFUSED],
  ]);
  return conversation(
    action(dataSet, change),
    expected,
    "PS3.7 10.1.4.1.10: no such action, instance or class",
  );
}

function withoutDataSet(): Conversation {
  return conversation(
    commandPdu(ID, actionFields({ 2048: NO_DATA_SET })),
    REFUSED,
    "PS3.4 J.3.2.1: Action Information is required",
  );
}

/** A report of a peer on what nobody asked it, in the role that was agreed or in another. */
function reports(random: Random): Conversation {
  const items = references(reference(CT_STORAGE, "1.2.3"));
  const dataSet = random.pick<Buffer>([
    Buffer.concat([transaction(random), items]),
    Buffer.concat([
      transaction(random),
      implicit(FAILED_SEQUENCE, itemOf(uid(0x00081150, CT_STORAGE), uid(0x00081155, "1.2"))),
    ]),
    Buffer.concat([transaction(random)]),
    randomBytes(random, 200),
    Buffer.alloc(0),
    Buffer.concat([
      transaction(random),
      references(...Array.from({ length: 60_000 }, (_, i) => reference(CT_STORAGE, `2.25.${i}`))),
    ]),
  ]);
  const change = random.pick<Change>([
    {},
    { 4098: 2 },
    { 4098: 7 },
    { 4098: undefined },
    { 4096: "1.2.3" },
    { 2: "1.2.3" },
  ]);
  const isReversed = random.integer(2) === 0;
  return conversation(
    Buffer.concat([commandPdu(ID, eventFields(change)), dataPdus(ID, dataSet, 16_000)]),
    isReversed
      ? /^AC (?:RSP-8100-(?!0000|0110)[0-9A-F]{4} RSP-8030-0000 RP|AB-2-6) END$/
      : /^AC AB-2-6 END$/,
    "PS3.7 10.1.1: refused; A-ABORT in a role that was not agreed",
    isReversed,
  );
}

export const COMMITMENT_CLASSES: readonly HostileClass[] = [
  { name: "commitment-structure", weight: 6, make: structure },
  { name: "commitment-many-references", weight: 2, make: manyReferences },
  { name: "commitment-odd-references", weight: 6, make: oddReferences },
  { name: "commitment-repeated", weight: 3, make: repeated },
  { name: "commitment-commands", weight: 5, make: commands },
  { name: "commitment-without-data-set", weight: 1, make: withoutDataSet },
  { name: "commitment-reports", weight: 5, make: reports },
];
