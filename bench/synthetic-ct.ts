/**
 * Synthetic CT for the benches, always the same bytes: 512 × 512 signed 16 bit in explicit VR little endian with 46
 * private elements, about 526 kB an instance, as scanners write them. No data of anybody.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DataSet } from "../src/dicom/data-set.ts";
import { encodeDataSet } from "../src/dicom/encode.ts";
import { encodeFileMeta } from "../src/dicom/part10.ts";
import { TAG } from "../src/dicom/tags.ts";
import { SOP_CLASS, UID, uidFromName } from "../src/dicom/uids.ts";

const ROWS = 512;
const FRAME_BYTES = ROWS * ROWS * 2;
const PRIVATE_ELEMENTS = 46;
const us = (value: number) => Uint8Array.of(value & 0xff, value >>> 8);

/**
 * Writes one series.
 *
 * @param name - gives all UIDs: another name is another series
 * @param stepMm - between slices
 * @param parts - folders `part-0` … the files are dealt to, for as many senders
 * @returns the folders, all under `folder`
 */
export function writeSeries(
  folder: string,
  name: string,
  images: number,
  parts = 4,
  stepMm = 1.25,
): string[] {
  const folders = Array.from({ length: parts }, (_, index) => join(folder, `part-${index}`));
  for (const one of folders) mkdirSync(one, { recursive: true });
  const noise = noiseFrame(FRAME_BYTES + images * 2);
  for (let index = 0; index < images; index++) {
    const pixels = noise.subarray(index * 2, index * 2 + FRAME_BYTES);
    const file = instanceFile(name, index, SOP_CLASS.ctImageStorage, pixels, { stepMm });
    writeFileSync(join(folders[index % parts]!, `${index}.dcm`), file);
  }
  return folders;
}

/** Writes one multi-frame instance of `frames` × 512 kB into `folder`. */
export function writeMultiFrame(folder: string, name: string, frames: number): void {
  mkdirSync(folder, { recursive: true });
  const pixels = Buffer.concat(Array.from({ length: frames }, () => noiseFrame(FRAME_BYTES)));
  const sopClassUid = SOP_CLASS.enhancedCtImageStorage;
  writeFileSync(join(folder, "multi.dcm"), instanceFile(name, 0, sopClassUid, pixels, { frames }));
}

function instanceFile(
  name: string,
  index: number,
  sopClassUid: string,
  pixels: Buffer,
  { frames, stepMm = 1.25 }: { frames?: number; stepMm?: number },
): Buffer {
  const sopInstanceUid = uidFromName(`bench/instance/${name}/${index}`);
  const dataSet = new DataSet();
  for (const [tag, vr, value] of attributes(name, index, stepMm)) dataSet.setString(tag, vr, value);
  dataSet
    .setString(TAG.SOPClassUID, "UI", sopClassUid)
    .setString(TAG.SOPInstanceUID, "UI", sopInstanceUid)
    .setBytes(TAG.SamplesPerPixel, "US", us(1))
    .setBytes(TAG.Rows, "US", us(ROWS))
    .setBytes(TAG.Columns, "US", us(ROWS))
    .setBytes(TAG.BitsAllocated, "US", us(16))
    .setBytes(TAG.BitsStored, "US", us(16))
    .setBytes(TAG.HighBit, "US", us(15))
    .setBytes(TAG.PixelRepresentation, "US", us(1))
    .setBytes(TAG.PixelData, "OW", pixels);
  if (frames !== undefined) dataSet.setString(TAG.NumberOfFrames, "IS", String(frames));
  addPrivateBlock(dataSet);
  const syntax = UID.explicitVrLittleEndian;
  const meta = encodeFileMeta({ sopClassUid, sopInstanceUid, transferSyntaxUid: syntax });
  return Buffer.concat([meta, encodeDataSet(dataSet, syntax)]);
}

/** What an axial CT carries besides its pixels; values of a length that scanners write. */
function attributes(
  name: string,
  index: number,
  stepMm: number,
): [number, string, string | string[]][] {
  const z = (index * stepMm - 200).toFixed(2);
  return [
    [TAG.SpecificCharacterSet, "CS", "ISO_IR 100"],
    [TAG.ImageType, "CS", ["ORIGINAL", "PRIMARY", "AXIAL", "CT_SOM5 SPI"]],
    [0x00080012, "DA", "20240102"],
    [0x00080013, "TM", "101112.123000"],
    [TAG.StudyDate, "DA", "20240102"],
    [0x00080021, "DA", "20240102"],
    [0x00080022, "DA", "20240102"],
    [0x00080023, "DA", "20240102"],
    [TAG.StudyTime, "TM", "101010.000000"],
    [0x00080031, "TM", "101110.000000"],
    [0x00080032, "TM", "101112.000000"],
    [0x00080033, "TM", "101112.500000"],
    [TAG.AccessionNumber, "SH", "A0000001"],
    [TAG.Modality, "CS", "CT"],
    [TAG.Manufacturer, "LO", "Bench"],
    [0x00080080, "LO", "Synthetic Hospital"],
    [TAG.ReferringPhysicianName, "PN", "None"],
    [0x00081010, "SH", "CT1"],
    [TAG.StudyDescription, "LO", "Chest^Synthetic"],
    [TAG.SeriesDescription, "LO", "Axial 1.25 B30f"],
    [0x00081040, "LO", "Radiology"],
    [TAG.ManufacturerModelName, "LO", "Generator"],
    [TAG.PatientName, "PN", "Bench^Synthetic"],
    [TAG.PatientID, "LO", `BENCH-${name}`],
    [TAG.PatientBirthDate, "DA", "19700101"],
    [TAG.PatientSex, "CS", "O"],
    [0x00101010, "AS", "054Y"],
    [TAG.BodyPartExamined, "CS", "CHEST"],
    [0x00180022, "CS", "SPIRAL MODE"],
    [0x00180050, "DS", "1.25"],
    [0x00180060, "DS", "120"],
    [0x00180090, "DS", "500"],
    [0x00181000, "LO", "12345"],
    [0x00181020, "LO", "syngo CT 2012B"],
    [0x00181030, "LO", "Thorax_Routine"],
    [0x00181100, "DS", "360"],
    [0x00181110, "DS", "1085.6"],
    [0x00181111, "DS", "595"],
    [0x00181120, "DS", "0"],
    [0x00181130, "DS", "178"],
    [0x00181140, "CS", "CW"],
    [0x00181150, "IS", "500"],
    [0x00181151, "IS", "210"],
    [0x00181152, "IS", "105"],
    [0x00181160, "SH", "0"],
    [0x00181170, "IS", "25"],
    [0x00181190, "DS", "1.2"],
    [0x00181210, "SH", "B30f"],
    [0x00185100, "CS", "HFS"],
    [TAG.StudyInstanceUID, "UI", uidFromName(`bench/study/${name}`)],
    [TAG.SeriesInstanceUID, "UI", uidFromName(`bench/series/${name}`)],
    [TAG.StudyID, "SH", "1"],
    [TAG.SeriesNumber, "IS", "3"],
    [0x00200012, "IS", "1"],
    [TAG.InstanceNumber, "IS", String(index + 1)],
    [TAG.ImagePositionPatient, "DS", ["-180", "-180", z]],
    [TAG.ImageOrientationPatient, "DS", ["1", "0", "0", "0", "1", "0"]],
    [TAG.FrameOfReferenceUID, "UI", uidFromName(`bench/frame/${name}`)],
    [0x00201040, "LO", ""],
    [0x00201041, "DS", z],
    [TAG.PhotometricInterpretation, "CS", "MONOCHROME2"],
    [TAG.PixelSpacing, "DS", ["0.703125", "0.703125"]],
    [0x00281050, "DS", ["40", "-600"]],
    [0x00281051, "DS", ["400", "1200"]],
    [TAG.RescaleIntercept, "DS", "0"],
    [TAG.RescaleSlope, "DS", "1"],
    [0x00281055, "LO", ["WINDOW1", "WINDOW2"]],
  ];
}

/** One private creator and as many elements of mixed VRs as make {@link PRIVATE_ELEMENTS}. PS3.5 7.8. */
function addPrivateBlock(dataSet: DataSet): void {
  const group = 0x00290000;
  dataSet.setString(group + 0x10, "LO", "BENCH PRIVATE HEADER");
  const texts: readonly (readonly [string, string])[] = [
    ["LO", "PRIVATE VALUE"],
    ["DS", "12.5"],
    ["IS", "42"],
    ["SH", "V1.0"],
  ];
  for (let index = 1; index < PRIVATE_ELEMENTS; index++) {
    const [vr, value] = texts[index % texts.length]!;
    dataSet.setString(group + 0x1000 + index, vr, value);
  }
}

/** A linear congruential noise around soft tissue, as 16-bit samples. */
export function noiseFrame(bytes: number): Buffer {
  const samples = new Int16Array(bytes / 2);
  let state = 12345;
  for (let index = 0; index < samples.length; index++) {
    state = (Math.imul(state, 1103515245) + 12345) & 0x7fffffff;
    samples[index] = ((state >>> 16) & 0xff) - 88;
  }
  return Buffer.from(samples.buffer);
}
