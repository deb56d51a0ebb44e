/** The query and its look-alikes side by side, as one picture: axial, coronal and sagittal planes at one scale. */
import { KindredError } from "../../kernel/errors.ts";
import { CELL, drawText, fitText, textWidth } from "../../volume/bitmap-font.ts";
import { encodePng } from "../../volume/png.ts";
import type { CtVolume } from "../../volume/types.ts";
import { drawPlane, type PlaneName, planeSizeMm, type Viewed, viewOf } from "./plane-views.ts";

export interface SheetColumn {
  /** One line over the column, e.g. rank and score; cut when too long. */
  readonly title: string;
  /** Smaller lines under the title, at most four are shown. */
  readonly lines: readonly string[];
  readonly volume: CtVolume;
}

export interface SheetOptions {
  /** Heading of the whole sheet. */
  readonly title?: string;
  readonly footer?: string;
  /** The first column is the query and stands apart; default true. */
  readonly isFirstQuery?: boolean;
}

type Color = readonly [number, number, number];

const COLUMNS_MAX = 8;
const LINES_MAX = 4;
const FOOTER = "synthetic or research data - not for diagnostic use";
/** Width of a column in pixels by how many there are, from 1. */
const COLUMN_WIDTHS = [440, 420, 380, 340, 300, 276, 248, 228];
const PLANES: readonly PlaneName[] = ["axial", "coronal", "sagittal"];
const MARGIN = 28;
const GAP = 16;
const QUERY_GAP = 34;
const LINE_HEIGHT = CELL.height * 2;
const WHITE: Color = [240, 242, 245];
const GRAY: Color = [150, 156, 165];
const DIM: Color = [98, 104, 113];
const RULE: Color = [44, 48, 54];
const QUERY: Color = [255, 190, 92];
const MATCH: Color = [104, 196, 214];

/**
 * Draws 1 to 8 columns; all planes share one scale, so that a large patient looks large.
 *
 * @returns a PNG file, 8-bit RGB
 * @throws KindredError `BAD_REQUEST` for no column or more than eight
 */
export function contactSheet(columns: readonly SheetColumn[], options: SheetOptions = {}): Buffer {
  if (columns.length < 1 || columns.length > COLUMNS_MAX) {
    throw new KindredError("BAD_REQUEST", `A contact sheet has 1 to ${COLUMNS_MAX} columns`, {
      details: { columns: columns.length },
    });
  }
  const isFirstQuery = options.isFirstQuery ?? true;
  const views = columns.map((column) => viewOf(column.volume));
  const layout = layoutOf(columns, views, options, isFirstQuery);
  const sheet = newSheet(layout.width, layout.height);
  if (options.title !== undefined) {
    const title = fitText(options.title, layout.width - 2 * MARGIN, 2);
    text(sheet, title, MARGIN, MARGIN, WHITE);
    fill(sheet, MARGIN, layout.columnsTop - 18, layout.width - 2 * MARGIN, 1, RULE);
  }
  columns.forEach((column, index) => {
    const accent = isFirstQuery && index === 0 ? QUERY : MATCH;
    drawColumn(sheet, column, views[index]!, layout, layout.lefts[index]!, accent);
  });
  drawScaleBar(sheet, layout);
  const footer = fitText(options.footer ?? FOOTER, layout.width - 2 * MARGIN - layout.barWidth, 2);
  const footerLeft = layout.width - MARGIN - textWidth(footer, 2);
  text(sheet, footer, Math.max(MARGIN, footerLeft), layout.height - MARGIN - 14, DIM);
  return encodePng({ width: sheet.width, height: sheet.height, channels: 3, pixels: sheet.pixels });
}

interface Layout {
  readonly width: number;
  readonly height: number;
  readonly columnWidth: number;
  readonly columnsTop: number;
  readonly planesTop: number;
  readonly lefts: readonly number[];
  readonly rowHeights: readonly number[];
  readonly mmPerPixel: number;
  readonly barWidth: number;
}

function layoutOf(
  columns: readonly SheetColumn[],
  views: readonly Viewed[],
  options: SheetOptions,
  isFirstQuery: boolean,
): Layout {
  const columnWidth = COLUMN_WIDTHS[columns.length - 1]!;
  const widest = Math.max(
    ...views.flatMap((view) => PLANES.map((plane) => planeSizeMm(view, plane)[0])),
  );
  const mmPerPixel = widest / columnWidth;
  const rowHeights = PLANES.map((plane) =>
    Math.ceil(Math.max(...views.map((view) => planeSizeMm(view, plane)[1])) / mmPerPixel),
  );
  const lineCount = Math.max(...columns.map((column) => Math.min(LINES_MAX, column.lines.length)));
  const columnsTop = options.title === undefined ? MARGIN : MARGIN + LINE_HEIGHT + 30;
  const planesTop = columnsTop + LINE_HEIGHT + 8 + lineCount * LINE_HEIGHT + 12;
  const lefts: number[] = [];
  let left = MARGIN;
  columns.forEach((_, index) => {
    lefts.push(left);
    left += columnWidth + (index === 0 && isFirstQuery ? QUERY_GAP : GAP);
  });
  const last = lefts.at(-1) ?? MARGIN;
  const planesHeight = rowHeights.reduce((sum, height) => sum + height + GAP, 0);
  return {
    width: last + columnWidth + MARGIN,
    height: planesTop + planesHeight + 14 + MARGIN + 14,
    columnWidth,
    columnsTop,
    planesTop,
    lefts,
    rowHeights,
    mmPerPixel,
    barWidth: Math.round(50 / mmPerPixel) + 12 + textWidth("5 cm", 2) + GAP,
  };
}

function drawColumn(
  sheet: Sheet,
  column: SheetColumn,
  view: Viewed,
  layout: Layout,
  left: number,
  accent: Color,
): void {
  const { columnWidth, columnsTop, mmPerPixel } = layout;
  text(sheet, fitText(column.title, columnWidth, 2), left, columnsTop, accent);
  fill(sheet, left, columnsTop + LINE_HEIGHT - 2, columnWidth, 2, accent);
  column.lines.slice(0, LINES_MAX).forEach((line, index) => {
    const top = columnsTop + LINE_HEIGHT + 10 + index * LINE_HEIGHT;
    text(sheet, fitText(line, columnWidth, 2), left, top, index === 0 ? WHITE : GRAY);
  });
  let top = layout.planesTop;
  PLANES.forEach((plane, row) => {
    const height = layout.rowHeights[row]!;
    const [widthMm, heightMm] = planeSizeMm(view, plane);
    const x = left + Math.floor((columnWidth - Math.floor(widthMm / mmPerPixel)) / 2);
    // Axial planes share a middle; upright ones hang from the top, so that apex stands beside apex.
    const rest = height - Math.floor(heightMm / mmPerPixel);
    const y = plane === "axial" ? top + Math.floor(rest / 2) : top;
    drawPlane(view, plane, mmPerPixel, x, y, (px, py, gray) => {
      pixel(sheet, px, py, [gray, gray, gray]);
    });
    const [near, far] = plane === "sagittal" ? ["A", "P"] : ["R", "L"];
    label(sheet, near!, left, top);
    label(sheet, far!, left + columnWidth - textWidth("L", 1) - 4, top);
    top += height + GAP;
  });
}

/** A letter for the side, on a dark patch so that it reads over bone. */
function label(sheet: Sheet, letter: string, left: number, top: number): void {
  fill(sheet, left, top, textWidth(letter, 1) + 4, 12, [0, 0, 0]);
  drawText(letter, left + 3, top + 2, 1, (x, y) => {
    pixel(sheet, x, y, GRAY);
  });
}

function drawScaleBar(sheet: Sheet, layout: Layout): void {
  const length = Math.round(50 / layout.mmPerPixel);
  const y = layout.height - MARGIN - 8;
  fill(sheet, MARGIN, y, length, 2, DIM);
  fill(sheet, MARGIN, y - 4, 2, 10, DIM);
  fill(sheet, MARGIN + length - 2, y - 4, 2, 10, DIM);
  text(sheet, "5 cm", MARGIN + length + 12, y - 6, DIM);
}

interface Sheet {
  readonly width: number;
  readonly height: number;
  /** RGB, `[row][column][channel]`. */
  readonly pixels: Uint8Array;
}

function newSheet(width: number, height: number): Sheet {
  return { width, height, pixels: new Uint8Array(width * height * 3) };
}

function pixel(sheet: Sheet, x: number, y: number, color: Color): void {
  if (x < 0 || y < 0 || x >= sheet.width || y >= sheet.height) return;
  sheet.pixels.set(color, (y * sheet.width + x) * 3);
}

function fill(
  sheet: Sheet,
  left: number,
  top: number,
  width: number,
  height: number,
  color: Color,
): void {
  for (let y = top; y < top + height; y++)
    for (let x = left; x < left + width; x++) pixel(sheet, x, y, color);
}

function text(sheet: Sheet, words: string, left: number, top: number, color: Color): void {
  drawText(words, left, top, 2, (x, y) => {
    pixel(sheet, x, y, color);
  });
}
