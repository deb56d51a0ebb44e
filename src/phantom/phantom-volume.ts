/** Paints a synthetic study and gives it as a volume with its ground truth. */
import type { CtVolume, Vector3 } from "../volume/types.ts";
import { anatomyOf } from "./anatomy.ts";
import { type Canvas, type Grid, newCanvas, type Pose } from "./canvas.ts";
import { paintHead } from "./head.ts";
import { scan } from "./image-chain.ts";
import { LABEL } from "./labels.ts";
import type { PhantomRegion, PhantomStudy } from "./phantom-study.ts";
import { randomFrom } from "./random.ts";
import { paintTable } from "./table.ts";
import { paintTorso } from "./torso.ts";

/** Where in the voxels a finding or organ lies. */
export interface LabelRegion {
  readonly label: number;
  readonly voxels: number;
  readonly volumeMl: number;
  /** Middle of all its voxels, LPS mm. */
  readonly centerLps: Vector3;
  /** Mean of all its voxels, edges and noise included, HU. */
  readonly meanHu: number;
}

export interface PhantomVolume extends CtVolume {
  readonly voxelsZyx: Int16Array;
  /** Tissue or finding of every voxel, `[z][y][x]`, values of {@link LABEL}. */
  readonly labelsZyx: Uint8Array;
}

const AXIAL_AXES = [
  [0, 0, 1],
  [0, 1, 0],
  [1, 0, 0],
] as const;

/** Lowest and highest level of the scan in the patient's frame, mm. */
const RANGE_MM: Readonly<Record<PhantomRegion, readonly [number, number]>> = {
  chest: [-80, 216],
  abdomen: [-268, 32],
  "chest-abdomen": [-268, 216],
  head: [-46, 112],
};

/** HU outside the reconstruction circle where the scanner pads. */
const PADDING_HU = -1024;

/** Voxels in HU (Int16), labels and geometry of a study; the same for the same study, always. */
export function phantomVolume(study: PhantomStudy): PhantomVolume {
  const { acquisition } = study;
  const isHead = study.region === "head";
  const anatomy = anatomyOf(study.patient, study.ageYears, 1);
  const body = anatomy.random("pose");
  const lying = randomFrom(`${study.key}/pose`);
  const headScale = 0.94 + 0.06 * anatomy.boneScale;
  const scale = isHead ? ([headScale, headScale, headScale] as const) : anatomy.scale;
  const pose: Pose = {
    scale,
    centerMm: [
      Math.round(lying.normal(0, isHead ? 3 : 5)),
      Math.round((isHead ? -6 : 8) + lying.normal(0, 4)),
    ],
    rotation: lying.normal(0, isHead ? 0.045 : 0.025),
    warpMm: isHead ? 1 : 2.4,
    phases: [body.range(0, 6.28), body.range(0, 6.28), body.range(0, 6.28), body.range(0, 6.28)],
  };
  const [low, high] = RANGE_MM[study.region];
  const shift = lying.normal(0, 4);
  const grid: Grid = {
    columns: acquisition.columns,
    rows: acquisition.rows,
    slices: Math.ceil(((high - low) * scale[2]) / acquisition.sliceMm),
    pixelMm: acquisition.pixelMm,
    sliceMm: acquisition.sliceMm,
    bottomMm: low + shift,
  };
  const canvas = newCanvas(grid, pose);
  if (isHead) paintHead(canvas, study);
  else paintTorso(canvas, study);
  paintTable(canvas, isHead);
  const voxelsZyx = scan(canvas, acquisition, randomFrom(`${study.key}/noise`));
  if (acquisition.paddingValue !== undefined) padOutsideCircle(canvas, voxelsZyx);
  const half = (count: number): number => ((count - 1) / 2) * grid.pixelMm;
  return {
    voxelsZyx,
    labelsZyx: canvas.labels,
    sizeVoxels: [grid.slices, grid.rows, grid.columns],
    spacingMm: [grid.sliceMm, grid.pixelMm, grid.pixelMm],
    originLps: [
      micrometers(pose.centerMm[0] - half(grid.columns)),
      micrometers(pose.centerMm[1] - half(grid.rows)),
      micrometers(grid.bottomMm * scale[2] - Math.round(lying.range(60, 240))),
    ],
    axesZyx: AXIAL_AXES,
  };
}

/** A position that survives being written as a decimal string. */
function micrometers(mm: number): number {
  return Math.round(mm * 1000) / 1000;
}

/** The square image holds a round field of view; scanners of one make mark what is outside. */
function padOutsideCircle(canvas: Canvas, voxels: Int16Array): void {
  const { nx, ny, nz } = canvas;
  const radius = nx / 2;
  for (let y = 0; y < ny; y++)
    for (let x = 0; x < nx; x++) {
      if (!isOutsideCircle(x, y, nx, ny, radius)) continue;
      for (let z = 0; z < nz; z++) {
        voxels[(z * ny + y) * nx + x] = PADDING_HU;
        canvas.labels[(z * ny + y) * nx + x] = LABEL.none;
      }
    }
}

/** Whether a pixel lies outside the reconstruction circle. */
export function isOutsideCircle(
  x: number,
  y: number,
  columns: number,
  rows: number,
  radius: number = columns / 2,
): boolean {
  return Math.hypot(x - (columns - 1) / 2, y - (rows - 1) / 2) > radius;
}

/** Measures one label in the voxels; undefined when no voxel carries it. */
export function labelRegion(volume: PhantomVolume, label: number): LabelRegion | undefined {
  const [nz, ny, nx] = volume.sizeVoxels;
  const [dz, dy, dx] = volume.spacingMm;
  let [count, sum, sx, sy, sz] = [0, 0, 0, 0, 0];
  for (let z = 0; z < nz; z++)
    for (let y = 0; y < ny; y++)
      for (let x = 0; x < nx; x++) {
        const i = (z * ny + y) * nx + x;
        if (volume.labelsZyx[i] !== label) continue;
        count++;
        sum += volume.voxelsZyx[i]!;
        sx += x;
        sy += y;
        sz += z;
      }
  if (count === 0) return undefined;
  const [ox, oy, oz] = volume.originLps;
  return {
    label,
    voxels: count,
    volumeMl: (count * dx * dy * dz) / 1000,
    centerLps: [ox + (sx / count) * dx, oy + (sy / count) * dy, oz + (sz / count) * dz],
    meanHu: sum / count,
  };
}
