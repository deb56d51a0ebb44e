/**
 * The grid on which the phantom is painted. Shapes are given in the patient's own frame: millimetres of a
 * reference adult, x to the patient's left, y to the back, z to the head (LPS). Each voxel knows its place in that
 * frame through four small tables, so that size, turn and a smooth individual deformation cost two additions.
 */

export type Point = readonly [number, number, number];

/** How a patient lies in the scanner and differs from the reference adult. */
export interface Pose {
  /** Size along x, y, z relative to the reference adult. */
  readonly scale: Point;
  /** Where the middle of the image lies in scanner coordinates, mm. */
  readonly centerMm: readonly [number, number];
  /** Turn about the long axis, radians. */
  readonly rotation: number;
  /** Amplitude of the smooth deformation, mm, and four phases that make it individual. */
  readonly warpMm: number;
  readonly phases: readonly [number, number, number, number];
}

/** Image grid in scanner coordinates. */
export interface Grid {
  readonly columns: number;
  readonly rows: number;
  readonly slices: number;
  readonly pixelMm: number;
  readonly sliceMm: number;
  /** z of the lowest slice in the patient's frame (reference adult), mm. */
  readonly bottomMm: number;
}

export interface Canvas {
  readonly grid: Grid;
  readonly scale: Point;
  readonly nx: number;
  readonly ny: number;
  readonly nz: number;
  /** HU, `[z][y][x]`. */
  readonly hu: Float32Array;
  /** Tissue label, see labels.ts. */
  readonly labels: Uint8Array;
  /** Body compartment, see ZONE. */
  readonly zones: Uint8Array;
  /** Depth inside the compartment, half millimetres, capped at 127. */
  readonly depths: Uint8Array;
  /** x of a voxel = xCol[z, x] + xRow[z, y]; y = yRow[z, y] + yCol[z, x]; z = zs[z]. */
  readonly xCol: Float32Array;
  readonly xRow: Float32Array;
  readonly yRow: Float32Array;
  readonly yCol: Float32Array;
  readonly zs: Float32Array;
  /** Width over which an edge is blended (partial volume), mm. */
  readonly edgeMm: number;
}

/** Body compartments that shapes can be confined to. */
export const ZONE = {
  outside: 0,
  wall: 1,
  mediastinum: 2,
  rightLung: 3,
  leftLung: 4,
  abdomen: 5,
  brain: 6,
};
const LUNG_ZONES = (1 << ZONE.rightLung) | (1 << ZONE.leftLung);
export const ZONES = {
  all: 0xff,
  inside: 0xfe,
  lungs: LUNG_ZONES,
  abdomen: 1 << ZONE.abdomen,
  wall: 1 << ZONE.wall,
  brain: 1 << ZONE.brain,
  cavities: LUNG_ZONES | (1 << ZONE.mediastinum) | (1 << ZONE.abdomen),
} as const;

/** What a shape is made of, and where it may be painted. */
export interface Ink {
  readonly hu: number;
  /** 0 leaves the label as it is. */
  readonly label: number;
  /** Bit mask of compartments, see ZONES. */
  readonly zones?: number;
}

export function newCanvas(grid: Grid, pose: Pose): Canvas {
  const { columns: nx, rows: ny, slices: nz } = grid;
  const count = nx * ny * nz;
  const canvas: Canvas = {
    grid,
    scale: pose.scale,
    nx,
    ny,
    nz,
    hu: new Float32Array(count).fill(-1000),
    labels: new Uint8Array(count),
    zones: new Uint8Array(count),
    depths: new Uint8Array(count),
    xCol: new Float32Array(nz * nx),
    xRow: new Float32Array(nz * ny),
    yRow: new Float32Array(nz * ny),
    yCol: new Float32Array(nz * nx),
    zs: new Float32Array(nz),
    edgeMm: grid.pixelMm * 1.15 + grid.sliceMm * 0.12,
  };
  for (let z = 0; z < nz; z++) fillSlicePlaces(canvas, pose, z);
  return canvas;
}

function fillSlicePlaces(canvas: Canvas, pose: Pose, z: number): void {
  const { grid, nx, ny } = canvas;
  const [sx, sy, sz] = pose.scale;
  const [p0, p1, p2, p3] = pose.phases;
  const cos = Math.cos(pose.rotation);
  const sin = Math.sin(pose.rotation);
  const zMm = grid.bottomMm + (z * grid.sliceMm) / sz;
  canvas.zs[z] = zMm;
  for (let x = 0; x < nx; x++) {
    const mm = pose.centerMm[0] + (x - (nx - 1) / 2) * grid.pixelMm;
    canvas.xCol[z * nx + x] =
      (mm * cos) / sx + pose.warpMm * 0.5 * Math.sin(mm * 0.026 + p2 + zMm * 0.009);
    canvas.yCol[z * nx + x] =
      (mm * sin) / sy + pose.warpMm * Math.sin(mm * 0.021 + p1 - zMm * 0.011);
  }
  for (let y = 0; y < ny; y++) {
    const mm = pose.centerMm[1] + (y - (ny - 1) / 2) * grid.pixelMm;
    canvas.yRow[z * ny + y] =
      (mm * cos) / sy + pose.warpMm * 0.5 * Math.sin(mm * 0.029 + p3 + zMm * 0.012);
    canvas.xRow[z * ny + y] =
      (-mm * sin) / sx + pose.warpMm * Math.sin(mm * 0.023 + p0 + zMm * 0.01);
  }
}

/** A box of voxels, upper ends excluded. */
export interface Box {
  readonly x0: number;
  readonly x1: number;
  readonly y0: number;
  readonly y1: number;
  readonly z0: number;
  readonly z1: number;
}

/** Voxel position `[x, y, z]` (fractional) of a point of the patient's frame; may lie outside the grid. */
export function locate(canvas: Canvas, point: Point): Point {
  const { grid, nx, ny, nz, scale } = canvas;
  const k = ((point[2] - grid.bottomMm) * scale[2]) / grid.sliceMm;
  const z = Math.max(0, Math.min(nz - 1, Math.round(k)));
  let i = nx / 2;
  let j = ny / 2;
  // The deformation is gentle, so a few corrected guesses land within a hundredth of a voxel.
  for (let round = 0; round < 6; round++) {
    const x = Math.max(0, Math.min(nx - 1, Math.round(i)));
    const y = Math.max(0, Math.min(ny - 1, Math.round(j)));
    const atX = canvas.xCol[z * nx + x]! + canvas.xRow[z * ny + y]!;
    const atY = canvas.yRow[z * ny + y]! + canvas.yCol[z * nx + x]!;
    i = x + ((point[0] - atX) * scale[0]) / grid.pixelMm;
    j = y + ((point[1] - atY) * scale[1]) / grid.pixelMm;
  }
  return [i, j, k];
}

/** The voxels that a box of the patient's frame (centre, half sizes) can touch. */
export function voxelBox(canvas: Canvas, center: Point, half: Point): Box {
  const { grid, nx, ny, nz, scale } = canvas;
  const [i, j, k] = locate(canvas, center);
  const slack = 2 + 0.07 * Math.max(half[0], half[1], half[2]) + canvas.edgeMm;
  const rx = ((half[0] + slack) * scale[0]) / grid.pixelMm;
  const ry = ((half[1] + slack) * scale[1]) / grid.pixelMm;
  const rz = ((half[2] + canvas.edgeMm) * scale[2]) / grid.sliceMm;
  return {
    x0: Math.max(0, Math.floor(i - rx)),
    x1: Math.min(nx, Math.ceil(i + rx) + 1),
    y0: Math.max(0, Math.floor(j - ry)),
    y1: Math.min(ny, Math.ceil(j + ry) + 1),
    z0: Math.max(0, Math.floor(k - rz)),
    z1: Math.min(nz, Math.ceil(k + rz) + 1),
  };
}

/** Rotation about x, then y, then z, degrees; rows of the matrix, for {@link paintEllipsoid}. */
export function turn(xDeg: number, yDeg: number, zDeg: number): readonly number[] {
  const [a, b, c] = [(xDeg * Math.PI) / 180, (yDeg * Math.PI) / 180, (zDeg * Math.PI) / 180];
  const [sa, ca, sb, cb, sc, cc] = [
    Math.sin(a),
    Math.cos(a),
    Math.sin(b),
    Math.cos(b),
    Math.sin(c),
    Math.cos(c),
  ];
  return [
    cb * cc,
    cb * sc,
    -sb,
    sa * sb * cc - ca * sc,
    sa * sb * sc + ca * cc,
    sa * cb,
    ca * sb * cc + sa * sc,
    ca * sb * sc - sa * cc,
    ca * cb,
  ];
}

const NO_TURN: readonly number[] = [1, 0, 0, 0, 1, 0, 0, 0, 1];

/** Ellipsoid with half axes `radii`, mm; `rotation` from {@link turn}. */
export function paintEllipsoid(
  canvas: Canvas,
  center: Point,
  radii: Point,
  ink: Ink,
  rotation: readonly number[] = NO_TURN,
): void {
  const reach = rotation === NO_TURN ? radii : [0, 1, 2].map(() => Math.max(...radii));
  const box = voxelBox(canvas, center, [reach[0]!, reach[1]!, reach[2]!]);
  const { hu, labels, zones, nx, ny, xCol, xRow, yRow, yCol, zs } = canvas;
  const [cx, cy, cz] = center;
  const [ax, ay, az] = [1 / radii[0], 1 / radii[1], 1 / radii[2]];
  const m = Float64Array.from(rotation);
  const [m0, m1, m2] = [m[0]! * ax, m[1]! * ax, m[2]! * ax];
  const [m3, m4, m5] = [m[3]! * ay, m[4]! * ay, m[5]! * ay];
  const [m6, m7, m8] = [m[6]! * az, m[7]! * az, m[8]! * az];
  const edge = canvas.edgeMm;
  const limit = (1 + edge / Math.min(radii[0], radii[1], radii[2])) ** 2;
  const mask = ink.zones ?? ZONES.all;
  for (let z = box.z0; z < box.z1; z++) {
    const dz = zs[z]! - cz;
    for (let y = box.y0; y < box.y1; y++) {
      const xr = xRow[z * ny + y]! - cx;
      const yr = yRow[z * ny + y]! - cy;
      const at = (z * ny + y) * nx;
      for (let x = box.x0; x < box.x1; x++) {
        const dx = xCol[z * nx + x]! + xr;
        const dy = yCol[z * nx + x]! + yr;
        const u = m0 * dx + m1 * dy + m2 * dz;
        const v = m3 * dx + m4 * dy + m5 * dz;
        const w = m6 * dx + m7 * dy + m8 * dz;
        const q = u * u + v * v + w * w;
        if (q > limit || ((mask >> zones[at + x]!) & 1) === 0) continue;
        const k0 = Math.sqrt(q);
        const k1 = Math.sqrt((u * ax) ** 2 + (v * ay) ** 2 + (w * az) ** 2);
        const distance = k1 > 1e-9 ? (k0 * (k0 - 1)) / k1 : -1e9;
        const alpha = 0.5 - distance / edge;
        if (alpha <= 0) continue;
        const i = at + x;
        if (alpha >= 1) hu[i] = ink.hu;
        else hu[i] = hu[i]! + (ink.hu - hu[i]!) * alpha;
        if (alpha > 0.5 && ink.label !== 0) labels[i] = ink.label;
      }
    }
  }
}

/**
 * A straight piece of tube with round ends from `a` (radius `ra`) to `b` (radius `rb`), mm. `flatten` below 1
 * makes the cross-section taller along z by its inverse, as ribs are.
 */
export function paintTube(
  canvas: Canvas,
  a: Point,
  b: Point,
  ra: number,
  rb: number,
  ink: Ink,
  flatten = 1,
): void {
  const reach = Math.max(ra, rb);
  const box = voxelBox(
    canvas,
    [(a[0] + b[0]) / 2, (a[1] + b[1]) / 2, (a[2] + b[2]) / 2],
    [
      Math.abs(a[0] - b[0]) / 2 + reach,
      Math.abs(a[1] - b[1]) / 2 + reach,
      Math.abs(a[2] - b[2]) / 2 + reach / flatten,
    ],
  );
  const { hu, labels, zones, nx, ny, xCol, xRow, yRow, yCol, zs } = canvas;
  const [bx, by, bz] = [b[0] - a[0], b[1] - a[1], (b[2] - a[2]) * flatten];
  const inverse = 1 / Math.max(1e-9, bx * bx + by * by + bz * bz);
  const edge = canvas.edgeMm;
  const limit = (reach + edge) ** 2;
  const mask = ink.zones ?? ZONES.all;
  for (let z = box.z0; z < box.z1; z++) {
    const dz = (zs[z]! - a[2]) * flatten;
    for (let y = box.y0; y < box.y1; y++) {
      const xr = xRow[z * ny + y]! - a[0];
      const yr = yRow[z * ny + y]! - a[1];
      const at = (z * ny + y) * nx;
      for (let x = box.x0; x < box.x1; x++) {
        const dx = xCol[z * nx + x]! + xr;
        const dy = yCol[z * nx + x]! + yr;
        let t = (dx * bx + dy * by + dz * bz) * inverse;
        t = t < 0 ? 0 : Math.min(t, 1);
        const ex = dx - t * bx;
        const ey = dy - t * by;
        const ez = dz - t * bz;
        const q = ex * ex + ey * ey + ez * ez;
        if (q > limit || ((mask >> zones[at + x]!) & 1) === 0) continue;
        const alpha = 0.5 - (Math.sqrt(q) - (ra + (rb - ra) * t)) / edge;
        if (alpha <= 0) continue;
        const i = at + x;
        if (alpha >= 1) hu[i] = ink.hu;
        else hu[i] = hu[i]! + (ink.hu - hu[i]!) * alpha;
        if (alpha > 0.5 && ink.label !== 0) labels[i] = ink.label;
      }
    }
  }
}

/** A point of a path with the radius of the tube there, mm: `[x, y, z, radius]`. */
export type Knot = readonly [number, number, number, number];

/** Catmull-Rom curve through the knots, `steps` pieces between two of them. */
export function smoothPath(knots: readonly Knot[], steps: number): Knot[] {
  const path: Knot[] = [];
  for (let k = 0; k + 1 < knots.length; k++) {
    const p1 = knots[k]!;
    const p2 = knots[k + 1]!;
    const p0 = knots[k - 1] ?? p1;
    const p3 = knots[k + 2] ?? p2;
    for (let s = 0; s < steps; s++) {
      const t = s / steps;
      const at = (i: 0 | 1 | 2 | 3): number => catmullRom(p0[i], p1[i], p2[i], p3[i], t);
      path.push([at(0), at(1), at(2), Math.max(0.1, at(3))]);
    }
  }
  const last = knots.at(-1);
  if (last !== undefined) path.push(last);
  return path;
}

function catmullRom(a: number, b: number, c: number, d: number, t: number): number {
  return b + 0.5 * t * (c - a + t * (2 * a - 5 * b + 4 * c - d + t * (3 * (b - c) + d - a)));
}

/** A bent tube through the knots; `grow` is added to every radius. */
export function paintPath(
  canvas: Canvas,
  path: readonly Knot[],
  ink: Ink,
  grow = 0,
  flatten = 1,
): void {
  for (let k = 0; k + 1 < path.length; k++) {
    const a = path[k]!;
    const b = path[k + 1]!;
    const [ra, rb] = [a[3] + grow, b[3] + grow];
    if (ra <= 0 && rb <= 0) continue;
    paintTube(canvas, [a[0], a[1], a[2]], [b[0], b[1], b[2]], ra, rb, ink, flatten);
  }
}

/**
 * Any shape: `distance` gives the signed distance in mm (negative inside) at a place of the patient's frame and
 * the voxel's index. Slower than the fixed shapes; for organs that fit the cavity they lie in.
 */
export function paintField(
  canvas: Canvas,
  center: Point,
  half: Point,
  distance: (x: number, y: number, z: number, voxel: number) => number,
  ink: Ink,
): void {
  const box = voxelBox(canvas, center, half);
  const { hu, labels, zones, nx, ny, xCol, xRow, yRow, yCol, zs } = canvas;
  const edge = canvas.edgeMm;
  const mask = ink.zones ?? ZONES.all;
  for (let z = box.z0; z < box.z1; z++) {
    const pz = zs[z]!;
    for (let y = box.y0; y < box.y1; y++) {
      const xr = xRow[z * ny + y]!;
      const yr = yRow[z * ny + y]!;
      const at = (z * ny + y) * nx;
      for (let x = box.x0; x < box.x1; x++) {
        const i = at + x;
        if (((mask >> zones[i]!) & 1) === 0) continue;
        const d = distance(xCol[z * nx + x]! + xr, yCol[z * nx + x]! + yr, pz, i);
        const alpha = 0.5 - d / edge;
        if (alpha <= 0) continue;
        if (alpha >= 1) hu[i] = ink.hu;
        else hu[i] = hu[i]! + (ink.hu - hu[i]!) * alpha;
        if (alpha > 0.5 && ink.label !== 0) labels[i] = ink.label;
      }
    }
  }
}
