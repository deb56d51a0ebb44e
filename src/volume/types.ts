/**
 * Numbers of a CT volume. No DICOM objects, no I/O. Axes: z along the slice normal, y down the rows (column
 * direction), x along a row. Positions are in the patient coordinate system, LPS, millimetres (PS3.3 C.7.6.2.1).
 */

export type Vector3 = readonly [number, number, number];

/** What the volume room needs to know of one slice, i.e. of one frame, read from its instance's header. */
export interface SlicePlane {
  /** SOP Instance UID, opaque here: it names the slice in findings and evidence. */
  readonly sopInstanceUid: string;
  readonly sopClassUid: string;
  /** Frame within the instance, from 0. */
  readonly frameIndex: number;
  readonly rows: number;
  readonly columns: number;
  /** Image Position (Patient), centre of the first voxel, mm. */
  readonly positionLpsMm: Vector3 | undefined;
  /** Image Orientation (Patient): direction of a row (x), then of a column (y). */
  readonly orientation: readonly [number, number, number, number, number, number] | undefined;
  /** Pixel Spacing: between rows (y), between columns (x), mm. */
  readonly pixelSpacingMm: readonly [number, number] | undefined;
  /** Slice Thickness as it is stated, mm; geometry never depends on it. */
  readonly thicknessMm: number | undefined;
  readonly imageType: readonly string[];
  readonly samplesPerPixel: number;
  readonly photometricInterpretation: string;
  readonly bitsAllocated: number;
  readonly bitsStored: number;
  readonly highBit: number;
  /** Pixel Representation: true for two's complement. */
  readonly isSigned: boolean;
  readonly numberOfFrames: number;
  readonly rescaleSlope: number | undefined;
  readonly rescaleIntercept: number | undefined;
  /** Rescale Type, e.g. HU; empty when absent. */
  readonly rescaleType: string;
  /** Pixel Padding Value and Range Limit, in stored values. PS3.3 C.7.5.1.1.2. */
  readonly paddingValue: number | undefined;
  readonly paddingRangeLimit: number | undefined;
  readonly transferSyntaxUid: string;
  /** Compressed with loss now or ever before (Lossy Image Compression, or the transfer syntax). */
  readonly isLossy: boolean;
  readonly instanceNumber: number | undefined;
  readonly acquisitionNumber: number | undefined;
  /** Acquisition DateTime, or date and time joined: digits as they came; empty when absent. */
  readonly acquisitionTime: string;
  /** Temporal Position Index or Identifier. */
  readonly temporalPosition: number | undefined;
  /** Convolution Kernel, values joined by a backslash; empty when absent. */
  readonly kernel: string;
  /** Stack ID of multi-frame images; empty when absent. */
  readonly stackId: string;
  /** In-Stack Position Number of multi-frame images. */
  readonly inStackPosition: number | undefined;
  /** Dimension Index Values of multi-frame images; empty when absent. */
  readonly dimensionIndexValues: readonly number[];
  /** Pixel Presentation COLOR or MIXED: values are shown by a supplemental palette and are no HU. PS3.3 C.8.16.2.1.1. */
  readonly isSupplementalColor: boolean;
  /** Real World Value Mapping is there: values may mean something else than the rescaled ones. */
  readonly hasRealWorldValues: boolean;
  /** SOP Instance UID of the image that a legacy converted frame was; empty for all others. */
  readonly sourceSopInstanceUid: string;
}

export type VerdictOutcome = "ok" | "corrected" | "refused";

/** One thing found in a series, with its number. */
export interface VerdictFinding {
  /** Stable upper-case code, listed in docs/volumes.md. */
  readonly code: string;
  readonly value: number | null;
  /** UCUM unit of the value; `1` for counts. */
  readonly unit: string;
  /** One plain-English sentence a radiographer understands. */
  readonly message: string;
}

/** Kept with the embedding and shown in the report. */
export interface VolumeVerdict {
  readonly outcome: VerdictOutcome;
  readonly findings: readonly VerdictFinding[];
  /** `[slices, rows, columns]` of the native volume, mm; null when refused. */
  readonly spacingMm: readonly [number, number, number] | null;
  /** `[slices, rows, columns]` of the native volume; null when refused. */
  readonly sizeVoxels: readonly [number, number, number] | null;
  /** Gantry tilt measured from the vectors, degrees; null when it cannot be measured. */
  readonly tiltDegrees: number | null;
}

/** Where one slice lies on the grid of its stack, in steps of the grid. */
export interface SlicePlacement {
  /** Plane of the grid; a fraction where the slice lies between two. */
  readonly z: number;
  /** Row and column of the grid on which the slice's first voxel lies; fractions under gantry tilt. */
  readonly row: number;
  readonly column: number;
}

/**
 * The right-angled grid that a stack is put on. Its planes are parallel to the slices; in-plane it has their spacing, and is
 * large enough for all of them where they are shifted against each other.
 */
export interface StackGeometry {
  /** `[slices, rows, columns]`. */
  readonly sizeVoxels: readonly [number, number, number];
  /** `[slices, rows, columns]`, mm. */
  readonly spacingMm: readonly [number, number, number];
  /** Centre of voxel [0][0][0], LPS mm. */
  readonly originLps: Vector3;
  /** Unit vectors of z, y, x. */
  readonly axesZyx: readonly [Vector3, Vector3, Vector3];
  /** One for each slice of the order, ascending along z. */
  readonly placements: readonly SlicePlacement[];
}

/** A right volume in Hounsfield units. */
export interface CtVolume {
  /** HU, `[z][y][x]` flattened. */
  readonly voxelsZyx: Int16Array | Float32Array;
  /** `[slices, rows, columns]`. */
  readonly sizeVoxels: readonly [number, number, number];
  /** `[slices, rows, columns]`, mm. */
  readonly spacingMm: readonly [number, number, number];
  /** Centre of voxel [0][0][0], LPS mm. */
  readonly originLps: Vector3;
  /** Unit vectors of the z, y and x axes, LPS. */
  readonly axesZyx: readonly [Vector3, Vector3, Vector3];
}
