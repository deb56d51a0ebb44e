/**
 * Builds the corrected native volume from slices in any order of arrival: the reference of everything that is made of a
 * series. In-plane a voxel is the linear interpolation of its slice, along z that of the slices on both sides; more than
 * half a pixel outside a slice is air, nearer than that its edge pixel.
 */
import { KindredError } from "../kernel/errors.ts";
import { type Between, isWhole, planesBetween, sampleAt } from "./axis-weights.ts";
import { AIR_HU, isIntegral, type StoredValues, toHounsfield } from "./intensity.ts";
import { isOneToOne } from "./reduction-plan.ts";
import type { CtVolume, SlicePlacement, SlicePlane, StackGeometry } from "./types.ts";

export interface VolumeBuilder {
  /** @param index - of the slice in the examined list; `stored` is `[row][column]` flattened */
  addSlice(index: number, stored: StoredValues): void;
  /** @throws KindredError `NOT_A_VOLUME` when a slice was never added */
  finish(): CtVolume;
}

/**
 * @param order - of the slices, one for each placement
 * @throws RangeError when there is no memory for the volume
 */
export function createVolumeBuilder(
  geometry: StackGeometry,
  order: readonly number[],
  slices: readonly SlicePlane[],
): VolumeBuilder {
  const [depth, rows, columns] = geometry.sizeVoxels;
  const { placements, ...grid } = geometry;
  const plane = rows * columns;
  const isExact = isOneToOne(geometry);
  // What interpolation makes is no whole number, even where all slices lie on planes and one between is missing.
  const voxelsZyx =
    isExact && isIntegral(order.map((index) => slices[index]!))
      ? new Int16Array(depth * plane)
      : new Float32Array(depth * plane);
  const place = new Map(order.map((index, k) => [index, k]));
  const added = new Set<number>();
  const parts = partsOfSlices(placements, depth);
  return {
    addSlice(index, stored) {
      const k = place.get(index);
      const slice = slices[index];
      if (k === undefined || slice === undefined || stored.length !== slice.rows * slice.columns)
        throw new KindredError("NOT_A_VOLUME", "A slice does not belong to the volume");
      if (added.has(k)) throw new KindredError("NOT_A_VOLUME", "A slice of the volume came twice");
      added.add(k);
      const at = placements[k]!;
      const isPlain = at.row === 0 && at.column === 0 && stored.length === plane;
      if (isExact && isPlain && slice.columns === columns) {
        toHounsfield(stored, slice, voxelsZyx, Math.round(at.z) * plane);
        return;
      }
      const onGrid = shearedSlice(stored, slice, at, [rows, columns]);
      if (isExact) voxelsZyx.set(onGrid, Math.round(at.z) * plane);
      else
        for (const part of parts[k]!)
          addWeighted(voxelsZyx, part.plane * plane, onGrid, part.weight);
    },
    finish() {
      if (added.size !== order.length)
        throw new KindredError(
          "NOT_A_VOLUME",
          `${order.length - added.size} slices of the volume are missing`,
        );
      return { voxelsZyx, ...grid };
    },
  };
}

/** For each slice, the planes it has a part in. A plane has two slices at most, so that their order changes no bit. */
function partsOfSlices(
  placements: readonly SlicePlacement[],
  depth: number,
): { plane: number; weight: number }[][] {
  const parts = placements.map((): { plane: number; weight: number }[] => []);
  const positions = placements.map((one) => one.z);
  for (const [plane, { index, fraction }] of planesBetween(positions, depth).entries()) {
    parts[index]!.push({ plane, weight: 1 - fraction });
    if (fraction > 0) parts[index + 1]!.push({ plane, weight: fraction });
  }
  return parts;
}

/** One slice in HU on the rows and columns of the grid. */
function shearedSlice(
  stored: StoredValues,
  slice: SlicePlane,
  at: SlicePlacement,
  [rows, columns]: readonly [number, number],
): Float32Array {
  const hu = new Float32Array(stored.length);
  toHounsfield(stored, slice, hu, 0);
  const along = samplesAt(at.column, slice.columns, columns);
  const down = samplesAt(at.row, slice.rows, rows);
  const out = new Float32Array(rows * columns).fill(AIR_HU);
  for (const [row, y] of down.entries()) {
    if (y === undefined) continue;
    const next = y.fraction > 0 ? slice.columns : 0;
    shearRow(hu, y.index * slice.columns, next, y.fraction, along, out, row * columns);
  }
  return out;
}

function samplesAt(shift: number, inputs: number, outputs: number): (Between | undefined)[] {
  const exact = isWhole(shift) ? Math.round(shift) : shift;
  return Array.from({ length: outputs }, (_, o) => sampleAt(o - exact, inputs));
}

function shearRow(
  hu: Float32Array,
  from: number,
  next: number,
  fraction: number,
  along: readonly (Between | undefined)[],
  out: Float32Array,
  target: number,
): void {
  for (let column = 0; column < along.length; column++) {
    const x = along[column];
    if (x === undefined) continue;
    const i = from + x.index;
    const j = x.fraction > 0 ? i + 1 : i;
    const upper = hu[i]! * (1 - x.fraction) + hu[j]! * x.fraction;
    const lower = hu[i + next]! * (1 - x.fraction) + hu[j + next]! * x.fraction;
    out[target + column] = upper * (1 - fraction) + lower * fraction;
  }
}

function addWeighted(
  to: Int16Array | Float32Array,
  offset: number,
  plane: Float32Array,
  weight: number,
): void {
  for (let i = 0; i < plane.length; i++) to[offset + i]! += plane[i]! * weight;
}
