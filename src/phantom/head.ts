/** The head: scalp and skull, filled by brain.ts and face.ts. z = 0 is the orbitomeatal line. */
import { type Anatomy, anatomyOf } from "./anatomy.ts";
import { brainHu, paintDeepBrain, paintHemorrhages, paintVentricles } from "./brain.ts";
import { type Canvas, ZONE } from "./canvas.ts";
import { paintFace } from "./face.ts";
import { LABEL } from "./labels.ts";
import { findingsOf, type PhantomStudy } from "./phantom-study.ts";
import { length2, length3 } from "./smooth.ts";
import { bump, squircleDistance, tableAt } from "./torso-shape.ts";

type Table = readonly (readonly [number, number])[];

// biome-ignore format: a table reads best in rows
const SKULL_HALF_WIDTH: Table = [
  [-90, 57], [-50, 60], [-25, 66], [0, 70], [20, 73], [45, 74], [62, 70], [77, 61], [89, 48], [98, 33],
  [103, 20], [106, 6],
];
// biome-ignore format: a table reads best in rows
const SKULL_FRONT: Table = [
  [-90, -80], [-50, -84], [-20, -88], [0, -91], [20, -93], [45, -90], [62, -81], [77, -67], [89, -50], [98, -32],
  [103, -18], [106, -2],
];
// biome-ignore format: a table reads best in rows
const SKULL_BACK: Table = [
  [-90, 56], [-60, 60], [-42, 72], [-22, 88], [0, 95], [30, 97], [50, 94], [65, 86], [79, 73], [90, 58],
  [98, 42], [103, 29], [106, 15],
];
const SKULL_MM = 6.5;

interface HeadShape {
  readonly z: number;
  readonly a: number;
  readonly b: number;
  readonly centerY: number;
}

function headShape(z: number): HeadShape {
  const front = tableAt(SKULL_FRONT, z);
  const back = tableAt(SKULL_BACK, z);
  return { z, a: tableAt(SKULL_HALF_WIDTH, z), b: (back - front) / 2, centerY: (front + back) / 2 };
}

/** Distance to the outside of the skull, negative inside; the dome is closed on top. */
function skullDistance(s: HeadShape, x: number, y: number): number {
  const side = squircleDistance(x, y - s.centerY, s.a, s.b, 0.3);
  // Near the vertex the walls lean in: the way through the bone is shorter than it looks in the plane.
  const lean = s.z > 40 ? Math.max(0.32, 1 - ((s.z - 40) / 78) ** 2) : 1;
  return side * lean;
}

/** Height of the floor of the skull, mm. */
function baseHeight(x: number, y: number): number {
  const side = Math.abs(x);
  const front = 14 - 6 * bump(side, 0, 14);
  const middle = side < 14 ? -2 : -18 + 0.03 * (side - 38) ** 2;
  const rear = -46 + 0.012 * (x * x + (y - 42) ** 2);
  const blend = (t: number): number => {
    const c = Math.max(0, Math.min(1, t));
    return c * c * (3 - 2 * c);
  };
  const toMiddle = blend((y + 48) / 18);
  const toRear = blend((y - 2 - side * 0.22) / 16);
  const ridge = 13 * bump(y - 2 - side * 0.35, 6, 14) * bump(side, 38, 30);
  return (front * (1 - toMiddle) + middle * toMiddle) * (1 - toRear) + rear * toRear + ridge;
}

export function paintHead(canvas: Canvas, study: PhantomStudy): void {
  const anatomy = anatomyOf(study.patient, study.ageYears, 1);
  const ventricles = findingsOf(study.findings, "hydrocephalus")[0]?.ventricleScale ?? 1;
  for (let z = 0; z < canvas.nz; z++) paintHeadSlice(canvas, anatomy, ventricles, z);
  paintDeepBrain(canvas, anatomy);
  paintVentricles(canvas, anatomy, ventricles);
  paintFace(canvas, anatomy);
  paintHemorrhages(canvas, anatomy, study.findings);
}

function paintHeadSlice(canvas: Canvas, anatomy: Anatomy, ventricles: number, z: number): void {
  const { nx, ny, hu, labels, zones, depths, xCol, xRow, yRow, yCol, zs } = canvas;
  const edge = canvas.edgeMm;
  const pz = zs[z]!;
  const s = headShape(pz);
  const vault = 106 - pz;
  for (let y = 0; y < ny; y++)
    for (let x = 0; x < nx; x++) {
      const px = xCol[z * nx + x]! + xRow[z * ny + y]!;
      const py = yRow[z * ny + y]! + yCol[z * nx + x]!;
      if (Math.abs(px) > s.a + 24 || py < s.centerY - s.b - 34 || py > s.centerY + s.b + 20)
        continue;
      const bone =
        vault < -0.5 ? length3(px, py - 6, vault * 2) * 0.2 + 1 : skullDistance(s, px, py);
      const skin = skinDistance(s, px, py, bone);
      if (skin > edge) continue;
      const i = (z * ny + y) * nx + x;
      const base = baseHeight(px, py);
      const inner = Math.max(bone + SKULL_MM, (base - pz) * 0.8);
      let value = scalpHu(anatomy, skin, bone, px, py, pz);
      let label: number = skin > -2 ? LABEL.skin : value < -40 ? LABEL.fat : LABEL.muscle;
      zones[i] = skin < 0 ? ZONE.wall : ZONE.outside;
      const floor = base - pz;
      const isVault = floor < 0;
      // Vault: shell of the skull; below the floor: the bone of the base, a few millimetres thick.
      const shell = isVault ? bone : Math.max(bone, floor * 0.8 - 7);
      if (shell < edge * 0.5) {
        const inBone = Math.min(1, 0.5 - shell / edge);
        value += (skullHu(anatomy, -shell, isVault, px, py, pz) - value) * inBone;
        if (inBone > 0.5) label = LABEL.bone;
      }
      if (inner < edge * 0.5) {
        const inside = Math.min(1, 0.5 - inner / edge);
        value += (brainHu(anatomy, ventricles, -inner, px, py, pz) - value) * inside;
        if (inside > 0.5) {
          label = LABEL.brain;
          zones[i] = ZONE.brain;
          depths[i] = Math.min(127, -inner * 2);
        }
      }
      const presence = Math.max(0, Math.min(1, 0.5 - skin / edge));
      hu[i] = hu[i]! + (value - hu[i]!) * presence;
      if (presence > 0.5) labels[i] = label;
    }
}

/** Skin around the skull; below the brow the face stands out with its nose. */
function skinDistance(s: HeadShape, x: number, y: number, bone: number): number {
  const temple = 4.5 * bump(s.z, 0, 70) * bump(y, -35, 55);
  const neck = s.z < -30 ? 6 * bump(y, 60, 60) : 0;
  let skin = bone - 6.5 - temple - neck;
  if (s.z < 2) {
    const t = Math.min(1, (2 - s.z) / 38);
    const nose = length2(x / (8 + 7 * t), (y - s.centerY + s.b + 2) / (10 + 17 * t)) - 1;
    skin = Math.min(skin, nose * 10);
  }
  const ear = length3((Math.abs(x) - s.a - 10) / 3, (y - 14) / 14, (s.z + 6) / 26) - 1;
  return Math.min(skin, ear * 3);
}

function scalpHu(
  anatomy: Anatomy,
  skin: number,
  bone: number,
  x: number,
  y: number,
  z: number,
): number {
  if (skin > -2) return 25;
  if (bone < 0.6 + 9 * bump(z, 0, 72) * bump(y, -34, 56)) return 56;
  if (z < -12 && bone < 4) {
    const bundle = anatomy.noise((x + y) * 0.045, (x - y) * 0.045, z * 0.03);
    return 54 - 135 * Math.max(0, Math.min(1, (-0.2 - bundle) * 5));
  }
  return bone > 1.2 ? -82 : 40;
}

/** Two tables of dense bone with the diploe between; the base is patchy, its outer parts hold air cells. */
function skullHu(
  anatomy: Anatomy,
  depth: number,
  isVault: boolean,
  x: number,
  y: number,
  z: number,
): number {
  const dense = anatomy.corticalHu + 480;
  if (isVault && depth < SKULL_MM + 3) {
    const t = depth / SKULL_MM;
    const grain = 130 * anatomy.noise(x * 0.12, y * 0.12, z * 0.12);
    return t > 0.27 && t < 0.74 ? dense * 0.5 + grain : dense;
  }
  const cells = anatomy.noise(x * 0.24, y * 0.24, z * 0.24);
  const mastoid = bump(Math.abs(x), 56, 15) * bump(y, 24, 26) * bump(z, -26, 34);
  if (mastoid > 0.1 && cells > 0.3 - mastoid * 0.75) return -780;
  const petrous = bump(y - 2 - Math.abs(x) * 0.35, 2, 14) * bump(Math.abs(x), 36, 34);
  return 420 + 620 * Math.min(1, petrous * 1.4) + 180 * cells;
}
