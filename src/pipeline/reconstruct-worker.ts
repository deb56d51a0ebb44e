/**
 * Worker thread: reads the slices of one series, judges them, builds the volume, and leaves one input tensor for
 * each model profile in the work folder. Nothing of this runs on the thread that serves sockets.
 */
import { readFile, writeFile } from "node:fs/promises";
import { parentPort } from "node:worker_threads";
import type { DataSet } from "../dicom/data-set.ts";
import { decodeDataSet } from "../dicom/decode.ts";
import { decodeFileMeta } from "../dicom/part10.ts";
import { decodeNativePixels } from "../dicom/pixel-data.ts";
import { readSlicePlane } from "../dicom/slice-plane.ts";
import { TAG } from "../dicom/tags.ts";
import { TRANSFER_SYNTAXES } from "../dicom/uids.ts";
import { preprocess } from "../encoder/preprocess.ts";
import { codeOf, KindredError, messageOf } from "../kernel/errors.ts";
import { createVolumeBuilder } from "../volume/assemble.ts";
import { examineSlices } from "../volume/geometry.ts";
import { axisCodes } from "../volume/resample.ts";
import type { SlicePlane } from "../volume/types.ts";
import {
  type ReconstructReply,
  type ReconstructResult,
  type ReconstructTask,
  tensorFile,
} from "./reconstruct-task.ts";
import { volumePicture, writeNifti } from "./volume-views.ts";

parentPort?.on("message", (task: ReconstructTask) => {
  void reconstruct(task)
    .then((result): ReconstructReply => ({ result }))
    .catch(
      (error: unknown): ReconstructReply => ({
        error: { code: codeOf(error), message: messageOf(error) },
      }),
    )
    .then((reply) => parentPort?.postMessage(reply));
});

async function reconstruct(task: ReconstructTask): Promise<ReconstructResult> {
  const planes: SlicePlane[] = [];
  for (const path of task.paths) planes.push((await readSlice(path)).plane);
  const examined = examineSlices(planes, { slicesMin: task.slicesMin });
  const { geometry, order, verdict } = examined;
  if (geometry === null) {
    const nothing = { usedCount: 0, sopInstanceUids: [], keySlice: null };
    const refused = { ordinal: 1, label: "", verdict, ...nothing, axisCodes: null, picture: null };
    return { volumes: [refused] };
  }
  const builder = createVolumeBuilder(geometry, order, planes);
  for (const index of order) {
    const slice = await readSlice(task.paths[index]!);
    builder.addSlice(index, decodeNativePixels(slice.pixels(), slice.plane));
  }
  const volume = builder.finish();
  for (const output of task.outputs) {
    const { tensor } = preprocess(volume, output.profile);
    await writeFile(
      tensorFile(output.tensorPrefix, 1),
      new Uint8Array(tensor.buffer, tensor.byteOffset, tensor.byteLength),
      { mode: 0o600 },
    );
  }
  await writeNifti(volume, 1, task.views?.nifti);
  const key = planes[order[Math.floor(order.length / 2)]!]!;
  return {
    volumes: [
      {
        ordinal: 1,
        label: "",
        verdict,
        usedCount: order.length,
        sopInstanceUids: order.map((index) => planes[index]!.sopInstanceUid),
        keySlice: { sopInstanceUid: key.sopInstanceUid, rows: key.rows, columns: key.columns },
        axisCodes: axisCodes(volume),
        picture: task.views?.picture
          ? volumePicture(volume, { ordinal: 1, label: "", verdict })
          : null,
      },
    ],
  };
}

async function readSlice(path: string): Promise<{ plane: SlicePlane; pixels(): Uint8Array }> {
  const bytes = await readFile(path);
  const { dataSetOffset, transferSyntaxUid } = decodeFileMeta(bytes);
  const body = bytes.subarray(dataSetOffset);
  const syntax = TRANSFER_SYNTAXES.get(transferSyntaxUid);
  // The judge refuses what this version does not decode; its header is read as far as it can be.
  const isPlain = syntax !== undefined && !syntax.isDeflated;
  const header: DataSet = isPlain
    ? decodeDataSet(body, { transferSyntaxUid, untilTag: TAG.PixelData })
    : decodeDataSet(new Uint8Array(0), { transferSyntaxUid: "1.2.840.10008.1.2.1" });
  return {
    plane: readSlicePlane(header, transferSyntaxUid),
    pixels() {
      const value = decodeDataSet(body, { transferSyntaxUid }).get(TAG.PixelData)?.value;
      if (value === undefined)
        throw new KindredError("DATASET_UNREADABLE", "A slice has no Pixel Data");
      return value;
    },
  };
}
