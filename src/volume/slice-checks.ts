/** Faults that one slice, or a pair of slices, shows without any geometry of the stack. */
import { finding } from "./findings.ts";
import { isHounsfield, kindOf } from "./slice-kind.ts";
import type { SlicePlane, VerdictFinding } from "./types.ts";

const CT_IMAGE_STORAGE = "1.2.840.10008.5.1.4.1.1.2";
const IMPLICIT_LITTLE = "1.2.840.10008.1.2";
const EXPLICIT_LITTLE = "1.2.840.10008.1.2.1";
const DEFLATED = "1.2.840.10008.1.2.1.99";
const EXPLICIT_BIG = "1.2.840.10008.1.2.2";
const MATRIX_MAX = 4096;
/** Between voxels and between slices, mm; outside it a number is a mistake, not a scanner. */
const SPACING_MM_MIN = 0.001;
const SPACING_MM_MAX = 1000;
/** No scanner table is longer. */
const POSITION_MM_MAX = 1e6;

interface Check {
  readonly code: string;
  readonly isFault: (slice: SlicePlane) => boolean;
  readonly message: string;
}

/** Judged even when the header could not be read; only of transfer syntaxes that are not decoded. */
const SYNTAX_CHECKS: readonly Check[] = [
  {
    code: "DEFLATED",
    isFault: (slice) => slice.transferSyntaxUid === DEFLATED,
    message: "Slices are deflated; this version does not read them.",
  },
  {
    code: "BIG_ENDIAN",
    isFault: (slice) => slice.transferSyntaxUid === EXPLICIT_BIG,
    message: "Slices are big endian; this version does not read them.",
  },
  {
    code: "COMPRESSED",
    isFault: ({ transferSyntaxUid: uid }) => uid !== DEFLATED && uid !== EXPLICIT_BIG,
    message: "Slices are compressed in a way that this version does not read.",
  },
];

/** Each is counted over the series; one faulty slice refuses it. */
const CHECKS: readonly Check[] = [
  {
    code: "LOCALIZER",
    isFault: (slice) => kindOf(slice) === "localizer",
    message: "These are localizer (scout) images, not a volume.",
  },
  {
    code: "PROCESSED",
    isFault: (slice) => kindOf(slice) === "processed",
    message:
      "These are images made from slices (projection, rendering, map, screen save), not slices of a scan.",
  },
  {
    code: "MULTIFRAME",
    isFault: (slice) => slice.numberOfFrames > 1 && slice.sopClassUid === CT_IMAGE_STORAGE,
    message: "An image says that it has several frames, which CT Image Storage does not allow.",
  },
  {
    code: "COLOR",
    isFault: ({ samplesPerPixel, photometricInterpretation: photometric }) =>
      samplesPerPixel !== 1 || !["MONOCHROME1", "MONOCHROME2"].includes(photometric),
    message: "Pixels are not grayscale: a page with a table or a picture, not a slice.",
  },
  {
    code: "BITS",
    isFault: (slice) =>
      ![8, 16].includes(slice.bitsAllocated) ||
      slice.bitsStored < 8 ||
      slice.bitsStored > slice.bitsAllocated ||
      slice.highBit !== slice.bitsStored - 1,
    message:
      "The layout of the pixel bits is not one of CT (8 or 16 bits allocated, 8 to 16 stored).",
  },
  {
    code: "NO_RESCALE",
    isFault: (slice) =>
      !Number.isFinite(slice.rescaleSlope) ||
      slice.rescaleSlope === 0 ||
      !Number.isFinite(slice.rescaleIntercept),
    message:
      "Rescale Slope or Intercept is missing or unusable, so Hounsfield units cannot be computed.",
  },
  {
    code: "NOT_HU",
    isFault: (slice) => !isHounsfield(slice),
    message: "Rescale Type says that values are not Hounsfield units.",
  },
  {
    code: "NO_POSITION",
    isFault: (slice) => !hasPosition(slice),
    message: "Image Position (Patient) is missing or unusable: slices cannot be placed.",
  },
  {
    code: "NO_ORIENTATION",
    isFault: (slice) => !hasOrientation(slice),
    message: "Image Orientation (Patient) is missing or unusable: slices cannot be placed.",
  },
  {
    code: "NO_SPACING",
    isFault: ({ pixelSpacingMm: mm }) => !mm?.every(isSpacing),
    message: "Pixel Spacing is missing, not positive or absurd.",
  },
  {
    code: "BAD_MATRIX",
    isFault: ({ rows, columns }) =>
      rows < 2 || columns < 2 || rows > MATRIX_MAX || columns > MATRIX_MAX,
    message: "Rows or Columns are missing or absurd.",
  },
];

/** True for the transfer syntaxes that the plain reader decodes. */
export function isPlainSyntax(transferSyntaxUid: string): boolean {
  return transferSyntaxUid === IMPLICIT_LITTLE || transferSyntaxUid === EXPLICIT_LITTLE;
}

/**
 * Findings of single slices, with how many slices show each.
 *
 * @param canDecode - true for the transfer syntaxes that the caller decodes
 */
export function checkSlices(
  slices: readonly SlicePlane[],
  canDecode: (transferSyntaxUid: string) => boolean,
): VerdictFinding[] {
  const undecoded = slices.filter((slice) => !canDecode(slice.transferSyntaxUid));
  return [
    ...failed(SYNTAX_CHECKS, undecoded),
    ...failed(
      CHECKS,
      slices.filter((slice) => canDecode(slice.transferSyntaxUid) || slice.rows !== 0),
    ),
  ];
}

function failed(checks: readonly Check[], slices: readonly SlicePlane[]): VerdictFinding[] {
  return checks.flatMap((check) => {
    const count = slices.filter(check.isFault).length;
    return count === 0 ? [] : [finding(check.code, count, "1", check.message)];
  });
}

/** Findings of slices that do not belong together: another matrix or another pixel spacing. */
export function checkUniform(slices: readonly SlicePlane[], first: SlicePlane): VerdictFinding[] {
  const otherMatrix = slices.filter((slice) => !isSameMatrix(slice, first)).length;
  const otherSpacing = slices.filter((slice) => !isSameSpacing(slice, first)).length;
  const matrixText = "Slices have different numbers of rows or columns.";
  const spacingText = "Slices have different pixel spacing.";
  return [
    ...(otherMatrix > 0 ? [finding("MIXED_MATRIX", otherMatrix, "1", matrixText)] : []),
    ...(otherSpacing > 0 ? [finding("MIXED_SPACING", otherSpacing, "1", spacingText)] : []),
  ];
}

export function isSameMatrix(a: SlicePlane, b: SlicePlane): boolean {
  return a.rows === b.rows && a.columns === b.columns;
}

/** A missing pixel spacing differs from none: it is told by its own code. */
export function isSameSpacing(a: SlicePlane, b: SlicePlane): boolean {
  const [mm, other] = [a.pixelSpacingMm, b.pixelSpacingMm];
  if (mm === undefined || other === undefined) return true;
  return !differs(mm[0], other[0]) && !differs(mm[1], other[1]);
}

export function hasPosition({ positionLpsMm }: SlicePlane): boolean {
  return positionLpsMm?.every((mm) => Math.abs(mm) <= POSITION_MM_MAX) ?? false;
}

export function hasOrientation({ orientation }: SlicePlane): boolean {
  return orientation?.every(Number.isFinite) ?? false;
}

export function isSpacing(mm: number): boolean {
  return mm >= SPACING_MM_MIN && mm <= SPACING_MM_MAX;
}

function differs(a: number, b: number): boolean {
  return Math.abs(a - b) > 1e-4 * Math.max(a, b);
}
