/** First layer of the trunk: skin, fat, muscle, and the cavities with lungs, mediastinal and abdominal fat. */
import type { Anatomy } from "./anatomy.ts";
import { type Canvas, ZONE } from "./canvas.ts";
import { LABEL } from "./labels.ts";
import { length3, smoothMin } from "./smooth.ts";
import {
  CAVITY_TOP_MM,
  cageDistance,
  diaphragmHeight,
  fissureHeights,
  heartSac,
  mediastinumDistance,
  type SliceShape,
  sliceShape,
  squircleDistance,
} from "./torso-shape.ts";

const FAT_HU = -104;
const MUSCLE_HU = 54;

/** Paints body and cavities into an empty canvas and sets compartments and depths. */
export function paintTorsoWall(canvas: Canvas, anatomy: Anatomy): void {
  const sac = heartSac(anatomy);
  for (let z = 0; z < canvas.nz; z++) {
    const shape = sliceShape(anatomy, canvas.zs[z]!);
    paintBodySlice(canvas, anatomy, shape, z);
    carveSlice(canvas, anatomy, shape, sac, z);
  }
}

function paintBodySlice(canvas: Canvas, anatomy: Anatomy, s: SliceShape, z: number): void {
  const { nx, ny, hu, labels, zones, xCol, xRow, yRow, yCol } = canvas;
  const edge = canvas.edgeMm;
  const noise = anatomy.noise;
  const front = s.bodyFront - s.fatFront;
  const back = s.bodyBack + s.fatBack;
  const skinCenter = (front + back) / 2;
  const muscleCenter = (s.bodyFront + s.bodyBack) / 2;
  const [skinA, skinB] = [s.bodyHalfWidth + s.fatSide, (back - front) / 2];
  const [muscleA, muscleB] = [s.bodyHalfWidth, (s.bodyBack - s.bodyFront) / 2];
  const breast = breastAt(anatomy, s);
  // An ellipse safely inside the rib cage, whose taper takes up to a tenth of the width.
  const cageInverseA = s.z > CAVITY_TOP_MM ? 9 : 1.095 / s.cageHalfWidth;
  const cageInverseB = 1 / s.cageHalfDepth;
  const skinInverseA = 1 / skinA;
  const skinInverseB = 1 / skinB;
  const frontMost = front - edge - (breast?.b ?? 0);
  for (let y = 0; y < ny; y++) {
    for (let x = 0; x < nx; x++) {
      const px = xCol[z * nx + x]! + xRow[z * ny + y]!;
      const py = yRow[z * ny + y]! + yCol[z * nx + x]!;
      if (px > skinA + edge || px < -skinA - edge || py > back + edge || py < frontMost) continue;
      const cu = px * cageInverseA;
      const cv = (py - s.cageCenterY) * cageInverseB;
      if (cu * cu + cv * cv < 0.8) {
        // Well inside the rib cage: will be carved out.
        const i = (z * ny + y) * nx + x;
        hu[i] = MUSCLE_HU;
        labels[i] = LABEL.muscle;
        zones[i] = ZONE.wall;
        continue;
      }
      const su = px * skinInverseA;
      const sv = (py - skinCenter) * skinInverseB;
      const isDeep = su * su + sv * sv < 0.7;
      let skin = isDeep ? -30 : squircleDistance(px, py - skinCenter, skinA, skinB, 0.36);
      if (breast !== undefined && !isDeep) {
        const u = (Math.abs(px) - breast.x) / breast.a;
        const v = (py - breast.y) / breast.b;
        skin = smoothMin(skin, (Math.sqrt(u * u + v * v) - 1) * breast.b, 14);
      }
      // The furrow over the spine.
      if (py > 0 && !isDeep) skin += 6 * Math.exp((-px * px) / 420);
      if (skin > edge) continue;
      const i = (z * ny + y) * nx + x;
      const presence = Math.min(1, 0.5 - skin / edge);
      if (presence <= 0) continue;
      let muscle = squircleDistance(px, py - muscleCenter, muscleA, muscleB, 0.34);
      if (py > 0) muscle += 7 * Math.exp((-px * px) / 260);
      let value: number;
      let label: number = LABEL.fat;
      if (skin > -2) {
        value = 18;
        label = LABEL.skin;
      } else {
        const strand = Math.abs(muscle) < 7 ? noise(px * 0.09, py * 0.09, s.z * 0.06) : 0;
        const inMuscle = clamp01(0.5 - (muscle + 2.5 * strand) / (edge * 1.4));
        value = FAT_HU;
        if (inMuscle > 0) value += (muscleHu(noise, px, py, s.z, muscle) - FAT_HU) * inMuscle;
        if (inMuscle > 0.5) label = LABEL.muscle;
        if (breast !== undefined && inMuscle < 0.5) {
          const gland = glandAmount(noise, breast, px, py, s.z);
          if (gland > 0) {
            value += (28 - value) * gland;
            label = LABEL.breast;
          }
        }
      }
      hu[i] = hu[i]! + (value - hu[i]!) * presence;
      if (presence > 0.5) {
        labels[i] = label;
        zones[i] = ZONE.wall;
      }
    }
  }
}

interface Breast {
  readonly x: number;
  readonly y: number;
  readonly a: number;
  readonly b: number;
}

/** Cut of the two breasts with this level, mm; undefined where there are none. */
function breastAt(anatomy: Anatomy, s: SliceShape): Breast | undefined {
  const size = anatomy.breastMm;
  const t = (s.z - 62) / (48 + size * 0.35);
  if (size <= 0 || Math.abs(t) >= 1) return undefined;
  const cut = Math.sqrt(1 - t * t);
  // Lying on the back, breasts fall to the side and flatten.
  return { x: 86, y: s.bodyFront - s.fatFront * 0.1, a: 66 * cut, b: (size * 0.72 + 4) * cut };
}

function glandAmount(
  noise: (x: number, y: number, z: number) => number,
  breast: Breast,
  x: number,
  y: number,
  z: number,
): number {
  const u = (Math.abs(x) - breast.x) / breast.a;
  const v = (y - breast.y + breast.b * 0.35) / breast.b;
  const core = 1 - (u * u + v * v) / 0.36;
  return clamp01(core * 1.4 + 1.6 * noise(x * 0.13, y * 0.13, z * 0.1) - 0.35) * 0.85;
}

/**
 * Muscle in sheets: planes of fat run along the surface at some depths, fade in and out, and are crossed by few
 * others; between them the fibres are a little marbled.
 */
function muscleHu(
  noise: (x: number, y: number, z: number) => number,
  x: number,
  y: number,
  z: number,
  depth: number,
): number {
  const soft = noise(x * 0.03 + 7, y * 0.03, z * 0.02);
  const sheet = Math.abs(((-depth + 4 * soft) % 14) - 8.5);
  const fat = sheet < 1.1 && soft > -0.2 ? (1 - sheet / 1.1) * Math.min(1, (soft + 0.2) * 2.5) : 0;
  return MUSCLE_HU - 3 + 7 * soft - 88 * fat;
}

function carveSlice(
  canvas: Canvas,
  anatomy: Anatomy,
  s: SliceShape,
  sac: ReturnType<typeof heartSac>,
  z: number,
): void {
  const { nx, ny, hu, labels, zones, depths, xCol, xRow, yRow, yCol } = canvas;
  const edge = canvas.edgeMm;
  const pz = s.z;
  for (let y = 0; y < ny; y++) {
    for (let x = 0; x < nx; x++) {
      const i = (z * ny + y) * nx + x;
      if (zones[i] !== ZONE.wall) continue;
      const px = xCol[z * nx + x]! + xRow[z * ny + y]!;
      const py = yRow[z * ny + y]! + yCol[z * nx + x]!;
      const cage = cageDistance(s, px, py);
      if (cage > edge) {
        addChestWallFat(canvas, anatomy, i, px, py, pz, cage);
        continue;
      }
      const height = pz > 40 ? -200 : diaphragmHeight(anatomy, px, py);
      const above = (height - pz) * 0.72;
      if (above < 4) {
        const middle = mediastinumDistance(sac, s, px, py);
        const lung = Math.max(cage + 2, above, -middle);
        if (lung < edge) {
          blend(hu, i, lungHu(anatomy, px, py, pz), 0.5 - lung / edge);
          if (lung < 0) {
            const isLeft = px > s.mediastinumX;
            zones[i] = isLeft ? ZONE.leftLung : ZONE.rightLung;
            labels[i] = isLeft ? LABEL.leftLung : LABEL.rightLung;
            depths[i] = Math.min(127, -lung * 2);
            continue;
          }
        }
        const fat = Math.max(cage + 1, above, middle - edge * 0.5 - 1);
        if (fat < edge) {
          blend(hu, i, -92, 0.5 - fat / edge);
          if (fat < 0) {
            zones[i] = ZONE.mediastinum;
            labels[i] = LABEL.fat;
          }
        }
      } else {
        const dx = (px - s.spineX) / 21;
        const dy = (py - s.spineY - 6) / 25;
        const spine = (1 - Math.sqrt(dx * dx + dy * dy)) * 22;
        const inside = Math.max(cage + 1.5, 4 - above, spine);
        if (inside < edge) {
          blend(hu, i, -100, 0.5 - inside / edge);
          if (inside < 0) {
            zones[i] = ZONE.abdomen;
            labels[i] = LABEL.fat;
            depths[i] = Math.min(127, -inside * 2);
          }
        }
      }
    }
  }
}

/** Fat around the ribs, under the big muscles of the chest and in the armpits. */
function addChestWallFat(
  canvas: Canvas,
  anatomy: Anatomy,
  i: number,
  x: number,
  y: number,
  z: number,
  cage: number,
): void {
  if (canvas.labels[i] !== LABEL.muscle || cage > 39) return;
  const armpit = z > 60 ? length3((Math.abs(x) - 143) / 22, (y - 12) / 34, (z - 150) / 52) - 1 : 9;
  const isNearPlane = z > -30 && Math.abs(cage - 13) < 8;
  if (armpit > 0.3 && !isNearPlane) return;
  const noise = anatomy.noise(x * 0.05, y * 0.05, z * 0.03);
  const plane = Math.abs(cage - 13 - 5 * noise) - 0.8 - 0.02 * anatomy.fatMm;
  if (isNearPlane && plane < 1 && noise > -0.25) blend(canvas.hu, i, -60, 0.5 - plane);
  if (armpit < 0.3) blend(canvas.hu, i, FAT_HU, 0.6 - armpit * 2.2 + noise);
}

/** Aerated lung: denser where it lies below, with fine and coarse texture, faint fissures. */
function lungHu(anatomy: Anatomy, x: number, y: number, z: number): number {
  const noise = anatomy.noise;
  const aerated = anatomy.lungHu + y * 0.38 + 30 * noise(x * 0.22, y * 0.22, z * 0.13);
  const isNearFissure = Math.abs(z - 67 - y * 0.95) < 14 || (x < 0 && Math.abs(z - 74) < 16);
  if (!isNearFissure) return aerated;
  const { oblique, horizontal } = fissureHeights(x, y);
  const toOblique = Math.abs(z - oblique) * 0.72;
  const isAnteriorRight = x < 0 && z > oblique;
  const toFissure = isAnteriorRight ? Math.min(toOblique, Math.abs(z - horizontal)) : toOblique;
  return toFissure < 1.2 ? aerated + 80 * (1 - toFissure / 1.2) : aerated;
}

function blend(hu: Float32Array, i: number, value: number, amount: number): void {
  const alpha = Math.min(amount, 1);
  if (alpha > 0) hu[i] = hu[i]! + (value - hu[i]!) * alpha;
}

function clamp01(value: number): number {
  return value < 0 ? 0 : Math.min(value, 1);
}
