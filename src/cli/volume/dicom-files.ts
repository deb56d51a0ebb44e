/** DICOM files of a folder by series; everything is bounded, because a folder may hold anything. */
import { type FileHandle, open, opendir, stat } from "node:fs/promises";
import { join } from "node:path";
import { decodeDataSet } from "../../dicom/decode.ts";
import { decodeFileMeta } from "../../dicom/part10.ts";
import { TAG } from "../../dicom/tags.ts";
import { isValidUid, TRANSFER_SYNTAXES } from "../../dicom/uids.ts";
import { KindredError } from "../../kernel/errors.ts";
import { HEADER_BYTES_MAX, HEADER_ELEMENTS_MAX } from "../../kernel/limits.ts";

export interface SeriesFiles {
  readonly seriesInstanceUid: string;
  readonly modality: string;
  /** In the order of their names. */
  readonly paths: readonly string[];
}

export interface FoundFiles {
  /** Most files first. */
  readonly series: readonly SeriesFiles[];
  /** Files that are no DICOM instance of a series. */
  readonly ignored: number;
  /** Files with a SOP Instance UID that an earlier file has. */
  readonly copies: number;
}

const FILES_MAX = 200_000;
const DEPTH_MAX = 32;
/** Most headers end before; those that do not are read again up to HEADER_BYTES_MAX. */
const PREFIX_BYTES = 65_536;
/** A deflated data set is read whole. */
const DEFLATED_BYTES_MAX = 268_435_456;
/** The last of the tags looked at is Series Instance UID (0020,000E). */
const UNTIL_TAG = TAG.SeriesInstanceUID + 1;
const TAGS: ReadonlySet<number> = new Set([
  TAG.SOPInstanceUID,
  TAG.Modality,
  TAG.SeriesInstanceUID,
]);

/**
 * All files below a folder, or the file itself, in the order of their names. Links are not followed.
 *
 * @throws KindredError `BAD_REQUEST` for a folder of absurdly many files
 */
export async function filesBelow(path: string): Promise<string[]> {
  if ((await stat(path)).isFile()) return [path];
  const files: string[] = [];
  const walk = async (folder: string, depth: number): Promise<void> => {
    if (depth > DEPTH_MAX) return;
    for await (const entry of await opendir(folder)) {
      if (entry.isDirectory()) await walk(join(folder, entry.name), depth + 1);
      else if (entry.isFile()) files.push(join(folder, entry.name));
      if (files.length > FILES_MAX)
        throw new KindredError(
          "BAD_REQUEST",
          `The folder holds more than ${FILES_MAX} files: name one of its folders`,
        );
    }
  };
  await walk(path, 0);
  return files.sort();
}

/** Reads as much of each file as says of which series it is. */
export async function bySeries(paths: readonly string[]): Promise<FoundFiles> {
  const series = new Map<string, { modality: string; paths: string[] }>();
  const instances = new Set<string>();
  let [ignored, copies] = [0, 0];
  for (const path of paths) {
    const found = await identify(path);
    if (found === undefined) ignored++;
    else if (instances.has(found.sopInstanceUid)) copies++;
    else {
      instances.add(found.sopInstanceUid);
      const known = series.get(found.seriesInstanceUid);
      if (known === undefined)
        series.set(found.seriesInstanceUid, { modality: found.modality, paths: [path] });
      else known.paths.push(path);
    }
  }
  const all = [...series].map(([seriesInstanceUid, one]) => ({ seriesInstanceUid, ...one }));
  all.sort(
    (a, b) =>
      b.paths.length - a.paths.length || (a.seriesInstanceUid < b.seriesInstanceUid ? -1 : 1),
  );
  return { series: all, ignored, copies };
}

interface Identity {
  readonly sopInstanceUid: string;
  readonly seriesInstanceUid: string;
  readonly modality: string;
}

/** Undefined for what is no instance, whatever else it is. */
async function identify(path: string): Promise<Identity | undefined> {
  let file: FileHandle | undefined;
  try {
    file = await open(path);
    const { size } = await file.stat();
    for (const bytesMax of [PREFIX_BYTES, HEADER_BYTES_MAX]) {
      const bytes = await readStart(file, Math.min(size, bytesMax));
      const found = await identifyBytes(bytes, () =>
        readStart(file!, Math.min(size, DEFLATED_BYTES_MAX)),
      );
      if (found !== undefined || bytes.length === size) return found;
    }
    return undefined;
  } catch {
    // Not readable, or not ours to read.
    return undefined;
  } finally {
    await file?.close();
  }
}

async function readStart(file: FileHandle, length: number): Promise<Buffer> {
  const bytes = Buffer.allocUnsafe(length);
  let at = 0;
  while (at < length) {
    const { bytesRead } = await file.read(bytes, at, length - at, at);
    if (bytesRead === 0) break;
    at += bytesRead;
  }
  return bytes.subarray(0, at);
}

async function identifyBytes(
  bytes: Buffer,
  whole: () => Promise<Buffer>,
): Promise<Identity | undefined> {
  try {
    const { dataSetOffset, transferSyntaxUid } = decodeFileMeta(bytes);
    const isDeflated = TRANSFER_SYNTAXES.get(transferSyntaxUid)?.isDeflated === true;
    const body = (isDeflated ? await whole() : bytes).subarray(dataSetOffset);
    const header = decodeDataSet(body, {
      transferSyntaxUid,
      untilTag: UNTIL_TAG,
      tags: TAGS,
      elementsMax: HEADER_ELEMENTS_MAX,
    });
    const [seriesInstanceUid, sopInstanceUid] = [TAG.SeriesInstanceUID, TAG.SOPInstanceUID].map(
      (tag) => header.string(tag) ?? "",
    );
    if (!isValidUid(seriesInstanceUid!) || !isValidUid(sopInstanceUid!)) return undefined;
    return {
      sopInstanceUid: sopInstanceUid!,
      seriesInstanceUid: seriesInstanceUid!,
      modality: header.string(TAG.Modality) ?? "",
    };
  } catch {
    return undefined;
  }
}
