/**
 * What is known about one synthetic study before a voxel is painted: the patient, how the scan was made and what
 * is to be found in it. This is the ground truth that tests, the demo and later training rely on.
 */
import type { Point } from "./canvas.ts";

export type PhantomRegion = "chest" | "abdomen" | "chest-abdomen" | "head";
export type PhantomBuild = "slim" | "average" | "stout" | "tall";
export type Side = "left" | "right";
export type Lobe =
  | "right upper lobe"
  | "right middle lobe"
  | "right lower lobe"
  | "left upper lobe"
  | "left lower lobe";

export interface PhantomPatient {
  /** Person name with carets, e.g. `Phantom^Ada`. */
  readonly name: string;
  readonly id: string;
  readonly sex: "F" | "M";
  /** YYYYMMDD. */
  readonly birthDate: string;
  readonly build: PhantomBuild;
  /** Names the random stream from which the body is drawn; equal in all studies of the patient. */
  readonly bodyKey: string;
}

/** How the scanner was set. */
export interface PhantomAcquisition {
  readonly rows: number;
  readonly columns: number;
  readonly pixelMm: number;
  /** Distance between slices, mm. */
  readonly sliceMm: number;
  /** Nominal thickness, mm; larger than the distance when slices overlap. */
  readonly thicknessMm: number;
  /** Standard deviation of noise in soft tissue, HU. */
  readonly noiseHu: number;
  readonly kernel: "soft" | "medium" | "sharp";
  readonly kernelName: string;
  readonly modelName: string;
  readonly kvp: number;
  readonly tubeCurrentMa: number;
  readonly isSigned: boolean;
  /** Outside the reconstruction circle, stored as Pixel Padding Value; undefined = no padding. */
  readonly paddingValue: number | undefined;
  readonly rescaleIntercept: number;
  readonly isContrastEnhanced: boolean;
}

/** Positions are in the patient's own frame (reference adult, mm), so that a follow-up finds the same spot. */
export type PhantomFinding =
  | {
      readonly code: "lung-nodule";
      readonly lobe: Lobe;
      readonly side: Side;
      readonly diameterMm: number;
      readonly meanHu: number;
      readonly center: Point;
    }
  | {
      readonly code: "pleural-effusion";
      readonly side: Side;
      readonly volumeMl: number;
      readonly meanHu: number;
    }
  | {
      readonly code: "emphysema";
      /** Part of the lungs turned into holes, percent; blur leaves less of it below -950 HU. */
      readonly lungPercent: number;
    }
  | {
      readonly code: "consolidation";
      readonly lobe: Lobe;
      readonly side: Side;
      readonly diameterMm: number;
      readonly meanHu: number;
      readonly center: Point;
    }
  | { readonly code: "cardiomegaly"; readonly heartScale: number }
  | { readonly code: "arterial-wall-calcification"; readonly plaques: number }
  | {
      readonly code: "liver-lesion";
      readonly diameterMm: number;
      readonly meanHu: number;
      readonly center: Point;
    }
  | {
      readonly code: "renal-cyst";
      readonly side: Side;
      readonly diameterMm: number;
      readonly meanHu: number;
    }
  | { readonly code: "rib-fracture"; readonly side: Side; readonly rib: number }
  | {
      readonly code: "intracranial-hemorrhage";
      readonly side: Side;
      readonly diameterMm: number;
      readonly meanHu: number;
    }
  | { readonly code: "hydrocephalus"; readonly ventricleScale: number };

export type FindingCode = PhantomFinding["code"];
export type FindingOf<C extends FindingCode> = Extract<PhantomFinding, { readonly code: C }>;

export interface PhantomStudy {
  /** Names every random stream of this study. */
  readonly key: string;
  readonly patient: PhantomPatient;
  readonly ageYears: number;
  readonly studyInstanceUid: string;
  readonly seriesInstanceUid: string;
  readonly frameOfReferenceUid: string;
  /** YYYYMMDD and HHMMSS. */
  readonly studyDate: string;
  readonly studyTime: string;
  readonly accessionNumber: string;
  readonly studyId: string;
  readonly studyDescription: string;
  readonly seriesDescription: string;
  readonly seriesNumber: number;
  readonly region: PhantomRegion;
  readonly acquisition: PhantomAcquisition;
  readonly findings: readonly PhantomFinding[];
  /** One paragraph in English, made from the findings. */
  readonly report: string;
}

/** The finding of that code on that side (any side when not given), if the study has it. */
export function findingsOf<C extends FindingCode>(
  findings: readonly PhantomFinding[],
  code: C,
): readonly FindingOf<C>[] {
  return findings.filter((finding): finding is FindingOf<C> => finding.code === code);
}
