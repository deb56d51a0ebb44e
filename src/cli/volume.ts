/** `kindred volume`: what becomes of a series as a volume, for people to look at. */
import { existsSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import { isValidUid } from "../dicom/uids.ts";
import { codeOf, type ErrorCode, KindredError, messageOf } from "../kernel/errors.ts";
import { STATUSES } from "../kernel/statuses.ts";
import {
  type ReconstructedVolume,
  type ReconstructTask,
  viewFile,
} from "../pipeline/reconstruct-task.ts";
import { createReconstructor, type Reconstructor } from "../pipeline/reconstructor.ts";
import { findingLines, VERDICTS } from "../report/wording.ts";
import { printable } from "./api.ts";
import type { Command } from "./commands.ts";
import { parseCommand } from "./options.ts";
import { archiveFiles } from "./volume/archive-files.ts";
import { bySeries, filesBelow, type SeriesFiles } from "./volume/dicom-files.ts";

interface Wanted {
  readonly rules: ReconstructTask["rules"];
  readonly ordinal: number | null;
  readonly png: string | undefined;
  readonly nifti: string | undefined;
}

interface Judged extends SeriesFiles {
  readonly volumes: readonly (Omit<ReconstructedVolume, "picture"> & { written: string[] })[];
  /** Why there is no verdict. */
  readonly error: { readonly code: string; readonly message: string } | null;
}

const ORDINAL_MAX = 100_000;
/** A series of another modality: no error, but no volume either. */
const NOT_CT = "NOT_CT";

export const volume: Command = {
  name: "volume",
  usage: "volume SERIES|FOLDER [--png FILE] [--nifti FILE] [--ordinal N] [--json]",
  summary:
    "the verdict on a series here (UID) or on DICOM files, a picture of each volume, and NIfTI (.nii, .nii.gz)",
  async run(argv) {
    const parsed = parseCommand(
      argv,
      this.usage,
      { png: { type: "string" }, nifti: { type: "string" }, ordinal: { type: "string" } },
      { min: 1, max: 1 },
    );
    const { png, nifti, ordinal } = parsed.values as Record<string, string | undefined>;
    if (nifti !== undefined && !/\.nii(\.gz)?$/.test(nifti))
      throw new KindredError("USAGE", "--nifti wants a name that ends in .nii or .nii.gz");
    if (png !== undefined && !png.endsWith(".png"))
      throw new KindredError("USAGE", "--png wants a name that ends in .png");
    const chosen = ordinalOf(ordinal);
    for (const path of [png, nifti]) requireFolder(path);
    const config = parsed.config();
    const source = parsed.positionals[0]!;
    const isFolder = existsSync(source);
    if (!isFolder && !isValidUid(source))
      throw new KindredError("USAGE", "Give a folder, or the UID of a series in the archive");
    const found = await bySeries(
      isFolder ? await filesBelow(source) : await archiveFiles(config, source),
    );
    if (found.series.length === 0)
      throw new KindredError("NOT_FOUND", `No DICOM images among ${found.ignored} files`);
    const wanted = {
      rules: { slicesMin: config.series.slicesMin, ...config.volume },
      ordinal: chosen,
      png,
      nifti,
    };
    const judged: Judged[] = [];
    const reconstructor = createReconstructor();
    try {
      for (const [index, series] of found.series.entries()) {
        const one = await judge(reconstructor, series, wanted, index);
        judged.push(one);
        if (!parsed.values.json) console.log(`${seriesText(one).join("\n")}\n`);
      }
    } finally {
      await reconstructor.stop();
    }
    const { ignored, copies } = found;
    if (parsed.values.json) {
      const series = judged.map(({ paths, ...one }) => ({ ...one, files: paths.length }));
      console.log(JSON.stringify({ series, ignored, copies }, null, 2));
    } else {
      if (ignored > 0) console.log(`Ignored, no DICOM image: ${filesText(ignored)}.`);
      if (copies > 0)
        console.log(`Left out, the same SOP Instance UID again: ${filesText(copies)}.`);
      console.log("Not for diagnostic use.");
    }
    return exitOf(judged, wanted);
  },
};

function ordinalOf(text: string | undefined): number | null {
  if (text === undefined) return null;
  const value = /^\d{1,6}$/.test(text) ? Number(text) : 0;
  if (value < 1 || value > ORDINAL_MAX)
    throw new KindredError("USAGE", "--ordinal wants the number of a volume, from 1");
  return value;
}

/** @throws KindredError `USAGE` when a file cannot be written because its folder is not there */
function requireFolder(path: string | undefined): void {
  if (path !== undefined && !existsSync(dirname(path)))
    throw new KindredError("USAGE", `There is no folder ${dirname(path)} to write to`);
}

/** 0 when there is a volume, or the one that was asked for, and nothing broke. */
function exitOf(judged: readonly Judged[], { ordinal }: Wanted): number {
  const refused = STATUSES.NOT_A_VOLUME.exit;
  const broken = judged
    .map(({ error }) => (error?.code === undefined ? refused : exitOfCode(error.code)))
    .find((exit) => exit !== refused);
  if (broken !== undefined) return broken;
  const isMade = judged.some(({ volumes }) =>
    volumes.some(
      (one) => one.verdict.outcome !== "refused" && (ordinal === null || one.ordinal === ordinal),
    ),
  );
  return isMade ? 0 : refused;
}

function exitOfCode(code: string): number {
  return code === NOT_CT ? STATUSES.NOT_A_VOLUME.exit : STATUSES[code as ErrorCode].exit;
}

/** @param index - of the series: files of a second one get another name */
async function judge(
  reconstructor: Reconstructor,
  series: SeriesFiles,
  wanted: Wanted,
  index: number,
): Promise<Judged> {
  if (series.modality !== "CT") {
    const modality = printable(series.modality) || "(none)";
    const message = `Modality ${modality} is not made into a volume.`;
    return { ...series, volumes: [], error: { code: NOT_CT, message } };
  }
  const named = (path: string) => (index === 0 ? path : viewFile(path, `series${index + 1}`));
  const { ordinal } = wanted;
  try {
    const result = await reconstructor.run({
      paths: series.paths,
      rules: wanted.rules,
      outputs: [],
      views: {
        picture: wanted.png !== undefined,
        ...(wanted.nifti === undefined ? {} : { nifti: { path: named(wanted.nifti), ordinal } }),
      },
    });
    const volumes = [];
    for (const { picture, ...one } of result.volumes) {
      const written: string[] = [];
      const isWanted = ordinal === null || ordinal === one.ordinal;
      const nameOf = (path: string) =>
        viewFile(named(path), ordinal === null && one.ordinal > 1 ? String(one.ordinal) : "");
      if (isWanted && one.verdict.outcome !== "refused") {
        if (wanted.nifti !== undefined) written.push(nameOf(wanted.nifti));
        if (wanted.png !== undefined && picture !== null) {
          await writeFile(nameOf(wanted.png), picture);
          written.push(nameOf(wanted.png));
        }
      }
      volumes.push({ ...one, written });
    }
    return { ...series, volumes, error: null };
  } catch (error) {
    return { ...series, volumes: [], error: { code: codeOf(error), message: messageOf(error) } };
  }
}

function seriesText({ seriesInstanceUid, modality, paths, volumes, error }: Judged): string[] {
  const lines = [
    `Series ${seriesInstanceUid} (${printable(modality) || "no modality"}, ${filesText(paths.length)})`,
    ...volumes.flatMap((one) => volumeText(one, paths.length)),
    ...(error === null ? [] : [`  ${error.code}: ${error.message}`]),
  ];
  return lines.map(printable);
}

const filesText = (count: number) => `${count} ${count === 1 ? "file" : "files"}`;

function volumeText(one: Judged["volumes"][number], fileCount: number): string[] {
  const { ordinal, label, verdict, usedCount, sopInstanceUids, axisCodes, written } = one;
  const { sizeVoxels, spacingMm, tiltDegrees } = verdict;
  const used = sopInstanceUids.length;
  const short = (value: number) => String(Number(value.toFixed(4)));
  const facts: readonly (readonly [string, string | undefined])[] = [
    ["Size", sizeVoxels?.join(" × ").concat(" voxels (slices × rows × columns)")],
    ["Spacing", spacingMm?.map(short).join(" × ").concat(" mm")],
    ["Tilt", tiltDegrees === null ? undefined : `${short(tiltDegrees)} degrees, measured`],
    ["Axes", axisCodes === null ? undefined : `${axisCodes} (x, y, z)`],
    ["Slices", usedCount === 0 ? undefined : `${usedCount}, from ${used} of ${fileCount} files`],
  ];
  return [
    `  Volume ${ordinal}${label === "" ? "" : ` (${label})`}: ${VERDICTS[verdict.outcome]}`,
    ...facts.flatMap(([name, value]) =>
      value === undefined ? [] : [`    ${`${name}:`.padEnd(9)} ${value}`],
    ),
    ...findingLines({ verdict }).map((line) => `    ${line}`),
    ...written.map((path) => `    wrote ${path}`),
  ];
}
