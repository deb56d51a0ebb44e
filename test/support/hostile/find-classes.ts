/** C-FIND identifiers that lie. PS3.4 C.2.2.2 (matching), C.4.1 (statuses). */
import type { Random } from "../../../src/phantom/random.ts";
import type { Conversation, HostileClass } from "./conversation.ts";
import { established } from "./message-classes.ts";
import { randomBytes } from "./pdu-classes.ts";
import {
  CONTEXT,
  commandPdu,
  dataPdus,
  even,
  findFields,
  implicit,
  latin,
  u16le,
  u32le,
} from "./wire.ts";

/** Answered with a final status; the association goes on. */
const ANSWERED =
  /^AC (?:RSP-8020-FF0[01]\*? )?RSP-8020-(?:0000|A700|A900|C[0-9A-F]{3}|0122) RSP-8030-0000 RP END$/;
const REFUSED = /^AC RSP-8020-(?:A700|A900|C[0-9A-F]{3}|0122) RSP-8030-0000 RP END$/;
const UNDEFINED = 0xffffffff;

function key(tag: number, value: string): Buffer {
  return implicit(tag, even(value));
}

export function findBytes(identifier: Buffer, messageId = 1): Buffer {
  return Buffer.concat([
    commandPdu(CONTEXT.find, findFields(messageId)),
    dataPdus(CONTEXT.find, identifier, 16_000),
  ]);
}

/** A study query with keys; ascending tags around the level. */
function study(...keys: Buffer[]): Buffer {
  return Buffer.concat([key(0x00080052, "STUDY"), ...keys]);
}

function asked(identifier: Buffer, expected: RegExp, wants: string): Conversation {
  return established(findBytes(identifier), expected, wants, { endMs: 10_000 });
}

function tooLong(random: Random): Conversation {
  const bytes = random.pick([65_540, 200_000, 3_000_000]);
  return asked(
    study(implicit(0x00100010, Buffer.alloc(bytes, 0x41))),
    REFUSED,
    "an identifier over 64 KB is refused: A900H",
  );
}

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
    study(...Array.from({ length: random.pick([20, 33, 3000]) }, () => open)),
    study(implicit(0x00100010, latin("A"), 0x7fffffff)),
    study(implicit(0x00100010, latin("A"), UNDEFINED)),
    study().subarray(0, 1 + random.integer(12)),
    randomBytes(random, 1 + random.integer(500)),
    Buffer.alloc(1000),
    Buffer.alloc(1000, 0xff),
    Buffer.alloc(0),
  ]);
  return asked(bytes, REFUSED, "an identifier that cannot be read: A900H or Cxxx");
}

function level(random: Random): Conversation {
  const value = random.pick([
    "",
    "PATIENT",
    "FRAME",
    "study",
    "STUDY\\SERIES",
    "../..",
    "\0",
    "STUDY\0",
    "x".repeat(5000),
    "*",
  ]);
  const bytes = random.integer(4) === 0 ? key(0x00100010, "A*") : key(0x00080052, value);
  return asked(
    bytes,
    value.startsWith("STUDY") ? ANSWERED : REFUSED,
    "PS3.4 C.4.1.1.3: the level is one of the model's",
  );
}

function texts(random: Random): Conversation {
  const value = random.pick<Buffer>([
    randomBytes(random, 64),
    latin("A\0B*"),
    Buffer.from([0xed, 0xa0, 0x80, 0x2a]),
    latin("'; drop table study; --"),
    latin("%_%_\\%"),
    latin("\\".repeat(3000)),
    latin("$1 ? ?? $$"),
    latin("\x1b$B\x1b(J*"),
  ]);
  const sets = random.pick([
    "",
    "ISO_IR 192",
    "ISO_IR 999",
    "\\ISO 2022 IR 87\\ISO 2022 IR 149",
    "ISO_IR 100",
    "\\".repeat(100),
  ]);
  const tag = random.pick([
    0x00100010, 0x00100020, 0x00081030, 0x00080050, 0x00100040, 0x00080061, 0x00200010,
  ]);
  return asked(
    Buffer.concat([
      key(0x00080005, sets),
      study(implicit(tag, value.length % 2 === 0 ? value : Buffer.concat([value, latin(" ")]))),
    ]),
    ANSWERED,
    "PS3.5 6.1: text of any kind is a value, never more",
  );
}

function ranges(random: Random): Conversation {
  const date = random.pick([
    "-",
    "--",
    "20240101-20230101",
    "99999999-",
    "2024",
    "20240230",
    "20240101-20240102-20240103",
    "2024-01-01",
    "\x00-",
    "x-y",
    "20240101\\20240102",
    "-".repeat(4000),
  ]);
  const time = random.pick([
    "",
    "-",
    "25-26",
    "1",
    "235959.9999999-",
    "999999",
    "10:00:00-",
    "1-2-3",
  ]);
  return asked(
    study(key(0x00080020, date), key(0x00080030, time)),
    ANSWERED,
    "PS3.4 C.2.2.2.5: a range, or A900H; never a fault",
  );
}

function wildcards(random: Random): Conversation {
  const long = random.pick([20, 64, 5000, 30_000]);
  const value = random
    .pick(["*?", "*A", "?*", "*", "?", "*A?", "A*"])
    .repeat(long)
    .concat(random.pick(["", "B", "*B"]));
  const tag = random.pick([0x00100010, 0x00100020, 0x00081030, 0x00080050]);
  return asked(
    study(key(tag, value.slice(0, 60_000))),
    ANSWERED,
    "PS3.4 C.2.2.2.4: wildcards of any number take no catastrophic time",
  );
}

function uidLists(random: Random): Conversation {
  const count = random.pick([1001, 5000, 10_000]);
  const list = Array.from({ length: count }, (_, i) => `1.${i}`).join("\\");
  const value = random.pick([
    list,
    "\\".repeat(5000),
    "1.2.*",
    "../../x",
    "1.2\\..\\3",
    "1".repeat(10_000),
  ]);
  return asked(
    study(key(0x0020000d, value.slice(0, 60_000))),
    ANSWERED,
    "PS3.4 C.2.2.2.2: a list of UID, or A900H",
  );
}

function manyKeys(random: Random): Conversation {
  const group = random.pick([0x0009, 0x0010, 0x0020]);
  const keys = Array.from({ length: 7000 }, (_, i) => implicit((group << 16) + i, Buffer.alloc(0)));
  const bytes =
    random.integer(2) === 0
      ? study(...keys)
      : study(...Array.from({ length: 7000 }, () => key(0x00100010, "")));
  return asked(bytes, ANSWERED, "PS3.4 C.4.1.1.3: keys that are not supported are ignored");
}

/** A second request, a cancel or garbage while the first is being answered. */
function pipelined(random: Random): Conversation {
  // One patient of many: the answers stay few, however many studies the other streams have stored.
  const query = study(key(0x00100020, "H7"), key(0x0020000d, ""));
  const finds = Array.from({ length: 1 + random.integer(20) }, (_, i) => findBytes(query, i + 1));
  const cancel = commandPdu(CONTEXT.find, [
    [0x0100, 0x0fff],
    [0x0120, 1 + random.integer(3)],
    [0x0800, 0x0101],
  ]);
  return established(
    Buffer.concat(random.integer(2) === 0 ? finds : finds.flatMap((find) => [find, cancel])),
    /^AC (?:RSP-8020-(?:FF00|FF01|0000|FE00)\*? )+RSP-8030-0000 RP END$/,
    "PS3.7 D.3.3.3: asked 1/1, answered one after the other; FE00H when cancelled",
    { endMs: 20_000 },
  );
}

export const FIND_CLASSES: readonly HostileClass[] = [
  { name: "find-too-long", weight: 4, make: tooLong },
  { name: "find-structure", weight: 8, make: structure },
  { name: "find-level", weight: 6, make: level },
  { name: "find-texts", weight: 10, make: texts },
  { name: "find-ranges", weight: 8, make: ranges },
  { name: "find-wildcards", weight: 8, make: wildcards },
  { name: "find-uid-lists", weight: 6, make: uidLists },
  { name: "find-many-keys", weight: 3, make: manyKeys },
  { name: "find-pipelined", weight: 4, make: pipelined },
];
