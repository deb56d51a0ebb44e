/** The brain: folds, deep nuclei, ventricles, and what can go wrong with them. */
import type { Anatomy } from "./anatomy.ts";
import {
  type Canvas,
  type Knot,
  type Point,
  paintEllipsoid,
  paintField,
  paintPath,
  smoothPath,
  turn,
  ZONES,
} from "./canvas.ts";
import { LABEL } from "./labels.ts";
import { findingsOf, type PhantomFinding } from "./phantom-study.ts";
import { length2, length3 } from "./smooth.ts";
import { bump } from "./torso-shape.ts";

/** Fluid around and in the brain, HU. */
const CSF_HU = 6;

/** Cortex, white matter and the fluid in the folds. */
export function brainHu(
  anatomy: Anatomy,
  ventricles: number,
  depth: number,
  x: number,
  y: number,
  z: number,
): number {
  const noise = anatomy.noise;
  const atrophy = Math.max(0, anatomy.ageYears - 45) / 40;
  const tight = ventricles > 1.3 ? 0.4 : 1;
  const isCerebellum = y > 14 && z < 10 + 0.16 * (y - 14) - 0.07 * Math.abs(x);
  if (depth < (1.1 + 1.3 * atrophy) * tight) return CSF_HU + 6;
  if (isCerebellum) {
    const folia = Math.sin(z * 1.1 + y * 0.35 + 3 * noise(x * 0.08, y * 0.08, z * 0.08));
    return depth < 14 ? 35 + 3 * folia - (folia < -0.9 ? 8 : 0) : 31;
  }
  const side = Math.abs(x);
  if (side < 5 && z > 20 + 0.1 * y) {
    const cleft = side - 0.9 * Math.max(0, 1 - depth / 60);
    if (cleft < 0.5) return depth < 26 ? 52 : 34;
    if (cleft < (1.5 + atrophy) * tight && depth < 34) return CSF_HU + 8;
  }
  // The Sylvian fissure and the cisterns at the base.
  if (side > 36 && y > -40 && y < 32) {
    const off = Math.abs(z - 24 - 0.32 * y - (side - 36) * 0.35);
    const width = (0.9 + 1.4 * atrophy) * tight * bump(y, -4, 40);
    if (off < 6 && off < width + 1.2 * noise(x * 0.09, y * 0.09, 1.5)) return CSF_HU + 5;
  }
  if (z < 12 && length3(x / 15, (y + 14) / 13, (z - 2) / 8) < 1) return CSF_HU + 4;
  if (z < 22 && z > -36 && side < 22 && y < 34) {
    const ambient = Math.abs(length2(x / 19, (y - 14) / 16) - 1) * 17;
    if (ambient < 1.5) return CSF_HU + 6;
  }
  if (depth > 24) return 28;
  // Folds: the zero lines of a smooth field; the gray ribbon follows them and the surface.
  const fold = Math.abs(
    noise((x + 0.6 * y) * 0.058, (y - 0.6 * x) * 0.058, z * 0.062) +
      0.3 * noise(x * 0.15 + 5, y * 0.15, z * 0.13),
  );
  const reach = 21;
  const width = (0.05 + 0.06 * atrophy) * tight * (1.3 - depth / reach);
  if (depth < reach) {
    if (fold < width) return CSF_HU + 4 + (14 * fold) / width;
    if (fold < width + 0.16 || depth < 4) return 39;
  }
  return 28;
}

export function paintDeepBrain(canvas: Canvas, anatomy: Anatomy): void {
  const gray = { hu: 38, label: LABEL.brain, zones: ZONES.brain };
  const capsule = { hu: 29, label: LABEL.brain, zones: ZONES.brain };
  const stem: Knot[] = smoothPath(
    [
      [0, 10, 24, 14],
      [0, 8, 8, 14],
      [0, 12, -12, 15],
      [0, 22, -34, 11],
      [0, 32, -70, 8],
    ],
    4,
  );
  paintPath(canvas, stem, { hu: 33, label: LABEL.brain, zones: ZONES.brain });
  for (const side of [-1, 1]) {
    paintEllipsoid(canvas, [side * 13, 11, 30], [9, 15, 10], gray, turn(0, 0, side * 18));
    paintEllipsoid(canvas, [side * 27, -8, 26], [8, 20, 12], gray, turn(0, 0, side * -10));
    paintEllipsoid(canvas, [side * 19, -14, 28], [2.4, 16, 11], capsule, turn(0, 0, side * -28));
    paintEllipsoid(canvas, [side * 14, -24, 34], [5.5, 11, 8], gray, turn(0, 0, side * 14));
    paintEllipsoid(canvas, [side * 20, 24, -22], [12, 11, 8], capsule);
  }
  if (anatomy.ageYears > 30)
    paintEllipsoid(canvas, [0, 27, 22], [1.8, 2.2, 2], { hu: 260, label: LABEL.calcification });
}

export function paintVentricles(canvas: Canvas, anatomy: Anatomy, scale: number): void {
  const ink = { hu: CSF_HU, label: LABEL.ventricle, zones: ZONES.brain };
  const size = scale * (0.85 + Math.max(0, anatomy.ageYears - 40) * 0.006);
  const spread = 1 + (scale - 1) * 0.35;
  for (const side of [-1, 1]) {
    const lateral: Knot[] = [
      [side * 13 * spread, -38 * Math.sqrt(spread), 30, 3.6 * size],
      [side * 11 * spread, -28, 35, 4.6 * size],
      [side * 9.5 * spread, -10, 42, 4.2 * size],
      [side * 12 * spread, 10, 45, 4 * size],
      [side * 19 * spread, 30, 40, 5 * size],
      [side * 26 * spread, 42, 30, 5.8 * size],
      [side * 25 * spread, 58 * Math.sqrt(spread), 25, 3.2 * size],
    ];
    const temporal: Knot[] = [
      [side * 27 * spread, 40, 29, 4.6 * size],
      [side * 33 * spread, 28, 16, 3 * size],
      [side * 34 * spread, 8, 4, 2 * size],
      [side * 31 * spread, -10, -1, 1.6 * size],
    ];
    paintPath(canvas, smoothPath(lateral, 5), ink);
    paintPath(canvas, smoothPath(temporal, 5), ink);
    const plexus: Point = [side * 25 * spread, 40, 31];
    if (anatomy.ageYears > 35)
      paintEllipsoid(canvas, plexus, [2, 3, 2.4], {
        hu: 190,
        label: LABEL.calcification,
        zones: ZONES.brain,
      });
  }
  paintEllipsoid(canvas, [0, 3, 22], [2.1 * size, 15, 10], ink);
  paintEllipsoid(canvas, [0, 31, -14], [6 * Math.sqrt(size), 4 * size, 8], ink);
  paintField(
    canvas,
    [0, -14, 38],
    [3, 22, 12],
    (x, y, z) => Math.max(Math.abs(x) - 1, length2((y + 14) / 20, (z - 38) / 9) * 9 - 9),
    { hu: 30, label: LABEL.brain, zones: ZONES.brain },
  );
}

/** Bleeding into the basal ganglia with swelling around it. */
export function paintHemorrhages(
  canvas: Canvas,
  anatomy: Anatomy,
  findings: readonly PhantomFinding[],
): void {
  for (const finding of findingsOf(findings, "intracranial-hemorrhage")) {
    const sign = finding.side === "right" ? -1 : 1;
    const c: Point = [sign * 29, 0, 30];
    const r = finding.diameterMm / 2;
    const noise = anatomy.noise;
    const shape =
      (grow: number) =>
      (x: number, y: number, z: number): number =>
        length3((x - c[0]) / 0.82, (y - c[1]) / 1.22, z - c[2]) * canvas.scale[0] -
        r -
        grow +
        r * 0.22 * noise(x * 0.09, y * 0.09, z * 0.09);
    const half: Point = [r * 1.4 + 12, r * 1.5 + 12, r * 1.4 + 12];
    const swelling = shape(5);
    paintField(canvas, c, half, (x, y, z) => swelling(x, y, z) * 0.4, {
      hu: 17,
      label: 0,
      zones: ZONES.brain,
    });
    paintField(canvas, c, half, shape(0), {
      hu: finding.meanHu,
      label: LABEL.hemorrhage,
      zones: ZONES.brain,
    });
  }
}
