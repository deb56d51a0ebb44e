/** Gray pictures of a volume with square pixels, head up, front up: planes through its middle, and projections. */
import type { Triple } from "./sampling.ts";
import type { VolumeStep } from "./steps.ts";
import type { CtVolume } from "./types.ts";

export interface GrayImage {
  readonly width: number;
  readonly height: number;
  /** `[row][column]`, 0 black to 255 white. */
  readonly pixels: Uint8Array;
}

/** Axial: front up, patient's right on the left. Coronal: head up. Sagittal: head up, front on the left. */
export interface ThreeViews {
  readonly axial: GrayImage;
  readonly coronal: GrayImage;
  readonly sagittal: GrayImage;
}

export interface Window {
  readonly centerHu: number;
  readonly widthHu: number;
}

/** HU of three views, by the indices that they show. */
export interface ViewValues {
  axial(y: number, x: number): number;
  coronal(z: number, x: number): number;
  sagittal(z: number, y: number): number;
}

/** What the pictures of a volume are drawn from: cubes of `pixelMm`, turned to LPS, so that z grows towards the head. */
export interface BodyViews {
  readonly pixelMm: number;
  /** `[z, y, x]`. */
  readonly sizeVoxels: Triple;
  /** Through the middle. */
  readonly planes: ViewValues;
  /** Maximum intensity projections along the axis that a view does not show. */
  readonly projections: ViewValues;
}

const PIXEL_MM_MIN = 1;
/** Pixels across the slices and along them: enough to see. */
const ACROSS_PIXELS_MAX = 220;
const ALONG_PIXELS_MAX = 600;

/** The size of a pixel that shows the whole volume: about 2 mm for a trunk, 1 mm for a head. */
export function pictureSpacingMm(volume: Pick<CtVolume, "sizeVoxels" | "spacingMm">): number {
  const [along, down, across] = volume.sizeVoxels.map((n, i) => n * volume.spacingMm[i]!);
  return Math.max(
    PIXEL_MM_MIN,
    Math.max(down!, across!) / ACROSS_PIXELS_MAX,
    along! / ALONG_PIXELS_MAX,
  );
}

/** The steps to what the pictures show. */
export function pictureSteps(volume: Pick<CtVolume, "sizeVoxels" | "spacingMm">): VolumeStep[] {
  const pixelMm = pictureSpacingMm(volume);
  return [
    { op: "reorient", axes: "LPS" },
    { op: "resample", spacingMm: [pixelMm, pixelMm, pixelMm], antialias: true },
  ];
}

/** Values in HU by the two axes that a view shows. Rows of a picture count down from the top of the head. */
export function drawViews(
  [depth, rows, columns]: Triple,
  hu: ViewValues,
  window: Window,
): ThreeViews {
  return {
    axial: draw(columns, rows, window, hu.axial),
    coronal: draw(columns, depth, window, (row, x) => hu.coronal(depth - 1 - row, x)),
    sagittal: draw(rows, depth, window, (row, y) => hu.sagittal(depth - 1 - row, y)),
  };
}

function draw(
  width: number,
  height: number,
  window: Window,
  hu: (row: number, column: number) => number,
): GrayImage {
  const pixels = new Uint8Array(width * height);
  for (let row = 0; row < height; row++) {
    for (let column = 0; column < width; column++)
      pixels[row * width + column] = gray(hu(row, column), window);
  }
  return { width, height, pixels };
}

function gray(hu: number, { centerHu, widthHu }: Window): number {
  return Math.max(0, Math.min(255, Math.round(((hu - centerHu) / widthHu + 0.5) * 255)));
}
