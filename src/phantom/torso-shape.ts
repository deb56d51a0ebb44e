/**
 * The surfaces of the trunk as functions of height: skin, muscle, inner rib cage, spine, diaphragm, mediastinum.
 * Reference adult, mm; z = 0 is the right dome of the diaphragm at rest in inspiration, near T10.
 */
import type { Anatomy } from "./anatomy.ts";
import type { Point } from "./canvas.ts";
import { smoothMax, smoothMin } from "./smooth.ts";

type Table = readonly (readonly [number, number])[];

// biome-ignore format: a table reads best in rows
const MUSCLE_HALF_WIDTH: Table = [
  [-320, 168], [-270, 164], [-230, 153], [-190, 141], [-150, 137], [-110, 139], [-60, 146], [0, 153],
  [60, 157], [110, 161], [145, 168], [172, 180], [194, 184], [212, 160], [230, 104], [250, 66],
];
// biome-ignore format: a table reads best in rows
const MUSCLE_FRONT: Table = [
  [-320, -96], [-250, -100], [-200, -101], [-150, -103], [-100, -107], [-50, -111], [0, -113], [50, -112],
  [90, -107], [120, -99], [150, -86], [175, -70], [195, -53], [215, -40], [250, -38],
];
// biome-ignore format: a table reads best in rows
const MUSCLE_BACK: Table = [
  [-320, 122], [-300, 119], [-250, 113], [-200, 107], [-150, 105], [-100, 108], [-50, 113], [0, 119],
  [50, 122], [100, 122], [160, 118], [190, 108], [215, 92], [250, 74],
];
// biome-ignore format: a table reads best in rows
const CAGE_HALF_WIDTH: Table = [
  [-320, 108], [-260, 112], [-220, 116], [-180, 121], [-140, 124], [-100, 127], [-60, 131], [-20, 134],
  [20, 134], [60, 130], [100, 122], [130, 112], [155, 98], [175, 81], [190, 61], [200, 42], [208, 22], [212, 8],
];
// biome-ignore format: a table reads best in rows
const CAGE_FRONT: Table = [
  [-320, -84], [-200, -88], [-120, -93], [-60, -97], [0, -97], [50, -94], [90, -88], [120, -79], [150, -63],
  [175, -40], [190, -20], [200, -2], [208, 14], [212, 24],
];
// biome-ignore format: a table reads best in rows
const CAGE_BACK: Table = [
  [-320, 72], [-250, 71], [-200, 65], [-150, 63], [-100, 71], [-50, 80], [0, 85], [50, 87], [100, 87],
  [140, 84], [170, 76], [190, 65], [200, 56], [208, 46], [212, 40],
];
// biome-ignore format: a table reads best in rows
const SPINE_Y: Table = [
  [-320, 84], [-290, 79], [-262, 66], [-236, 52], [-200, 42], [-160, 38], [-120, 42], [-80, 48], [-40, 52],
  [0, 54], [50, 56], [100, 56], [140, 51], [180, 42], [215, 32], [250, 25],
];
// biome-ignore format: a table reads best in rows
const MEDIASTINUM_HALF_WIDTH: Table = [
  [-60, 24], [20, 25], [60, 29], [90, 33], [110, 35], [130, 34], [150, 31], [180, 29], [215, 30],
];

/** Highest level at which there is a cavity inside the rib cage, mm. */
export const CAVITY_TOP_MM = 212;

/** Everything about one level of the trunk. */
export interface SliceShape {
  readonly z: number;
  readonly bodyHalfWidth: number;
  readonly bodyFront: number;
  readonly bodyBack: number;
  readonly fatSide: number;
  readonly fatFront: number;
  readonly fatBack: number;
  readonly cageHalfWidth: number;
  readonly cageCenterY: number;
  readonly cageHalfDepth: number;
  readonly spineX: number;
  readonly spineY: number;
  readonly mediastinumHalfWidth: number;
  readonly mediastinumX: number;
}

/** Value of a table at `z`, as a smooth curve through its rows (monotone, Fritsch and Carlson 1980). */
export function tableAt(table: Table, z: number): number {
  const last = table.length - 1;
  if (z <= table[0]![0]) return table[0]![1];
  if (z >= table[last]![0]) return table[last]![1];
  let k = 0;
  while (table[k + 1]![0] < z) k++;
  const [x0, y0] = table[k]!;
  const [x1, y1] = table[k + 1]!;
  const width = x1 - x0;
  const slope = (y1 - y0) / width;
  const tangent = (side: number): number => {
    const a = table[k + side - 1];
    const b = table[k + side]!;
    const c = table[k + side + 1];
    if (a === undefined || c === undefined) return slope;
    const before = (b[1] - a[1]) / (b[0] - a[0]);
    const after = (c[1] - b[1]) / (c[0] - b[0]);
    return before * after <= 0 ? 0 : (2 * before * after) / (before + after);
  };
  const t = (z - x0) / width;
  const [m0, m1] = [tangent(0) * width, tangent(1) * width];
  const rest = 1 - t;
  return (
    y0 * (1 + 2 * t) * rest * rest +
    m0 * t * rest * rest +
    y1 * t * t * (3 - 2 * t) -
    m1 * t * t * rest
  );
}

export function sliceShape(anatomy: Anatomy, z: number): SliceShape {
  const belly = anatomy.bellyMm * bump(z, -150, 110);
  const chest = bump(z, 90, 170);
  const fat = anatomy.fatMm * (1 - 0.38 * chest) * (z > 190 ? 0.75 : 1);
  const widen = (anatomy.cageWidth - 1) * 130;
  const deepen = (anatomy.cageDepth - 1) * 90;
  const front = tableAt(CAGE_FRONT, z) - deepen - belly * 1.25;
  const back = tableAt(CAGE_BACK, z) + deepen * 0.4;
  return {
    z,
    bodyHalfWidth: tableAt(MUSCLE_HALF_WIDTH, z) + widen + belly,
    bodyFront: tableAt(MUSCLE_FRONT, z) - deepen - belly * 1.25,
    bodyBack: tableAt(MUSCLE_BACK, z) + deepen * 0.4 + belly * 0.15,
    fatSide: fat,
    fatFront: fat * (z < -20 ? 1 + 0.3 * bump(z, -190, 90) : 0.85),
    fatBack: fat * (z < -60 ? 1.15 : 0.8),
    cageHalfWidth: tableAt(CAGE_HALF_WIDTH, z) + widen + belly,
    cageCenterY: (front + back) / 2,
    cageHalfDepth: Math.max(4, (back - front) / 2),
    spineX: anatomy.scoliosisMm * Math.sin((z + 40) / 70),
    spineY: tableAt(SPINE_Y, z),
    mediastinumHalfWidth: tableAt(MEDIASTINUM_HALF_WIDTH, z),
    mediastinumX: 1 + 4 * bump(z, 90, 90),
  };
}

/** The level nearest to `z` in whole millimetres, worked out once a patient; for paths and places. */
export function shapeNear(anatomy: Anatomy, z: number): SliceShape {
  const key = Math.round(z);
  let shape = anatomy.shapes.get(key);
  if (shape === undefined) {
    shape = sliceShape(anatomy, key);
    anatomy.shapes.set(key, shape);
  }
  return shape;
}

/** A smooth hill of height 1 around `center`, falling to 0 at `width` on either side. */
export function bump(value: number, center: number, width: number): number {
  const t = Math.abs(value - center) / width;
  return t >= 1 ? 0 : (1 - t * t) ** 2;
}

/**
 * Signed distance (mm, first order) to a squircle u^2 + v^2 - s u^2 v^2 = 1 (Fernandez-Guasti 1992): an
 * ellipse for s = 0, a rectangle for s = 1.
 */
export function squircleDistance(x: number, y: number, a: number, b: number, s: number): number {
  const u = x / a;
  const v = y / b;
  const uu = u * u;
  const vv = v * v;
  // Far outside the level set folds back; there only the sign matters.
  if (uu > 1.7 || vv > 1.7) return 40;
  const g = uu + vv - s * uu * vv;
  if (g < 1e-6) return -Math.min(a, b);
  const du = (u * (1 - s * vv)) / a;
  const dv = (v * (1 - s * uu)) / b;
  const h = Math.sqrt(g);
  return (h * (h - 1)) / Math.sqrt(du * du + dv * dv + 1e-12);
}

/** Distance to the inner surface of the rib cage and abdominal wall, negative inside. */
export function cageDistance(s: SliceShape, x: number, y: number): number {
  if (s.z > CAVITY_TOP_MM) return 40;
  const v = (y - s.cageCenterY) / s.cageHalfDepth;
  return squircleDistance(
    x * cageTaper(v),
    v * s.cageHalfDepth,
    s.cageHalfWidth,
    s.cageHalfDepth,
    0.42,
  );
}

/** The rib cage is broader behind than in front; factor on x at a depth from -1 (front) to 1 (back). */
export function cageTaper(v: number): number {
  return 1 - 0.085 * (v < -1 ? -1 : Math.min(v, 1));
}

/** Height of the diaphragm above a place, mm. */
export function diaphragmHeight(anatomy: Anatomy, x: number, y: number): number {
  const [right, left] = anatomy.domesMm;
  const dome = (top: number, cx: number, cy: number): number => {
    const u = (x - cx) / 66;
    const v = (y - cy) / 86;
    const q = u * u + v * v;
    return top - 52 * q * (0.55 + 0.45 * q);
  };
  const domes = smoothMax(dome(right, -64, -12), dome(left, 66, -10), 10);
  const u = (x - 12) / 62;
  const v = (y + 30) / 66;
  const q = u * u + v * v;
  return Math.max(-140, smoothMax(domes, left - 1 - 30 * q * q, 14));
}

/** Ellipsoids of the pericardial sac: `[center, radii]`, mm. */
export function heartSac(anatomy: Anatomy): readonly (readonly [Point, Point])[] {
  const k = anatomy.heartScale;
  // An enlarged heart grows to the left, downward and forward, hardly to the back.
  const [gx, gz] = [(k - 1) * 38, (k - 1) * 22];
  return [
    [
      [22 + gx, -38, 17 - gz],
      [56 * k, 46 * k, 45 * k],
    ],
    [
      [-5 + gx * 0.2, -16, 44 - gz * 0.5],
      [44 * k, 46 * k, 46 * k],
    ],
  ];
}

function ellipsoidDistance(x: number, y: number, z: number, e: readonly [Point, Point]): number {
  const [c, r] = e;
  const u = (x - c[0]) / r[0];
  const v = (y - c[1]) / r[1];
  const w = (z - c[2]) / r[2];
  const q = u * u + v * v + w * w;
  if (q > 6) return 60;
  const k1 = Math.sqrt((u / r[0]) ** 2 + (v / r[1]) ** 2 + (w / r[2]) ** 2);
  const k0 = Math.sqrt(q);
  return (k0 * (k0 - 1)) / (k1 + 1e-9);
}

/** Distance to the mediastinum (with the spine), negative inside; the lungs are what is left of the chest. */
export function mediastinumDistance(
  sac: readonly (readonly [Point, Point])[],
  s: SliceShape,
  x: number,
  y: number,
): number {
  const forward = (y + 18) / -62;
  const taper =
    forward <= 0 ? 1 : forward >= 1 ? 0.07 : 1 - 0.93 * forward * forward * (3 - 2 * forward);
  const backward = y > 20 ? Math.max(0.55, 1 - (y - 20) / 60) : 1;
  const strip = Math.abs(x - s.mediastinumX) - s.mediastinumHalfWidth * taper * backward;
  const dx = (x - s.spineX) / 25;
  const dy = (y - s.spineY - 8) / 31;
  const spine = (Math.sqrt(dx * dx + dy * dy) - 1) * 26;
  const middle = smoothMin(strip, spine, 10);
  if (s.z > 115) return middle;
  const sacs = smoothMin(
    ellipsoidDistance(x, y, s.z, sac[0]!),
    ellipsoidDistance(x, y, s.z, sac[1]!),
    16,
  );
  return smoothMin(middle, sacs, 8);
}

/** Distance to the lungs at a place, negative inside; for choosing places, not for painting. */
export function lungDistance(anatomy: Anatomy, x: number, y: number, z: number): number {
  const shape = shapeNear(anatomy, z);
  const inside = Math.max(
    cageDistance(shape, x, y) + 2,
    (diaphragmHeight(anatomy, x, y) - z) * 0.72,
  );
  // Far outside the rib cage nothing else can matter.
  if (inside > 20) return inside;
  return Math.max(inside, -mediastinumDistance(heartSac(anatomy), shape, x, y));
}

/** The lobe of a place in the lungs; `isLeft` tells the lung. The fissures are gently bent planes. */
export function fissureHeights(x: number, y: number): { oblique: number; horizontal: number } {
  const bend = 6 * Math.sin(x * 0.03) + 4 * Math.sin(y * 0.05);
  return {
    oblique: 62 + (y + 5) * 0.95 + bend,
    horizontal: 76 - Math.abs(x + 70) * 0.06 + bend * 0.7,
  };
}
