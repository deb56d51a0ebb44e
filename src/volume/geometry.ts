/**
 * Judges a set of slices, orders them and puts them on a right-angled grid. Only positions and orientations count;
 * Instance Number, Slice Location and the nominal tilt are ignored, because scanners disagree about them. PS3.3
 * C.7.6.2.1.1. Rules and tolerances are argued in docs/volumes.md.
 */
import { finding, rounded } from "./findings.ts";
import {
  isAxial,
  isOrthonormal,
  isSameOrientation,
  obliqueDegrees,
  stackAxes,
} from "./orientation.ts";
import { DEFAULT_RULES, SLICES_MAX, VOXELS_MAX, type VolumeRules } from "./rules.ts";
import { judgeShear, type Shear } from "./shear.ts";
import {
  checkSlices,
  checkUniform,
  hasOrientation,
  hasPosition,
  isPlainSyntax,
} from "./slice-checks.ts";
import { isDerived } from "./slice-kind.ts";
import { judgeSpacing, type Spacing } from "./spacing.ts";
import type { SlicePlane, StackGeometry, Vector3, VerdictFinding, VolumeVerdict } from "./types.ts";
import { added, dot, scaled, subtract } from "./vectors.ts";

/** A head is positioned within this angle; above it the report says so. */
const OBLIQUE_DEGREES_MIN = 10;
/** Slices this many times farther apart than they are thick leave much unseen; some scanners leave a little on purpose. */
const APART_RATIO = 1.5;
/** Codes of images that are no slices at all. */
const NO_SLICES = new Set(["LOCALIZER", "PROCESSED", "COLOR"]);
/** Rows or columns of a grid that holds sheared slices. */
const GRID_SIDE_MAX = 16_384;

export interface ExaminedSlices {
  readonly verdict: VolumeVerdict;
  /** Indices into the slices, ascending along the normal; empty when they cannot be ordered. */
  readonly order: readonly number[];
  /** Null when refused. */
  readonly geometry: StackGeometry | null;
}

export interface ExamineOptions extends Partial<VolumeRules> {
  readonly slicesMin: number;
  /** True for the transfer syntaxes that the caller decodes; default: little endian, not compressed. */
  readonly canDecode?: (transferSyntaxUid: string) => boolean;
  /** What is known of the stack already, such as slices left out of it; told after this judge's own findings. */
  readonly findings?: readonly VerdictFinding[];
}

/**
 * Collects all findings, reasons for a refusal first; nothing depends on the order of the slices.
 *
 * @param slices - of one stack (see `splitSeries`), one entry a frame, in any order
 */
export function examineSlices(
  slices: readonly SlicePlane[],
  options: ExamineOptions,
): ExaminedSlices {
  const rules: VolumeRules = { ...DEFAULT_RULES, ...options };
  const canDecode = options.canDecode ?? isPlainSyntax;
  const told = options.findings ?? [];
  if (slices.length > SLICES_MAX) {
    const message = "The series has more slices than can be handled.";
    return refused([finding("TOO_MANY_SLICES", slices.length, "1", message), ...told], [], null);
  }
  const refusals = checkSlices(slices, canDecode);
  // One slice has no distance to a next one, whatever the site allows.
  const slicesMin = Math.max(2, rules.slicesMin);
  if (slices.length < slicesMin) {
    const message = `A volume needs at least ${slicesMin} slices.`;
    refusals.push(finding("TOO_FEW_SLICES", slices.length, "1", message));
  }
  // Where a scout or a page lies says nothing about a stack.
  if (refusals.some(({ code }) => NO_SLICES.has(code)))
    return refused([...refusals, ...told], [], null);
  // Sums of floats depend on their order; by name it is always the same.
  const byName = slices.map((_, index) => index).sort((a, b) => byUid(slices[a]!, slices[b]!));
  const read = byName
    .map((index) => slices[index]!)
    .filter((slice) => canDecode(slice.transferSyntaxUid) || slice.rows !== 0);
  const reference = read[0];
  if (reference === undefined) return refused([...refusals, ...told], [], null);
  refusals.push(...checkUniform(read, reference));
  if (!slices.every((slice) => hasPosition(slice) && hasOrientation(slice)))
    return refused([...refusals, ...told], [], null);
  const directions = judgeOrientations(read, reference);
  refusals.push(...directions);
  // Slices in several planes have no order.
  if (directions.length > 0) return refused([...refusals, ...told], [], null);
  const stack = placeStack(slices, byName, rules);
  refusals.push(...stack.refusals);
  const { geometry, order } = stack;
  const [depth, rows, columns] = geometry.sizeVoxels;
  const voxels = depth * rows * columns;
  if (voxels > VOXELS_MAX || Math.max(rows, columns) > GRID_SIDE_MAX) {
    const message = "The volume has more voxels than can be handled.";
    refusals.push(finding("TOO_LARGE", voxels, "1", message));
  }
  const { tiltDegrees } = stack.shear;
  if (refusals.length > 0) return refused([...refusals, ...told], order, tiltDegrees);
  const corrections = [...stack.shear.corrections, ...stack.spacing.corrections];
  const verdict: VolumeVerdict = {
    outcome: corrections.length > 0 ? "corrected" : "ok",
    findings: [...corrections, ...notes(read, geometry), ...told],
    spacingMm: geometry.spacingMm,
    sizeVoxels: geometry.sizeVoxels,
    tiltDegrees,
  };
  return { verdict, order, geometry };
}

function refused(
  findings: readonly VerdictFinding[],
  order: readonly number[],
  tiltDegrees: number | null,
): ExaminedSlices {
  return {
    verdict: { outcome: "refused", findings, spacingMm: null, sizeVoxels: null, tiltDegrees },
    order,
    geometry: null,
  };
}

function judgeOrientations(slices: readonly SlicePlane[], reference: SlicePlane): VerdictFinding[] {
  const skewed = slices.filter((slice) => !isOrthonormal(slice)).length;
  const strays = slices.filter((slice) => !isSameOrientation(slice, reference)).length;
  const skewText = "Image Orientation (Patient) is not two perpendicular unit vectors.";
  const strayText = "Slices have different orientations.";
  return [
    ...(skewed > 0 ? [finding("BAD_ORIENTATION", skewed, "1", skewText)] : []),
    ...(strays > 0 ? [finding("MIXED_ORIENTATION", strays, "1", strayText)] : []),
  ];
}

interface Stack {
  readonly order: readonly number[];
  readonly geometry: StackGeometry;
  readonly spacing: Spacing;
  readonly shear: Shear;
  readonly refusals: readonly VerdictFinding[];
}

/** @param byName - indices of all slices, in an order of their own */
function placeStack(
  slices: readonly SlicePlane[],
  byName: readonly number[],
  rules: VolumeRules,
): Stack {
  const axes = stackAxes(byName.map((index) => slices[index]!));
  const [z, y, x] = axes;
  const base = slices[byName[0]!]!.positionLpsMm!;
  const depths = slices.map((slice) => dot(subtract(slice.positionLpsMm!, base), z));
  // The sort is stable: slices at one depth stay in the order of their names.
  const order = [...byName].sort((a, b) => depths[a]! - depths[b]!);
  const first = slices[order[0]!]!;
  const along = (axis: Vector3) =>
    order.map((index) => dot(subtract(slices[index]!.positionLpsMm!, first.positionLpsMm!), axis));
  const depthsMm = along(z);
  const pixelMm = first.pixelSpacingMm ?? [1, 1];
  const spacing = judgeSpacing(depthsMm, rules);
  const shear = judgeShear(depthsMm, along(y), along(x), pixelMm, rules);
  const refusals = [
    ...spacing.refusals,
    ...shear.refusals,
    ...judgeObliqueness(axes, slices, rules),
  ];
  const [shiftY, shiftX] = shear.originYxMm;
  const geometry: StackGeometry = {
    sizeVoxels: [spacing.planes, first.rows + shear.moreRows, first.columns + shear.moreColumns],
    spacingMm: [spacing.stepMm, pixelMm[0], pixelMm[1]],
    originLps: added(first.positionLpsMm!, added(scaled(y, shiftY), scaled(x, shiftX))),
    axesZyx: axes,
    placements: spacing.places.map((place, k) => ({
      z: place,
      row: shear.rows[k]!,
      column: shear.columns[k]!,
    })),
  };
  return { order, geometry, spacing, shear, refusals };
}

function judgeObliqueness(
  axes: readonly [Vector3, Vector3, Vector3],
  slices: readonly SlicePlane[],
  rules: VolumeRules,
): VerdictFinding[] {
  const degrees = obliqueDegrees(axes);
  const text = `Slices lie ${Math.round(degrees)} degrees off the planes of the body`;
  if (degrees > rules.obliqueDegreesMax)
    return [finding("OBLIQUE", degrees, "deg", `${text}: which side is up cannot be told.`)];
  if (isAxial(axes[0]) || !slices.every(isDerived)) return [];
  const message =
    "These are reformats in another plane; the slices they were made from are what counts.";
  return [finding("REFORMAT", slices.length, "1", message)];
}

/** What is worth knowing about an accepted volume. */
function notes(slices: readonly SlicePlane[], geometry: StackGeometry): VerdictFinding[] {
  const found: VerdictFinding[] = [];
  const degrees = obliqueDegrees(geometry.axesZyx);
  if (!isAxial(geometry.axesZyx[0])) {
    const message = "Slices are coronal or sagittal; the volume is turned as the model asks for.";
    found.push(finding("NOT_AXIAL", slices.length, "1", message));
  }
  if (degrees > OBLIQUE_DEGREES_MIN) {
    const text = `Slices lie ${Math.round(degrees)} degrees off the planes of the body; the volume keeps that angle.`;
    found.push(finding("OBLIQUE", degrees, "deg", text));
  }
  found.push(...judgeThickness(slices, geometry.spacingMm[0]));
  const count = (code: string, is: (slice: SlicePlane) => boolean, message: string) => {
    const which = slices.filter(is).length;
    if (which > 0) found.push(finding(code, which, "1", message));
  };
  count("DERIVED", isDerived, "Slices were derived from others or came after the examination.");
  count("LOSSY", ({ isLossy }) => isLossy, "Slices were compressed with loss of detail.");
  count(
    "INVERTED",
    ({ photometricInterpretation }) => photometricInterpretation === "MONOCHROME1",
    "Slices are meant to be shown inverted (MONOCHROME1); their values are used as they are.",
  );
  const padded = slices.find((slice) => slice.paddingValue !== undefined);
  if (padded !== undefined) {
    const message = "Voxels outside the scan carry a padding value; they are taken as air.";
    found.push(finding("PADDING", padded.paddingValue!, "1", message));
  }
  return found;
}

/** Every second slice of a scan looks like a scan of twice the spacing: only what a slice covers tells them apart. */
function judgeThickness(slices: readonly SlicePlane[], stepMm: number): VerdictFinding[] {
  const thickest = slices.reduce((most, { thicknessMm }) => {
    return Math.max(most, thicknessMm ?? Number.POSITIVE_INFINITY);
  }, 0);
  if (stepMm <= APART_RATIO * thickest) return [];
  const text = `Slices are ${rounded(thickest)} mm thick and ${rounded(stepMm)} mm apart: what lies between was not scanned, or slices are missing throughout.`;
  return [finding("SLICES_APART", stepMm - thickest, "mm", text)];
}

/** Frames of one instance by their number. */
export function byUid(a: SlicePlane, b: SlicePlane): number {
  if (a.sopInstanceUid === b.sopInstanceUid) return a.frameIndex - b.frameIndex;
  return a.sopInstanceUid < b.sopInstanceUid ? -1 : 1;
}
