/** What a contact sheet shows of a volume: where the body is, which window suits it, and three planes through it. */
import type { Window } from "../../volume/picture.ts";
import { reorient } from "../../volume/resample.ts";
import type { CtVolume } from "../../volume/types.ts";

export type PlaneName = "axial" | "coronal" | "sagittal";

/** A volume made ready for drawing: axes LPS, body found. Positions are voxel indexes. */
export interface Viewed {
  readonly volume: CtVolume;
  /** Bounds of the body without the couch, voxels: `[z, y, x]`, upper end included. */
  readonly low: readonly [number, number, number];
  readonly high: readonly [number, number, number];
  /** Level of the axial plane: where the lungs are widest, else the middle of the body. */
  readonly axialSlice: number;
  readonly windows: Readonly<Record<PlaneName, Window>>;
}

const BODY_HU = -250;
// Both start at air, so that the room around the patient is black.
const LUNG_WINDOW: Window = { centerHu: -500, widthHu: 1040 };
const WIDE_WINDOW: Window = { centerHu: -330, widthHu: 1340 };
const SOFT_WINDOW: Window = { centerHu: 40, widthHu: 400 };
const BRAIN_WINDOW: Window = { centerHu: 38, widthHu: 110 };
/** Measuring looks at every so many millimeters only. */
const STRIDE_MM = 4;

export function viewOf(source: CtVolume): Viewed {
  const volume = reorient(source, "LPS");
  const [nz, ny, nx] = volume.sizeVoxels;
  const [dz, dy, dx] = volume.spacingMm;
  const step = (spacing: number): number => Math.max(1, Math.round(STRIDE_MM / spacing));
  const [kz, ky, kx] = [step(dz), step(dy), step(dx)];
  const at = (z: number, y: number, x: number): number => volume.voxelsZyx[(z * ny + y) * nx + x]!;
  // A voxel counts as body only when those a few millimeters around it do: the couch is a thin shell.
  const isBody = (z: number, y: number, x: number): boolean =>
    at(z, y, x) > BODY_HU &&
    at(z, y, Math.max(0, x - kx)) > BODY_HU &&
    at(z, y, Math.min(nx - 1, x + kx)) > BODY_HU &&
    at(z, Math.max(0, y - ky), x) > BODY_HU &&
    at(z, Math.min(ny - 1, y + ky), x) > BODY_HU;
  const low: [number, number, number] = [nz, ny, nx];
  const high: [number, number, number] = [-1, -1, -1];
  const lungOfSlice = new Float64Array(nz);
  let [body, lung, bone] = [0, 0, 0];
  for (let z = 0; z < nz; z += kz)
    for (let y = 0; y < ny; y += ky) {
      let [first, last] = [nx, -1];
      for (let x = 0; x < nx; x += kx) {
        if (!isBody(z, y, x)) continue;
        if (x < first) first = x;
        last = x;
        body++;
        if (at(z, y, x) > 500) bone++;
      }
      if (last < 0) continue;
      low[0] = Math.min(low[0], z);
      low[1] = Math.min(low[1], y);
      low[2] = Math.min(low[2], first);
      high[0] = Math.max(high[0], z);
      high[1] = Math.max(high[1], y);
      high[2] = Math.max(high[2], last);
      for (let x = first; x < last; x += kx) {
        const hu = at(z, y, x);
        if (hu > -990 && hu < -600) {
          lung++;
          lungOfSlice[z]!++;
        }
      }
    }
  if (high[0] < 0) return emptyView(volume);
  const hasLungs = lung > 0.08 * (body + lung);
  const widthMm = (high[2] - low[2]) * dx;
  const isHead = widthMm < 210 && bone > 0.05 * body;
  const pad: readonly [number, number, number] = [0, Math.ceil(8 / dy), Math.ceil(8 / dx)];
  return {
    volume,
    low: [0, Math.max(0, low[1] - pad[1]), Math.max(0, low[2] - pad[2])],
    high: [nz - 1, Math.min(ny - 1, high[1] + pad[1]), Math.min(nx - 1, high[2] + pad[2])],
    axialSlice: hasLungs ? widest(lungOfSlice, kz) : (low[0] + high[0]) >> 1,
    windows: isHead
      ? { axial: BRAIN_WINDOW, coronal: BRAIN_WINDOW, sagittal: BRAIN_WINDOW }
      : hasLungs
        ? { axial: LUNG_WINDOW, coronal: WIDE_WINDOW, sagittal: SOFT_WINDOW }
        : { axial: SOFT_WINDOW, coronal: SOFT_WINDOW, sagittal: SOFT_WINDOW },
  };
}

function emptyView(volume: CtVolume): Viewed {
  const [nz, ny, nx] = volume.sizeVoxels;
  return {
    volume,
    low: [0, 0, 0],
    high: [nz - 1, ny - 1, nx - 1],
    axialSlice: nz >> 1,
    windows: { axial: SOFT_WINDOW, coronal: SOFT_WINDOW, sagittal: SOFT_WINDOW },
  };
}

/** The level with most lung, each smoothed with its neighbors so that one odd slice does not decide. */
function widest(lungOfSlice: Float64Array, step: number): number {
  let [best, most] = [0, -1];
  for (let z = 0; z < lungOfSlice.length; z += step) {
    let sum = 0;
    for (let k = -4; k <= 4; k++) sum += lungOfSlice[z + k * step] ?? 0;
    if (sum > most) {
      most = sum;
      best = z;
    }
  }
  return best;
}

/** Width and height of a plane, mm. */
export function planeSizeMm(view: Viewed, plane: PlaneName): readonly [number, number] {
  const [dz, dy, dx] = view.volume.spacingMm;
  const size = (axis: 0 | 1 | 2, spacing: number): number =>
    (view.high[axis] - view.low[axis] + 1) * spacing;
  if (plane === "axial") return [size(2, dx), size(1, dy)];
  return plane === "coronal" ? [size(2, dx), size(0, dz)] : [size(1, dy), size(0, dz)];
}

/**
 * Draws a plane with square pixels into a gray image (`[row][column]`), its upper left corner at `left`, `top`.
 * Axial: front up, patient's right on the left. Coronal: head up. Sagittal: head up, front on the left.
 */
export function drawPlane(
  view: Viewed,
  plane: PlaneName,
  mmPerPixel: number,
  left: number,
  top: number,
  put: (x: number, y: number, gray: number) => void,
): void {
  const { volume, low, high } = view;
  const [dz, dy, dx] = volume.spacingMm;
  const [widthMm, heightMm] = planeSizeMm(view, plane);
  const width = Math.floor(widthMm / mmPerPixel);
  const height = Math.floor(heightMm / mmPerPixel);
  const middle = (axis: 1 | 2): number => (low[axis] + high[axis]) / 2;
  const { centerHu, widthHu } = view.windows[plane];
  for (let row = 0; row < height; row++)
    for (let column = 0; column < width; column++) {
      const across = (column + 0.5) * mmPerPixel;
      const down = (row + 0.5) * mmPerPixel;
      const z = plane === "axial" ? view.axialSlice : high[0] + 0.5 - down / dz;
      const y =
        plane === "axial"
          ? low[1] - 0.5 + down / dy
          : plane === "coronal"
            ? middle(1)
            : low[1] - 0.5 + across / dy;
      const x = plane === "sagittal" ? middle(2) : low[2] - 0.5 + across / dx;
      const hu = sample(volume, z, y, x);
      const gray = ((hu - centerHu) / widthHu + 0.5) * 255;
      put(left + column, top + row, gray < 0 ? 0 : gray > 255 ? 255 : Math.round(gray));
    }
}

/** HU between voxels, linear in all three directions; the border repeats. */
function sample(volume: CtVolume, z: number, y: number, x: number): number {
  const { voxelsZyx } = volume;
  const [nz, ny, nx] = volume.sizeVoxels;
  const [cz, cy, cx] = [clamp(z, nz - 1), clamp(y, ny - 1), clamp(x, nx - 1)];
  const [z0, y0, x0] = [Math.floor(cz), Math.floor(cy), Math.floor(cx)];
  const [z1, y1, x1] = [
    Math.min(nz - 1, z0 + 1),
    Math.min(ny - 1, y0 + 1),
    Math.min(nx - 1, x0 + 1),
  ];
  const [w, v, u] = [cz - z0, cy - y0, cx - x0];
  const line = (zz: number, yy: number): number => {
    const at = (zz * ny + yy) * nx;
    return voxelsZyx[at + x0]! * (1 - u) + voxelsZyx[at + x1]! * u;
  };
  const near = line(z0, y0) * (1 - v) + line(z0, y1) * v;
  const far = line(z1, y0) * (1 - v) + line(z1, y1) * v;
  return near * (1 - w) + far * w;
}

function clamp(value: number, most: number): number {
  return value < 0 ? 0 : Math.min(value, most);
}
