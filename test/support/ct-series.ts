/** Small CT series for tests: a box with a bright core, whose shape follows a seed. Synthetic, no data of anybody. */
import { DataSet } from "../../src/dicom/data-set.ts";
import { encodeDataSet } from "../../src/dicom/encode.ts";
import { TAG } from "../../src/dicom/tags.ts";
import { SOP_CLASS, UID, uidFromName } from "../../src/dicom/uids.ts";
import type { BulkInstance } from "../../src/dimse/bulk-sender.ts";

export interface CtSeriesOptions {
  readonly name: string;
  readonly patientId?: string;
  readonly slices?: number;
  readonly rows?: number;
  /** Half width of the bright core, in pixels. */
  readonly core?: number;
  readonly accessionNumber?: string;
  readonly withPositions?: boolean;
}

export function ctUids(name: string) {
  return { study: uidFromName(`test/study/${name}`), series: uidFromName(`test/series/${name}`) };
}

/** @returns the instances in order of position, explicit VR little endian */
export function ctSeries(options: CtSeriesOptions): BulkInstance[] {
  const { name, slices = 12, rows = 48, core = 10 } = options;
  const { study, series } = ctUids(name);
  return Array.from({ length: slices }, (_, index) => {
    const sopInstanceUid = uidFromName(`test/instance/${name}/${index}`);
    const us = (value: number) => Uint8Array.of(value & 0xff, value >>> 8);
    const dataSet = new DataSet()
      .setString(TAG.SpecificCharacterSet, "CS", "ISO_IR 192")
      .setString(TAG.ImageType, "CS", ["ORIGINAL", "PRIMARY", "AXIAL"])
      .setString(TAG.SOPClassUID, "UI", SOP_CLASS.ctImageStorage)
      .setString(TAG.SOPInstanceUID, "UI", sopInstanceUid)
      .setString(TAG.StudyDate, "DA", "20240102")
      .setString(TAG.StudyTime, "TM", "101112")
      .setString(TAG.AccessionNumber, "SH", options.accessionNumber ?? `A${name.slice(0, 12)}`)
      .setString(TAG.Modality, "CS", "CT")
      .setString(TAG.Manufacturer, "LO", "Test")
      .setString(TAG.ReferringPhysicianName, "PN", "")
      .setString(TAG.StudyDescription, "LO", `Test ${name}`)
      .setString(TAG.SeriesDescription, "LO", "Axial")
      .setString(TAG.PatientName, "PN", `Secret^${name}`)
      .setString(TAG.PatientID, "LO", options.patientId ?? `P-${name}`)
      .setString(TAG.PatientBirthDate, "DA", "19700101")
      .setString(TAG.PatientSex, "CS", "F")
      .setString(TAG.BodyPartExamined, "CS", "CHEST")
      .setString(TAG.StudyInstanceUID, "UI", study)
      .setString(TAG.SeriesInstanceUID, "UI", series)
      .setString(TAG.StudyID, "SH", "1")
      .setString(TAG.SeriesNumber, "IS", "2")
      .setString(TAG.InstanceNumber, "IS", String(index + 1))
      .setString(TAG.FrameOfReferenceUID, "UI", uidFromName(`test/frame/${name}`))
      .setBytes(TAG.SamplesPerPixel, "US", us(1))
      .setString(TAG.PhotometricInterpretation, "CS", "MONOCHROME2")
      .setBytes(TAG.Rows, "US", us(rows))
      .setBytes(TAG.Columns, "US", us(rows))
      .setString(TAG.PixelSpacing, "DS", ["6", "6"])
      .setBytes(TAG.BitsAllocated, "US", us(16))
      .setBytes(TAG.BitsStored, "US", us(12))
      .setBytes(TAG.HighBit, "US", us(11))
      .setBytes(TAG.PixelRepresentation, "US", us(0))
      .setString(TAG.RescaleIntercept, "DS", "-1024")
      .setString(TAG.RescaleSlope, "DS", "1")
      .setBytes(TAG.PixelData, "OW", pixels(rows, core + (index % 3)));
    if (options.withPositions !== false) {
      dataSet
        .setString(TAG.ImagePositionPatient, "DS", ["-100", "-100", String(index * 8)])
        .setString(TAG.ImageOrientationPatient, "DS", ["1", "0", "0", "0", "1", "0"]);
    }
    return {
      sopClassUid: SOP_CLASS.ctImageStorage,
      sopInstanceUid,
      transferSyntaxUid: UID.explicitVrLittleEndian,
      dataSet: encodeDataSet(dataSet, UID.explicitVrLittleEndian),
    };
  });
}

function pixels(rows: number, core: number): Uint8Array {
  const values = new Uint16Array(rows * rows);
  const middle = rows / 2;
  for (let y = 0; y < rows; y++) {
    for (let x = 0; x < rows; x++) {
      const far = Math.max(Math.abs(y - middle), Math.abs(x - middle));
      values[y * rows + x] = far < core ? 1064 : far < core + 6 ? 924 : 24;
    }
  }
  return new Uint8Array(values.buffer);
}
