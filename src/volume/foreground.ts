/** The part of a volume that holds something: MONAI's CropForeground without a margin. */
import type { Triple } from "./sampling.ts";
import type { CtVolume } from "./types.ts";
import { added, scaled } from "./vectors.ts";

/** First voxel and one past the last, for z, y and x. */
export interface Box {
  readonly from: Triple;
  readonly to: Triple;
}

/** The smallest box that holds every voxel above a value; undefined when there is none. */
export function foregroundBox(volume: CtVolume, above: number): Box | undefined {
  const { voxelsZyx: voxels, sizeVoxels } = volume;
  const [depth, rows, columns] = sizeVoxels;
  const from: [number, number, number] = [depth, rows, columns];
  const to: [number, number, number] = [0, 0, 0];
  for (let z = 0; z < depth; z++) {
    for (let y = 0; y < rows; y++) {
      const row = voxels.subarray((z * rows + y) * columns, (z * rows + y + 1) * columns);
      const first = firstAbove(row, above);
      if (first === columns) continue;
      from[0] = Math.min(from[0], z);
      from[1] = Math.min(from[1], y);
      from[2] = Math.min(from[2], first);
      to[0] = z + 1;
      to[1] = Math.max(to[1], y + 1);
      // What lies before the best end so far cannot move it.
      to[2] = endAbove(row, above, to[2]);
    }
  }
  return to[0] === 0 ? undefined : { from, to };
}

function firstAbove(row: Int16Array | Float32Array, above: number): number {
  for (let x = 0; x < row.length; x++) if (row[x]! > above) return x;
  return row.length;
}

function endAbove(row: Int16Array | Float32Array, above: number, known: number): number {
  for (let x = row.length - 1; x >= known; x--) if (row[x]! > above) return x + 1;
  return known;
}

/** Cuts a volume to {@link foregroundBox}; one without any foreground, or of nothing else, is given back as it is. */
export function cropForeground(volume: CtVolume, above: number): CtVolume {
  const { voxelsZyx: voxels, sizeVoxels, spacingMm, axesZyx } = volume;
  const box = foregroundBox(volume, above);
  if (box === undefined) return volume;
  const size = box.to.map((end, i) => end - box.from[i]!) as unknown as Triple;
  if (size.every((n, i) => n === sizeVoxels[i])) return volume;
  const [depth, rows, columns] = size;
  const count = depth * rows * columns;
  const cut = voxels instanceof Int16Array ? new Int16Array(count) : new Float32Array(count);
  for (let z = 0; z < depth; z++) {
    for (let y = 0; y < rows; y++) {
      const plane = (box.from[0] + z) * sizeVoxels[1];
      const start = (plane + box.from[1] + y) * sizeVoxels[2] + box.from[2];
      cut.set(voxels.subarray(start, start + columns), (z * rows + y) * columns);
    }
  }
  let originLps = volume.originLps;
  for (const i of [0, 1, 2] as const)
    originLps = added(originLps, scaled(axesZyx[i], box.from[i] * spacingMm[i]));
  return { voxelsZyx: cut, sizeVoxels: size, spacingMm, originLps, axesZyx };
}
