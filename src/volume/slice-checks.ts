/** Faults that one slice, or a pair of slices, shows without any geometry of the stack. */
import type { SlicePlane, VerdictFinding } from "./types.ts";

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

const finding = (
  code: string,
  value: number | null,
  unit: string,
  message: string,
): VerdictFinding => ({
  code,
  value,
  unit,
  message,
});

interface Check {
  readonly code: string;
  readonly isFault: (slice: SlicePlane) => boolean;
  readonly message: string;
}

/** Judged even when the header could not be read. */
const SYNTAX_CODES = new Set(["COMPRESSED", "DEFLATED", "BIG_ENDIAN"]);

/** Each is counted over the series; one faulty slice refuses it. */
const CHECKS: readonly Check[] = [
  {
    code: "COMPRESSED",
    isFault: ({ transferSyntaxUid: uid }) =>
      ![IMPLICIT_LITTLE, EXPLICIT_LITTLE, DEFLATED, EXPLICIT_BIG].includes(uid),
    message: "Slices are compressed; this version reads uncompressed CT only.",
  },
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
    code: "LOCALIZER",
    isFault: (slice) => slice.imageType.includes("LOCALIZER"),
    message: "These are localizer (scout) images, not a volume.",
  },
  {
    code: "DERIVED",
    isFault: (slice) => slice.imageType[0] === "DERIVED" || slice.imageType[1] === "SECONDARY",
    message: "These are derived or secondary images, not the scanner's own slices.",
  },
  {
    code: "MULTIFRAME",
    isFault: (slice) => slice.numberOfFrames > 1,
    message: "Multi-frame CT is not read by this version.",
  },
  {
    code: "COLOR",
    isFault: (slice) =>
      slice.samplesPerPixel !== 1 || slice.photometricInterpretation !== "MONOCHROME2",
    message: "Pixels are not plain grayscale (MONOCHROME2).",
  },
  {
    code: "BITS",
    isFault: (slice) =>
      slice.bitsAllocated !== 16 ||
      slice.bitsStored < 8 ||
      slice.bitsStored > 16 ||
      slice.highBit !== slice.bitsStored - 1,
    message: "The layout of the pixel bits is not one of CT (16 bits allocated, 8 to 16 stored).",
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
    isFault: (slice) => !["", "HU", "US"].includes(slice.rescaleType),
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

/** Findings of single slices, with how many slices show each. */
export function checkSlices(slices: readonly SlicePlane[]): VerdictFinding[] {
  return CHECKS.flatMap((check) => {
    const isOfSyntax = SYNTAX_CODES.has(check.code);
    const judged = isOfSyntax ? slices : slices.filter(isHeaderRead);
    const count = judged.filter(check.isFault).length;
    return count === 0 ? [] : [finding(check.code, count, "1", check.message)];
  });
}

/** Findings of slices that do not belong together: another matrix or another pixel spacing. */
export function checkUniform(slices: readonly SlicePlane[], first: SlicePlane): VerdictFinding[] {
  const judged = slices.filter(isHeaderRead);
  const otherMatrix = judged.filter(
    (slice) => slice.rows !== first.rows || slice.columns !== first.columns,
  ).length;
  const otherSpacing = judged.filter((slice) => {
    const a = slice.pixelSpacingMm;
    const b = first.pixelSpacingMm;
    return a !== undefined && b !== undefined && (differs(a[0], b[0]) || differs(a[1], b[1]));
  }).length;
  return [
    ...(otherMatrix > 0
      ? [
          finding(
            "MIXED_MATRIX",
            otherMatrix,
            "1",
            "Slices have different numbers of rows or columns.",
          ),
        ]
      : []),
    ...(otherSpacing > 0
      ? [finding("MIXED_SPACING", otherSpacing, "1", "Slices have different pixel spacing.")]
      : []),
  ];
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

/** False when the header came empty because its transfer syntax is not read: absence proves nothing then. */
export function isHeaderRead({ transferSyntaxUid: uid, rows }: SlicePlane): boolean {
  return uid === IMPLICIT_LITTLE || uid === EXPLICIT_LITTLE || rows !== 0;
}

function differs(a: number, b: number): boolean {
  return Math.abs(a - b) > 1e-4 * Math.max(a, b);
}
