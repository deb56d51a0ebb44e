/**
 * Header facts of an image file, of which only the beginning is read, never the Pixel Data. PS3.10 7, PS3.5 Annex A.
 */
import { KindredError } from "../kernel/errors.ts";
import type { DataSet } from "./data-set.ts";
import { FileBytes, type LentBytes } from "./file-bytes.ts";
import type { FrameAttributes } from "./functional-groups.ts";
import { readFunctionalGroups } from "./functional-groups.ts";
import { HeaderSkim } from "./header-skim.ts";
import { InflatedBytes } from "./inflated-bytes.ts";
import { decodeFileMeta } from "./part10.ts";
import { type FramePlane, framePlanes, SLICE_PLANE_TAGS } from "./slice-plane.ts";
import { TAG } from "./tags.ts";
import { TRANSFER_SYNTAXES } from "./uids.ts";

export interface SliceFileHeader {
  readonly transferSyntaxUid: string;
  /** One a frame, in stored order; at least one. */
  readonly planes: readonly FramePlane[];
  /**
   * First byte of the value of Pixel Data in the file (in the inflated data set when it is deflated), and its stated
   * length: undefined when encapsulated. Null when there are none, and for Float and Double Float Pixel Data.
   */
  readonly pixelData: { readonly offset: number; readonly length: number | undefined } | null;
}

/** Most headers are shorter. */
const WINDOW_BYTES = 65_536;
/** A sequence of undefined length, or one that is needed, must fit: 20,000 frames of a wordy scanner do. */
const WINDOW_BYTES_MAX = 67_108_864;
/** Read of one file in all. */
const READ_BYTES_MAX = 268_435_456;
/** An encapsulated frame is at least the head of one fragment. */
const FRAGMENT_BYTES_MIN = 8;

/**
 * Reads the header of a file, with or without preamble and file meta information.
 *
 * @param lent - the beginning of the file is read into it; nothing of it is kept
 * @throws KindredError `NOT_FOUND` when it cannot be opened; `DATASET_UNREADABLE` when it is no DICOM, is damaged before
 * its Pixel Data, or has more frames than are read
 */
export async function readSliceFile(path: string, lent?: LentBytes): Promise<SliceFileHeader> {
  const file = await FileBytes.open(path).catch(notOpened);
  try {
    return await readHeader(file, lent);
  } finally {
    await file.close();
  }
}

async function readHeader(file: FileBytes, lent?: LentBytes): Promise<SliceFileHeader> {
  const first = await file.readUpTo(0, WINDOW_BYTES, lent);
  const { dataSetOffset, transferSyntaxUid } = decodeFileMeta(first);
  const syntax = TRANSFER_SYNTAXES.get(transferSyntaxUid);
  const frames: Partial<FrameAttributes>[] = [];
  const skim = new HeaderSkim({
    isExplicit: syntax?.isExplicit ?? true,
    isLittleEndian: syntax?.isLittleEndian ?? true,
    tags: SLICE_PLANE_TAGS,
    itemsOf: TAG.PerFrameFunctionalGroupsSequence,
    onItem(item, index) {
      frames.length = index;
      frames.push(readFunctionalGroups(item));
    },
  });
  const isDeflated = syntax?.isDeflated === true;
  const inflated = isDeflated
    ? new InflatedBytes((at, count) => file.readUpTo(dataSetOffset + at, count))
    : undefined;
  const bytes: Bytes = inflated ?? {
    sizeBytes: async () => file.size,
    read: (at, count) => file.readUpTo(at, count),
  };
  const start = isDeflated ? 0 : dataSetOffset;
  const window = isDeflated ? await bytes.read(0, WINDOW_BYTES) : first.subarray(start);
  const isLast = (isDeflated ? window : first).length < WINDOW_BYTES;
  const found = await walk(skim, bytes, start, { window, isLast });
  if (found === undefined && inflated?.isWhole === false)
    throw new KindredError(
      "DATASET_UNREADABLE",
      "The deflated data set ends before its Pixel Data",
    );
  const { header } = skim;
  if (!header.has(TAG.PerFrameFunctionalGroupsSequence)) frames.length = 0;
  const availableBytes = pixelBytes(found, isDeflated ? undefined : file.size);
  return {
    transferSyntaxUid,
    planes: framePlanes(header, transferSyntaxUid, frames, framesIn(header, availableBytes)),
    pixelData: found?.tag === TAG.PixelData ? { offset: found.offset, length: found.length } : null,
  };
}

interface Found {
  readonly tag: number;
  readonly offset: number;
  readonly length: number | undefined;
}

/** Walks to Pixel Data of any kind; undefined when there are none. */
async function walk(
  skim: HeaderSkim,
  source: Bytes,
  start: number,
  first: { readonly window: Uint8Array; readonly isLast: boolean },
): Promise<Found | undefined> {
  let { window, isLast } = first;
  let at = start;
  let windowBytes = WINDOW_BYTES;
  let readBytes = 0;
  for (;;) {
    const halt = skim.walk(window, isLast);
    if (halt.state === "end") return undefined;
    if (halt.state === "pixels")
      return { tag: halt.tag, offset: at + halt.at, length: halt.length };
    at += halt.at;
    windowBytes = Math.max(halt.bytes, halt.at === 0 ? windowBytes * 2 : WINDOW_BYTES);
    readBytes += windowBytes;
    if (windowBytes > WINDOW_BYTES_MAX || readBytes > READ_BYTES_MAX)
      throw new KindredError("DATASET_UNREADABLE", "The header is too long to be read");
    window = await source.read(at, windowBytes);
    if (window.length === 0 && at > (await source.sizeBytes()))
      throw new KindredError("DATASET_UNREADABLE", "The file ends before its Pixel Data");
    isLast = window.length < windowBytes;
  }
}

/** Bytes of Pixel Data that there are; undefined when there are none. */
function pixelBytes(
  found: Found | undefined,
  fileBytes: number | undefined,
): { readonly bytes: number; readonly isEncapsulated: boolean } | undefined {
  if (found === undefined) return undefined;
  const isEncapsulated = found.length === undefined;
  if (fileBytes === undefined) return { bytes: found.length ?? 0, isEncapsulated };
  const left = fileBytes - found.offset;
  return { bytes: Math.min(found.length ?? left, left), isEncapsulated };
}

/** Frames that fit; at least one. */
function framesIn(
  header: DataSet,
  pixels: { readonly bytes: number; readonly isEncapsulated: boolean } | undefined,
): number {
  if (pixels === undefined) return 1;
  const [rows, columns, samples, bits] = [
    TAG.Rows,
    TAG.Columns,
    TAG.SamplesPerPixel,
    TAG.BitsAllocated,
  ].map((tag) => Math.max(0, header.integer(tag) ?? 1));
  const frameBytes = pixels.isEncapsulated
    ? FRAGMENT_BYTES_MIN
    : (rows! * columns! * samples! * bits!) / 8;
  return frameBytes > 0 ? Math.max(1, Math.floor(pixels.bytes / frameBytes)) : 1;
}

interface Bytes {
  /** Known at least when a read gave fewer bytes than asked for. */
  sizeBytes(): Promise<number>;
  /** Fewer than `count` at the end. */
  read(at: number, count: number): Promise<Uint8Array>;
}

function notOpened(error: NodeJS.ErrnoException): never {
  throw new KindredError("NOT_FOUND", `The file cannot be opened (${error.code ?? "?"})`, {
    cause: error,
  });
}
