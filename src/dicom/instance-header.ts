/** What the archive indexes of an instance's header. */
import { KindredError } from "../kernel/errors.ts";
import type { DataSet } from "./data-set.ts";
import { spanOf } from "./date-time.ts";
import {
  cleanText,
  type KeptDocument,
  QUERY_ATTRIBUTE_TAGS,
  type QueryAttributes,
  readQueryDocument,
} from "./query-attributes.ts";
import { keywordOf, TAG } from "./tags.ts";
import { isValidUid } from "./uids.ts";

/** Attributes of one instance as the archive indexes them; "" when absent. */
export interface InstanceHeader {
  readonly patientId: string;
  readonly patientIdIssuer: string;
  readonly patientName: string;
  readonly patientBirthDate: string;
  readonly patientSex: string;
  readonly studyInstanceUid: string;
  readonly studyDate: string;
  readonly studyTime: string;
  readonly accessionNumber: string;
  readonly studyId: string;
  readonly studyDescription: string;
  readonly referringPhysicianName: string;
  readonly seriesInstanceUid: string;
  readonly modality: string;
  readonly seriesNumber: string;
  readonly seriesDescription: string;
  readonly bodyPartExamined: string;
  readonly frameOfReferenceUid: string;
  readonly manufacturer: string;
  readonly modelName: string;
  readonly sopInstanceUid: string;
  readonly sopClassUid: string;
  readonly instanceNumber: string;
  readonly numberOfFrames: string;
  readonly rows: number;
  readonly columns: number;
  /** What queries need beyond the fields above, by level; bounded in size. */
  readonly queryAttributes: QueryAttributes;
}

/**
 * Tags of a header that {@link readInstanceHeader} may read: who decodes for it needs no others. PS3.3 C.7.1.1, C.7.2.1, C.7.3.1,
 * C.7.4.1, C.7.5.1, C.12.1.
 */
export const INSTANCE_HEADER_TAGS: ReadonlySet<number> = new Set([
  TAG.PatientID,
  TAG.IssuerOfPatientID,
  TAG.PatientName,
  TAG.PatientBirthDate,
  TAG.PatientSex,
  TAG.StudyDate,
  TAG.StudyTime,
  TAG.AccessionNumber,
  TAG.StudyID,
  TAG.StudyDescription,
  TAG.ReferringPhysicianName,
  TAG.Modality,
  TAG.SeriesNumber,
  TAG.SeriesDescription,
  TAG.BodyPartExamined,
  TAG.FrameOfReferenceUID,
  TAG.Manufacturer,
  TAG.ManufacturerModelName,
  TAG.InstanceNumber,
  TAG.NumberOfFrames,
  TAG.StudyInstanceUID,
  TAG.SeriesInstanceUID,
  TAG.SOPInstanceUID,
  TAG.SOPClassUID,
  TAG.Rows,
  TAG.Columns,
  ...QUERY_ATTRIBUTE_TAGS,
]);

/**
 * What every instance's row needs is read at once, everything else when it is asked for: of all but the first instance of a series
 * that is nothing. The data set must not be changed any more.
 *
 * @param again - reads the data set once more. With it the data set is not kept: a header lives until its row is committed, and what lives
 * that long in hundreds of small objects is what collecting garbage costs
 * @throws KindredError `DATASET_INCOMPLETE` naming the UID that is missing or malformed
 */
export function readInstanceHeader(header: DataSet, again?: () => DataSet): InstanceHeader {
  return new ReadHeader(header, again ?? (() => header));
}

class ReadHeader implements InstanceHeader {
  readonly #again: () => DataSet;
  #kept: DataSet | undefined;
  readonly studyInstanceUid: string;
  readonly seriesInstanceUid: string;
  readonly sopInstanceUid: string;
  readonly sopClassUid: string;
  readonly patientId: string;
  readonly instanceNumber: string;
  readonly numberOfFrames: string;
  readonly rows: number;
  readonly columns: number;
  readonly queryAttributes: QueryAttributes;

  constructor(header: DataSet, again: () => DataSet) {
    this.#again = again;
    this.studyInstanceUid = uid(header, TAG.StudyInstanceUID);
    this.seriesInstanceUid = uid(header, TAG.SeriesInstanceUID);
    this.sopInstanceUid = uid(header, TAG.SOPInstanceUID);
    this.sopClassUid = uid(header, TAG.SOPClassUID);
    this.patientId = text(header, TAG.PatientID, 64);
    this.instanceNumber = text(header, TAG.InstanceNumber, 12);
    this.numberOfFrames = text(header, TAG.NumberOfFrames, 12);
    this.rows = header.integer(TAG.Rows) ?? 0;
    this.columns = header.integer(TAG.Columns) ?? 0;
    this.queryAttributes = new LaterAttributes(
      readQueryDocument(header, "instance"),
      () => this.#header,
    );
  }

  get #header(): DataSet {
    this.#kept ??= this.#again();
    return this.#kept;
  }

  get patientIdIssuer(): string {
    return text(this.#header, TAG.IssuerOfPatientID, 64);
  }
  get patientName(): string {
    return text(this.#header, TAG.PatientName, 324);
  }
  get patientBirthDate(): string {
    return date(this.#header, TAG.PatientBirthDate);
  }
  get patientSex(): string {
    return text(this.#header, TAG.PatientSex, 16);
  }
  get studyDate(): string {
    return date(this.#header, TAG.StudyDate);
  }
  get studyTime(): string {
    return text(this.#header, TAG.StudyTime, 16);
  }
  get accessionNumber(): string {
    return text(this.#header, TAG.AccessionNumber, 64);
  }
  get studyId(): string {
    return text(this.#header, TAG.StudyID, 64);
  }
  get studyDescription(): string {
    return text(this.#header, TAG.StudyDescription, 64);
  }
  get referringPhysicianName(): string {
    return text(this.#header, TAG.ReferringPhysicianName, 324);
  }
  get modality(): string {
    return text(this.#header, TAG.Modality, 16);
  }
  get seriesNumber(): string {
    return text(this.#header, TAG.SeriesNumber, 12);
  }
  get seriesDescription(): string {
    return text(this.#header, TAG.SeriesDescription, 64);
  }
  get bodyPartExamined(): string {
    return text(this.#header, TAG.BodyPartExamined, 16);
  }
  get frameOfReferenceUid(): string {
    return text(this.#header, TAG.FrameOfReferenceUID, 64);
  }
  get manufacturer(): string {
    return text(this.#header, TAG.Manufacturer, 64);
  }
  get modelName(): string {
    return text(this.#header, TAG.ManufacturerModelName, 64);
  }
}

class LaterAttributes implements QueryAttributes {
  readonly instance: KeptDocument;
  readonly #headerOf: () => DataSet;

  constructor(instance: KeptDocument, headerOf: () => DataSet) {
    this.instance = instance;
    this.#headerOf = headerOf;
  }
  get patient(): KeptDocument {
    return readQueryDocument(this.#headerOf(), "patient");
  }
  get study(): KeptDocument {
    return readQueryDocument(this.#headerOf(), "study");
  }
  get series(): KeptDocument {
    return readQueryDocument(this.#headerOf(), "series");
  }
}

/** The first value, cut to what its VR allows, without control characters (PostgreSQL refuses NUL). */
function text(header: DataSet, tag: number, charactersMax: number): string {
  return cleanText(header.string(tag) ?? "", charactersMax);
}

/** A date as YYYYMMDD where it is one, so that dates of any form are compared alike; else as it came. */
function date(header: DataSet, tag: number): string {
  const value = text(header, tag, 10);
  return spanOf("DA", value)?.from ?? value;
}

function uid(header: DataSet, tag: number): string {
  // These have one value; of two, whoever reads the other would file the instance elsewhere.
  const value = header.strings(tag).join("\\");
  if (!isValidUid(value)) {
    throw new KindredError("DATASET_INCOMPLETE", `${keywordOf(tag)} is missing or not a UID`);
  }
  return value;
}
