/** Heart, great vessels and esophagus. */
import type { Anatomy } from "./anatomy.ts";
import {
  type Canvas,
  type Knot,
  type Point,
  paintEllipsoid,
  paintPath,
  smoothPath,
  turn,
  ZONES,
} from "./canvas.ts";
import { LABEL } from "./labels.ts";
import type { Tissues } from "./tissues.ts";
import { heartSac } from "./torso-shape.ts";

const NOT_ABDOMEN = ZONES.all & ~ZONES.abdomen;

/** Aorta from the valve to its division, with its radius. */
export function aortaPath(anatomy: Anatomy): Knot[] {
  const k = anatomy.aortaScale;
  const unfold = (k - 1) * 40;
  const knots: Knot[] = [
    [2, -24, 52, 14 * k],
    [-10, -30, 78, 15.5 * k],
    [-16 - unfold * 0.3, -28, 104, 15 * k],
    [-11, -20, 128 + unfold * 0.4, 14.5 * k],
    [4, -2, 139 + unfold * 0.6, 13.5 * k],
    [17 + unfold * 0.4, 18, 133 + unfold * 0.4, 13 * k],
    [23 + unfold * 0.5, 34, 112, 12.5 * k],
    [24 + unfold * 0.4, 38, 80, 12 * k],
    [21, 34, 40, 11.5 * k],
    [15, 30, 0, 11.5 * k],
    [8, 25, -40, 11 * k],
    [6, 18, -90, 10 * k],
    [8 + anatomy.scoliosisMm, 10, -140, 9.3 * k],
    [7 + anatomy.scoliosisMm, 10, -185, 9 * k],
    [5, 15, -212, 8.6 * k],
  ];
  return smoothPath(knots, 5);
}

export function paintMediastinum(canvas: Canvas, anatomy: Anatomy, tissues: Tissues): void {
  const aorta = aortaPath(anatomy);
  paintVeins(canvas, anatomy, tissues);
  paintPath(canvas, aorta, { hu: -85, label: 0, zones: ZONES.lungs }, 3);
  paintHeart(canvas, anatomy, tissues);
  paintPath(canvas, ESOPHAGUS, { hu: 34, label: LABEL.esophagus, zones: ZONES.cavities });
  paintPath(canvas, aorta, { hu: tissues.arteryHu - 8, label: LABEL.aorta, zones: ZONES.all }, 0.9);
  paintPath(canvas, aorta, { hu: tissues.arteryHu, label: LABEL.aorta, zones: ZONES.all }, -0.9);
  for (const branch of ARCH_BRANCHES)
    paintPath(canvas, branch, { hu: tissues.arteryHu, label: LABEL.greatVessel });
}

const ESOPHAGUS: readonly Knot[] = smoothPath(
  [
    [3, 20, 230, 7],
    [3, 25, 180, 7],
    [4, 28, 120, 7],
    [3, 26, 80, 7.5],
    [5, 22, 40, 8],
    [14, 16, 5, 8],
    [30, 8, -22, 9],
  ],
  4,
);

const ARCH_BRANCHES: readonly (readonly Knot[])[] = [
  smoothPath(
    [
      [-8, -18, 134, 6.5],
      [-15, -12, 160, 6],
      [-24, -6, 190, 5.5],
      [-30, -2, 260, 4.5],
    ],
    4,
  ),
  smoothPath(
    [
      [4, -4, 140, 4.5],
      [12, -4, 165, 4.2],
      [20, 0, 195, 4],
      [27, -2, 260, 4],
    ],
    4,
  ),
  smoothPath(
    [
      [13, 10, 138, 5.5],
      [22, 14, 168, 5],
      [42, 10, 196, 4.6],
      [90, -8, 212, 4.4],
    ],
    4,
  ),
  smoothPath(
    [
      [-22, -8, 184, 5],
      [-46, -2, 200, 4.6],
      [-92, -10, 213, 4.4],
    ],
    4,
  ),
];

function paintVeins(canvas: Canvas, anatomy: Anatomy, tissues: Tissues): void {
  const vein = { hu: tissues.veinHu, label: LABEL.greatVessel, zones: ZONES.all };
  const sheath = { hu: -88, label: 0, zones: ZONES.lungs };
  const cava: Knot[] = smoothPath(
    [
      [-24, -16, 44, 10],
      [-26, -14, 80, 9.5],
      [-26, -16, 120, 9],
      [-22, -24, 150, 9],
      [-30, -18, 178, 8],
      [-38, -12, 260, 6.5],
    ],
    4,
  );
  const brachiocephalic: Knot[] = smoothPath(
    [
      [-21, -25, 150, 8],
      [4, -30, 156, 7],
      [28, -22, 172, 7],
      [36, -10, 200, 6.5],
      [38, -8, 260, 6],
    ],
    4,
  );
  const inferior: Knot[] = smoothPath(
    [
      [-20, -8, 22, 12],
      [-23, 4, -10, 12.5],
      [-22, 12, -50, 12],
      [-18, 14, -100, 11.5],
      [-15, 14, -160, 11],
      [-12, 18, -215, 10.5],
    ],
    4,
  );
  const trunk: Knot[] = smoothPath(
    [
      [16, -52, 58, 14],
      [20, -42, 84, 14.5],
      [17, -18, 100, 13],
    ],
    4,
  );
  const rightPulmonary: Knot[] = smoothPath(
    [
      [16, -18, 100, 12],
      [-4, -4, 98, 11],
      [-26, 2, 96, 10.5],
      [-44, 8, 92, 8.5],
      [-52, 14, 78, 7],
    ],
    4,
  );
  const leftPulmonary: Knot[] = smoothPath(
    [
      [18, -16, 102, 12],
      [32, 0, 106, 11],
      [44, 14, 102, 9.5],
      [52, 24, 84, 7.5],
    ],
    4,
  );
  const pulmonaryVeins: Knot[][] = [
    smoothPath(
      [
        [-14, 8, 62, 8],
        [-32, 6, 66, 6.5],
        [-50, -6, 78, 5],
      ],
      3,
    ),
    smoothPath(
      [
        [-14, 10, 52, 8],
        [-34, 16, 48, 6.5],
        [-52, 24, 38, 5],
      ],
      3,
    ),
    smoothPath(
      [
        [26, 6, 64, 8],
        [42, 2, 72, 6.5],
        [56, -10, 84, 5],
      ],
      3,
    ),
    smoothPath(
      [
        [26, 10, 54, 8],
        [44, 20, 48, 6.5],
        [58, 30, 38, 5],
      ],
      3,
    ),
  ];
  const scale = 0.7 + anatomy.aortaScale * 0.3;
  const all = [
    cava,
    brachiocephalic,
    inferior,
    trunk,
    rightPulmonary,
    leftPulmonary,
    ...pulmonaryVeins,
  ];
  const sized = all.map((path) => path.map((k): Knot => [k[0], k[1], k[2], k[3] * scale]));
  for (const path of sized) paintPath(canvas, path, sheath, 2.5);
  const pulmonary = { ...vein, hu: tissues.arteryHu };
  for (const [k, path] of sized.entries()) paintPath(canvas, path, k < 3 ? vein : pulmonary);
}

interface Chamber {
  readonly center: Point;
  readonly radii: Point;
  readonly turn: readonly [number, number, number];
  readonly wallMm: number;
}

type ChamberName = "rightAtrium" | "leftAtrium" | "rightVentricle" | "leftVentricle";

const CHAMBERS: Readonly<Record<ChamberName, Chamber>> = {
  rightAtrium: { center: [-28, -24, 36], radii: [24, 31, 36], turn: [0, 0, 10], wallMm: 1.5 },
  leftAtrium: { center: [6, 6, 56], radii: [38, 21, 25], turn: [0, 0, 0], wallMm: 1.5 },
  rightVentricle: { center: [6, -58, 18], radii: [44, 24, 38], turn: [0, 24, 22], wallMm: 2.5 },
  leftVentricle: { center: [38, -30, 18], radii: [46, 33, 35], turn: [0, 22, -32], wallMm: 9.5 },
};

/** Four chambers in their fat; without contrast only the fat in the grooves parts them. */
function paintHeart(canvas: Canvas, anatomy: Anatomy, tissues: Tissues): void {
  const k = anatomy.heartScale;
  const anchor: Point = [0, -12, 50];
  const grown = (p: Point): Point => [
    anchor[0] + (p[0] - anchor[0]) * (k > 1 ? 1 + (k - 1) * 1.35 : k),
    anchor[1] + (p[1] - anchor[1]) * k,
    anchor[2] + (p[2] - anchor[2]) * (k > 1 ? 1 + (k - 1) * 1.3 : k),
  ];
  const zones = NOT_ABDOMEN;
  const chambers = Object.values(CHAMBERS);
  const outlines = chambers.map((c) => ({
    ...c,
    center: grown(c.center),
    radii: [c.radii[0] * k, c.radii[1] * k, c.radii[2] * k] as const,
    matrix: turn(...c.turn),
  }));
  // The sac holds the heart closely; what the chambers leave open is muscle, and fat in the grooves.
  for (const [center, radii] of heartSac(anatomy)) {
    const filled: Point = [radii[0] - 6, radii[1] - 6, radii[2] - 6];
    paintEllipsoid(canvas, center, filled, { hu: tissues.myocardiumHu, label: LABEL.heart, zones });
  }
  for (const c of outlines) {
    const rim: Point = [c.radii[0] + 2, c.radii[1] + 2, c.radii[2] + 2];
    paintEllipsoid(canvas, c.center, rim, { hu: -62, label: 0, zones }, c.matrix);
  }
  for (const c of outlines)
    paintEllipsoid(
      canvas,
      c.center,
      c.radii,
      { hu: tissues.myocardiumHu, label: LABEL.heart, zones },
      c.matrix,
    );
  for (const c of outlines) {
    const w = c.wallMm;
    const cavity: Point = [c.radii[0] - w, c.radii[1] - w, c.radii[2] - w];
    paintEllipsoid(
      canvas,
      c.center,
      cavity,
      { hu: tissues.heartBloodHu, label: LABEL.heart, zones },
      c.matrix,
    );
  }
}
