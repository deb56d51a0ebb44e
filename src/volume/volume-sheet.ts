/** One picture of one volume to judge its geometry by: three middle planes over three projections, with words. */
import { CELL, drawText, fitText, textWidth } from "./bitmap-font.ts";
import {
  type BodyViews,
  drawViews,
  type GrayImage,
  type ThreeViews,
  type Window,
} from "./picture.ts";
import { encodePng } from "./png.ts";

/** From lung to bone: the geometry shows, whatever the body part. */
const PLANE_WINDOW: Window = { centerHu: -100, widthHu: 1400 };
const BONE_WINDOW: Window = { centerHu: 500, widthHu: 1200 };
const FOOTER = "not for diagnostic use";
const LINES_MAX = 6;
const MARGIN = 16;
const GAP = 10;
/** So that the words fit beside small volumes. */
const WIDTH_MIN = 440;
const LINE_HEIGHT = CELL.height + 4;
const FOOTER_HEIGHT = CELL.height * 2;
const SCALE_BAR_MM = 50;
const WHITE = 235;
const GRAY = 160;
const DIM = 120;

/**
 * Draws the sheet.
 *
 * @param lines - above the planes, the first as a heading; no patient data: the picture goes where reports go
 * @returns a PNG file, 8-bit gray
 */
export function volumeSheet(views: BodyViews, lines: readonly string[]): Buffer {
  const { sizeVoxels, planes, projections, pixelMm } = views;
  const rows = [
    drawViews(sizeVoxels, planes, PLANE_WINDOW),
    drawViews(sizeVoxels, projections, BONE_WINDOW),
  ];
  const { axial, coronal, sagittal } = rows[0]!;
  const across = axial.width + coronal.width + sagittal.width + 2 * GAP;
  const rowHeight = Math.max(axial.height, coronal.height);
  const words = lines.slice(0, LINES_MAX);
  const top = MARGIN + words.length * LINE_HEIGHT + GAP;
  const sheet = newSheet(
    Math.max(WIDTH_MIN, across) + 2 * MARGIN,
    top + 2 * (rowHeight + GAP) + FOOTER_HEIGHT + MARGIN,
  );
  words.forEach((line, index) => {
    const text = fitText(line, sheet.width - 2 * MARGIN, 1);
    write(sheet, text, MARGIN, MARGIN + index * LINE_HEIGHT, index === 0 ? WHITE : GRAY);
  });
  rows.forEach((views, row) => {
    drawRow(sheet, views, top + row * (rowHeight + GAP), ["planes", "projections"][row]!);
  });
  drawFooter(sheet, pixelMm);
  return encodePng({ width: sheet.width, height: sheet.height, channels: 1, pixels: sheet.pixels });
}

interface Sheet {
  readonly width: number;
  readonly height: number;
  /** `[row][column]`. */
  readonly pixels: Uint8Array;
}

function newSheet(width: number, height: number): Sheet {
  return { width, height, pixels: new Uint8Array(width * height) };
}

function drawRow(
  sheet: Sheet,
  { axial, coronal, sagittal }: ThreeViews,
  top: number,
  name: string,
) {
  let left = MARGIN;
  for (const [image, near, far] of [
    [axial, "R", "L"],
    [coronal, "R", "L"],
    [sagittal, "A", "P"],
  ] as const) {
    paste(sheet, image, left, top);
    patch(sheet, near, left, top);
    patch(sheet, far, left + image.width - CELL.width - 2, top);
    left += image.width + GAP;
  }
  patch(sheet, name, MARGIN + CELL.width + 6, top);
}

function drawFooter(sheet: Sheet, pixelMm: number): void {
  const y = sheet.height - MARGIN - CELL.capHeight;
  const length = Math.round(SCALE_BAR_MM / pixelMm);
  for (let x = 0; x < length; x++) put(sheet, MARGIN + x, y + 3, DIM);
  for (let end = 0; end <= 6; end++) {
    put(sheet, MARGIN, y + end, DIM);
    put(sheet, MARGIN + length, y + end, DIM);
  }
  write(sheet, `${SCALE_BAR_MM / 10} cm`, MARGIN + length + 8, y, DIM);
  write(sheet, FOOTER, sheet.width - MARGIN - textWidth(FOOTER, 1), y, WHITE);
}

function paste(sheet: Sheet, image: GrayImage, left: number, top: number): void {
  for (let row = 0; row < image.height; row++) {
    const line = image.pixels.subarray(row * image.width, (row + 1) * image.width);
    sheet.pixels.set(line, (top + row) * sheet.width + left);
  }
}

/** Words on a dark patch, so that they read over bone. */
function patch(sheet: Sheet, text: string, left: number, top: number): void {
  for (let y = 0; y < CELL.height; y++)
    for (let x = 0; x < textWidth(text, 1) + 2; x++) put(sheet, left + x, top + y, 0);
  write(sheet, text, left + 1, top + 2, GRAY);
}

function write(sheet: Sheet, text: string, left: number, top: number, level: number): void {
  drawText(text, left, top, 1, (x, y) => put(sheet, x, y, level));
}

function put(sheet: Sheet, x: number, y: number, level: number): void {
  if (x < 0 || y < 0 || x >= sheet.width || y >= sheet.height) return;
  sheet.pixels[y * sheet.width + x] = level;
}
