/** Hollow organs of the abdomen, with gas, fluid and stool, and the vessels that feed them. */
import type { Anatomy } from "./anatomy.ts";
import {
  type Canvas,
  type Knot,
  type Point,
  paintEllipsoid,
  paintPath,
  paintTube,
  smoothPath,
  voxelBox,
  ZONES,
} from "./canvas.ts";
import { LABEL } from "./labels.ts";
import type { Tissues } from "./tissues.ts";
import { growTree } from "./vessel-tree.ts";

const IN_ABDOMEN = ZONES.abdomen;
/** Marks the inside of a hollow organ until gas and fluid have settled. */
const LUMEN = 255;

export function paintStomach(canvas: Canvas, anatomy: Anatomy, tissues: Tissues): void {
  const random = anatomy.random("stomach");
  const fill = random.range(0.85, 1.08);
  const front = anatomy.bellyMm * 0.7;
  const top = anatomy.domesMm[1];
  const path: Knot[] = smoothPath(
    [
      [46, 24, top - 26, 26 * fill],
      [58, 2, top - 34, 38 * fill],
      [66, -24 - front * 0.4, top - 48, 38 * fill],
      [58, -46 - front * 0.8, top - 72, 32 * fill],
      [30, -58 - front, -104, 20 * fill],
      [4, -54 - front, -110, 16],
      [-16, -42 - front * 0.5, -100, 11],
    ],
    6,
  );
  const wall = { hu: tissues.bowelWallHu, label: LABEL.stomach, zones: IN_ABDOMEN };
  paintPath(canvas, path, wall);
  paintPath(canvas, path, { hu: 14, label: LUMEN, zones: IN_ABDOMEN }, -4.2);
  const level = random.range(-42, -14) - front * 0.6;
  const noise = anatomy.noise;
  settle(canvas, [40, -15, -70], [80, 90, 80], LABEL.stomach, (x, y, z) => {
    if (y < level) return -985;
    const food = noise(x * 0.13, y * 0.13, z * 0.12);
    return food > 0.28 && y > level + 14
      ? 14 + 55 * (food - 0.28) - 60 * Math.max(0, noise(x * 0.4, y * 0.4, z * 0.3))
      : 12;
  });
}

/** Fills the marked inside of a hollow organ with what `content` says (HU) and gives it its label. */
function settle(
  canvas: Canvas,
  center: Point,
  half: Point,
  label: number,
  content: (x: number, y: number, z: number) => number,
): void {
  const box = voxelBox(canvas, center, half);
  const { nx, ny, hu, labels, xCol, xRow, yRow, yCol, zs } = canvas;
  for (let z = box.z0; z < box.z1; z++)
    for (let y = box.y0; y < box.y1; y++)
      for (let x = box.x0; x < box.x1; x++) {
        const i = (z * ny + y) * nx + x;
        if (labels[i] !== LUMEN) continue;
        labels[i] = label;
        const px = xCol[z * nx + x]! + xRow[z * ny + y]!;
        const py = yRow[z * ny + y]! + yCol[z * nx + x]!;
        hu[i] = content(px, py, zs[z]!);
      }
}

export function paintColon(canvas: Canvas, anatomy: Anatomy, tissues: Tissues): void {
  const random = anatomy.random("colon");
  const out = anatomy.bellyMm * 0.9;
  const front = anatomy.bellyMm * 1.1;
  const knots: Knot[] = [
    [-76 - out * 0.6, 4, -262, 24],
    [-88 - out, 18, -225, 25],
    [-94 - out, 24, -180, 23],
    [-96 - out, 18, -146, 22],
    [-82 - out, -22, -138, 21],
    [-52, -60 - front, -146, 20],
    [-10, -68 - front, -158, 19],
    [40, -64 - front, -146, 19],
    [78 + out * 0.6, -38, -112, 19],
    [98 + out, 6, -88, 18],
    [102 + out, 32, -118, 17],
    [100 + out, 34, -165, 16],
    [96 + out, 30, -210, 15],
    [84 + out, 14, -250, 15],
    [60, -6, -286, 15],
  ];
  const path = smoothPath(knots, 8).map(
    (k, i): Knot => [
      k[0] + random.normal(0, 0.7),
      k[1] + random.normal(0, 0.7),
      k[2],
      k[3] * (0.86 + 0.13 * Math.sin(i * 1.25) + random.normal(0, 0.02)),
    ],
  );
  const wall = { hu: tissues.bowelWallHu, label: LABEL.bowel, zones: IN_ABDOMEN };
  paintPath(canvas, path, wall);
  paintPath(canvas, path, { hu: 30, label: LUMEN, zones: IN_ABDOMEN }, -2.2);
  const noise = anatomy.noise;
  settle(canvas, [0, -20, -185], [150, 130, 150], LABEL.bowel, (x, y, z) => {
    const stool = noise(x * 0.17, y * 0.17, z * 0.15) + 0.5 * noise(x * 0.43, y * 0.43, z * 0.35);
    return stool > 0.34 ? -420 * Math.min(1, (stool - 0.3) * 3) : 28 + 45 * stool;
  });
  // Gas gathers in front; how much differs from piece to piece.
  const gas = { hu: -980, label: LABEL.bowel, zones: IN_ABDOMEN };
  for (let k = 0; k + 1 < path.length; k++) {
    const [a, b] = [path[k]!, path[k + 1]!];
    const amount = 0.5 + 0.5 * noise(k * 0.11, 3.3, 9.1) + (k > 30 && k < 60 ? 0.28 : 0);
    const share = Math.max(0, Math.min(0.86, amount));
    const [ra, rb] = [(a[3] - 2.4) * share, (b[3] - 2.4) * share];
    if (Math.min(ra, rb) < 4) continue;
    paintTube(
      canvas,
      [a[0], a[1] - (a[3] - 2.4 - ra), a[2]],
      [b[0], b[1] - (b[3] - 2.4 - rb), b[2]],
      ra,
      rb,
      gas,
    );
  }
}

export function paintSmallBowel(canvas: Canvas, anatomy: Anatomy, tissues: Tissues): void {
  const random = anatomy.random("small-bowel");
  const front = anatomy.bellyMm;
  const wall = { hu: tissues.bowelWallHu, label: LABEL.bowel, zones: IN_ABDOMEN };
  for (let loop = 0; loop < 27; loop++) {
    const middle: Point = [
      random.range(-62, 66),
      random.range(-62 - front, -8),
      random.range(-262, -140),
    ];
    const tilt = random.range(-0.6, 0.6);
    const direction = random.range(0, Math.PI);
    const knots: Knot[] = [];
    const count = 7 + random.integer(4);
    for (let k = 0; k < count; k++) {
      const along = (k - count / 2) * 11;
      const sway = 17 * Math.sin(k * 1.5 + loop);
      knots.push([
        middle[0] + along * Math.cos(direction) - sway * Math.sin(direction) * 0.6,
        middle[1] + along * Math.sin(direction) * 0.5 + sway * 0.4,
        middle[2] + sway * Math.cos(tilt) + along * tilt,
        random.range(9, 12.5),
      ]);
    }
    const path = smoothPath(knots, 3);
    paintPath(canvas, path, wall);
    paintPath(
      canvas,
      path,
      { hu: random.range(12, 34), label: LABEL.bowel, zones: IN_ABDOMEN },
      -2.4,
    );
    if (random.next() < 0.3) {
      const k = knots[random.integer(knots.length)]!;
      paintEllipsoid(canvas, [k[0], k[1] - 4, k[2]], [5, 4, 5], {
        hu: -950,
        label: LABEL.bowel,
        zones: IN_ABDOMEN,
      });
    }
  }
}

/** Vessels of the gut fanning out into the fat from the upper mesenteric artery and vein. */
export function paintMesentery(canvas: Canvas, anatomy: Anatomy, tissues: Tissues): void {
  const random = anatomy.random("mesentery");
  const points: Point[] = [];
  for (let k = 0; k < 110; k++)
    points.push([
      random.range(-95, 98),
      random.range(-75 - anatomy.bellyMm, 15),
      random.range(-265, -105),
    ]);
  const root: Point = [4, -8, -120];
  const ink = { hu: tissues.veinHu, label: LABEL.greatVessel, zones: IN_ABDOMEN };
  const trunk: Knot[] = [
    [6, 8, -92, 4],
    [5, -4, -104, 4],
    [4, -8, -122, 4.5],
  ];
  paintPath(canvas, trunk, ink);
  for (const b of growTree(root, points, { twigRadiusMm: 0.75, stride: 0.45 }, random))
    paintTube(canvas, b.from, b.to, b.fromRadiusMm, b.toRadiusMm, ink);
  // The division of the aorta and the iliac vessels.
  for (const side of [-1, 1]) {
    const iliac: Knot[] = [
      [5, 15, -210, 6.5],
      [side * 20, 22, -240, 5.8],
      [side * 44, 30, -290, 5.4],
    ];
    paintPath(canvas, smoothPath(iliac, 4), { ...ink, hu: tissues.arteryHu });
    const vein: Knot[] = [
      [-12, 19, -215, 8],
      [side * 22, 30, -245, 7],
      [side * 48, 38, -295, 6.5],
    ];
    paintPath(canvas, smoothPath(vein, 4), ink);
  }
}
