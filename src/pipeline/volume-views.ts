/** What people look at of an accepted volume: its picture, and a NIfTI file for their own tools. */
import { createWriteStream } from "node:fs";
import { rename, rm } from "node:fs/promises";
import { pipeline } from "node:stream/promises";
import { createGzip } from "node:zlib";
import { sizeSummary, verdictSummary } from "../report/wording.ts";
import { niftiChunks } from "../volume/nifti.ts";
import type { BodyViews } from "../volume/picture.ts";
import type { CtVolume, VolumeVerdict } from "../volume/types.ts";
import { volumeSheet } from "../volume/volume-sheet.ts";
import { niftiFile, type ViewsWanted } from "./reconstruct-task.ts";

interface Viewed {
  readonly ordinal: number;
  readonly label: string;
  readonly verdict: VolumeVerdict;
}

/** Fast and nearly as small as more: the noise of CT does not compress. */
const GZIP_LEVEL = 2;

/** The picture of a volume, a PNG file. It shows no patient data but the anatomy. */
export function volumePicture(views: BodyViews, { ordinal, label, verdict }: Viewed): Buffer {
  return volumeSheet(views, [
    `Volume ${ordinal}${label === "" ? "" : `: ${label}`}`,
    sizeSummary(verdict),
    verdictSummary(verdict),
  ]);
}

/** Where the NIfTI file of a volume goes. */
export function niftiPath(wanted: NonNullable<ViewsWanted["nifti"]>, ordinal: number): string {
  return wanted.ordinal === null ? niftiFile(wanted.path, ordinal) : wanted.path;
}

/** Writes the NIfTI file when it is wanted of this volume; what a failure leaves of it is removed. */
export async function writeNifti(
  volume: CtVolume,
  ordinal: number,
  wanted: ViewsWanted["nifti"],
): Promise<void> {
  if (wanted === undefined || (wanted.ordinal !== null && wanted.ordinal !== ordinal)) return;
  const path = niftiPath(wanted, ordinal);
  const partial = `${path}.partial`;
  const file = createWriteStream(partial);
  try {
    if (path.endsWith(".gz"))
      await pipeline(niftiChunks(volume), createGzip({ level: GZIP_LEVEL }), file);
    else await pipeline(niftiChunks(volume), file);
    await rename(partial, path);
  } catch (error) {
    await rm(partial, { force: true });
    throw error;
  }
}
