/** Numbers of a plane as senders write them: usable or undefined, never a guess. PS3.3 C.7.6.2.1.1, PS3.5 6.2 (DS). */
import type { DataSet } from "./data-set.ts";
import { TAG } from "./tags.ts";

/** Image Position (Patient), mm. */
export function positionOf(item: DataSet) {
  return tuple<readonly [number, number, number]>(item, TAG.ImagePositionPatient, 3);
}

/** Image Orientation (Patient): direction of a row, then of a column. */
export function orientationOf(item: DataSet) {
  return tuple<readonly [number, number, number, number, number, number]>(
    item,
    TAG.ImageOrientationPatient,
    6,
  );
}

/** Pixel Spacing: between rows, between columns, mm. */
export function spacingOf(item: DataSet) {
  return tuple<readonly [number, number]>(item, TAG.PixelSpacing, 2);
}

/** Slice Thickness, mm: what the sender says; some write 0. */
export function thicknessOf(item: DataSet): number | undefined {
  const thickness = numberOf(item, TAG.SliceThickness);
  return thickness !== undefined && thickness > 0 ? thickness : undefined;
}

/** A number that stands alone; undefined where several do. */
export function numberOf(item: DataSet, tag: number): number | undefined {
  return tuple<readonly [number]>(item, tag, 1)?.[0];
}

/** Exactly so many finite numbers. */
function tuple<T extends readonly number[]>(item: DataSet, tag: number, count: number) {
  const values = item.numbers(tag);
  const isUsable = values.length === count && values.every(Number.isFinite);
  return isUsable ? (values as unknown as T) : undefined;
}
