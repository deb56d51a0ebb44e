/**
 * A synthetic study as CT Image Storage instances in Part 10 files, explicit VR little endian, with the attributes a
 * scanner of today writes. PS3.3 A.3 (CT Image IOD), C.8.2.1 (CT Image Module), PS3.10 7.1.
 */
import { DataSet } from "../dicom/data-set.ts";
import { encodeDataSet } from "../dicom/encode.ts";
import { encodeFileMeta } from "../dicom/part10.ts";
import { tagOf, vrOf } from "../dicom/tags.ts";
import { SOP_CLASS, UID, uidFromName } from "../dicom/uids.ts";
import { KindredError } from "../kernel/errors.ts";
import type { PhantomStudy } from "./phantom-study.ts";
import { isOutsideCircle, type PhantomVolume, phantomVolume } from "./phantom-volume.ts";

export interface PhantomInstance {
  readonly studyInstanceUid: string;
  readonly seriesInstanceUid: string;
  readonly sopInstanceUid: string;
  readonly sopClassUid: string;
  readonly transferSyntaxUid: string;
  readonly instanceNumber: number;
  /** Offset of the data set in {@link bytes}: what a C-STORE sends begins here. */
  readonly dataSetOffset: number;
  /** A whole DICOM file: preamble, file meta information, data set. */
  readonly bytes: Buffer;
}

type Value = string | number | readonly string[] | readonly number[];

/**
 * The instances of a study by Instance Number. Deterministic: the same study gives the same bytes.
 *
 * @param volume - the painted study, when the caller has it already
 */
export function* phantomInstances(
  study: PhantomStudy,
  volume: PhantomVolume = phantomVolume(study),
): Generator<PhantomInstance, void, undefined> {
  const [slices] = volume.sizeVoxels;
  const common = seriesAttributes(study, volume);
  // Some scanners count from the head, some from the feet.
  const isFromHead = study.acquisition.isSigned;
  for (let number = 1; number <= slices; number++) {
    const z = isFromHead ? slices - number : number - 1;
    const sopInstanceUid = uidFromName(`${study.key}/instance-${number}`);
    const dataSet = new DataSet(common.elements.values());
    setAll(dataSet, sliceAttributes(study, volume, z, number, sopInstanceUid));
    dataSet.setBytes(tag("PixelData"), "OW", storedPixels(study, volume, z));
    const meta = encodeFileMeta({
      sopClassUid: SOP_CLASS.ctImageStorage,
      sopInstanceUid,
      transferSyntaxUid: UID.explicitVrLittleEndian,
      sourceAeTitle: "PHANTOM",
    });
    yield {
      studyInstanceUid: study.studyInstanceUid,
      seriesInstanceUid: study.seriesInstanceUid,
      sopInstanceUid,
      sopClassUid: SOP_CLASS.ctImageStorage,
      transferSyntaxUid: UID.explicitVrLittleEndian,
      instanceNumber: number,
      dataSetOffset: meta.length,
      bytes: Buffer.concat([meta, encodeDataSet(dataSet, UID.explicitVrLittleEndian)]),
    };
  }
}

/** What all instances of the series share. */
function seriesAttributes(study: PhantomStudy, volume: PhantomVolume): DataSet {
  const dataSet = new DataSet();
  setAll(dataSet, patientAndStudyAttributes(study));
  setAll(dataSet, acquisitionAttributes(study));
  setAll(dataSet, imageAttributes(study, volume));
  const isHead = study.region === "head";
  const dosimetryPhantom = new DataSet();
  setAll(dosimetryPhantom, {
    CodeValue: isHead ? "113690" : "113691",
    CodingSchemeDesignator: "DCM",
    CodeMeaning: isHead ? "IEC Head Dosimetry Phantom" : "IEC Body Dosimetry Phantom",
  });
  dataSet.setItems(tag("CTDIPhantomTypeCodeSequence"), [dosimetryPhantom]);
  return dataSet;
}

function patientAndStudyAttributes(study: PhantomStudy): Record<string, Value> {
  const { patient, studyDate } = study;
  return {
    SpecificCharacterSet: "ISO_IR 192",
    ImageType: ["ORIGINAL", "PRIMARY", "AXIAL"],
    InstanceCreationDate: studyDate,
    SOPClassUID: SOP_CLASS.ctImageStorage,
    StudyDate: studyDate,
    SeriesDate: studyDate,
    AcquisitionDate: studyDate,
    ContentDate: studyDate,
    StudyTime: study.studyTime,
    SeriesTime: later(study.studyTime, 95),
    AccessionNumber: study.accessionNumber,
    Modality: "CT",
    Manufacturer: "Kindred Phantom",
    InstitutionName: "Kindred synthetic",
    InstitutionAddress: "Nowhere",
    ReferringPhysicianName: "Nobody^Referring",
    StationName: "PHANTOM1",
    StudyDescription: study.studyDescription,
    SeriesDescription: study.seriesDescription,
    InstitutionalDepartmentName: "Synthetic imaging",
    PerformingPhysicianName: "Nobody^Performing",
    OperatorsName: "Nobody^Operating",
    ManufacturerModelName: study.acquisition.modelName,
    PatientName: patient.name,
    PatientID: patient.id,
    IssuerOfPatientID: "KINDRED-SYNTHETIC",
    PatientBirthDate: patient.birthDate,
    PatientSex: patient.sex,
    PatientAge: `${String(study.ageYears).padStart(3, "0")}Y`,
    PatientSize: BODY_SIZES[patient.build].meters,
    PatientWeight: BODY_SIZES[patient.build].kilograms,
    PatientComments: "Synthetic: computed, never a person",
    StudyInstanceUID: study.studyInstanceUid,
    SeriesInstanceUID: study.seriesInstanceUid,
    StudyID: study.studyId,
    SeriesNumber: study.seriesNumber,
    AcquisitionNumber: 1,
    FrameOfReferenceUID: study.frameOfReferenceUid,
    PositionReferenceIndicator: "",
    PerformedProcedureStepStartDate: studyDate,
    PerformedProcedureStepStartTime: study.studyTime,
    PerformedProcedureStepID: study.studyId,
    PerformedProcedureStepDescription: study.studyDescription,
  };
}

const BODY_SIZES = {
  slim: { meters: 1.68, kilograms: 54 },
  average: { meters: 1.72, kilograms: 73 },
  stout: { meters: 1.7, kilograms: 103 },
  tall: { meters: 1.9, kilograms: 84 },
} as const;

const BODY_PARTS = {
  chest: "CHEST",
  abdomen: "ABDOMEN",
  "chest-abdomen": "CHESTABDOMEN",
  head: "HEAD",
} as const;

function acquisitionAttributes(study: PhantomStudy): Record<string, Value> {
  const { acquisition, region } = study;
  const isHead = region === "head";
  const rotationSeconds = isHead ? 1 : 0.5;
  const pitch = isHead ? 0.55 : 0.95;
  const collimationMm = 38.4;
  const fieldMm = acquisition.pixelMm * acquisition.columns;
  const exposureMas = Math.round((acquisition.tubeCurrentMa * rotationSeconds) / pitch);
  const doseFactor = (acquisition.kvp / 120) ** 2.5 * (isHead ? 0.16 : 0.065);
  const attributes: Record<string, Value> = {
    BodyPartExamined: BODY_PARTS[region],
    ScanOptions: "HELICAL MODE",
    SliceThickness: acquisition.thicknessMm,
    KVP: acquisition.kvp,
    DataCollectionDiameter: 500,
    DeviceSerialNumber: "KP0001",
    SoftwareVersions: "phantom 1",
    ProtocolName: study.seriesDescription,
    ReconstructionDiameter: decimal(fieldMm),
    DistanceSourceToDetector: 1085.6,
    DistanceSourceToPatient: 595,
    GantryDetectorTilt: 0,
    TableHeight: 152,
    RotationDirection: "CW",
    ExposureTime: Math.round(rotationSeconds * 1000),
    XRayTubeCurrent: acquisition.tubeCurrentMa,
    Exposure: exposureMas,
    FilterType: isHead ? "HEAD FILTER" : "BODY FILTER",
    GeneratorPower: Math.round((acquisition.kvp * acquisition.tubeCurrentMa) / 1000),
    FocalSpots: 1.2,
    ConvolutionKernel: acquisition.kernelName,
    PatientPosition: "HFS",
    RevolutionTime: rotationSeconds,
    SingleCollimationWidth: 0.6,
    TotalCollimationWidth: collimationMm,
    TableSpeed: (collimationMm * pitch) / rotationSeconds,
    TableFeedPerRotation: collimationMm * pitch,
    SpiralPitchFactor: pitch,
    ExposureModulationType: "NONE",
    CTDIvol: Math.round(exposureMas * doseFactor * 100) / 100,
  };
  if (acquisition.isContrastEnhanced) {
    Object.assign(attributes, {
      ContrastBolusAgent: "Iodinated contrast, synthetic",
      ContrastBolusRoute: "INTRAVENOUS",
      ContrastBolusVolume: 90,
      ContrastFlowRate: 3,
      ContrastBolusIngredient: "IODINE",
    });
  }
  return attributes;
}

function imageAttributes(study: PhantomStudy, volume: PhantomVolume): Record<string, Value> {
  const { acquisition, region } = study;
  const [, rows, columns] = volume.sizeVoxels;
  const isWideStored = acquisition.isSigned;
  const window = region === "head" ? [35, 80] : region === "chest" ? [-550, 1500] : [40, 400];
  const attributes: Record<string, Value> = {
    ImageOrientationPatient: [1, 0, 0, 0, 1, 0],
    SamplesPerPixel: 1,
    PhotometricInterpretation: "MONOCHROME2",
    Rows: rows,
    Columns: columns,
    PixelSpacing: [acquisition.pixelMm, acquisition.pixelMm],
    BitsAllocated: 16,
    BitsStored: isWideStored ? 16 : 12,
    HighBit: isWideStored ? 15 : 11,
    PixelRepresentation: isWideStored ? 1 : 0,
    BurnedInAnnotation: "NO",
    WindowCenter: window[0]!,
    WindowWidth: window[1]!,
    RescaleIntercept: acquisition.rescaleIntercept,
    RescaleSlope: 1,
    RescaleType: "HU",
    LossyImageCompression: "00",
  };
  if (acquisition.paddingValue !== undefined) {
    attributes.PixelPaddingValue = acquisition.paddingValue;
  }
  return attributes;
}

function sliceAttributes(
  study: PhantomStudy,
  volume: PhantomVolume,
  z: number,
  instanceNumber: number,
  sopInstanceUid: string,
): Record<string, Value> {
  const [x0, y0, z0] = volume.originLps;
  const position = z0 + z * volume.spacingMm[0];
  const seconds = 100 + instanceNumber * 0.1;
  const time = later(study.studyTime, seconds);
  return {
    SOPInstanceUID: sopInstanceUid,
    InstanceNumber: instanceNumber,
    ImagePositionPatient: [decimal(x0), decimal(y0), decimal(position)],
    SliceLocation: decimal(position),
    AcquisitionTime: time,
    ContentTime: time,
    InstanceCreationTime: time,
  };
}

/** HU to stored values, little endian. */
function storedPixels(study: PhantomStudy, volume: PhantomVolume, z: number): Buffer {
  const { rescaleIntercept, paddingValue } = study.acquisition;
  const [, rows, columns] = volume.sizeVoxels;
  const at = z * rows * columns;
  const bytes = Buffer.alloc(rows * columns * 2);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let y = 0; y < rows; y++)
    for (let x = 0; x < columns; x++) {
      const i = y * columns + x;
      const isPadded = paddingValue !== undefined && isOutsideCircle(x, y, columns, rows);
      const stored = isPadded ? paddingValue : volume.voxelsZyx[at + i]! - rescaleIntercept;
      view.setInt16(i * 2, stored, true);
    }
  return bytes;
}

/** At most micrometers: fits the 16 characters of a decimal string (PS3.5 6.2). */
function decimal(value: number): number {
  return Math.round(value * 1000) / 1000;
}

/** HHMMSS plus seconds, as HHMMSS.FFFFFF; stays within the day. */
function later(time: string, seconds: number): string {
  const start = Number(time.slice(0, 2)) * 3600 + Number(time.slice(2, 4)) * 60;
  const total = Math.min(86_399, start + Number(time.slice(4, 6)) + seconds);
  const whole = Math.floor(total);
  const two = (value: number): string => String(value).padStart(2, "0");
  const fraction = String(Math.round((total - whole) * 1e6)).padStart(6, "0");
  return `${two(Math.floor(whole / 3600))}${two(Math.floor(whole / 60) % 60)}${two(whole % 60)}.${fraction}`;
}

function setAll(dataSet: DataSet, attributes: Readonly<Record<string, Value>>): void {
  for (const [keyword, value] of Object.entries(attributes)) setOne(dataSet, keyword, value);
}

function setOne(dataSet: DataSet, keyword: string, value: Value): void {
  const number = tag(keyword);
  // US or SS in the dictionary: Pixel Padding Value follows Pixel Representation (PS3.3 C.7.5.1.1.2).
  const vr = keyword === "PixelPaddingValue" ? "SS" : vrOf(number);
  const values = typeof value === "object" ? value : [value];
  switch (vr) {
    case "US":
    case "SS": {
      const bytes = Buffer.alloc(values.length * 2);
      values.forEach((v, i) => {
        if (vr === "US") bytes.writeUInt16LE(Number(v), i * 2);
        else bytes.writeInt16LE(Number(v), i * 2);
      });
      dataSet.setBytes(number, vr, bytes);
      return;
    }
    case "FD": {
      const bytes = Buffer.alloc(values.length * 8);
      values.forEach((v, i) => {
        bytes.writeDoubleLE(Number(v), i * 8);
      });
      dataSet.setBytes(number, vr, bytes);
      return;
    }
    default:
      dataSet.setString(number, vr, values.map(String));
  }
}

function tag(keyword: string): number {
  const number = tagOf(keyword);
  if (number === undefined) {
    throw new KindredError("INTERNAL", `The DICOM dictionary has no attribute ${keyword}`);
  }
  return number;
}
