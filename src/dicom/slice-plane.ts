/** What the volume room needs of a frame. PS3.3 C.7.6.2, C.7.6.3, C.8.2.1 (CT), C.8.15 (enhanced CT). */
import { KindredError } from "../kernel/errors.ts";
import type { DataSet } from "./data-set.ts";
import {
  type FrameAttributes,
  FUNCTIONAL_GROUP_TAGS,
  IMAGE_TYPE_VALUES_MAX,
  isColor,
  kernelOf,
  readFunctionalGroups,
  rescale,
} from "./functional-groups.ts";
import { orientationOf, positionOf, spacingOf, thicknessOf } from "./plane-numbers.ts";
import { TAG } from "./tags.ts";

/** Frames of one instance; a CT of more is refused. */
export const FRAMES_MAX = 20_000;

/** Header facts of one frame: same shape as volume/types.ts SlicePlane. */
export interface FramePlane extends FrameAttributes {
  readonly sopInstanceUid: string;
  readonly sopClassUid: string;
  readonly frameIndex: number;
  readonly rows: number;
  readonly columns: number;
  readonly samplesPerPixel: number;
  readonly photometricInterpretation: string;
  readonly bitsAllocated: number;
  readonly bitsStored: number;
  readonly highBit: number;
  readonly isSigned: boolean;
  readonly numberOfFrames: number;
  readonly paddingValue: number | undefined;
  readonly paddingRangeLimit: number | undefined;
  readonly transferSyntaxUid: string;
  readonly isLossy: boolean;
}

/** Tags that are read here, functional groups included. */
export const SLICE_PLANE_TAGS: ReadonlySet<number> = new Set([
  TAG.SpecificCharacterSet,
  TAG.SOPInstanceUID,
  TAG.SOPClassUID,
  TAG.ImageType,
  TAG.Rows,
  TAG.Columns,
  TAG.ImagePositionPatient,
  TAG.ImageOrientationPatient,
  TAG.PixelSpacing,
  TAG.SliceThickness,
  TAG.SamplesPerPixel,
  TAG.PhotometricInterpretation,
  TAG.BitsAllocated,
  TAG.BitsStored,
  TAG.HighBit,
  TAG.PixelRepresentation,
  TAG.NumberOfFrames,
  TAG.RescaleSlope,
  TAG.RescaleIntercept,
  TAG.RescaleType,
  TAG.PixelPaddingValue,
  TAG.PixelPaddingRangeLimit,
  TAG.LossyImageCompression,
  TAG.InstanceNumber,
  TAG.AcquisitionNumber,
  TAG.AcquisitionDateTime,
  TAG.AcquisitionDate,
  TAG.AcquisitionTime,
  TAG.TemporalPositionIdentifier,
  TAG.ConvolutionKernel,
  TAG.SharedFunctionalGroupsSequence,
  TAG.PerFrameFunctionalGroupsSequence,
  ...FUNCTIONAL_GROUP_TAGS,
]);

/**
 * Transfer syntaxes that lose, whatever Lossy Image Compression says: JPEG baseline, extended and their retired kin, and
 * those that may lose: JPEG-LS near-lossless, JPEG 2000, JPEG XL, HTJ2K. PS3.5 A.4.
 */
const LOSSY_SYNTAXES: ReadonlySet<string> = new Set(
  [50, 51, 53, 55, 81, 91, 93, 112, 203].map((number) => `1.2.840.10008.1.2.4.${number}`),
);

/** The first frame of {@link readSlicePlanes}. */
export function readSlicePlane(header: DataSet, transferSyntaxUid: string): FramePlane {
  return framePlanes(header, transferSyntaxUid, frameGroups(header).slice(0, 1), 1)[0]!;
}

/**
 * Reads what the volume room needs of each frame, in stored order: at least one.
 *
 * @throws KindredError `DATASET_UNREADABLE` when there are more than {@link FRAMES_MAX}
 */
export function readSlicePlanes(header: DataSet, transferSyntaxUid: string): FramePlane[] {
  return framePlanes(header, transferSyntaxUid, frameGroups(header), Number.POSITIVE_INFINITY);
}

/**
 * @param frames - what Per-frame Functional Groups say, in stored order; where they say nothing of a frame, it has no position
 * @param framesHeld - frames that Pixel Data can hold
 * @throws KindredError `DATASET_UNREADABLE` when there are more than {@link FRAMES_MAX}
 */
export function framePlanes(
  header: DataSet,
  transferSyntaxUid: string,
  frames: readonly Partial<FrameAttributes>[],
  framesHeld: number,
): FramePlane[] {
  const plane = wholePlane(header, transferSyntaxUid);
  const count = Math.max(1, Math.min(plane.numberOfFrames, framesHeld));
  if (count > FRAMES_MAX) {
    throw new KindredError(
      "DATASET_UNREADABLE",
      `The image has ${count} frames; at most ${FRAMES_MAX} are read`,
    );
  }
  const shared = header.items(TAG.SharedFunctionalGroupsSequence)[0];
  // A position that the image states of itself is that of a frame only where it has one.
  const common = {
    ...plane,
    ...(plane.numberOfFrames > 1 ? { positionLpsMm: undefined } : {}),
    ...(shared === undefined ? {} : readFunctionalGroups(shared)),
  };
  return Array.from({ length: count }, (_, frameIndex) => ({
    ...common,
    ...frames[frameIndex],
    frameIndex,
  }));
}

function frameGroups(header: DataSet): Partial<FrameAttributes>[] {
  return header.items(TAG.PerFrameFunctionalGroupsSequence).map(readFunctionalGroups);
}

function wholePlane(header: DataSet, transferSyntaxUid: string): FramePlane {
  return {
    sopInstanceUid: header.string(TAG.SOPInstanceUID) ?? "",
    sopClassUid: header.string(TAG.SOPClassUID) ?? "",
    frameIndex: 0,
    rows: header.integer(TAG.Rows) ?? 0,
    columns: header.integer(TAG.Columns) ?? 0,
    positionLpsMm: positionOf(header),
    orientation: orientationOf(header),
    pixelSpacingMm: spacingOf(header),
    thicknessMm: thicknessOf(header),
    imageType: header.strings(TAG.ImageType).slice(0, IMAGE_TYPE_VALUES_MAX),
    samplesPerPixel: header.integer(TAG.SamplesPerPixel) ?? 1,
    photometricInterpretation: header.string(TAG.PhotometricInterpretation) ?? "",
    isSupplementalColor: isColor(header.string(TAG.PixelPresentation)),
    bitsAllocated: header.integer(TAG.BitsAllocated) ?? 0,
    bitsStored: header.integer(TAG.BitsStored) ?? 0,
    highBit: header.integer(TAG.HighBit) ?? -1,
    isSigned: header.integer(TAG.PixelRepresentation) === 1,
    numberOfFrames: Math.max(1, header.integer(TAG.NumberOfFrames) ?? 1),
    ...rescale(header),
    hasRealWorldValues: header.items(TAG.RealWorldValueMappingSequence).length > 0,
    paddingValue: stored(header, TAG.PixelPaddingValue),
    paddingRangeLimit: stored(header, TAG.PixelPaddingRangeLimit),
    transferSyntaxUid,
    isLossy:
      header.string(TAG.LossyImageCompression) === "01" || LOSSY_SYNTAXES.has(transferSyntaxUid),
    sourceSopInstanceUid: "",
    instanceNumber: header.integer(TAG.InstanceNumber),
    acquisitionNumber: header.integer(TAG.AcquisitionNumber),
    acquisitionTime:
      header.string(TAG.AcquisitionDateTime) ||
      `${header.string(TAG.AcquisitionDate) ?? ""}${header.string(TAG.AcquisitionTime) ?? ""}`,
    temporalPosition: header.integer(TAG.TemporalPositionIdentifier),
    kernel: kernelOf(header),
    stackId: "",
    inStackPosition: undefined,
    dimensionIndexValues: [],
  };
}

/** US or SS by Pixel Representation: implicit VR gives the dictionary's VR, so the sign is set here. */
function stored(header: DataSet, tag: number): number | undefined {
  const value = header.integer(tag);
  if (value === undefined) return undefined;
  const isSigned = header.integer(TAG.PixelRepresentation) === 1;
  if (isSigned) return value > 32767 ? value - 65536 : value;
  return value < 0 ? value + 65536 : value;
}
