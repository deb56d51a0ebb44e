/**
 * The corrected native volume straight from its definition, one voxel at a time: in-plane, grid voxel (i, j) of slice k
 * is the slice at (i − row, j − column), linear; outside the slice by more than half a pixel it is air, by less the edge.
 * Along z, a plane of the grid is mixed of the two slices around it.
 */
import type { StackGeometry } from "../../src/volume/types.ts";

const AIR_HU = -1024;
const ROUNDING = 1e-9;

/**
 * @param sliceOf - HU of slice `order[k]`, `[row][column]` flattened
 * @param slice - rows and columns of every slice
 * @returns HU, `[z][y][x]` flattened, in the size of the geometry
 */
export function plainVolume(
  geometry: StackGeometry,
  sliceOf: (k: number) => ArrayLike<number>,
  slice: { rows: number; columns: number },
): Float64Array {
  const [depth, rows, columns] = geometry.sizeVoxels;
  const plane = rows * columns;
  const voxels = new Float64Array(depth * plane);
  const { placements } = geometry;
  let k = 0;
  let below = straight(geometry, 0, sliceOf(0), slice);
  let above = placements.length > 1 ? straight(geometry, 1, sliceOf(1), slice) : below;
  for (let z = 0; z < depth; z++) {
    while (k + 2 < placements.length && placements[k + 1]!.z <= z) {
      k++;
      below = above;
      above = straight(geometry, k + 1, sliceOf(k + 1), slice);
    }
    const [from, to] = [placements[k]!.z, placements[k + 1]?.z ?? placements[k]!.z + 1];
    const part = Math.min(1, Math.max(0, (z - from) / (to - from)));
    for (let i = 0; i < plane; i++)
      voxels[z * plane + i] = below[i]! * (1 - part) + above[i]! * part;
  }
  return voxels;
}

function straight(
  geometry: StackGeometry,
  k: number,
  hu: ArrayLike<number>,
  slice: { rows: number; columns: number },
): Float64Array {
  const [, rows, columns] = geometry.sizeVoxels;
  const { row, column } = geometry.placements[k]!;
  const out = new Float64Array(rows * columns);
  for (let i = 0; i < rows; i++)
    for (let j = 0; j < columns; j++)
      out[i * columns + j] = at(hu, slice.rows, slice.columns, i - row, j - column);
  return out;
}

function at(hu: ArrayLike<number>, rows: number, columns: number, y: number, x: number): number {
  const half = 0.5 + ROUNDING;
  if (y < -half || x < -half || y > rows - 1 + half || x > columns - 1 + half) return AIR_HU;
  const [cy, cx] = [clamp(y, rows - 1), clamp(x, columns - 1)];
  const [i, j] = [Math.min(Math.floor(cy), rows - 2), Math.min(Math.floor(cx), columns - 2)];
  const [a, b] = [cy - i, cx - j];
  const value = (di: number, dj: number) => hu[(i + di) * columns + j + dj]!;
  const upper = value(0, 0) * (1 - b) + value(0, 1) * b;
  const lower = value(1, 0) * (1 - b) + value(1, 1) * b;
  return upper * (1 - a) + lower * a;
}

function clamp(value: number, max: number): number {
  return Math.min(max, Math.max(0, value));
}
