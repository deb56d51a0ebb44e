/**
 * Everything of a document but its content tree: patient, study, series, equipment, document and evidence
 * (PS3.3 A.35.1, A.35.13; C.7.1.1, C.7.2.1, C.17.1, C.17.2, C.7.5.1, C.7.5.2). Every attribute of type 2 stands
 * there even when empty: validators ask for them and no other tool notices.
 */
import { isValidUid } from "../dicom/uids.ts";
import { KindredError } from "../kernel/errors.ts";
import { cleanDate, cleanLine, cleanPersonName, cleanTime, isPlainLine } from "./clean-text.ts";
import { CODE, PRIVATE_SCHEME } from "./codes.ts";
import { codeSequence } from "./content.ts";
import type { ImageReference, ReportInput } from "./input.ts";
import { WARNING } from "./wording.ts";

/** Images named in the evidence sequence; a series of more is named in part. */
const EVIDENCE_IMAGES_MAX = 10_000;
const MANUFACTURER = "Kindred";
const DEVICE_MODEL_NAME = "Kindred";
const SERIES_NUMBER_MAX = 2_147_483_646;

/** The device as it names itself in headers and observer context; never empty, all within LO. */
export interface DeviceNames {
  readonly uid: string;
  readonly name: string;
  readonly manufacturer: string;
  readonly model: string;
  readonly serial: string;
  readonly version: string;
}

export function deviceNames({ node }: ReportInput): DeviceNames {
  return {
    uid: node.deviceUid,
    name: cleanLine(node.aeTitle, 16),
    manufacturer: MANUFACTURER,
    model: DEVICE_MODEL_NAME,
    serial: cleanLine(node.installationId, 64),
    version: cleanLine(node.version, 64),
  };
}

/**
 * Refuses what cannot be written unchanged: UIDs and the patient's identifiers. Everything else is cleaned on the
 * way (see `clean-text.ts`): dates, times, sex and the accession number become empty when they are not valid,
 * names and descriptions lose what their VR cannot hold.
 *
 * @throws KindredError `DATASET_INCOMPLETE` for the source's attributes, `NOT_A_VOLUME` for other modalities,
 *   `INTERNAL` for what we gave ourselves
 */
export function checkInput(input: ReportInput): void {
  const { study, series, keyImage } = input;
  if (series.modality !== "CT") {
    throw new KindredError("NOT_A_VOLUME", "Reports are written for CT series only.");
  }
  requireUid(study.studyInstanceUid, "Study Instance UID");
  requireUid(series.seriesInstanceUid, "Series Instance UID");
  for (const image of [keyImage, ...input.evidence.slice(0, EVIDENCE_IMAGES_MAX)]) {
    requireUid(image.sopClassUid, "SOP Class UID");
    requireUid(image.sopInstanceUid, "SOP Instance UID");
  }
  requireIdentifier(study.patientId, "Patient ID");
  requireIdentifier(study.patientIdIssuer, "Issuer of Patient ID");
  const { uid, name, serial, version } = deviceNames(input);
  const isNodeNamed = isValidUid(uid) && name !== "" && serial !== "" && version !== "";
  const { rows, columns, frameNumber = 1 } = keyImage;
  const isKeyImageSized = [rows, columns, frameNumber].every(
    (size) => Number.isSafeInteger(size) && size > 0,
  );
  const isNumbered =
    Number.isSafeInteger(series.revision) &&
    Number.isSafeInteger(input.seriesNumber) &&
    input.seriesNumber >= 0 &&
    input.seriesNumber <= SERIES_NUMBER_MAX;
  const isDated = [input.createdAt, input.observedAt].every(
    (time) => !Number.isNaN(time.getTime()),
  );
  if (!isNodeNamed || !isKeyImageSized || !isNumbered || !isDated) {
    throw new KindredError(
      "INTERNAL",
      "A report was asked for with an incomplete input; report this as a bug.",
      {
        details: { isNodeNamed, isKeyImageSized, isNumbered, isDated },
      },
    );
  }
}

function requireUid(uid: string, name: string): void {
  if (isValidUid(uid)) return;
  throw new KindredError(
    "DATASET_INCOMPLETE",
    `The ${name} of the source is not a valid UID, so no report can refer to it; correct it at the sender.`,
  );
}

function requireIdentifier(text: string, name: string): void {
  if (isPlainLine(text, 64)) return;
  throw new KindredError(
    "DATASET_INCOMPLETE",
    `The ${name} of the source is no valid value (one line, no backslash, 64 characters), and a changed one would ` +
      "file the report with the wrong patient; correct it at the sender.",
  );
}

export interface DocumentHeader {
  readonly sopClassUid: string;
  readonly sopInstanceUid: string;
  readonly seriesInstanceUid: string;
  readonly seriesNumber: number;
  /** Ends the series description, after the warning; at most 15 characters. */
  readonly label: string;
  /** The tree uses codes of our private scheme, which must then be declared. */
  readonly hasPrivateCodes: boolean;
}

const PRIVATE_SCHEME_ITEM = {
  CodingSchemeDesignator: PRIVATE_SCHEME.designator,
  CodingSchemeUID: PRIVATE_SCHEME.uid,
  CodingSchemeName: PRIVATE_SCHEME.name,
  CodingSchemeResponsibleOrganization: PRIVATE_SCHEME.organization,
} as const;

/** The attributes in keyword form; the content tree's root is merged with them. */
export function headerOf(input: ReportInput, document: DocumentHeader): Record<string, unknown> {
  const created = dateTime(input.createdAt, input.utcOffsetMinutes);
  const observed = dateTime(input.observedAt, input.utcOffsetMinutes);
  return {
    SpecificCharacterSet: "ISO_IR 192",
    InstanceCreationDate: created.date,
    InstanceCreationTime: created.time,
    SOPClassUID: document.sopClassUid,
    SOPInstanceUID: document.sopInstanceUid,
    ...patientAndStudy(input),
    Modality: "SR",
    SeriesInstanceUID: document.seriesInstanceUid,
    SeriesNumber: String(document.seriesNumber),
    SeriesDate: created.date,
    SeriesTime: created.time,
    SeriesDescription: `${WARNING} ${document.label}`,
    ReferencedPerformedProcedureStepSequence: [],
    ...equipment(input),
    InstanceNumber: "1",
    ContentDate: created.date,
    ContentTime: created.time,
    CompletionFlag: "COMPLETE",
    VerificationFlag: "UNVERIFIED",
    PreliminaryFlag: "PRELIMINARY",
    ObservationDateTime: `${observed.date}${observed.time}${observed.offset}`,
    PerformedProcedureCodeSequence: [],
    CurrentRequestedProcedureEvidenceSequence: evidence(input),
    ...(document.hasPrivateCodes
      ? { CodingSchemeIdentificationSequence: [PRIVATE_SCHEME_ITEM] }
      : {}),
  };
}

function patientAndStudy({ study }: ReportInput): Record<string, unknown> {
  return {
    PatientName: cleanPersonName(study.patientName),
    PatientID: study.patientId,
    ...(study.patientIdIssuer === "" ? {} : { IssuerOfPatientID: study.patientIdIssuer }),
    PatientBirthDate: cleanDate(study.patientBirthDate),
    PatientSex: /^[MFO]$/.test(study.patientSex) ? study.patientSex : "",
    StudyInstanceUID: study.studyInstanceUid,
    StudyDate: cleanDate(study.studyDate),
    StudyTime: cleanTime(study.studyTime),
    StudyID: cleanLine(study.studyId, 16),
    // An accession number that had to be changed would point at another order; none is better.
    AccessionNumber: isPlainLine(study.accessionNumber, 16) ? study.accessionNumber : "",
    StudyDescription: cleanLine(study.studyDescription, 64),
    ReferringPhysicianName: cleanPersonName(study.referringPhysicianName),
  };
}

/** Kindred is the equipment; scanner and model stand in Contributing Equipment, as IHE AI Results asks. */
function equipment(input: ReportInput): Record<string, unknown> {
  const device = deviceNames(input);
  const { model, series } = input;
  const scanner = {
    manufacturer: cleanLine(series.manufacturer, 64),
    model: cleanLine(series.modelName, 64),
  };
  const contributing: Record<string, unknown>[] = [];
  if (scanner.manufacturer !== "") {
    contributing.push({
      PurposeOfReferenceCodeSequence: codeSequence(CODE.acquisitionEquipment),
      Manufacturer: scanner.manufacturer,
      ...(scanner.model === "" ? {} : { ManufacturerModelName: scanner.model }),
    });
  }
  if (model !== null) {
    contributing.push({
      PurposeOfReferenceCodeSequence: codeSequence(CODE.processingEquipment),
      Manufacturer: MANUFACTURER,
      ManufacturerModelName: cleanLine(model.id, 64),
      SoftwareVersions: cleanLine(model.version, 64),
    });
  }
  return {
    Manufacturer: device.manufacturer,
    ManufacturerModelName: device.model,
    DeviceSerialNumber: device.serial,
    SoftwareVersions: device.version,
    ...(contributing.length === 0 ? {} : { ContributingEquipmentSequence: contributing }),
  };
}

/** Every image once, the key image first. PS3.3 C.17.2.3. */
function evidence({
  study,
  series,
  keyImage,
  evidence: slices,
}: ReportInput): Record<string, unknown>[] {
  const images = new Map<string, ImageReference>(
    [keyImage, ...slices]
      .slice(0, EVIDENCE_IMAGES_MAX)
      .map((image) => [image.sopInstanceUid, image]),
  );
  return [
    {
      StudyInstanceUID: study.studyInstanceUid,
      ReferencedSeriesSequence: [
        {
          SeriesInstanceUID: series.seriesInstanceUid,
          ReferencedSOPSequence: [...images.values()].map((image) => ({
            ReferencedSOPClassUID: image.sopClassUid,
            ReferencedSOPInstanceUID: image.sopInstanceUid,
          })),
        },
      ],
    },
  ];
}

/** DA, TM and the offset suffix of DT (PS3.5 6.2), of the given minutes east of UTC. */
function dateTime(at: Date, utcOffsetMinutes = 0): { date: string; time: string; offset: string } {
  const local = new Date(at.getTime() + utcOffsetMinutes * 60_000).toISOString();
  const minutes = Math.abs(utcOffsetMinutes);
  const two = (value: number): string => String(Math.trunc(value)).padStart(2, "0");
  return {
    date: local.slice(0, 10).replaceAll("-", ""),
    time: local.slice(11, 19).replaceAll(":", ""),
    offset: `${utcOffsetMinutes < 0 ? "-" : "+"}${two(minutes / 60)}${two(minutes % 60)}`,
  };
}
