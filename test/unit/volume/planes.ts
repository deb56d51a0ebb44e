/** Slices of a plain CT stack, for tests of this room. */
import type { SlicePlane } from "../../../src/volume/types.ts";

export function plane(k: number, changes: Partial<SlicePlane> = {}): SlicePlane {
  return {
    sopInstanceUid: `1.2.3.${1000 + k}`,
    sopClassUid: "1.2.840.10008.5.1.4.1.1.2",
    frameIndex: 0,
    rows: 4,
    columns: 5,
    positionLpsMm: [-10, -20, -100 + 2.5 * k],
    orientation: [1, 0, 0, 0, 1, 0],
    pixelSpacingMm: [0.7, 0.8],
    imageType: ["ORIGINAL", "PRIMARY", "AXIAL"],
    samplesPerPixel: 1,
    photometricInterpretation: "MONOCHROME2",
    bitsAllocated: 16,
    bitsStored: 12,
    highBit: 11,
    isSigned: false,
    numberOfFrames: 1,
    rescaleSlope: 1,
    rescaleIntercept: -1024,
    rescaleType: "HU",
    thicknessMm: undefined,
    paddingValue: undefined,
    paddingRangeLimit: undefined,
    transferSyntaxUid: "1.2.840.10008.1.2.1",
    isLossy: false,
    instanceNumber: 1000 - k,
    acquisitionNumber: 1,
    acquisitionTime: "",
    temporalPosition: undefined,
    kernel: "",
    stackId: "",
    inStackPosition: undefined,
    dimensionIndexValues: [],
    isSupplementalColor: false,
    hasRealWorldValues: false,
    sourceSopInstanceUid: "",
    ...changes,
  };
}

export function stack(count: number, change: (k: number) => Partial<SlicePlane> = () => ({})) {
  return Array.from({ length: count }, (_, k) => plane(k, change(k)));
}
