/** Spine, ribs, breastbone, shoulder girdle and pelvis. */
import type { Anatomy } from "./anatomy.ts";
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
import type { FindingOf } from "./phantom-study.ts";
import { smoothMax } from "./smooth.ts";
import { cageDistance, cageTaper, shapeNear } from "./torso-shape.ts";

/** Height of the middle of each vertebral body, T1 to T12 then L1 to L5, mm. */
const VERTEBRAE_Z = [
  198, 180, 161, 141, 120, 98, 75, 51, 26, 0, -28, -58, -91, -126, -162, -199, -235,
];
const CERVICAL_Z = [216, 233, 250];
const RIB_DROP_MM = [24, 42, 58, 68, 77, 85, 92, 98, 102, 102, 84, 46];
const RIB_END_RAD = [2.3, 2.42, 2.48, 2.5, 2.5, 2.48, 2.42, 2.28, 2.12, 1.95, 1.45, 0.95];
const STERNAL_Z = [184, 158, 138, 118, 98, 80, 66];

export function paintSkeleton(
  canvas: Canvas,
  anatomy: Anatomy,
  fractures: readonly FindingOf<"rib-fracture">[],
): void {
  const bottom = canvas.zs[0]! - 40;
  const top = canvas.zs[canvas.nz - 1]! + 40;
  paintSpine(canvas, anatomy, bottom, top);
  if (top > -60) {
    paintRibs(canvas, anatomy, fractures);
    paintSternum(canvas, anatomy);
    paintShoulders(canvas, anatomy);
  }
  if (bottom < -190) paintPelvis(canvas, anatomy);
}

/** Compact bone around spongy bone, along a path. */
function paintBone(
  canvas: Canvas,
  anatomy: Anatomy,
  path: readonly Knot[],
  flatten = 1,
  shellMm = 1.4,
  label: number = LABEL.bone,
): void {
  paintPath(canvas, path, { hu: anatomy.corticalHu, label, zones: ZONES.all }, 0, flatten);
  paintPath(
    canvas,
    path,
    { hu: anatomy.trabecularHu * 0.9, label, zones: ZONES.all },
    -shellMm,
    flatten,
  );
}

function paintSpine(canvas: Canvas, anatomy: Anatomy, bottom: number, top: number): void {
  const heights = [...CERVICAL_Z.slice().reverse(), ...VERTEBRAE_Z];
  heights.forEach((z, k) => {
    if (z < bottom || z > top) return;
    const above = heights[k - 1] ?? z + 17;
    const below = heights[k + 1] ?? z - 36;
    paintVertebra(canvas, anatomy, z, above, below);
  });
  paintCanal(canvas, anatomy, bottom, top);
}

function paintVertebra(
  canvas: Canvas,
  anatomy: Anatomy,
  z: number,
  above: number,
  below: number,
): void {
  const s = shapeNear(anatomy, z);
  const pitch = (above - below) / 2;
  const level = Math.max(0, Math.min(1, (210 - z) / 440));
  const k = anatomy.boneScale;
  const [rx, ry] = [(13 + 12 * level) * k, (9.5 + 8.5 * level) * k];
  const height = pitch * (0.8 - 0.04 * level);
  const [cx, cy] = [s.spineX, s.spineY];
  // The discs lie across the spine's own direction, which leans with its curve.
  const lean =
    (shapeNear(anatomy, above).spineY - shapeNear(anatomy, below).spineY) / (above - below);
  const body =
    (half: number, grow: number) =>
    (x: number, y: number, pz: number): number => {
      const along = pz - z + (y - cy) * lean;
      const across = y - cy - (pz - z) * lean;
      const waist = 1 - 0.09 * Math.max(0, 1 - (along / half) ** 2);
      const u = (x - cx) / ((rx + grow) * waist);
      const v = across / ((ry + grow) * waist);
      const hollow = across > 0 ? 2.6 * Math.exp(-((x - cx) ** 2) / 60) : 0;
      const ring = (Math.sqrt(u * u + v * v) - 1) * ry + hollow;
      return smoothMax(ring, Math.abs(along) - half - grow * 0.8, 2);
    };
  const half: Point = [rx + 3, ry + 6, pitch / 2 + 10];
  const center: Point = [cx, cy, z];
  paintField(canvas, center, half, body(pitch / 2 + 0.5, -0.8), {
    hu: 82,
    label: LABEL.cartilage,
    zones: ZONES.all,
  });
  paintField(canvas, center, half, body(height / 2, 0), {
    hu: anatomy.corticalHu * 0.62,
    label: LABEL.bone,
  });
  paintField(canvas, center, half, body(height / 2, -1.7), {
    hu: anatomy.trabecularHu,
    label: LABEL.bone,
  });
  paintArch(canvas, anatomy, [cx, cy, z], ry, level, pitch);
}

function paintArch(
  canvas: Canvas,
  anatomy: Anatomy,
  [cx, cy, z]: Point,
  ry: number,
  level: number,
  pitch: number,
): void {
  const back = cy + ry;
  const canal = 9 + 1.5 * level;
  const isLumbar = z < -75;
  const slope = isLumbar ? 8 : 14 + 8 * (1 - level);
  for (const side of [-1, 1]) {
    const pedicle: Knot[] = [
      [cx + side * (canal + 0.5), back - 2, z + pitch * 0.14, 4.4],
      [cx + side * (canal + 2.5), back + 8, z + pitch * 0.1, 4.6],
      [cx + side * (canal + 1.5), back + 14, z - pitch * 0.05, 5],
    ];
    const lamina: Knot[] = [
      [cx + side * (canal + 1.5), back + 14, z - 1, 4.6],
      [cx + side * 5, back + 20, z - 5, 4],
      [cx, back + 22.5, z - 7, 4],
    ];
    const reach = isLumbar ? 38 : 29 + 3 * (1 - level);
    const lift = isLumbar ? 2 : 5;
    const transverse: Knot[] = [
      [cx + side * (canal + 3), back + 11, z + 2, 4.6],
      [cx + side * (reach * 0.72), back + (isLumbar ? 10 : 19), z + lift, 3.8],
      [cx + side * reach, back + (isLumbar ? 11 : 24), z + lift, 4.2],
    ];
    paintBone(canvas, anatomy, pedicle);
    paintBone(canvas, anatomy, lamina);
    paintBone(canvas, anatomy, transverse);
    paintEllipsoid(canvas, [cx + side * (canal + 4), back + 15, z - pitch * 0.45], [5.5, 5.5, 9], {
      hu: anatomy.corticalHu * 0.8,
      label: LABEL.bone,
    });
  }
  const spinous: Knot[] = [
    [cx, back + 22, z - 6, 4],
    [cx, back + 30, z - 7 - slope * 0.5, 3.2],
    [cx, back + (isLumbar ? 43 : 40), z - 8 - slope, 4],
  ];
  paintBone(canvas, anatomy, spinous, isLumbar ? 0.42 : 0.7, 1.2);
}

/** The canal with its cord in fluid and fat; painted after the vertebrae so that it stays open. */
function paintCanal(canvas: Canvas, anatomy: Anatomy, bottom: number, top: number): void {
  const sac: Knot[] = [];
  for (let z = bottom; z <= top; z += 12) {
    const s = shapeNear(anatomy, z);
    const level = Math.max(0, Math.min(1, (210 - z) / 440));
    const ry = (9.5 + 8.5 * level) * anatomy.boneScale;
    sac.push([s.spineX, s.spineY + ry + 9, z, 8.2 + level]);
  }
  paintPath(canvas, sac, { hu: -30, label: LABEL.spinalCanal });
  paintPath(canvas, sac, { hu: 14, label: LABEL.spinalCanal }, -1.4);
  const cord = sac.filter((knot) => knot[2] > -85);
  paintPath(canvas, cord, { hu: 38, label: LABEL.spinalCanal }, -3.6);
}

/** Place on the rib cage at an angle from the spine (0) to the breastbone (pi), `out` mm outside its inside. */
function onCage(anatomy: Anatomy, side: number, angle: number, z: number, out: number): Point {
  const s = shapeNear(anatomy, Math.min(z, 205));
  const [u, v] = [Math.sin(angle), Math.cos(angle)];
  const k = 0.42 * u * u * v * v;
  const t = k < 1e-6 ? 1 : Math.sqrt((1 - Math.sqrt(1 - 4 * k)) / (2 * k));
  return [
    (side * (s.cageHalfWidth * t + out) * u) / cageTaper(v * t),
    s.cageCenterY + (s.cageHalfDepth * t + out) * v,
    z,
  ];
}

/** The path of rib `rib` (1 to 12) from its head to the end of the bone, then of its cartilage. */
export function ribPath(
  anatomy: Anatomy,
  rib: number,
  side: number,
): { bone: Knot[]; cartilage: Knot[] } {
  const z = VERTEBRAE_Z[rib - 1]! + 6;
  const s = shapeNear(anatomy, z);
  const drop = RIB_DROP_MM[rib - 1]!;
  const end = RIB_END_RAD[rib - 1]!;
  const radius = rib === 1 ? 3.6 : rib === 12 ? 2.9 : 3.7;
  const knots: Knot[] = [
    [s.spineX + side * 15, s.spineY + 7, z, 4.2],
    [s.spineX + side * 27, s.spineY + 24, z + 2, 3.7],
  ];
  const steps = Math.max(3, Math.round(end * 5));
  const start = rib === 1 ? 0.75 : 0.46;
  for (let k = 0; k <= steps; k++) {
    const angle = start + ((end - start) * k) / steps;
    const t = (angle - start) / (2.5 - start);
    const height = z - drop * (t * t * (3 - 2 * t) * 0.55 + 0.45 * t);
    const at = onCage(anatomy, side, angle, height, 4.6);
    knots.push([at[0], at[1], at[2], radius]);
  }
  const bone = smoothPath(knots, 3);
  const last = knots.at(-1)!;
  if (rib > 10) return { bone, cartilage: [] };
  const target = STERNAL_Z[Math.min(rib, 7) - 1]! - (rib > 7 ? (rib - 7) * 7 : 0);
  const toward = rib > 7 ? 2.74 - (rib - 8) * 0.12 : 2.98;
  const cartilage: Knot[] = [last];
  for (let k = 1; k <= 4; k++) {
    const angle = end + ((toward - end) * k) / 4;
    const height = last[2] + (target - last[2]) * (k / 4) ** 1.4;
    const at = onCage(anatomy, side, angle, height, 4.6);
    cartilage.push([at[0], at[1], at[2], radius + 0.8]);
  }
  return { bone, cartilage: smoothPath(cartilage, 3) };
}

function paintRibs(
  canvas: Canvas,
  anatomy: Anatomy,
  fractures: readonly FindingOf<"rib-fracture">[],
): void {
  const calcified = Math.max(0, anatomy.ageYears - 45) * 3;
  for (const side of [-1, 1])
    for (let rib = 1; rib <= 12; rib++) {
      const { bone, cartilage } = ribPath(anatomy, rib, side);
      paintPath(canvas, cartilage, { hu: 105 + calcified, label: LABEL.cartilage }, 0, 0.6);
      const name = side < 0 ? "right" : "left";
      const isBroken = fractures.some((f) => f.rib === rib && f.side === name);
      if (!isBroken) paintBone(canvas, anatomy, bone, 0.56, 1.7);
      else paintBrokenRib(canvas, anatomy, bone, side);
    }
}

/** The front part stands outward and back by some millimetres; swelling around the gap. */
function paintBrokenRib(
  canvas: Canvas,
  anatomy: Anatomy,
  bone: readonly Knot[],
  side: number,
): void {
  const at = Math.floor(bone.length * 0.52);
  const gap = bone[at]!;
  const center: Point = [gap[0], gap[1], gap[2]];
  paintEllipsoid(canvas, center, [9, 9, 10], { hu: 62, label: 0, zones: ZONES.all });
  paintBone(canvas, anatomy, bone.slice(0, at), 0.56, 1.7);
  const shifted = bone.slice(at).map((k): Knot => [k[0] + side * 5, k[1] + 1, k[2] - 3, k[3]]);
  paintBone(canvas, anatomy, shifted, 0.56, 1.7);
  const bruise = { hu: anatomy.corticalHu * 0.8, label: LABEL.fracture };
  paintEllipsoid(canvas, [gap[0] + side * 2, gap[1], gap[2]], [4, 5, 6], bruise);
}

function paintSternum(canvas: Canvas, anatomy: Anatomy): void {
  const front = (z: number): number => {
    const s = shapeNear(anatomy, z);
    return s.cageCenterY - s.cageHalfDepth - 7;
  };
  const slab = (z0: number, z1: number, half: (z: number) => number, thick: number): void => {
    const middle = (z0 + z1) / 2;
    const distance =
      (grow: number) =>
      (x: number, y: number, z: number): number => {
        const u = Math.abs(x) - half(z) - grow;
        const v = Math.abs(y - front(z)) - thick - grow;
        return smoothMax(smoothMax(u, v, 5), Math.abs(z - middle) - (z1 - z0) / 2 - grow, 3);
      };
    const lean = Math.abs(front(z0) - front(z1)) / 2;
    const box: Point = [34, thick + lean + 6, (z1 - z0) / 2 + 3];
    const center: Point = [0, (front(z0) + front(z1)) / 2, middle];
    paintField(canvas, center, box, distance(0), {
      hu: anatomy.corticalHu * 0.6,
      label: LABEL.bone,
    });
    paintField(canvas, center, box, distance(-1.6), {
      hu: anatomy.trabecularHu * 0.75,
      label: LABEL.bone,
    });
  };
  slab(152, 190, (z) => 18 + (z - 152) * 0.25, 6);
  slab(56, 149, (z) => 14 + 5 * Math.sin((149 - z) / 38) ** 2, 5.5);
  slab(32, 54, (z) => 4 + (z - 32) * 0.25, 3.5);
}

function paintShoulders(canvas: Canvas, anatomy: Anatomy): void {
  const s = shapeNear(anatomy, 190);
  for (const side of [-1, 1]) {
    const clavicle: Knot[] = smoothPath(
      [
        [side * 20, s.cageCenterY - s.cageHalfDepth - 6, 190, 6.5],
        [side * 55, -28, 202, 5],
        [side * 95, -8, 213, 5],
        [side * 135, 14, 224, 5.5],
      ],
      4,
    );
    paintBone(canvas, anatomy, clavicle, 1, 1.7);
    paintScapula(canvas, anatomy, side);
    const head: Point = [side * 158, 16, 214];
    paintEllipsoid(canvas, head, [23, 23, 23], { hu: anatomy.corticalHu * 0.8, label: LABEL.bone });
    paintEllipsoid(canvas, head, [21, 21, 21], {
      hu: anatomy.trabecularHu * 0.8,
      label: LABEL.bone,
    });
  }
}

/** A thin blade over the back of the rib cage, with its spine and stout outer border. */
function paintScapula(canvas: Canvas, anatomy: Anatomy, side: number): void {
  const bone = { hu: anatomy.corticalHu * 0.72, label: LABEL.bone };
  const at = (across: number, up: number): Point => {
    const z = 62 + 118 * up;
    const inner = 0.62 + 0.1 * (1 - up);
    const outer = inner + 0.1 + 0.44 * up;
    return onCage(anatomy, side, inner + (outer - inner) * across, z, 17 + 5 * across);
  };
  for (let row = 0; row <= 18; row++) {
    const up = row / 18;
    const strip: Knot[] = [];
    for (let k = 0; k <= 5; k++) {
      const p = at(k / 5, up);
      const radius = k === 5 ? 3.6 : k === 0 ? 2.2 : 1.7;
      strip.push([p[0], p[1], p[2], radius]);
    }
    paintPath(canvas, strip, bone, 0, 0.5);
  }
  const ridge: Knot[] = [0, 0.35, 0.7, 1].map((t): Knot => {
    const p = at(t, 0.78);
    return [p[0] + side * 5 * t, p[1] + 9, p[2] + 10 * t, 3.2 + t];
  });
  paintBone(canvas, anatomy, smoothPath(ridge, 3), 0.5, 1.3);
  const glenoid = at(1, 0.98);
  paintEllipsoid(
    canvas,
    [glenoid[0] + side * 4, glenoid[1] - 3, glenoid[2] + 8],
    [8, 12, 14],
    bone,
  );
  paintEllipsoid(canvas, [glenoid[0] + side * 4, glenoid[1] - 3, glenoid[2] + 8], [6, 10, 12], {
    hu: anatomy.trabecularHu,
    label: LABEL.bone,
  });
}

function paintPelvis(canvas: Canvas, anatomy: Anatomy): void {
  const compact = { hu: anatomy.corticalHu * 0.75, label: LABEL.bone };
  const spongy = { hu: anatomy.trabecularHu * 0.8, label: LABEL.bone };
  const wide = 1 + anatomy.bellyMm * 0.002;
  for (const side of [-1, 1]) {
    const wing = (t: number, up: number): Knot => {
      // t runs from the sacral joint at the back to the spine at the front; the crest is highest in between.
      const crest = -204 - 62 * (t - 0.42) ** 2 * 2.4;
      const z = crest - (1 - up) * 110;
      const flare = 0.62 + 0.38 * up;
      const x = side * wide * (38 + 92 * Math.sin(t * 1.65) * flare);
      const y = 84 - 112 * t - (1 - up) * 10 + 12 * Math.sin(t * 3.1);
      return [x, y, z, up > 0.93 ? 6.2 : 4.6 - 1.6 * Math.sin(t * 3.14)];
    };
    const strips: Knot[][] = [];
    for (let row = 0; row <= 12; row++) {
      const strip: Knot[] = [];
      for (let k = 0; k <= 14; k++) strip.push(wing(k / 14, row / 12));
      strips.push(strip);
    }
    for (const strip of strips) paintPath(canvas, strip, compact, 0, 0.5);
    for (const strip of strips) paintPath(canvas, strip, spongy, -1.7, 0.5);
  }
  for (let k = 0; k < 5; k++) {
    const center: Point = [0, 66 + k * 9, -262 - k * 22];
    const [rx, ry] = [52 - k * 7, 20 - k * 2];
    paintEllipsoid(canvas, center, [rx, ry, 15], compact, turn(-22, 0, 0));
    paintEllipsoid(canvas, center, [rx - 2, ry - 2, 13], spongy, turn(-22, 0, 0));
    for (const side of [-1, 1]) {
      const hole: Point = [side * 22, center[1] + 6, center[2] - 8];
      paintTube(canvas, hole, [hole[0], hole[1] + 14, hole[2] - 4], 5, 5, { hu: -20, label: 0 });
    }
  }
}

/** Whether a place lies within the rib cage; used to keep findings off the bones. */
export function isInsideCage(anatomy: Anatomy, point: Point): boolean {
  return cageDistance(shapeNear(anatomy, point[2]), point[0], point[1]) < 0;
}
