/** Solid organs and muscles of the abdomen. */
import type { Anatomy } from "./anatomy.ts";
import { paintColon, paintMesentery, paintSmallBowel, paintStomach } from "./bowel.ts";
import {
  type Canvas,
  type Knot,
  type Point,
  paintEllipsoid,
  paintField,
  paintPath,
  paintTube,
  smoothPath,
  turn,
  ZONES,
} from "./canvas.ts";
import { LABEL } from "./labels.ts";
import type { Random } from "./random.ts";
import { length3, smoothMax } from "./smooth.ts";
import type { Tissues } from "./tissues.ts";
import { cageDistance, diaphragmHeight, shapeNear } from "./torso-shape.ts";
import { type Branch, growTree } from "./vessel-tree.ts";

const IN_ABDOMEN = ZONES.abdomen;

export function paintAbdomen(canvas: Canvas, anatomy: Anatomy, tissues: Tissues): void {
  paintBackMuscles(canvas);
  paintMesentery(canvas, anatomy, tissues);
  paintSmallBowel(canvas, anatomy, tissues);
  paintColon(canvas, anatomy, tissues);
  paintPancreas(canvas, anatomy, tissues);
  paintStomach(canvas, anatomy, tissues);
  paintSpleen(canvas, anatomy, tissues);
  paintLiver(canvas, anatomy, tissues);
  paintKidneys(canvas, anatomy, tissues);
}

function paintBackMuscles(canvas: Canvas): void {
  const ink = { hu: 56, label: LABEL.muscle, zones: ZONES.inside };
  for (const side of [-1, 1]) {
    const psoas: Knot[] = [
      [side * 24, 46, -78, 6],
      [side * 31, 42, -120, 13],
      [side * 38, 40, -165, 17.5],
      [side * 46, 42, -210, 20],
      [side * 58, 36, -260, 20],
      [side * 70, 20, -320, 19],
    ];
    const quadratus: Knot[] = [
      [side * 52, 66, -70, 8],
      [side * 60, 66, -130, 11],
      [side * 70, 68, -200, 12],
      [side * 76, 72, -250, 10],
    ];
    const crus: Knot[] = [
      [side * 20, 24, -20, 4],
      [side * 16, 24, -60, 5.5],
      [side * 15, 24, -100, 4],
      [side * 14, 22, -130, 2],
    ];
    paintPath(canvas, smoothPath(psoas, 4), ink);
    paintPath(canvas, smoothPath(quadratus, 4), ink);
    paintPath(canvas, smoothPath(crus, 4), ink);
    const iliacus: Knot[] = [
      [side * 84, 44, -225, 9],
      [side * 92, 34, -265, 14],
      [side * 88, 20, -320, 16],
    ];
    paintPath(canvas, smoothPath(iliacus, 4), ink);
  }
}

/** Distance to the abdominal cavity, negative inside; for choosing places, not for painting. */
function abdomenDistance(anatomy: Anatomy, x: number, y: number, z: number): number {
  const shape = shapeNear(anatomy, z);
  const below = 4 - (diaphragmHeight(anatomy, x, y) - z) * 0.72;
  return Math.max(cageDistance(shape, x, y) + 1.5, below);
}

/** Distance to the liver, negative inside; `cavity` is the distance to the abdominal cavity there. */
function liverDistance(anatomy: Anatomy, x: number, y: number, z: number, cavity: number): number {
  const lobes = 3.5 * anatomy.noise(x * 0.025, y * 0.025, z * 0.025);
  const bottom = (-143 + Math.max(0, x + 108) * 0.58 + Math.max(0, -y - 20) * 0.25 - z) * 0.84;
  const left = (x - 66 + 0.64 * (y + 78)) * 0.84;
  const hollowX = (x + 52) / 36;
  const hollowY = (y - 44) / 36;
  const hollowZ = (z + 112) / 62;
  const kidney = 1 - Math.sqrt(hollowX * hollowX + hollowY * hollowY + hollowZ * hollowZ);
  const body = smoothMax(smoothMax(bottom, left, 22), cavity + 1.5, 9);
  return smoothMax(body, kidney * 34, 9) + lobes;
}

function paintLiver(canvas: Canvas, anatomy: Anatomy, tissues: Tissues): void {
  const { depths } = canvas;
  const ink = { hu: tissues.liverHu, label: LABEL.liver, zones: IN_ABDOMEN };
  paintField(
    canvas,
    [-35, -8, -60],
    [115, 110, 92],
    (x, y, z, i) => liverDistance(anatomy, x, y, z, depths[i]! * -0.5),
    ink,
  );
  const gall: Point = [-54, -50 - anatomy.bellyMm * 0.6, -92];
  paintEllipsoid(
    canvas,
    gall,
    [13, 15, 27],
    { hu: 55, label: 0, zones: IN_ABDOMEN },
    turn(28, -8, 0),
  );
  paintEllipsoid(
    canvas,
    gall,
    [11.5, 13.5, 25.5],
    { hu: 9, label: LABEL.gallbladder, zones: IN_ABDOMEN },
    turn(28, -8, 0),
  );
  const random = anatomy.random("liver-vessels");
  const portal: Knot[] = smoothPath(
    [
      [12, -2, -92, 6.5],
      [-12, -8, -78, 7],
      [-34, -10, -58, 6.5],
    ],
    4,
  );
  const vessel = { hu: tissues.liverVesselHu, label: 0, zones: IN_ABDOMEN };
  paintPath(canvas, portal, { hu: 5, label: 0, zones: IN_ABDOMEN }, 1);
  paintPath(canvas, portal, vessel);
  const trees: Branch[] = [
    ...growTree(
      [-34, -10, -58],
      liverPoints(anatomy, random, 90),
      { twigRadiusMm: 0.95, stride: 0.45 },
      random,
    ),
    ...growTree(
      [-22, 6, -16],
      liverPoints(anatomy, random, 60),
      { twigRadiusMm: 1.05, stride: 0.5 },
      random,
    ),
  ];
  for (const b of trees) {
    if (liverDistanceAt(anatomy, b.to) > -3) continue;
    paintTube(canvas, b.from, b.to, b.fromRadiusMm, b.toRadiusMm, vessel);
  }
}

function liverDistanceAt(anatomy: Anatomy, p: Point): number {
  return liverDistance(anatomy, p[0], p[1], p[2], abdomenDistance(anatomy, p[0], p[1], p[2]));
}

function liverPoints(anatomy: Anatomy, random: Random, count: number): Point[] {
  const points: Point[] = [];
  for (let tries = 0; points.length < count && tries < count * 30; tries++) {
    const p: Point = [random.range(-130, 50), random.range(-95, 80), random.range(-135, 5)];
    if (liverDistanceAt(anatomy, p) < -6) points.push(p);
  }
  return points;
}

/** A random place at least `marginMm` inside the liver. */
export function placeInLiver(anatomy: Anatomy, random: Random, marginMm: number): Point {
  for (let tries = 0; tries < 4000; tries++) {
    const p: Point = [random.range(-125, -25), random.range(-70, 60), random.range(-95, -25)];
    if (liverDistanceAt(anatomy, p) < -marginMm) return p;
  }
  return [-80, 0, -50];
}

function paintSpleen(canvas: Canvas, anatomy: Anatomy, tissues: Tissues): void {
  const { depths } = canvas;
  const center: Point = [95, 40, -60 + anatomy.domesMm[1] * 0.5];
  const distance = (x: number, y: number, z: number, i: number): number => {
    const lean = (z - center[2]) * 0.25;
    const u = (x - center[0] - lean * 0.3) / 50;
    const v = (y - center[1] + lean) / 50;
    const w = (z - center[2]) / 58;
    const outer = (Math.sqrt(u * u + v * v + w * w) - 1) * 44;
    const hilum = 32 - length3(x - 55, (y - 10) * 0.9, (z + 48) * 0.5);
    const wavy = 2 * anatomy.noise(x * 0.04, y * 0.04, z * 0.04);
    return smoothMax(smoothMax(outer, depths[i]! * -0.5 + 2, 8), hilum, 8) + wavy;
  };
  paintField(canvas, center, [54, 56, 64], distance, {
    hu: tissues.spleenHu,
    label: LABEL.spleen,
    zones: IN_ABDOMEN,
  });
}

/** Middle of a kidney, mm. */
export function kidneyCenter(anatomy: Anatomy, side: "left" | "right"): Point {
  const shift = anatomy.bellyMm * 0.25;
  return side === "left" ? [60 + shift, 35, -98] : [-62 - shift, 37, -112];
}

function paintKidneys(canvas: Canvas, anatomy: Anatomy, tissues: Tissues): void {
  for (const side of ["right", "left"] as const) {
    const sign = side === "right" ? -1 : 1;
    const c = kidneyCenter(anatomy, side);
    const matrix = turn(-10, sign * 12, sign * -28);
    const zones = IN_ABDOMEN;
    const label = side === "right" ? LABEL.rightKidney : LABEL.leftKidney;
    const k = anatomy.patient.sex === "F" ? 0.95 : 1.02;
    const halo = 4 + Math.max(0, anatomy.bellyMm) * 0.3;
    const capsule: Point = [30 * k + halo, 26 * k + halo, 57 * k + halo];
    paintEllipsoid(canvas, c, capsule, { hu: -98, label: LABEL.fat, zones }, matrix);
    paintEllipsoid(
      canvas,
      c,
      [30 * k, 26 * k, 57 * k],
      { hu: tissues.kidneyCortexHu, label, zones },
      matrix,
    );
    paintEllipsoid(
      canvas,
      c,
      [21 * k, 18 * k, 47 * k],
      { hu: tissues.kidneyMedullaHu, label, zones },
      matrix,
    );
    const sinus: Point = [c[0] - sign * 13, c[1] - 9, c[2]];
    const fat = { hu: -85, label: LABEL.fat, zones };
    paintEllipsoid(canvas, sinus, [17, 9, 25], fat, matrix);
    for (const dz of [-17, 0, 17])
      paintEllipsoid(canvas, [c[0] - sign * 5, c[1] - 3, c[2] + dz], [8, 6, 5], fat, matrix);
    const pelvis: Point = [c[0] - sign * 14, c[1] - 8, c[2] - 2];
    paintEllipsoid(canvas, pelvis, [10, 4.5, 9], { hu: 8, label, zones }, matrix);
    const artery = { hu: tissues.arteryHu, label: LABEL.greatVessel, zones };
    paintTube(
      canvas,
      [sign * 8, 16, c[2] + 6],
      [c[0] - sign * 14, c[1] - 10, c[2] + 3],
      3,
      2.4,
      artery,
    );
    const vein = { hu: tissues.veinHu, label: LABEL.greatVessel, zones };
    const cava: Point = [-14, 10, c[2] + 4];
    paintTube(canvas, cava, [c[0] - sign * 15, c[1] - 14, c[2] + 1], 4, 4, vein);
    // Adrenal: a slender inverted Y above the kidney.
    const top: Point = [sign * 32, 32, c[2] + 58];
    const gland = { hu: 32, label: 0, zones };
    paintTube(canvas, top, [top[0] + sign * 8, top[1] + 14, top[2] - 12], 2.6, 2, gland);
    paintTube(canvas, top, [top[0] - sign * 2, top[1] + 15, top[2] - 10], 2.6, 1.8, gland);
  }
}

function paintPancreas(canvas: Canvas, anatomy: Anatomy, tissues: Tissues): void {
  const knots: Knot[] = smoothPath(
    [
      [-28, -14, -116, 13],
      [-22, -18, -100, 12],
      [2, -24, -92, 8.5],
      [28, -12, -86, 8.5],
      [52, 8, -74, 9],
      [74, 22, -62, 7.5],
    ],
    6,
  );
  const random = anatomy.random("pancreas");
  const atrophy = 1 - Math.max(0, anatomy.ageYears - 50) * 0.006;
  const lobules = knots.map(
    (k): Knot => [
      k[0] + random.normal(0, 1),
      k[1] + random.normal(0, 1),
      k[2] + random.normal(0, 1),
      k[3] * atrophy * random.range(0.72, 1.12),
    ],
  );
  paintPath(canvas, lobules, { hu: tissues.pancreasHu, label: LABEL.pancreas, zones: IN_ABDOMEN });
  const splenic = knots.slice(12).map((k): Knot => [k[0], k[1] + 9, k[2] + 3, 3.4]);
  paintPath(canvas, splenic, { hu: tissues.veinHu, label: LABEL.greatVessel, zones: IN_ABDOMEN });
  const duodenum: Knot[] = smoothPath(
    [
      [-20, -36, -96, 11],
      [-42, -24, -100, 12],
      [-48, -4, -120, 12],
      [-44, 2, -150, 12],
      [-16, -4, -166, 11],
      [16, -8, -160, 11],
      [34, -20, -138, 10],
    ],
    4,
  );
  paintPath(canvas, duodenum, { hu: tissues.bowelWallHu, label: LABEL.bowel, zones: IN_ABDOMEN });
  paintPath(canvas, duodenum, { hu: 18, label: LABEL.bowel, zones: IN_ABDOMEN }, -2.5);
}
