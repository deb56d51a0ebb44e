/** Headers of the files of one series, read side by side; what cannot be read is counted, not fatal. */
import { LentBytes } from "../dicom/file-bytes.ts";
import { readSliceFile, type SliceFileHeader } from "../dicom/slice-file.ts";
import { KindredError } from "../kernel/errors.ts";
import type { SlicePlane } from "../volume/types.ts";

/** One frame of the series and where it is. */
export interface ScannedFrame {
  readonly path: string;
  readonly header: SliceFileHeader;
  readonly plane: SlicePlane;
}

export interface ScannedFiles {
  /** In the order of the paths, frames of a file in their stored order. */
  readonly frames: readonly ScannedFrame[];
  /** One for each file that is no image that can be read: why. */
  readonly unreadable: readonly string[];
}

const AT_ONCE = 8;
/** Frames of one series; a file alone may claim 20,000. */
const FRAMES_MAX = 100_000;

/**
 * @param known - headers that were read before, by path
 * @throws KindredError `NOT_FOUND` when a file is gone, `NOT_A_VOLUME` when there are absurdly many frames
 */
export async function scanFiles(
  paths: readonly string[],
  known?: ReadonlyMap<string, SliceFileHeader>,
): Promise<ScannedFiles> {
  const scanned: (SliceFileHeader | string | undefined)[] = paths.map(() => undefined);
  let next = 0;
  let frameCount = 0;
  const scanOn = async () => {
    const lent = new LentBytes();
    for (let at = next++; at < paths.length; at = next++) {
      const path = paths[at]!;
      const header = known?.get(path) ?? (await readSliceFile(path, lent).catch(reasonOf));
      scanned[at] = header;
      if (typeof header !== "string") frameCount += header.planes.length;
      if (frameCount > FRAMES_MAX)
        throw new KindredError("NOT_A_VOLUME", "The series has more frames than can be handled");
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, scanOn));
  const frames: ScannedFrame[] = [];
  const unreadable: string[] = [];
  for (const [at, header] of scanned.entries()) {
    if (typeof header === "string") unreadable.push(header);
    else
      for (const plane of header!.planes) frames.push({ path: paths[at]!, header: header!, plane });
  }
  return { frames, unreadable };
}

function reasonOf(error: unknown): string {
  if (error instanceof KindredError && error.code === "DATASET_UNREADABLE") return error.message;
  throw error;
}
