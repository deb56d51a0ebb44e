/**
 * What an image of a CT series is: a slice, or something that only lies beside the slices. PS3.3 C.8.2.1.1.1 and
 * C.7.6.1.1.2 (Image Type), C.8.15.2.1.1 and C.8.16.1.4 (Image Type of Enhanced CT).
 */
import type { SlicePlane } from "./types.ts";

export type SliceKind = "slice" | "localizer" | "color" | "processed" | "notHu";

const SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7";

/** Words of Image Type value 3 and later, in the standard and as vendors write them. */
const LOCALIZER_WORDS = new Set(["LOCALIZER", "SCOUT", "TOPOGRAM", "SURVIEW", "SCANOGRAM"]);
const PROCESSED_WORDS = new Set([
  // Projections and renderings: a voxel is not at the place that its value comes from.
  ..."MIP MAXIP MINIP MINIMUM MAXIMUM PROJECTION VRT VR SSD 3D RENDERED RENDERING".split(" "),
  ..."CPR CURVED PANO PANORAMIC ENDOSCOPY UNFOLDED".split(" "),
  // Pages and photographs of a screen.
  ..."DOSE DOSEINFO SCREEN SCREENSAVE SCREENSHOT CAPTURE POSDISP PROT REPORT".split(" "),
  // Values that are computed from several images and are no Hounsfield units any more.
  ..."SUBTRACTION SUBTRACT DIVISION MULTIPLICATION QUANTITY STD DEVIATION".split(" "),
  ..."PERFUSION RCBF RCBV CBF CBV MTT TTP TMAX IODINE MATERIAL ZEFF".split(" "),
]);
const REFORMAT_WORDS = new Set(["MPR", "REFORMATTED", "REFORMAT", "RESAMPLED"]);

/** Absent is what most CT says; US (unspecified) and its long form claim nothing against it. PS3.3 C.11.1.1.2. */
const HU_TYPES = new Set(["", "HU", "US", "UNSPECIFIED"]);

/** Kinds in the order in which they are told: a localizer in color is a localizer. */
export function kindOf(slice: SlicePlane): SliceKind {
  const words = detailsOf(slice);
  if (words.some((word) => LOCALIZER_WORDS.has(word))) return "localizer";
  if (isColor(slice)) return "color";
  const isCapture =
    slice.sopClassUid === SECONDARY_CAPTURE ||
    slice.sopClassUid.startsWith(`${SECONDARY_CAPTURE}.`);
  // Of original pixels such a word names a protocol, not what was made of them.
  const isMade = isDerived(slice) && words.some((word) => PROCESSED_WORDS.has(word));
  if (isCapture || isSecondary(slice) || isMade) return "processed";
  return isHounsfield(slice) ? "slice" : "notHu";
}

export function isHounsfield({ rescaleType }: SlicePlane): boolean {
  return HU_TYPES.has(rescaleType.trim().toUpperCase());
}

/** Pixels made anew from other pixels, or an image that came after the examination. */
export function isDerived({ imageType }: SlicePlane): boolean {
  return upper(imageType[0]) === "DERIVED" || upper(imageType[1]) === "SECONDARY";
}

/** A reformat by its name; one in another plane shows by its orientation. */
export function isReformat(slice: SlicePlane): boolean {
  return isDerived(slice) && detailsOf(slice).some((word) => REFORMAT_WORDS.has(word));
}

/** An empty photometric interpretation is judged elsewhere: the header may not have been read. */
function isColor({ samplesPerPixel, photometricInterpretation: photometric }: SlicePlane): boolean {
  return samplesPerPixel !== 1 || !(photometric === "" || photometric.startsWith("MONOCHROME"));
}

/** SECONDARY, unless the pixels are said to be the original ones of an axial slice: archives rewrite value 2. */
function isSecondary({ imageType: [pixels, exam, third] }: SlicePlane): boolean {
  const isOriginalAxial = upper(pixels) === "ORIGINAL" && upper(third) === "AXIAL";
  return upper(exam) === "SECONDARY" && !isOriginalAxial;
}

function detailsOf({ imageType }: SlicePlane): string[] {
  return imageType.slice(2).flatMap((value) => upper(value).split(/[\s_\\/-]+/));
}

function upper(value: string | undefined): string {
  return (value ?? "").trim().toUpperCase();
}
