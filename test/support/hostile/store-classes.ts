/** C-STORE whose data set lies. PS3.5 7 (encoding), 9 (UIDs), A.5 (deflated); PS3.4 B.2.3 (statuses). */
import { constants, deflateRawSync } from "node:zlib";
import type { Random } from "../../../src/phantom/random.ts";
import type { Conversation, HostileClass } from "./conversation.ts";
import { established } from "./message-classes.ts";
import { randomBytes } from "./pdu-classes.ts";
import {
  CONTEXT,
  CT_STORAGE,
  commandPdu,
  dataPdus,
  even,
  explicit,
  implicit,
  latin,
  storeFields,
  u16le,
  u32le,
} from "./wire.ts";

/** Failure: anything but success and its warnings (B000H, B006H, B007H). */
const REFUSED =
  /^AC (?:RSP-8001-(?!0000|B0)[0-9A-F]{4} RSP-8030-0000 RP|(?:RSP-\S+ )?AB-(?:0-\d|2-[0-6])) END$/;
/** Kept or refused: what we promise is only that it is answered and that nothing else suffers. */
const ANSWERED =
  /^AC (?:RSP-8001-[0-9A-F]{4} RSP-8030-0000 RP|(?:RSP-\S+ )?AB-(?:0-\d|2-[0-6])) END$/;

const UNDEFINED = 0xffffffff;
const ITEM_OPEN = Buffer.concat([u16le(0xfffe), u16le(0xe000), u32le(UNDEFINED)]);
const ITEM_EMPTY = Buffer.concat([u16le(0xfffe), u16le(0xe000), u32le(0)]);
const ITEM_END = Buffer.concat([u16le(0xfffe), u16le(0xe00d), u32le(0)]);
const SEQUENCE_END = Buffer.concat([u16le(0xfffe), u16le(0xe0dd), u32le(0)]);
const SEQUENCE_OPEN = explicit(0x00081115, "SQ", Buffer.alloc(0), UNDEFINED);

export function anyUid(random: Random): string {
  return `2.25.${1 + random.integer(2 ** 31)}${1 + random.integer(2 ** 31)}`;
}

interface Change {
  readonly [tag: number]: Buffer | undefined;
}

/** Elements of a small CT instance, explicit VR; one of them may be another. Ascending tags. */
export function elementsOf(random: Random, uid: string, change: Change = {}): Buffer[] {
  const text = (tag: number, vr: string, value: string) =>
    explicit(tag, vr, even(value, vr === "UI" ? "\0" : " "));
  const all = new Map<number, Buffer>([
    [0x00080016, text(0x00080016, "UI", CT_STORAGE)],
    [0x00080018, text(0x00080018, "UI", uid)],
    [0x00080020, text(0x00080020, "DA", "20240102")],
    [0x00080060, text(0x00080060, "CS", "CT")],
    [0x00081030, text(0x00081030, "LO", "Hostile")],
    [0x00100010, text(0x00100010, "PN", "A".repeat(60))],
    [0x00100020, text(0x00100020, "LO", `H${random.integer(50)}`)],
    [0x0020000d, text(0x0020000d, "UI", anyUid(random))],
    [0x0020000e, text(0x0020000e, "UI", anyUid(random))],
    [0x00200013, text(0x00200013, "IS", "1")],
    [0x00280010, explicit(0x00280010, "US", u16le(16))],
    [0x00280011, explicit(0x00280011, "US", u16le(16))],
    [0x7fe00010, explicit(0x7fe00010, "OW", Buffer.alloc(512))],
  ]);
  for (const [tag, bytes] of Object.entries(change)) all.set(Number(tag), bytes ?? Buffer.alloc(0));
  return [...all].sort(([a], [b]) => a - b).map(([, bytes]) => bytes);
}

export function storeBytes(
  uid: string,
  dataSet: Buffer,
  contextId: number = CONTEXT.storeExplicit,
  pduBytes?: number,
): Buffer {
  return Buffer.concat([
    commandPdu(contextId, storeFields(uid)),
    dataPdus(contextId, dataSet, pduBytes),
  ]);
}

function stored(random: Random, expected: RegExp, wants: string, change: Change): Conversation {
  const uid = anyUid(random);
  return established(
    storeBytes(uid, Buffer.concat(elementsOf(random, uid, change))),
    expected,
    wants,
  );
}

function truncated(random: Random): Conversation {
  const uid = anyUid(random);
  const parts = elementsOf(random, uid);
  const whole = Buffer.concat(parts);
  const ends = new Set<number>();
  let at = 0;
  for (const part of parts) {
    at += part.length;
    ends.add(at);
  }
  const cut = 1 + random.integer(whole.length - 1);
  return established(
    storeBytes(uid, whole.subarray(0, cut), CONTEXT.storeExplicit, 1 + random.integer(2000)),
    ends.has(cut) ? ANSWERED : REFUSED,
    "a data set that ends inside an element is never a success (PS3.4 B.2.3: Cxxx)",
  );
}

function lengths(random: Random): Conversation {
  const uid = anyUid(random);
  const parts = elementsOf(random, uid);
  const one = Buffer.from(random.pick(parts as [Buffer, ...Buffer[]]));
  const index = parts.findIndex((part) => part.equals(one));
  u16le(random.pick([0, 1, 0xffff, 0xfffe, random.integer(0x10000)])).copy(one, 6);
  parts[index] = one;
  return established(
    storeBytes(uid, Buffer.concat(parts)),
    ANSWERED,
    "PS3.5 7.1: answered, whatever a length claims",
  );
}

function garbageVr(random: Random): Conversation {
  const vr = random.pick(["\0\0", "ZZ", "sq", "\xff\xff", "OB", "SQ", "UN", "UT", "AT", "OV"]);
  const tag = random.pick([0x00080060, 0x00100010, 0x00090010, 0x00280010, 0x0020000d]);
  return stored(random, ANSWERED, "PS3.5 6.2: answered, whatever a VR says", {
    [tag]: explicit(tag, vr, randomBytes(random, random.integer(40))),
  });
}

function nested(random: Random): Conversation {
  const depth = random.pick([5, 31, 33, 100, 10_000]);
  const open = Buffer.concat(
    Array.from({ length: depth }, () => Buffer.concat([SEQUENCE_OPEN, ITEM_OPEN])),
  );
  const close = Buffer.concat(
    Array.from({ length: depth }, () => Buffer.concat([ITEM_END, SEQUENCE_END])),
  );
  const isClosed = random.integer(2) === 0;
  return stored(
    random,
    isClosed ? ANSWERED : /^AC RSP-8001-\S+ RSP-8030-0000 RP END$/,
    "PS3.5 7.5: depth costs nothing",
    {
      528661: isClosed ? Buffer.concat([open, close]) : open,
    },
  );
}

/** The same depth with lengths that are defined: each level holds the next. */
function nestedDefined(random: Random): Conversation {
  let inner: Buffer = Buffer.alloc(0);
  const depth = random.pick([40, 500, 3000]);
  for (let level = 0; level < depth; level++)
    inner = explicit(
      0x00081115,
      "SQ",
      Buffer.concat([u16le(0xfffe), u16le(0xe000), u32le(inner.length), inner]),
    );
  return stored(random, ANSWERED, "PS3.5 7.5: depth costs nothing", { 528661: inner });
}

function withoutEnd(random: Random): Conversation {
  const tail = random.pick<Buffer>([
    SEQUENCE_OPEN,
    Buffer.concat([SEQUENCE_OPEN, ITEM_OPEN]),
    Buffer.concat([SEQUENCE_OPEN, ITEM_EMPTY]),
    explicit(0x7fe00010, "OB", ITEM_EMPTY, UNDEFINED),
    explicit(0x00091010, "UN", Buffer.alloc(0), UNDEFINED),
  ]);
  const uid = anyUid(random);
  const parts = elementsOf(random, uid, { 2145386512: undefined });
  return established(
    storeBytes(uid, Buffer.concat([...parts, tail])),
    REFUSED,
    "PS3.5 7.5.1: an undefined length without delimiter is incomplete, never a success",
  );
}

/** A run of non-final DEFLATE blocks, byte-aligned, that can be repeated: one costs kilobytes and gives megabytes. */
function deflatedRun(unit: Buffer): Buffer {
  return deflateRawSync(unit, { level: 9, finishFlush: constants.Z_FULL_FLUSH });
}

function bomb(random: Random): Conversation {
  const uid = anyUid(random);
  const head = Buffer.concat(elementsOf(random, uid).slice(0, -1));
  const megabytes = random.pick([8, 64, 256, 1500]);
  const tiny = explicit(0x60010010, "SH", Buffer.alloc(0));
  const unit = random.pick([
    Buffer.alloc(4_194_304),
    Buffer.concat(Array.from({ length: 524_288 }, () => tiny)),
  ]);
  const isZeros = unit[0] === 0;
  const lead = isZeros
    ? Buffer.concat([head, explicit(0x60010010, "OB", Buffer.alloc(0), megabytes * 1_048_576)])
    : head;
  const run = deflatedRun(unit);
  const body = Buffer.concat([
    deflatedRun(lead),
    ...Array.from({ length: megabytes / 4 }, () => run),
    deflateRawSync(Buffer.alloc(0)),
  ]);
  return established(
    storeBytes(uid, body, CONTEXT.storeDeflated),
    ANSWERED,
    "a thousandfold deflated data set is answered; meanwhile others are served",
    { endMs: 60_000 },
  );
}

function brokenDeflate(random: Random): Conversation {
  const uid = anyUid(random);
  const body = deflateRawSync(Buffer.concat(elementsOf(random, uid)));
  const broken = Buffer.from(body);
  for (let edits = 1 + random.integer(8); edits > 0; edits--)
    broken[random.integer(broken.length)] = random.integer(256);
  const bytes =
    random.integer(2) === 0 ? broken : body.subarray(0, 1 + random.integer(body.length - 2));
  return established(
    storeBytes(uid, bytes, CONTEXT.storeDeflated, 1 + random.integer(300)),
    bytes === broken ? ANSWERED : REFUSED,
    "PS3.5 A.5: a deflated data set that is cut is never a success",
  );
}

function tinyElements(random: Random): Conversation {
  const count = random.pick([100_000, 500_000, 1_000_000]);
  const bytes = Buffer.alloc(count * 8);
  for (let i = 0; i < count; i++) {
    const tag = 0x00290000 + i;
    bytes.writeUInt16LE(tag >>> 16, i * 8);
    bytes.writeUInt16LE(tag & 0xffff, i * 8 + 2);
    bytes.write("SH", i * 8 + 4, "latin1");
  }
  return slow(
    stored(random, ANSWERED, "a million empty elements are answered; meanwhile others are served", {
      2686976: bytes,
    }),
  );
}

function tinyItems(random: Random): Conversation {
  const count = random.pick([50_000, 500_000, 900_000]);
  const items = Buffer.concat(Array.from({ length: count }, () => ITEM_EMPTY));
  const sequence =
    random.integer(2) === 0
      ? explicit(0x00081115, "SQ", items)
      : Buffer.concat([SEQUENCE_OPEN, items, SEQUENCE_END]);
  return slow(
    stored(random, ANSWERED, "a million empty items are answered; meanwhile others are served", {
      528661: sequence,
    }),
  );
}

function slow(conversation: Conversation): Conversation {
  return { ...conversation, endMs: 60_000 };
}

function uids(random: Random): Conversation {
  const tag = random.pick([0x00080018, 0x00080016, 0x0020000d, 0x0020000e]);
  const value = random.pick([
    "",
    "../../x",
    "1..2",
    "x",
    "1.2.3\0\0\0/..",
    "9".repeat(66),
    anyUid(random),
    "1.2.3\\4.5.6",
  ]);
  const isOther = tag === 0x00080018 || tag === 0x00080016;
  const isUid = /^[1-9][0-9.]*$/.test(value) && !value.includes("..") && value.length <= 64;
  const isMissing = random.integer(4) === 0;
  return stored(
    random,
    isMissing || isOther || !isUid ? REFUSED : ANSWERED,
    "PS3.4 B.2.3: A9xx or Cxxx",
    {
      [tag]: isMissing ? undefined : explicit(tag, "UI", even(value, "\0")),
    },
  );
}

function hugePixels(random: Random): Conversation {
  const claim = random.pick([0xfffffffe, 0x7ffffffe, 0x10000000, 514]);
  return stored(random, REFUSED, "declared pixels that do not come: never a success", {
    2621456: explicit(0x00280010, "US", u16le(0xffff)),
    2621457: explicit(0x00280011, "US", u16le(0xffff)),
    2145386512: explicit(0x7fe00010, "OW", Buffer.alloc(512), claim),
  });
}

function texts(random: Random): Conversation {
  const value = random.pick<Buffer>([
    Buffer.alloc(60_000, 0x41),
    randomBytes(random, 64),
    latin("A\0B\0"),
    latin("\x1b$B\x1b(J\x1b\x1b\x1b$)C"),
    latin("\\".repeat(5000)),
    Buffer.from("\ud83d\ude00".repeat(40)),
    Buffer.from([0xed, 0xa0, 0x80, 0xc0, 0x80, 0xf5, 0xff]),
    latin("=".repeat(64)),
    latin("^".repeat(64)),
  ]);
  const sets = random.pick([
    "ISO_IR 192",
    "ISO_IR 999",
    "\\ISO 2022 IR 87",
    "\\".repeat(500),
    "GB18030",
    "\0\0",
    "ISO 2022 IR 149",
  ]);
  const tag = random.pick([0x00100010, 0x00100020, 0x00081030, 0x00080060, 0x00200013]);
  const padded = value.length % 2 === 0 ? value : Buffer.concat([value, latin(" ")]);
  return stored(
    random,
    ANSWERED,
    "PS3.5 6.1: text is kept as it came; what is indexed of it is harmless",
    {
      524293: explicit(0x00080005, "CS", even(sets)),
      [tag]: explicit(tag, "LO", padded),
    },
  );
}

/** Implicit bytes on an explicit context and the other way round. */
function otherSyntax(random: Random): Conversation {
  const uid = anyUid(random);
  const implicitSet = Buffer.concat([
    implicit(0x00080016, even(CT_STORAGE, "\0")),
    implicit(0x00080018, even(uid, "\0")),
    implicit(0x0020000d, even(anyUid(random), "\0")),
    implicit(0x0020000e, even(anyUid(random), "\0")),
  ]);
  const explicitSet = Buffer.concat(elementsOf(random, uid));
  const bytes = random.pick([
    storeBytes(uid, implicitSet, CONTEXT.storeExplicit),
    storeBytes(uid, explicitSet, CONTEXT.storeImplicit),
    storeBytes(uid, explicitSet, CONTEXT.storeDeflated),
    storeBytes(uid, randomBytes(random, 2000), CONTEXT.storeExplicit),
    storeBytes(uid, randomBytes(random, 2000), CONTEXT.storeImplicit),
  ]);
  return established(
    bytes,
    REFUSED,
    "PS3.5 Annex A: not in the negotiated transfer syntax: Cxxx or A9xx",
  );
}

export const STORE_CLASSES: readonly HostileClass[] = [
  { name: "store-truncated", weight: 14, make: truncated },
  { name: "store-element-lengths", weight: 12, make: lengths },
  { name: "store-vr-garbage", weight: 8, make: garbageVr },
  { name: "store-nested", weight: 6, make: nested },
  { name: "store-nested-defined", weight: 3, make: nestedDefined },
  { name: "store-undefined-without-end", weight: 6, make: withoutEnd },
  { name: "store-deflated-bomb", weight: 0.6, make: bomb },
  { name: "store-deflated-broken", weight: 8, make: brokenDeflate },
  { name: "store-tiny-elements", weight: 0.6, make: tinyElements },
  { name: "store-tiny-items", weight: 0.6, make: tinyItems },
  { name: "store-uids", weight: 8, make: uids },
  { name: "store-huge-pixels", weight: 6, make: hugePixels },
  { name: "store-texts", weight: 8, make: texts },
  { name: "store-other-syntax", weight: 6, make: otherSyntax },
];
