/** Gray pictures of a volume: three mid-planes with square pixels, head up, front up. */
import { reorient, resample } from "./resample.ts";
import type { CtVolume } from "./types.ts";

export interface GrayImage {
  readonly width: number;
  readonly height: number;
  /** `[row][column]`, 0 black to 255 white. */
  readonly pixels: Uint8Array;
}

export interface Window {
  readonly centerHu: number;
  readonly widthHu: number;
}

/** The middle axial, coronal and sagittal planes, all at `pixelMm` (default: 2 mm). */
export function midPlanes(
  volume: CtVolume,
  window: Window,
  pixelMm = 2,
): { axial: GrayImage; coronal: GrayImage; sagittal: GrayImage } {
  const even = resample(reorient(volume, "LPS"), {
    spacingMm: [pixelMm, pixelMm, pixelMm],
    antialias: true,
  });
  const [depth, rows, columns] = even.sizeVoxels;
  const at = (z: number, y: number, x: number) => even.voxelsZyx[(z * rows + y) * columns + x]!;
  const draw = (
    width: number,
    height: number,
    hu: (row: number, column: number) => number,
  ): GrayImage => {
    const pixels = new Uint8Array(width * height);
    for (let row = 0; row < height; row++) {
      for (let column = 0; column < width; column++)
        pixels[row * width + column] = gray(hu(row, column), window);
    }
    return { width, height, pixels };
  };
  // z grows towards the head: rows count down from the top.
  return {
    axial: draw(columns, rows, (row, column) => at(depth >> 1, row, column)),
    coronal: draw(columns, depth, (row, column) => at(depth - 1 - row, rows >> 1, column)),
    sagittal: draw(rows, depth, (row, column) => at(depth - 1 - row, column, columns >> 1)),
  };
}

function gray(hu: number, { centerHu, widthHu }: Window): number {
  return Math.max(0, Math.min(255, Math.round(((hu - centerHu) / widthHu + 0.5) * 255)));
}
