/** Vessels and airways of the lungs. */
import type { Anatomy } from "./anatomy.ts";
import {
  type Canvas,
  type Knot,
  type Point,
  paintPath,
  paintTube,
  smoothPath,
  ZONES,
} from "./canvas.ts";
import { LABEL } from "./labels.ts";
import type { Lobe, Side } from "./phantom-study.ts";
import type { Random } from "./random.ts";
import { fissureHeights, lungDistance } from "./torso-shape.ts";
import { type Branch, growTree } from "./vessel-tree.ts";

const TRACHEA: readonly Knot[] = [
  [1, -2, 260, 8.5],
  [0, 6, 215, 9],
  [-1, 12, 170, 9],
  [-3, 14, 130, 9.5],
];
const CARINA: Knot = [-3, 14, 121, 9];
const RIGHT_MAIN: readonly Knot[] = [
  CARINA,
  [-18, 15, 106, 7.5],
  [-33, 15, 94, 6.5],
  [-42, 18, 80, 5],
];
const LEFT_MAIN: readonly Knot[] = [CARINA, [14, 17, 106, 7], [32, 20, 92, 6], [43, 23, 78, 4.8]];

/** Blood vessels inside the lungs; arteries and veins differ in where they enter. */
export function paintLungVessels(canvas: Canvas, anatomy: Anatomy, bloodHu: number): void {
  for (const side of ["right", "left"] as const) {
    const sign = side === "right" ? -1 : 1;
    const random = anatomy.random(`vessels-${side}`);
    const artery: Point = [sign * 38, 10, 96];
    const vein: Point = [sign * 34, 4, 66];
    const arteries = growTree(
      artery,
      lungPoints(anatomy, random, side, 820),
      { twigRadiusMm: 0.7, stride: 0.38 },
      random,
    );
    const veins = growTree(
      vein,
      lungPoints(anatomy, random, side, 560),
      { twigRadiusMm: 0.7, stride: 0.38 },
      random,
    );
    paintBranches(canvas, [...arteries, ...veins], bloodHu);
  }
}

function paintBranches(canvas: Canvas, branches: readonly Branch[], bloodHu: number): void {
  const lungHu = -850;
  for (const branch of branches) {
    // A twig thinner than the blended edge would be painted as wide as the edge: pale it to keep its mass.
    const mean = (branch.fromRadiusMm + branch.toRadiusMm) / 2;
    const share = Math.min(1, (mean / (canvas.edgeMm * 0.5)) ** 0.9);
    paintTube(canvas, branch.from, branch.to, branch.fromRadiusMm, branch.toRadiusMm, {
      hu: lungHu + (bloodHu - lungHu) * share,
      label: LABEL.lungVessel,
      zones: ZONES.lungs,
    });
  }
}

/** Trachea, main bronchi and the first branches, with their walls. */
export function paintAirways(canvas: Canvas, anatomy: Anatomy): void {
  const mains = [
    smoothPath([...TRACHEA, CARINA], 4),
    smoothPath(RIGHT_MAIN, 4),
    smoothPath(LEFT_MAIN, 4),
  ];
  const branches = (["right", "left"] as const).flatMap((side) => {
    const random = anatomy.random(`bronchi-${side}`);
    const end = (side === "right" ? RIGHT_MAIN : LEFT_MAIN).at(-1)!;
    const points = lungPoints(anatomy, random, side, 26).filter((p) => p[1] > -70);
    return growTree(
      [end[0], end[1], end[2]],
      points,
      { twigRadiusMm: 1.25, stride: 0.45 },
      random,
    ).filter((branch) => branch.fromRadiusMm > 1.3);
  });
  const wall = { hu: 15, label: LABEL.airway, zones: ZONES.all };
  const lumen = { hu: -990, label: LABEL.airway, zones: ZONES.all };
  for (const path of mains) paintPath(canvas, path, wall, 1.7);
  paintWalls(canvas, branches);
  for (const path of mains) paintPath(canvas, path, lumen);
  for (const b of branches)
    paintTube(canvas, b.from, b.to, b.fromRadiusMm, b.toRadiusMm, { ...lumen, hu: -960 });
}

function paintWalls(canvas: Canvas, branches: readonly Branch[]): void {
  for (const b of branches) {
    const wallMm = 0.5 + b.fromRadiusMm * 0.16;
    const hu = b.fromRadiusMm > 2.2 ? -80 : -380;
    paintTube(canvas, b.from, b.to, b.fromRadiusMm + wallMm, b.toRadiusMm + wallMm * 0.8, {
      hu,
      label: LABEL.airway,
      zones: ZONES.cavities,
    });
  }
}

/** `count` points spread over one lung, more of them toward the bottom and back, where perfusion is. */
function lungPoints(anatomy: Anatomy, random: Random, side: Side, count: number): Point[] {
  const sign = side === "right" ? -1 : 1;
  const points: Point[] = [];
  for (let tries = 0; points.length < count && tries < count * 40; tries++) {
    const point: Point = [
      sign * random.range(8, 140),
      random.range(-98, 92),
      random.range(-75, 208),
    ];
    if (random.next() > 0.75 + point[1] * 0.0025) continue;
    if (lungDistance(anatomy, point[0], point[1], point[2]) < -2.5) points.push(point);
  }
  return points;
}

/** The lobe in which a place of the lungs lies. */
export function lobeOf(x: number, y: number, z: number): Lobe {
  const { oblique, horizontal } = fissureHeights(x, y);
  if (x > 1) return z > oblique ? "left upper lobe" : "left lower lobe";
  if (z <= oblique) return "right lower lobe";
  return z > horizontal ? "right upper lobe" : "right middle lobe";
}

/** A random place at least `marginMm` inside the given lobe; the middle of the lobe if none was found. */
export function placeInLobe(anatomy: Anatomy, random: Random, lobe: Lobe, marginMm: number): Point {
  const sign = lobe.startsWith("right") ? -1 : 1;
  for (let tries = 0; tries < 4000; tries++) {
    const point: Point = [
      sign * random.range(30, 125),
      random.range(-80, 75),
      random.range(-40, 185),
    ];
    if (lobeOf(point[0], point[1], point[2]) !== lobe) continue;
    if (lungDistance(anatomy, point[0], point[1], point[2]) < -marginMm) return point;
  }
  return lobe.endsWith("lower lobe") ? [sign * 80, 50, 30] : [sign * 75, -20, 120];
}
