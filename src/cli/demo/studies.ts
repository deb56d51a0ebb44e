/** Where the demo's studies come from: the phantom population, or a folder of DICOM files. */
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { decodeDataSet } from "../../dicom/decode.ts";
import { type InstanceHeader, readInstanceHeader } from "../../dicom/instance-header.ts";
import { decodeFileMeta } from "../../dicom/part10.ts";
import type { BulkInstance } from "../../dimse/bulk-sender.ts";
import { phantomInstances } from "../../phantom/phantom-instances.ts";
import { population } from "../../phantom/population.ts";

export interface DemoStudy {
  readonly studyInstanceUid: string;
  readonly patientName: string;
  readonly patientId: string;
  readonly label: string;
  instances(): AsyncGenerator<BulkInstance> | Generator<BulkInstance>;
}

/** The synthetic population; a study's voxels are painted when it is sent. */
export function phantomStudies(seed: number): DemoStudy[] {
  return population(seed).map((study) => ({
    studyInstanceUid: study.studyInstanceUid,
    patientName: study.patient.name,
    patientId: study.patient.id,
    label: `${study.studyDescription} ${study.studyDate}`,
    *instances() {
      for (const { bytes, dataSetOffset, ...instance } of phantomInstances(study)) {
        yield { ...instance, dataSet: bytes.subarray(dataSetOffset) };
      }
    },
  }));
}

const FILES_MAX = 20_000;
/** Header bytes read to sort files into studies. */
const PIXEL_GROUP_TAG = 0x7fe00000;

interface FoundFile {
  readonly path: string;
  readonly header: InstanceHeader;
}

/** Every DICOM file under a folder, by study; other files are left out. */
export async function folderStudies(
  folder: string,
): Promise<{ studies: DemoStudy[]; skipped: number }> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const byStudy = new Map<string, FoundFile[]>();
  let skipped = 0;
  for (const entry of entries.filter((one) => one.isFile()).slice(0, FILES_MAX)) {
    const path = join(entry.parentPath, entry.name);
    const header = await readHeader(path);
    if (header === undefined) skipped++;
    else
      byStudy.set(header.studyInstanceUid, [
        ...(byStudy.get(header.studyInstanceUid) ?? []),
        { path, header },
      ]);
  }
  const studies = [...byStudy.entries()].map(([studyInstanceUid, files]) => ({
    studyInstanceUid,
    patientName: files[0]!.header.patientName,
    patientId: files[0]!.header.patientId,
    label: files[0]!.header.studyDescription,
    async *instances() {
      for (const file of files) yield await readInstance(file);
    },
  }));
  return { studies, skipped };
}

async function readHeader(path: string): Promise<InstanceHeader | undefined> {
  try {
    const bytes = await readFile(path);
    const { dataSetOffset, transferSyntaxUid } = decodeFileMeta(bytes);
    return readInstanceHeader(
      decodeDataSet(bytes.subarray(dataSetOffset), {
        transferSyntaxUid,
        untilTag: PIXEL_GROUP_TAG,
      }),
    );
  } catch {
    return undefined;
  }
}

async function readInstance({ path, header }: FoundFile): Promise<BulkInstance> {
  const bytes = await readFile(path);
  const { dataSetOffset, transferSyntaxUid } = decodeFileMeta(bytes);
  return {
    sopClassUid: header.sopClassUid,
    sopInstanceUid: header.sopInstanceUid,
    transferSyntaxUid,
    dataSet: bytes.subarray(dataSetOffset),
  };
}
