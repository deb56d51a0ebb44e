/** What the header says of a frame's pixels, and how an unreadable one is named. PS3.3 C.7.6.3, PS3.5 8.1.1. */
import { KindredError } from "../../kernel/errors.ts";
import { isValidUid, TRANSFER_SYNTAXES } from "../uids.ts";

export interface PixelLayout {
  readonly rows: number;
  readonly columns: number;
  readonly bitsAllocated: number;
  readonly bitsStored: number;
  readonly highBit: number;
  /** Pixel Representation: true for two's complement. */
  readonly isSigned: boolean;
}

/** The largest CT matrix in use is 2048 × 2048; a header that claims more than 4096 × 4096 gets no memory. */
const FRAME_PIXELS_MAX = 4096 * 4096;

/**
 * @throws KindredError `DATASET_UNREADABLE` when bits or matrix are not those of a CT image
 */
export function checkLayout(layout: PixelLayout): void {
  const { rows, columns, bitsAllocated, bitsStored, highBit } = layout;
  const isPossible =
    (bitsAllocated === 8 || bitsAllocated === 16) &&
    Number.isInteger(bitsStored) &&
    Number.isInteger(highBit) &&
    bitsStored >= 1 &&
    highBit >= bitsStored - 1 &&
    highBit < bitsAllocated;
  if (!isPossible)
    throw unreadable(
      `Bits Allocated ${bitsAllocated}, Bits Stored ${bitsStored} and High Bit ${highBit} are not a CT pixel layout`,
    );
  const count = rows * columns;
  if (!Number.isInteger(rows) || !Number.isInteger(columns) || rows < 1 || columns < 1)
    throw unreadable("Rows or Columns are missing");
  if (count > FRAME_PIXELS_MAX)
    throw unreadable(`A matrix of ${rows} × ${columns} is larger than any CT image`);
}

/** Bytes of one uncompressed frame. */
export function frameBytes({ rows, columns, bitsAllocated }: PixelLayout): number {
  return (rows * columns * bitsAllocated) / 8;
}

export function unreadable(why: string, cause?: unknown): KindredError {
  return new KindredError("DATASET_UNREADABLE", why, cause === undefined ? {} : { cause });
}

/** "JPEG Lossless SV1", or the UID of a syntax that has no name here; nothing else of what a file says. */
export function syntaxName(transferSyntaxUid: string): string {
  const { name } = TRANSFER_SYNTAXES.get(transferSyntaxUid) ?? {};
  if (name !== undefined) return name;
  return isValidUid(transferSyntaxUid)
    ? `transfer syntax ${transferSyntaxUid}`
    : "An unknown transfer syntax";
}
