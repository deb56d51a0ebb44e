/**
 * Encapsulated Pixel Data: an item with the Basic Offset Table, then fragments, then the sequence's end. PS3.5 A.4.
 * Items are walked by small reads, whatever a file's size; the items are what counts, a table is only believed where
 * it points at them.
 */

import type { FileBytes } from "../file-bytes.ts";
import { ITEM, SEQUENCE_END } from "../tags.ts";
import { unreadable } from "./layout.ts";

/** Value of one fragment's item, offset in the file. */
export interface Fragment {
  readonly offset: number;
  readonly length: number;
}

export interface Encapsulated {
  /** Value of the Basic Offset Table item. */
  readonly table: Fragment;
  readonly fragments: readonly Fragment[];
}

/** Real encoders cut a frame into pieces of kilobytes at the least. */
const FRAGMENTS_PER_FRAME_MAX = 512;
const FRAGMENTS_MAX = 262_144;
const ITEM_HEAD_BYTES = 8;
/** Heads of small neighbouring items come with one read. */
const WINDOW_BYTES = 4096;

/**
 * @param offset - of the first item's head
 * @throws KindredError `DATASET_UNREADABLE` when an item does not fit, the end is missing or there are far too many items
 */
export async function walkFragments(
  file: FileBytes,
  offset: number,
  frameCount: number,
): Promise<Encapsulated> {
  const countMax = Math.min(frameCount * FRAGMENTS_PER_FRAME_MAX, FRAGMENTS_MAX);
  const items: Fragment[] = [];
  let window: DataView | undefined;
  let windowAt = 0;
  let at = offset;
  for (;;) {
    if (at + ITEM_HEAD_BYTES > file.size)
      throw unreadable("Its compressed Pixel Data have no end: the file is cut off");
    if (window === undefined || at + ITEM_HEAD_BYTES > windowAt + window.byteLength) {
      const bytes = await file.read(at, Math.min(WINDOW_BYTES, file.size - at));
      window = new DataView(bytes.buffer);
      windowAt = at;
    }
    const group = window.getUint16(at - windowAt, true);
    const tag = group * 0x10000 + window.getUint16(at - windowAt + 2, true);
    const length = window.getUint32(at - windowAt + 4, true);
    if (tag === SEQUENCE_END) break;
    if (tag !== ITEM)
      throw unreadable("Between the fragments of its compressed Pixel Data stands something else");
    at += ITEM_HEAD_BYTES;
    if (length > file.size - at)
      throw unreadable("A fragment of its compressed Pixel Data is longer than the file");
    items.push({ offset: at, length });
    if (items.length > countMax + 1)
      throw unreadable(`Its compressed Pixel Data have more than ${countMax} fragments`);
    at += length;
  }
  const [table, ...fragments] = items;
  if (table === undefined || fragments.length === 0)
    throw unreadable("Its compressed Pixel Data hold no fragment");
  return { table, fragments };
}

/**
 * Which fragments make which frame: one each; or by an offset table that points at fragments; or by where a fragment
 * begins as a frame begins.
 *
 * @param startsFrame - whether a fragment's first bytes are those of a frame
 * @returns index of each frame's first fragment
 * @throws KindredError `DATASET_UNREADABLE` when that cannot be told
 */
export async function groupFragments(
  file: FileBytes,
  pixels: Encapsulated,
  frameCount: number,
  startsFrame: (fragment: Fragment) => Promise<boolean>,
): Promise<readonly number[]> {
  const { fragments } = pixels;
  if (frameCount === 1) return [0];
  if (fragments.length < frameCount)
    throw unreadable(`It has ${fragments.length} compressed frames, not ${frameCount}`);
  if (fragments.length === frameCount) return fragments.map((_, index) => index);
  for (const table of [
    await basicTable(file, pixels, frameCount),
    await extendedTable(file, pixels, frameCount),
  ]) {
    const starts = table === undefined ? undefined : startsOf(table, fragments);
    if (starts !== undefined) return starts;
  }
  const starts: number[] = [];
  for (const [index, fragment] of fragments.entries())
    if (await startsFrame(fragment)) starts.push(index);
  if (starts.length !== frameCount || starts[0] !== 0)
    throw unreadable(
      `It cannot be told where its ${frameCount} frames begin: ${fragments.length} fragments, no right offset table`,
    );
  return starts;
}

/** Offsets count from the head of the first fragment's item. Undefined unless each is the head of an item. */
function startsOf(
  offsets: readonly number[],
  fragments: readonly Fragment[],
): readonly number[] | undefined {
  const first = fragments[0]!.offset;
  const indexes = new Map(fragments.map(({ offset }, index) => [offset - first, index]));
  const starts = offsets.map((offset) => indexes.get(offset) ?? -1);
  const isAscending = starts.every((start, i) => start > (i === 0 ? -1 : starts[i - 1]!));
  return isAscending && starts[0] === 0 ? starts : undefined;
}

async function basicTable(
  file: FileBytes,
  { table }: Encapsulated,
  frameCount: number,
): Promise<readonly number[] | undefined> {
  if (table.length !== 4 * frameCount) return undefined;
  const bytes = await file.read(table.offset, table.length);
  const view = new DataView(bytes.buffer);
  return Array.from({ length: frameCount }, (_, i) => view.getUint32(4 * i, true));
}

/**
 * Extended Offset Table (7FE0,0001) and its Lengths (7FE0,0002), which stand right before Pixel Data (PS3.3 C.7.6.3.1.8):
 * 8 bytes a frame each, so their heads can be looked for backwards.
 */
async function extendedTable(
  file: FileBytes,
  { table }: Encapsulated,
  frameCount: number,
): Promise<readonly number[] | undefined> {
  const headBytes = 12;
  const valueBytes = 8 * frameCount;
  const pixelData = table.offset - ITEM_HEAD_BYTES - headBytes;
  const start = pixelData - 2 * (headBytes + valueBytes);
  if (start < 0) return undefined;
  const bytes = Buffer.from((await file.read(start, headBytes + valueBytes)).buffer);
  const isTable =
    bytes.readUInt32LE(0) === 0x00017fe0 &&
    bytes.toString("latin1", 4, 6) === "OV" &&
    bytes.readUInt32LE(8) === valueBytes;
  if (!isTable) return undefined;
  return Array.from({ length: frameCount }, (_, i) =>
    Number(bytes.readBigUInt64LE(headBytes + 8 * i)),
  );
}
