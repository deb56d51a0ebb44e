/** What the volume room needs of a slice. */
import type { DataSet } from "./data-set.ts";
import { TAG } from "./tags.ts";

type Vector = readonly [number, number, number];

/** Reads what the volume room needs of a slice (same shape as volume/types.ts SlicePlane). */
export function readSlicePlane(header: DataSet, transferSyntaxUid: string) {
  const position = header.numbers(TAG.ImagePositionPatient);
  const orientation = header.numbers(TAG.ImageOrientationPatient);
  const spacing = header.numbers(TAG.PixelSpacing);
  return {
    sopInstanceUid: header.string(TAG.SOPInstanceUID) ?? "",
    sopClassUid: header.string(TAG.SOPClassUID) ?? "",
    frameIndex: 0,
    rows: header.integer(TAG.Rows) ?? 0,
    columns: header.integer(TAG.Columns) ?? 0,
    positionLpsMm: finite(position, 3) ? (position as unknown as Vector) : undefined,
    orientation: finite(orientation, 6)
      ? (orientation as unknown as readonly [number, number, number, number, number, number])
      : undefined,
    pixelSpacingMm: finite(spacing, 2)
      ? (spacing as unknown as readonly [number, number])
      : undefined,
    imageType: header.strings(TAG.ImageType),
    samplesPerPixel: header.integer(TAG.SamplesPerPixel) ?? 1,
    photometricInterpretation: header.string(TAG.PhotometricInterpretation) ?? "",
    bitsAllocated: header.integer(TAG.BitsAllocated) ?? 0,
    bitsStored: header.integer(TAG.BitsStored) ?? 0,
    highBit: header.integer(TAG.HighBit) ?? -1,
    isSigned: header.integer(TAG.PixelRepresentation) === 1,
    numberOfFrames: header.integer(TAG.NumberOfFrames) ?? 1,
    rescaleSlope: header.number(TAG.RescaleSlope),
    rescaleIntercept: header.number(TAG.RescaleIntercept),
    rescaleType: header.string(TAG.RescaleType) ?? "",
    paddingValue: stored(header, TAG.PixelPaddingValue),
    paddingRangeLimit: stored(header, TAG.PixelPaddingRangeLimit),
    transferSyntaxUid,
    isLossy: header.string(TAG.LossyImageCompression) === "01",
    instanceNumber: header.integer(TAG.InstanceNumber),
    acquisitionNumber: header.integer(TAG.AcquisitionNumber),
    acquisitionTime:
      header.string(TAG.AcquisitionDateTime) ??
      `${header.string(TAG.AcquisitionDate) ?? ""}${header.string(TAG.AcquisitionTime) ?? ""}`,
    temporalPosition: header.integer(TAG.TemporalPositionIdentifier),
    kernel: header.strings(TAG.ConvolutionKernel).join("\\"),
    stackId: "",
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

function finite(values: readonly number[], count: number): boolean {
  return values.length === count && values.every(Number.isFinite);
}
