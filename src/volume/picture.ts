/** Gray pictures of a volume with square pixels, head up, front up: planes through its middle, and projections. */
import { reorient, resample } from "./resample.ts";
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

const PIXEL_MM_MIN = 1;
/** Pixels of a picture across the slices and along them: enough to see, and about 90 MB while it is drawn. */
const ACROSS_PIXELS_MAX = 220;
const ALONG_PIXELS_MAX = 450;

/** The size of a pixel that shows the whole volume: about 2 mm for a trunk, 1 mm for a head. */
export function pictureSpacingMm(volume: Pick<CtVolume, "sizeVoxels" | "spacingMm">): number {
  const [along, down, across] = volume.sizeVoxels.map((n, i) => n * volume.spacingMm[i]!);
  return Math.max(
    PIXEL_MM_MIN,
    Math.max(down!, across!) / ACROSS_PIXELS_MAX,
    along! / ALONG_PIXELS_MAX,
  );
}

/** The volume turned to LPS, in cubes of `pixelMm`: what the pictures are drawn from. */
export function evenVolume(volume: CtVolume, pixelMm: number): CtVolume {
  const spacingMm = [pixelMm, pixelMm, pixelMm] as const;
  return resample(reorient(volume, "LPS"), { spacingMm, antialias: true });
}

/** The middle planes of an {@link evenVolume}. */
export function midPlanes(even: CtVolume, window: Window): ThreeViews {
  const [depth, rows, columns] = even.sizeVoxels;
  const at = (z: number, y: number, x: number) => even.voxelsZyx[(z * rows + y) * columns + x]!;
  return drawViews(even, window, {
    axial: (y, x) => at(depth >> 1, y, x),
    coronal: (z, x) => at(z, rows >> 1, x),
    sagittal: (z, y) => at(z, y, columns >> 1),
  });
}

/** Maximum intensity projections of an {@link evenVolume} along its three axes. */
export function projections(even: CtVolume, window: Window): ThreeViews {
  const { voxelsZyx } = even;
  const [depth, rows, columns] = even.sizeVoxels;
  const lowest = (length: number) => new Float32Array(length).fill(Number.NEGATIVE_INFINITY);
  const axial = lowest(rows * columns);
  const coronal = lowest(depth * columns);
  const sagittal = lowest(depth * rows);
  let i = 0;
  for (let z = 0; z < depth; z++) {
    for (let y = 0; y < rows; y++) {
      let most = Number.NEGATIVE_INFINITY;
      for (let x = 0; x < columns; x++, i++) {
        const hu = voxelsZyx[i]!;
        if (hu > most) most = hu;
        if (hu > axial[y * columns + x]!) axial[y * columns + x] = hu;
        if (hu > coronal[z * columns + x]!) coronal[z * columns + x] = hu;
      }
      sagittal[z * rows + y] = most;
    }
  }
  return drawViews(even, window, {
    axial: (y, x) => axial[y * columns + x]!,
    coronal: (z, x) => coronal[z * columns + x]!,
    sagittal: (z, y) => sagittal[z * rows + y]!,
  });
}

/** Values in HU by the two axes that a view shows. z grows towards the head: rows count down from the top. */
function drawViews(
  even: CtVolume,
  window: Window,
  hu: Readonly<Record<keyof ThreeViews, (down: number, across: number) => number>>,
): ThreeViews {
  const [depth, rows, columns] = even.sizeVoxels;
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
