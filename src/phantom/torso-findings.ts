/** Findings of the trunk, painted so that the ground truth is in the voxels, not only in the words. */

import { kidneyCenter } from "./abdomen.ts";
import type { Anatomy } from "./anatomy.ts";
import { type Canvas, type Point, paintEllipsoid, paintField, ZONE, ZONES } from "./canvas.ts";
import { LABEL } from "./labels.ts";
import { aortaPath } from "./mediastinum.ts";
import { findingsOf, type PhantomFinding } from "./phantom-study.ts";
import { length3 } from "./smooth.ts";

/** Emphysema: holes in the lung, most at the top, until the wanted part of the lung is gone. */
export function paintDiffuseLungFindings(
  canvas: Canvas,
  anatomy: Anatomy,
  findings: readonly PhantomFinding[],
): void {
  const emphysema = findingsOf(findings, "emphysema")[0];
  if (emphysema === undefined) return;
  const { nx, ny, nz, hu, labels, zones, depths, xCol, xRow, yRow, yCol, zs } = canvas;
  const noise = anatomy.noise;
  const holes = new Float32Array(hu.length);
  const histogram = new Uint32Array(2048);
  let count = 0;
  const bin = (value: number): number => Math.max(0, Math.min(2047, Math.floor((value + 2) * 512)));
  for (let z = 0; z < nz; z++)
    for (let y = 0; y < ny; y++)
      for (let x = 0; x < nx; x++) {
        const i = (z * ny + y) * nx + x;
        if (zones[i] !== ZONE.rightLung && zones[i] !== ZONE.leftLung) continue;
        const px = xCol[z * nx + x]! + xRow[z * ny + y]!;
        const py = yRow[z * ny + y]! + yCol[z * nx + x]!;
        const pz = zs[z]!;
        const fine = noise(px * 0.14, py * 0.14, pz * 0.12);
        const coarse = noise(px * 0.045 + 11, py * 0.045, pz * 0.04);
        const rim = depths[i]! < 24 ? 0.12 : 0;
        const value = 0.62 * fine + 0.5 * coarse + (pz - 60) * 0.0032 + rim;
        holes[i] = value;
        histogram[bin(value)]!++;
        count++;
      }
  const wanted = (count * emphysema.lungPercent) / 100;
  let level = 2047;
  for (let sum = 0; level > 0 && sum < wanted; level--) sum += histogram[level]!;
  const threshold = (level + 1) / 512 - 2;
  for (let i = 0; i < hu.length; i++) {
    if (zones[i] !== ZONE.rightLung && zones[i] !== ZONE.leftLung) continue;
    const over = holes[i]! - threshold;
    if (over >= 0) {
      hu[i] = -972 - 22 * Math.min(1, over * 6);
      labels[i] = LABEL.emphysema;
    } else hu[i] = Math.max(-944, hu[i]! - 34 * Math.exp(over * 5));
  }
}

/** Nodules and consolidations, over the vessels and under the airways. */
export function paintFocalLungFindings(
  canvas: Canvas,
  anatomy: Anatomy,
  findings: readonly PhantomFinding[],
): void {
  const noise = anatomy.noise;
  for (const finding of findingsOf(findings, "consolidation")) {
    const [cx, cy, cz] = finding.center;
    const r = finding.diameterMm / 2;
    const [sx, sy, sz] = [canvas.scale[0] / 1.1, canvas.scale[1] / 1.02, canvas.scale[2] / 0.9];
    const shape =
      (grow: number, rough: number) =>
      (x: number, y: number, z: number): number => {
        const d = length3((x - cx) * sx, (y - cy) * sy, (z - cz) * sz) - r - grow;
        return (
          d + rough * (noise(x * 0.07, y * 0.07, z * 0.07) + 0.6 * noise(x * 0.2, y * 0.2, z * 0.2))
        );
      };
    const half: Point = [r * 1.3 + 26, r * 1.3 + 26, r * 1.3 + 26];
    const lungs = ZONES.lungs;
    const glass = shape(9, 17);
    paintField(canvas, finding.center, half, (x, y, z) => glass(x, y, z) * 0.35, {
      hu: -560,
      label: 0,
      zones: lungs,
    });
    paintField(canvas, finding.center, half, shape(0, 9), {
      hu: finding.meanHu,
      label: LABEL.consolidation,
      zones: lungs,
    });
  }
  for (const finding of findingsOf(findings, "lung-nodule")) {
    const [cx, cy, cz] = finding.center;
    const r = finding.diameterMm / 2;
    const [sx, sy, sz] = canvas.scale;
    const lobulated = (x: number, y: number, z: number): number =>
      length3((x - cx) * sx, (y - cy) * sy, (z - cz) * sz) -
      r +
      0.09 * r * noise(x * 0.35, y * 0.35, z * 0.35);
    const spikes = (x: number, y: number, z: number): number => {
      const d = length3(x - cx, y - cy, z - cz);
      const ray = noise(((x - cx) / d) * 3 + 5, ((y - cy) / d) * 3, ((z - cz) / d) * 3);
      return d - r * (1 + Math.max(0, ray - 0.25) * 1.3);
    };
    const half: Point = [r * 2.2 + 2, r * 2.2 + 2, r * 2.2 + 2];
    if (finding.diameterMm >= 9)
      paintField(canvas, finding.center, half, spikes, { hu: -480, label: 0, zones: ZONES.lungs });
    paintField(canvas, finding.center, half, lobulated, {
      hu: finding.meanHu,
      label: LABEL.nodule,
      zones: ZONES.lungs,
    });
  }
}

/** Free fluid in the chest of a patient lying on the back: deepest behind and below, with a curved surface. */
export function paintPleuralFindings(canvas: Canvas, findings: readonly PhantomFinding[]): void {
  for (const finding of findingsOf(findings, "pleural-effusion")) {
    const zone = finding.side === "right" ? ZONE.rightLung : ZONE.leftLung;
    fillPleura(canvas, zone, finding.volumeMl, finding.meanHu);
  }
  if (findings.some((f) => f.code === "pleural-effusion" || f.code === "consolidation")) {
    sealAirlessEdges(canvas);
  }
}

/**
 * Voxels just outside the lung still hold the share of air they had before: where airless lung or fluid now lies
 * beside them, that share is filled.
 */
function sealAirlessEdges(canvas: Canvas): void {
  const { nx, ny, hu, labels, zones } = canvas;
  const steps = [-1, 1, -nx, nx, -nx * ny, nx * ny];
  for (let i = 0; i < hu.length; i++) {
    const label = labels[i];
    const isAirless =
      label === LABEL.effusion || label === LABEL.consolidation || label === LABEL.atelectasis;
    if (!isAirless) continue;
    for (const step of steps) {
      const at = i + step;
      const zone = zones[at];
      if (zone === ZONE.wall && hu[at]! < 40) hu[at] = 46;
      else if (zone === ZONE.mediastinum && hu[at]! < -92) hu[at] = -60;
    }
  }
}

function fillPleura(canvas: Canvas, zone: number, volumeMl: number, fluidHu: number): void {
  const { nx, ny, nz, grid, hu, labels, zones, depths, xCol, xRow, yRow, yCol, zs } = canvas;
  const histogram = new Uint32Array(4096);
  const levels = new Float32Array(hu.length).fill(-1e3);
  for (let z = 0; z < nz; z++)
    for (let y = 0; y < ny; y++)
      for (let x = 0; x < nx; x++) {
        const i = (z * ny + y) * nx + x;
        if (zones[i] !== zone) continue;
        const px = xCol[z * nx + x]! + xRow[z * ny + y]!;
        const py = yRow[z * ny + y]! + yCol[z * nx + x]!;
        const depth = depths[i]! * 0.5;
        // Fluid climbs along the walls: the surface is a trough around the lung that floats in it.
        const climb = 26 * Math.exp(-depth / 13);
        const level = py - 0.3 * (zs[z]! + 20) + climb - 0.06 * Math.abs(px);
        levels[i] = level;
        histogram[Math.max(0, Math.min(4095, Math.floor((level + 256) * 8)))]!++;
      }
  const voxelMl = (grid.pixelMm * grid.pixelMm * grid.sliceMm) / 1000;
  const wanted = volumeMl / voxelMl;
  let k = 4095;
  for (let sum = 0; k > 0 && sum < wanted; k--) sum += histogram[k]!;
  const surface = (k + 1) / 8 - 256;
  const edge = canvas.edgeMm;
  const squeezed = Math.min(26, 5 + volumeMl / 60);
  for (let i = 0; i < hu.length; i++) {
    const over = levels[i]! - surface;
    if (over < -squeezed) continue;
    // Lung next to the fluid is squeezed airless.
    if (over < 0) {
      const t = 1 + over / squeezed;
      const airless = t * t;
      if (labels[i] !== LABEL.airway)
        hu[i] = hu[i]! + (42 - hu[i]!) * Math.min(0.92, airless * 1.25);
      if (airless > 0.6 && labels[i] !== LABEL.airway) labels[i] = LABEL.atelectasis;
    } else {
      const alpha = Math.min(1, 0.5 + over / edge);
      const under = hu[i]! < 0 ? 30 : hu[i]!;
      hu[i] = under + (fluidHu - under) * alpha;
      labels[i] = LABEL.effusion;
    }
  }
}

export function paintAbdominalFindings(
  canvas: Canvas,
  anatomy: Anatomy,
  findings: readonly PhantomFinding[],
): void {
  const zones = ZONES.abdomen;
  for (const finding of findingsOf(findings, "liver-lesion")) {
    const r = finding.diameterMm / 2;
    const [cx, cy, cz] = finding.center;
    const noise = anatomy.noise;
    const [sx, sy, sz] = canvas.scale;
    const shape =
      (grow: number) =>
      (x: number, y: number, z: number): number =>
        length3((x - cx) * sx, (y - cy) * sy, (z - cz) * sz) -
        r -
        grow +
        0.12 * r * noise(x * 0.12, y * 0.12, z * 0.12);
    const half: Point = [r * 1.15 + 6, r * 1.15 + 6, r * 1.15 + 6];
    paintField(canvas, finding.center, half, (x, y, z) => shape(2)(x, y, z) * 0.4, {
      hu: finding.meanHu + 14,
      label: 0,
      zones,
    });
    paintField(canvas, finding.center, half, shape(0), {
      hu: finding.meanHu,
      label: LABEL.liverLesion,
      zones,
    });
  }
  for (const finding of findingsOf(findings, "renal-cyst")) {
    const c = kidneyCenter(anatomy, finding.side);
    const sign = finding.side === "right" ? -1 : 1;
    const r = finding.diameterMm / 2;
    const center: Point = [c[0] + sign * (17 + r * 0.35), c[1] + 4, c[2] - 22];
    const [sx, sy, sz] = canvas.scale;
    paintEllipsoid(canvas, center, [r / sx, r / sy, r / sz], {
      hu: finding.meanHu,
      label: LABEL.renalCyst,
      zones,
    });
  }
}

/** Calcified plaques in the wall of the aorta and, when there are many, in a coronary artery. */
export function paintBoneFindings(
  canvas: Canvas,
  anatomy: Anatomy,
  findings: readonly PhantomFinding[],
): void {
  for (const finding of findingsOf(findings, "arterial-wall-calcification")) {
    const path = aortaPath(anatomy).slice(14);
    const random = anatomy.random("plaques");
    for (let k = 0; k < finding.plaques; k++) {
      const knot = path[random.integer(path.length)]!;
      const angle = random.range(0, 2 * Math.PI);
      const span = random.range(0.3, 0.9);
      const hu = random.range(560, 980);
      const tall = random.range(1.6, 4.5);
      for (let t = -span / 2; t <= span / 2; t += 0.12) {
        const place: Point = [
          knot[0] + knot[3] * Math.cos(angle + t),
          knot[1] + knot[3] * Math.sin(angle + t),
          knot[2],
        ];
        paintEllipsoid(canvas, place, [1.7, 1.7, tall], {
          hu,
          label: LABEL.calcification,
          zones: ZONES.inside,
        });
      }
    }
  }
}
