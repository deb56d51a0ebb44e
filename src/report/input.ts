/**
 * What a report is made of, and what comes out. Rows in, objects out: nothing in here reads a clock, a file or a
 * database, so the same input always makes the same bytes.
 *
 * Nothing in the input names another patient: similar cases come as a count and scores only.
 */
import type { VolumeVerdict } from "../volume/types.ts";

/** Copied from the source study, decoded to UTF-8; "" where the source has none. */
export interface ReportStudy {
  readonly patientId: string;
  readonly patientIdIssuer: string;
  readonly patientName: string;
  /** DA, `YYYYMMDD`; anything else is written empty. */
  readonly patientBirthDate: string;
  /** M, F or O; anything else is written empty. */
  readonly patientSex: string;
  readonly studyInstanceUid: string;
  readonly studyDate: string;
  readonly studyTime: string;
  readonly studyId: string;
  readonly accessionNumber: string;
  readonly studyDescription: string;
  readonly referringPhysicianName: string;
}

export interface ReportSeries {
  readonly seriesInstanceUid: string;
  readonly seriesNumber: string;
  readonly seriesDescription: string;
  /** Reports are written for CT only. */
  readonly modality: string;
  /** Body Part Examined as the scanner wrote it. */
  readonly bodyPartExamined: string;
  readonly frameOfReferenceUid: string;
  readonly manufacturer: string;
  readonly modelName: string;
  /** Counts up with every late instance; part of every UID that is made here. */
  readonly revision: number;
  readonly instanceCount: number;
}

/** A volume beside the one that the report is about. */
export interface OtherVolume {
  /** From 2. */
  readonly ordinal: number;
  /** What tells it from the others, e.g. its kernel; as it came from the headers. */
  readonly label: string;
  readonly verdict: VolumeVerdict;
  readonly usedInstanceCount: number;
}

export interface ImageReference {
  readonly sopClassUid: string;
  readonly sopInstanceUid: string;
}

/** The one slice that stands for the volume, normally the middle one. */
export interface KeyImage extends ImageReference {
  readonly rows: number;
  readonly columns: number;
  /** From 1; only for multi-frame instances. */
  readonly frameNumber?: number;
}

/** What the encoder is, and what it does not claim. */
export interface ReportModel {
  readonly id: string;
  readonly version: string;
  readonly title: string;
  /** Lower-case hex digest of the bundle. */
  readonly bundleDigest: string;
  /** Name of the preprocessing profile. */
  readonly profile: string;
  /** Execution provider that ran it. */
  readonly provider: string;
  readonly intendedUse: string;
  readonly limits: string;
}

/** A number measured on the volume. */
export interface ReportMeasurement {
  /** Code value, at most 16 characters. */
  readonly code: string;
  /** Coding scheme designator; our own private scheme when absent. */
  readonly scheme?: string;
  readonly meaning: string;
  readonly value: number;
  /** UCUM code, at most 16 characters; `1` for none. */
  readonly ucum: string;
}

/** A value that a model gives a label. */
export interface ReportLikelihood {
  readonly name: string;
  readonly value: number;
  /** From 0 to 1; otherwise a score whose size means nothing by itself. */
  readonly isLikelihood: boolean;
  readonly isCalibrated: boolean;
  /** The author's; null when there is none. */
  readonly threshold: number | null;
  readonly source: "head" | "zeroShot";
  /** Id of the head or of the prompt set. */
  readonly sourceId: string;
}

/** What one model says of the main volume. */
export interface ReportFindings {
  readonly modelId: string;
  readonly modelVersion: string;
  readonly bundleDigest: string;
  /** Null without a guard; `distance` is null when it could not be measured. */
  readonly guard: { readonly distance: number | null; readonly threshold: number } | null;
  /** Why nothing is said; null when something is. */
  readonly statement: string | null;
  readonly problems: readonly string[];
  readonly likelihoods: readonly ReportLikelihood[];
}

/** Similar patients without identities: how many were compared, and the scores of the best. */
export interface SimilarSummary {
  /** Patients the example was compared with. */
  readonly compared: number;
  /** Best first. */
  readonly scores: readonly number[];
  /** What the score is, e.g. `cosine similarity`. */
  readonly metric: string;
  /** Further counts, e.g. `{ meaning: "patients above 0.9", count: 3 }`. */
  readonly counts?: readonly { readonly meaning: string; readonly count: number }[];
}

/** This installation: the device that observed. */
export interface ReportNode {
  readonly aeTitle: string;
  readonly version: string;
  readonly deviceUid: string;
  readonly installationId: string;
}

export interface ReportInput {
  readonly study: ReportStudy;
  readonly series: ReportSeries;
  readonly keyImage: KeyImage;
  /** Slices the volumes were made of; they go into the evidence sequence, beside the key image. */
  readonly evidence: readonly ImageReference[];
  /** Of the main volume, which the report is about. */
  readonly verdict: VolumeVerdict;
  /** What tells the main volume from the others; empty when there are none. */
  readonly label: string;
  /** Instances of the series that the main volume was made of. */
  readonly usedInstanceCount: number;
  /** The other volumes of the series, by ordinal: listed only. */
  readonly otherVolumes: readonly OtherVolume[];
  /** Null when nothing was encoded, i.e. the volume was refused. */
  readonly model: ReportModel | null;
  readonly measurements: readonly ReportMeasurement[];
  /** Of the main volume, one entry a model that was asked. */
  readonly findings: readonly ReportFindings[];
  /** Null when there was nothing to compare with. */
  readonly similar: SimilarSummary | null;
  readonly node: ReportNode;
  /** When the volume was analyzed. Must come from a row, so that a re-run writes the same bytes. */
  readonly observedAt: Date;
  /** When the documents were made. Must come from a row too. */
  readonly createdAt: Date;
  /** Minutes east of UTC in which dates and times are written; 0 when absent. */
  readonly utcOffsetMinutes?: number;
  /** Of the measurement document; the text document has the next one. High, so that viewers open images first. */
  readonly seriesNumber: number;
}

export type ReportKind = "measurement" | "text";

export interface ReportDocument {
  readonly kind: ReportKind;
  readonly title: string;
  readonly sopClassUid: string;
  readonly sopInstanceUid: string;
  readonly seriesInstanceUid: string;
  readonly transferSyntaxUid: string;
  /** A whole Part 10 file. */
  readonly bytes: Buffer;
  /** The document as a person reads it; no patient data. */
  readonly textLines: readonly string[];
}
