/** The shared slice in its transfer syntaxes, each file as an instance of its own. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { deflateRawSync, inflateRawSync } from "node:zlib";
import { decodeDataSet } from "../../src/dicom/decode.ts";
import { decodeFileMeta } from "../../src/dicom/part10.ts";
import { TAG } from "../../src/dicom/tags.ts";
import { TRANSFER_SYNTAXES, UID } from "../../src/dicom/uids.ts";
import type { BulkInstance } from "../../src/dimse/bulk-sender.ts";
import { SHARED_DATA } from "./shared-data.ts";

export const sharedData = SHARED_DATA;

/**
 * Most of the files have one SOP Instance UID. It is replaced by another of the same length, so that every other byte
 * stays what the encoder of the file wrote.
 *
 * @param variant - 1 to 9; another one makes other instances, and all above 1 are in a study and series of their own
 */
export function instancesInAllTransferSyntaxes(variant = 1): BulkInstance[] {
  const folder = join(sharedData, "ct-10-transfer-syntaxes");
  const files = readdirSync(folder).filter((name) => name.endsWith(".dcm"));
  return files.sort().map((name, index) => {
    const bytes = readFileSync(join(folder, name));
    const { dataSetOffset, transferSyntaxUid } = decodeFileMeta(bytes);
    const stored = bytes.subarray(dataSetOffset);
    const isDeflated = TRANSFER_SYNTAXES.get(transferSyntaxUid)?.isDeflated === true;
    const plain = Buffer.from(isDeflated ? inflateRawSync(stored) : stored);
    const header = decodeDataSet(plain, {
      transferSyntaxUid: isDeflated ? UID.explicitVrLittleEndian : transferSyntaxUid,
      untilTag: TAG.PixelData,
    });
    const old = header.string(TAG.SOPInstanceUID)!;
    const sopInstanceUid = `${old.slice(0, -3)}${String(100 * variant + index)}`;
    replaceAll(plain, old, sopInstanceUid);
    if (variant > 1) {
      for (const tag of [TAG.StudyInstanceUID, TAG.SeriesInstanceUID]) {
        const uid = header.string(tag)!;
        replaceAll(plain, uid, `${uid.slice(0, -1)}${variant}`);
      }
    }
    return {
      sopClassUid: header.string(TAG.SOPClassUID)!,
      sopInstanceUid,
      transferSyntaxUid,
      dataSet: isDeflated ? evenly(deflateRawSync(plain)) : plain,
    };
  });
}

/** In place; both texts have the same length. */
function replaceAll(bytes: Buffer, text: string, by: string): void {
  for (let at = bytes.indexOf(text); at >= 0; at = bytes.indexOf(text, at + 1))
    bytes.write(by, at, "latin1");
}

function evenly(bytes: Buffer): Buffer {
  return bytes.length % 2 === 0 ? bytes : Buffer.concat([bytes, Buffer.of(0)]);
}
