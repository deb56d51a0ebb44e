/**
 * Functional Groups of multi-frame images: what is said of one frame, or of all of them. PS3.3 C.7.6.16; the macros are
 * C.7.6.16.2.1 to 2.9 (common), C.8.15.3 (CT) and C.7.6.16.2.25 and 2.26 (legacy converted).
 */
import type { DataSet } from "./data-set.ts";
import { numberOf, orientationOf, positionOf, spacingOf, thicknessOf } from "./plane-numbers.ts";
import { TAG } from "./tags.ts";

type Macro = (item: DataSet) => Partial<FrameAttributes>;

/** Attributes that a frame may have of its own; same meaning as in volume/types.ts SlicePlane. */
export interface FrameAttributes {
  readonly positionLpsMm: readonly [number, number, number] | undefined;
  readonly orientation: readonly [number, number, number, number, number, number] | undefined;
  readonly pixelSpacingMm: readonly [number, number] | undefined;
  readonly thicknessMm: number | undefined;
  readonly imageType: readonly string[];
  readonly isSupplementalColor: boolean;
  readonly rescaleSlope: number | undefined;
  readonly rescaleIntercept: number | undefined;
  readonly rescaleType: string;
  readonly hasRealWorldValues: boolean;
  readonly sourceSopInstanceUid: string;
  readonly instanceNumber: number | undefined;
  readonly acquisitionNumber: number | undefined;
  readonly acquisitionTime: string;
  readonly temporalPosition: number | undefined;
  readonly kernel: string;
  readonly stackId: string;
  readonly inStackPosition: number | undefined;
  readonly dimensionIndexValues: readonly number[];
}

/** A later macro wins: what legacy conversion could not assign stands first. */
const MACROS: readonly (readonly [number, Macro])[] = [
  [TAG.UnassignedSharedConvertedAttributesSequence, unassigned],
  [TAG.UnassignedPerFrameConvertedAttributesSequence, unassigned],
  [TAG.FrameContentSequence, frameContent],
  [TAG.PlanePositionSequence, (item) => ({ positionLpsMm: positionOf(item) })],
  [TAG.PlaneOrientationSequence, (item) => ({ orientation: orientationOf(item) })],
  [
    TAG.PixelMeasuresSequence,
    (item) => ({ pixelSpacingMm: spacingOf(item), thicknessMm: thicknessOf(item) }),
  ],
  [TAG.PixelValueTransformationSequence, rescale],
  [TAG.CTImageFrameTypeSequence, frameType],
  [TAG.CTReconstructionSequence, (item) => ({ kernel: kernelOf(item) })],
  [TAG.RealWorldValueMappingSequence, () => ({ hasRealWorldValues: true })],
  [TAG.ConversionSourceAttributesSequence, conversionSource],
];

/** Everything that is read of an item, the macros' sequences included. */
export const FUNCTIONAL_GROUP_TAGS: readonly number[] = [
  ...MACROS.map(([tag]) => tag),
  TAG.FrameType,
  TAG.PixelPresentation,
  TAG.StackID,
  TAG.InStackPositionNumber,
  TAG.TemporalPositionIndex,
  TAG.FrameAcquisitionNumber,
  TAG.FrameAcquisitionDateTime,
  TAG.DimensionIndexValues,
  TAG.ReferencedSOPInstanceUID,
];

/**
 * Reads an item of Shared or Per-frame Functional Groups. A macro that is there gives all its attributes, undefined or
 * empty where they are unusable, so that a frame's own macro stands in place of the shared one as a whole.
 */
export function readFunctionalGroups(item: DataSet): Partial<FrameAttributes> {
  const result: Partial<FrameAttributes> = {};
  for (const [tag, read] of MACROS) {
    const macro = item.items(tag)[0];
    if (macro !== undefined) Object.assign(result, read(macro));
  }
  return result;
}

export function rescale(item: DataSet) {
  return {
    rescaleSlope: numberOf(item, TAG.RescaleSlope),
    rescaleIntercept: numberOf(item, TAG.RescaleIntercept),
    rescaleType: item.string(TAG.RescaleType) ?? "",
  };
}

export function kernelOf(item: DataSet): string {
  return item.strings(TAG.ConvolutionKernel).join("\\");
}

/** Pixel Presentation of values that are shown in colours of a supplemental palette. PS3.3 C.8.16.2.1.1. */
export function isColor(presentation: string | undefined): boolean {
  return presentation === "COLOR" || presentation === "MIXED";
}

/** Values of Image Type or Frame Type that are kept; four have a meaning. */
export const IMAGE_TYPE_VALUES_MAX = 16;

function frameType(item: DataSet): Partial<FrameAttributes> {
  const imageType = item.strings(TAG.FrameType).slice(0, IMAGE_TYPE_VALUES_MAX);
  const presentation = item.string(TAG.PixelPresentation);
  return {
    ...(imageType.length === 0 ? {} : { imageType }),
    ...(presentation ? { isSupplementalColor: isColor(presentation) } : {}),
  };
}

function frameContent(item: DataSet): Partial<FrameAttributes> {
  const acquisitionNumber = item.integer(TAG.FrameAcquisitionNumber);
  const acquisitionTime = item.string(TAG.FrameAcquisitionDateTime);
  return {
    ...(acquisitionNumber === undefined ? {} : { acquisitionNumber }),
    ...(acquisitionTime ? { acquisitionTime } : {}),
    temporalPosition: item.integer(TAG.TemporalPositionIndex),
    stackId: item.string(TAG.StackID) ?? "",
    inStackPosition: item.integer(TAG.InStackPositionNumber),
    dimensionIndexValues: item.numbers(TAG.DimensionIndexValues),
  };
}

/** What the single-frame sources had and no macro has a place for. */
function unassigned(item: DataSet): Partial<FrameAttributes> {
  const instanceNumber = item.integer(TAG.InstanceNumber);
  const acquisitionNumber = item.integer(TAG.AcquisitionNumber);
  const kernel = kernelOf(item);
  return {
    ...(instanceNumber === undefined ? {} : { instanceNumber }),
    ...(acquisitionNumber === undefined ? {} : { acquisitionNumber }),
    ...(kernel === "" ? {} : { kernel }),
  };
}

function conversionSource(item: DataSet): Partial<FrameAttributes> {
  return { sourceSopInstanceUid: item.string(TAG.ReferencedSOPInstanceUID) ?? "" };
}
