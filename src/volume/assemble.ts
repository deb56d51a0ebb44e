/** Builds the volume from slices in any order of arrival. */
import { KindredError } from "../kernel/errors.ts";
import { isIntegral, type StoredValues, toHounsfield } from "./intensity.ts";
import type { CtVolume, SlicePlane, StackGeometry } from "./types.ts";

export interface VolumeBuilder {
  /** @param index - of the slice in the examined list; `stored` is `[row][column]` flattened */
  addSlice(index: number, stored: StoredValues): void;
  /** @throws KindredError `NOT_A_VOLUME` when a slice was never added */
  finish(): CtVolume;
}

export function createVolumeBuilder(
  geometry: StackGeometry,
  order: readonly number[],
  slices: readonly SlicePlane[],
): VolumeBuilder {
  const [depth, rows, columns] = geometry.sizeVoxels;
  const plane = rows * columns;
  const voxelsZyx = isIntegral(slices)
    ? new Int16Array(depth * plane)
    : new Float32Array(depth * plane);
  const place = new Map(order.map((index, z) => [index, z]));
  const added = new Set<number>();
  return {
    addSlice(index, stored) {
      const z = place.get(index);
      if (z === undefined || stored.length !== plane)
        throw new KindredError("NOT_A_VOLUME", "A slice does not belong to the volume");
      toHounsfield(stored, slices[index]!, voxelsZyx, z * plane);
      added.add(z);
    },
    finish() {
      if (added.size !== depth)
        throw new KindredError(
          "NOT_A_VOLUME",
          `${depth - added.size} slices of the volume are missing`,
        );
      const { placements: _, ...grid } = geometry;
      return { voxelsZyx, ...grid };
    },
  };
}
