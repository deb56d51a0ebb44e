/** Damaged DICOM images: real and made files, changed where pixels depend on it. A seed gives the same file again. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { type Random, randomFrom } from "../../src/phantom/random.ts";
import { encodeLosslessJpeg, encodeRle } from "./pixel-encoders.ts";
import { encapsulated, nativeValue, pixelFile } from "./pixel-files.ts";
import { sharedData } from "./transfer-syntaxes.ts";

export interface PixelMutant {
  /** `file/kind/seed`, for finding it again. */
  readonly name: string;
  readonly bytes: Buffer;
}

interface Original {
  readonly name: string;
  readonly bytes: Buffer;
  /** Of Pixel Data's tag; 0 when it cannot be seen (deflated). */
  readonly pixelsAt: number;
}

/** Rows, Columns, bits, Pixel Representation, Samples per Pixel, Number of Frames, Transfer Syntax UID, Pixel Data. */
const TAGS = [
  0x00280010, 0x00280011, 0x00280100, 0x00280101, 0x00280102, 0x00280103, 0x00280002, 0x00280008,
  0x00020010, 0x7fe00010,
];
const ITEM = Buffer.from("feff00e0", "hex");
const END = Buffer.from("feffdde000000000", "hex");
const SIDE = 24;

type Mutate = (original: Original, random: Random) => Buffer;

const KINDS: Readonly<Record<string, Mutate>> = {
  element: changeElement,
  head: (original, random) =>
    flipped(original.bytes, random, Math.max(0, original.pixelsAt - 300), original.pixelsAt + 24),
  item: changeItemLength,
  table: changeOffsetTable,
  codeHead: (original, random) =>
    flipped(original.bytes, random, original.pixelsAt + 20, original.pixelsAt + 700),
  flips: (original, random) =>
    flipped(original.bytes, random, original.pixelsAt + 12, original.bytes.length),
  cut: ({ bytes, pixelsAt }, random) =>
    bytes.subarray(0, pixelsAt + random.integer(bytes.length - pixelsAt)),
  marker: injectMarker,
  lost: loseBytes,
  end: ({ bytes }) => Buffer.concat([bytes.subarray(0, -8), Buffer.alloc(8)]),
  syntax: changeSyntax,
  cutInside: cutInside,
};

/** @returns mutants in turns of files and kinds; endless */
export function* pixelMutants(seed: string): Generator<PixelMutant> {
  const originals = originalFiles();
  const kinds = Object.entries(KINDS);
  for (let number = 0; ; number++) {
    const random = randomFrom(`${seed}/${number}`);
    const original = originals[random.integer(originals.length)]!;
    const [kind, mutate] = kinds[number % kinds.length]!;
    const name = `${original.name}/${kind}/${seed}/${number}`;
    yield { name, bytes: Buffer.from(mutate(original, random)) };
  }
}

function originalFiles(): Original[] {
  const files = madeFiles();
  if (existsSync(sharedData)) {
    for (const folder of [
      "ct-10-transfer-syntaxes",
      "ct-11-htj2k-derived",
      "ct-12-enhanced-multiframe",
    ])
      for (const name of readdirSync(join(sharedData, folder)).filter((one) =>
        one.endsWith(".dcm"),
      ))
        files.push([name.slice(-24), readFileSync(join(sharedData, folder, name))]);
  }
  return files.map(([name, bytes]) => ({ name, bytes, pixelsAt: Math.max(0, pixelsAt(bytes)) }));
}

function pixelsAt(bytes: Buffer): number {
  const little = bytes.indexOf(Buffer.from("e07f1000", "hex"));
  return little >= 0 ? little : bytes.indexOf(Buffer.from("7fe00010", "hex"));
}

function madeFiles(): [string, Buffer][] {
  const layout = {
    rows: SIDE,
    columns: SIDE,
    bitsAllocated: 16,
    bitsStored: 12,
    highBit: 11,
    isSigned: false,
  };
  const frames = [0, 1, 2].map((frame) =>
    Array.from({ length: SIDE * SIDE }, (_, i) => (i * 37 + frame * 501 + (i % 7) * 3) % 4096),
  );
  const rle = frames.map((words) => encodeRle(words, 16));
  const jpeg = frames.map((words) =>
    encodeLosslessJpeg(words, { rows: SIDE, columns: SIDE, precision: 12, restartRows: 8 }),
  );
  const file = { layout, frameCount: 3 };
  const native = (ending: string) => {
    const transferSyntaxUid = `1.2.840.10008.1.2${ending}`;
    const value = nativeValue(frames.flat(), 16, transferSyntaxUid);
    return pixelFile({ ...file, transferSyntaxUid, value, vr: "OW" });
  };
  const coded = (ending: string, value: Buffer) =>
    pixelFile({
      ...file,
      transferSyntaxUid: `1.2.840.10008.1.2.${ending}`,
      isEncapsulated: true,
      value,
    });
  return [
    ["implicit", native("")],
    ["explicit", native(".1")],
    ["big", native(".2")],
    ["deflated", native(".1.99")],
    ["rle", coded("5", encapsulated(rle, { table: "right" }))],
    ["rle-fragments", coded("5", encapsulated(rle, { fragmentBytes: 100 }))],
    ["lossless", coded("4.57", encapsulated(jpeg))],
    [
      "lossless-fragments",
      coded("4.70", encapsulated(jpeg, { table: "right", fragmentBytes: 90 })),
    ],
  ];
}

function changeElement({ bytes }: Original, random: Random): Buffer {
  const changed = Buffer.from(bytes);
  const tag = random.pick(TAGS as [number, ...number[]]);
  const little = Buffer.from([(tag >>> 16) & 255, tag >>> 24, tag & 255, (tag >>> 8) & 255]);
  const at = changed.lastIndexOf(little);
  if (at < 0) return flipped(bytes, random, 0, Math.min(2000, bytes.length));
  // VR, length or value: whichever the bytes fall on.
  for (let i = 0; i <= random.integer(3); i++) {
    const place = at + 4 + random.integer(10);
    if (place < changed.length)
      changed[place] = random.pick([0, 1, 2, 8, 16, 32, 127, 128, 254, 255]);
  }
  return changed;
}

function changeItemLength({ bytes, pixelsAt: from }: Original, random: Random): Buffer {
  const changed = Buffer.from(bytes);
  const items: number[] = [];
  for (let at = changed.indexOf(ITEM, from); at >= 0; at = changed.indexOf(ITEM, at + 8))
    items.push(at);
  if (items.length === 0) return flipped(bytes, random, from, from + 12);
  const at = items[random.integer(items.length)]!;
  if (at + 8 > changed.length) return changed;
  const length = changed.readUInt32LE(at + 4);
  const lengths = [0, 1, 2, length + 2, length - 2, length * 2, 0x7fffffff, 0xffffffff, 0xfffffffe];
  const chosen = lengths[random.integer(lengths.length)]!;
  changed.writeUInt32LE(chosen >>> 0, at + 4);
  return changed;
}

function changeOffsetTable({ bytes, pixelsAt: from }: Original, random: Random): Buffer {
  const at = bytes.indexOf(ITEM, from);
  if (at < 0) return flipped(bytes, random, from, from + 40);
  const length = bytes.readUInt32LE(at + 4);
  const entries = Array.from({ length: random.integer(6) }, () => {
    const entry = Buffer.alloc(4);
    entry.writeUInt32LE(random.pick([0, 8, 98, 0xffffffff, random.integer(bytes.length)]));
    return entry;
  });
  const head = Buffer.from(bytes.subarray(at, at + 8));
  head.writeUInt32LE(4 * entries.length, 4);
  return Buffer.concat([bytes.subarray(0, at), head, ...entries, bytes.subarray(at + 8 + length)]);
}

function flipped(bytes: Buffer, random: Random, from: number, to: number): Buffer {
  const changed = Buffer.from(bytes);
  const end = Math.min(to, changed.length);
  for (let i = 0; i <= random.integer(12); i++) {
    const at = from + random.integer(Math.max(1, end - from));
    if (at < changed.length) changed[at]! ^= 1 << random.integer(8);
  }
  return changed;
}

function injectMarker({ bytes, pixelsAt: from }: Original, random: Random): Buffer {
  const at = from + 20 + random.integer(Math.max(1, bytes.length - from - 28));
  const marker = Buffer.of(0xff, random.integer(256), random.integer(4), random.integer(256));
  const isInserted = random.integer(2) === 0;
  const rest = bytes.subarray(isInserted ? at : at + marker.length);
  return Buffer.concat([bytes.subarray(0, at), marker, rest]);
}

function loseBytes({ bytes, pixelsAt: from }: Original, random: Random): Buffer {
  const at = from + random.integer(Math.max(1, bytes.length - from));
  return Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + 1 + random.integer(300))]);
}

/** The UID's last characters become those of another transfer syntax; its length stays. */
function changeSyntax({ bytes }: Original, random: Random): Buffer {
  const changed = Buffer.from(bytes);
  const at = changed.indexOf("1.2.840.10008.1.2", 132 + 26);
  const endings = [
    "",
    ".1",
    ".2",
    ".5",
    ".4.50",
    ".4.51",
    ".4.57",
    ".4.80",
    ".4.90",
    ".4.93",
    ".4.110",
    ".4.201",
  ];
  const place = changed.lastIndexOf("1.2.840.10008.1.2", Math.min(changed.length, 700));
  const from = place >= 0 ? place : at;
  if (from < 4) return flipped(bytes, random, 132, 400);
  const length = changed.readUInt16LE(from - 2);
  const uid = `1.2.840.10008.1.2${endings[random.integer(endings.length)]}`;
  changed.write(uid.slice(0, length).padEnd(length, "\0"), from, "latin1");
  return changed;
}

/** The code stream ends early, its items and the sequence's end are whole. */
function cutInside({ bytes, pixelsAt: from }: Original, random: Random): Buffer {
  const table = bytes.indexOf(ITEM, from);
  if (table < 0) return bytes.subarray(0, from + 12 + random.integer(bytes.length - from));
  const first = table + 8 + bytes.readUInt32LE(table + 4);
  const length = bytes.readUInt32LE(first + 4);
  const kept = 2 * random.integer(Math.max(1, length / 2));
  const head = Buffer.from(bytes.subarray(first, first + 8));
  head.writeUInt32LE(kept, 4);
  const rest = bytes.subarray(first + 8 + length);
  const end = rest.length >= 8 ? rest : END;
  return Buffer.concat([
    bytes.subarray(0, first),
    head,
    bytes.subarray(first + 8, first + 8 + kept),
    end,
  ]);
}
