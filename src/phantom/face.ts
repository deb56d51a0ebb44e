/** The face: orbits with eyes, air sinuses, nose, cheek bones and jaw. */
import type { Anatomy } from "./anatomy.ts";
import {
  type Canvas,
  type Knot,
  type Point,
  paintEllipsoid,
  paintField,
  paintPath,
  smoothPath,
  ZONES,
} from "./canvas.ts";
import { LABEL } from "./labels.ts";
import { length2, smoothMax } from "./smooth.ts";

/** Orbits with eyes, air sinuses with thin walls, nose, cheek bones. */
export function paintFace(canvas: Canvas, anatomy: Anatomy): void {
  const wall = { hu: 620, label: LABEL.bone, zones: ZONES.inside & ~ZONES.brain };
  const air = { hu: -970, label: LABEL.sinus, zones: ZONES.inside & ~ZONES.brain };
  const soft = { hu: 48, label: LABEL.muscle, zones: ZONES.inside & ~ZONES.brain };
  for (const side of [-1, 1]) {
    const orbit: Knot[] = smoothPath(
      [
        [side * 34, -86, -4, 21],
        [side * 29, -66, -5, 17],
        [side * 19, -44, -3, 7],
      ],
      5,
    );
    paintPath(canvas, orbit, wall, 1.6);
    paintPath(canvas, orbit, { hu: -88, label: LABEL.fat, zones: ZONES.inside & ~ZONES.brain });
    const globe: Point = [side * 32, -79, -4];
    for (const [dx, dz] of [
      [-9, 0],
      [9, 0],
      [0, 9],
      [0, -9],
    ] as const) {
      const muscle: Knot[] = [
        [globe[0] + dx * 1.2, -70, -4 + dz * 1.2, 1.8],
        [globe[0] * 0.86 + dx * 0.8, -58, -4 + dz * 0.8, 2.2],
        [side * 19, -44, -3, 1.6],
      ];
      paintPath(canvas, smoothPath(muscle, 3), soft);
    }
    paintPath(
      canvas,
      [
        [globe[0], -68, -4, 2.2],
        [side * 18, -42, -2, 2.2],
      ],
      { ...soft, hu: 34 },
    );
    paintEllipsoid(canvas, globe, [12.4, 12.4, 12.4], { ...soft, hu: 46, label: LABEL.eye });
    paintEllipsoid(canvas, globe, [11, 11, 11], { ...soft, hu: 12, label: LABEL.eye });
    paintEllipsoid(canvas, [globe[0], -88, -4], [4.6, 2.1, 4.6], {
      ...soft,
      hu: 82,
      label: LABEL.eye,
    });
    const maxillary: Point = [side * 29, -66, -44];
    paintEllipsoid(canvas, maxillary, [16, 18, 19], wall);
    paintEllipsoid(canvas, maxillary, [14.6, 16.6, 17.6], air);
    const cheek: Knot[] = smoothPath(
      [
        [side * 46, -76, -30, 5],
        [side * 60, -56, -24, 3.4],
        [side * 67, -24, -22, 2.8],
      ],
      4,
    );
    paintPath(canvas, cheek, { ...wall, hu: anatomy.corticalHu });
    paintEllipsoid(canvas, [side * 10, -90, 19], [10, 5, 9], { ...wall, zones: ZONES.inside });
    paintEllipsoid(canvas, [side * 10, -89.5, 19], [8.4, 3.6, 7.6], {
      ...air,
      zones: ZONES.inside,
    });
    const jaw: Knot[] = smoothPath(
      [
        [side * 50, -2, -24, 5],
        [side * 50, -8, -45, 5],
        [side * 47, -18, -80, 6],
      ],
      3,
    );
    paintPath(canvas, jaw, { ...wall, hu: anatomy.corticalHu });
  }
  const noise = anatomy.noise;
  paintField(
    canvas,
    [0, -66, -10],
    [13, 24, 20],
    (x, y, z) => {
      const box = smoothMax(
        smoothMax(Math.abs(x) - 11, Math.abs(y + 66) - 21, 7),
        Math.abs(z + 8) - 14,
        7,
      );
      const septa = 0.16 - Math.abs(noise(x * 0.2 + 3, y * 0.17, z * 0.17));
      return Math.max(box, septa * 12, 1.1 - Math.abs(x));
    },
    air,
  );
  paintEllipsoid(canvas, [7, -28, -14], [10, 13, 11], { ...wall, zones: ZONES.inside });
  paintEllipsoid(canvas, [-7, -28, -14], [10, 13, 11], { ...wall, zones: ZONES.inside });
  paintEllipsoid(canvas, [7, -28, -14], [8.6, 11.6, 9.6], { ...air, zones: ZONES.inside });
  paintEllipsoid(canvas, [-7, -28, -14], [8.6, 11.6, 9.6], { ...air, zones: ZONES.inside });
  const nasal = (x: number, y: number, z: number): number => {
    const width = Math.abs(x) - 13 + 0.12 * Math.abs(y + 72);
    const shell = smoothMax(smoothMax(width, Math.abs(y + 72) - 27, 8), Math.abs(z + 45) - 22, 8);
    const turbinate = 3.2 - length2((Math.abs(x) - 7.5) / 0.9, ((z + 45) % 17) * 0.8);
    return Math.max(shell, 1.2 - Math.abs(x), turbinate);
  };
  paintField(canvas, [0, -72, -45], [13, 27, 23], nasal, air);
  const pharynx: Knot[] = [
    [0, -22, -36, 8],
    [0, -18, -60, 8],
    [0, -16, -90, 9],
  ];
  paintPath(canvas, smoothPath(pharynx, 3), air);
}
