/** The demo's picture: the studies' own volumes, rebuilt from what was pushed. */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { decodeDataSet } from "../../dicom/decode.ts";
import { decodeNativePixels } from "../../dicom/pixel-data.ts";
import { readSlicePlane } from "../../dicom/slice-plane.ts";
import { TAG } from "../../dicom/tags.ts";
import type { BulkInstance } from "../../dimse/bulk-sender.ts";
import { createVolumeBuilder } from "../../volume/assemble.ts";
import { examineSlices } from "../../volume/geometry.ts";
import type { CtVolume, SlicePlane } from "../../volume/types.ts";
import { contactSheet } from "./contact-sheet.ts";
import type { DemoStudy } from "./studies.ts";

/** Query and look-alikes side by side, as `look-alikes.png` in the folder; undefined when there is no volume. */
export async function picture(
  folder: string,
  example: DemoStudy,
  matches: readonly Readonly<Record<string, string>>[],
  studies: readonly DemoStudy[],
  kept: ReadonlyMap<string, readonly BulkInstance[]>,
): Promise<string | undefined> {
  const columns = [];
  const uids = [example.studyInstanceUid, ...matches.map((match) => match.StudyInstanceUID ?? "")];
  for (const [index, uid] of uids.entries()) {
    const study = studies.find((one) => one.studyInstanceUid === uid);
    const volume = volumeOf(kept.get(uid) ?? []);
    if (study === undefined || volume === undefined) continue;
    const score =
      index === 0 ? "the question" : (matches[index - 1]!.StudyDescription ?? "").split(" | ")[0]!;
    columns.push({
      title: score,
      lines: [study.patientName.replaceAll("^", " "), study.label],
      volume,
    });
  }
  if (columns.length === 0) return undefined;
  const file = join(folder, "look-alikes.png");
  await writeFile(file, contactSheet(columns));
  return file;
}

/** The largest series of a study as a volume, for the picture only. */
function volumeOf(instances: readonly BulkInstance[]): CtVolume | undefined {
  const bySeries = new Map<string, { plane: SlicePlane; instance: BulkInstance }[]>();
  for (const instance of instances) {
    const header = decodeDataSet(instance.dataSet, {
      transferSyntaxUid: instance.transferSyntaxUid,
      untilTag: TAG.PixelData,
    });
    const uid = header.string(TAG.SeriesInstanceUID) ?? "";
    bySeries.set(uid, [
      ...(bySeries.get(uid) ?? []),
      { plane: readSlicePlane(header, instance.transferSyntaxUid), instance },
    ]);
  }
  for (const slices of [...bySeries.values()].sort((a, b) => b.length - a.length)) {
    const planes = slices.map((slice) => slice.plane);
    const { geometry, order } = examineSlices(planes, { slicesMin: 4 });
    if (geometry === null) continue;
    const builder = createVolumeBuilder(geometry, order, planes);
    slices.forEach(({ plane, instance }, index) => {
      const value = decodeDataSet(instance.dataSet, {
        transferSyntaxUid: instance.transferSyntaxUid,
      }).get(TAG.PixelData)!.value;
      builder.addSlice(index, decodeNativePixels(value, plane));
    });
    return builder.finish();
  }
  return undefined;
}
