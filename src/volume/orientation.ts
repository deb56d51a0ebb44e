/** Directions of slices: whether they are right, the axes of a stack, and how they lie to the body. */
import { ORIENTATION_TOLERANCE } from "./rules.ts";
import type { SlicePlane, Vector3 } from "./types.ts";
import { added, cross, dot, length, scaled } from "./vectors.ts";

/** Row and column may be off unit length and off square by this much: cosines written with three decimals. */
const SQUARE_TOLERANCE = 5e-3;

type Oriented = Pick<SlicePlane, "orientation">;

export function rowDirection(slice: Oriented): Vector3 {
  return slice.orientation!.slice(0, 3) as unknown as Vector3;
}

export function columnDirection(slice: Oriented): Vector3 {
  return slice.orientation!.slice(3, 6) as unknown as Vector3;
}

/** Unit vector along which depth grows: row × column. */
export function normalOf(slice: SlicePlane): Vector3 {
  return unit(cross(rowDirection(slice), columnDirection(slice)));
}

export function isOrthonormal(slice: SlicePlane): boolean {
  const [row, column] = [rowDirection(slice), columnDirection(slice)];
  return (
    Math.abs(length(row) - 1) <= SQUARE_TOLERANCE &&
    Math.abs(length(column) - 1) <= SQUARE_TOLERANCE &&
    Math.abs(dot(row, column)) <= SQUARE_TOLERANCE
  );
}

/** @param tolerance - of each direction cosine */
export function isSameOrientation(
  a: SlicePlane,
  b: SlicePlane,
  tolerance = ORIENTATION_TOLERANCE,
): boolean {
  return a.orientation!.every((value, i) => Math.abs(value - b.orientation![i]!) <= tolerance);
}

/**
 * Unit vectors z, y, x, at right angles: the mean of the slices' directions.
 *
 * @param slices - at least one, of one orientation, in an order that does not depend on their arrival
 */
export function stackAxes(slices: readonly Oriented[]): readonly [Vector3, Vector3, Vector3] {
  let [rows, columns]: [Vector3, Vector3] = [
    [0, 0, 0],
    [0, 0, 0],
  ];
  for (const slice of slices) {
    rows = added(rows, rowDirection(slice));
    columns = added(columns, columnDirection(slice));
  }
  const x = unit(rows);
  const z = unit(cross(x, columns));
  return [z, unit(cross(z, x)), x];
}

/** Largest angle between an axis and the body axis next to it, degrees. */
export function obliqueDegrees(axes: readonly Vector3[]): number {
  const least = axes.reduce((cosine, axis) => Math.min(cosine, Math.max(...axis.map(Math.abs))), 1);
  return (Math.acos(Math.min(1, least)) * 180) / Math.PI;
}

/** True when the normal is nearest to the axis from feet to head. */
export function isAxial(normal: Vector3): boolean {
  return Math.abs(normal[2]) >= Math.max(Math.abs(normal[0]), Math.abs(normal[1]));
}

/** Of a zero vector, the body axis: the slice is refused for it elsewhere. */
function unit(vector: Vector3): Vector3 {
  const norm = length(vector);
  return norm > 0 ? scaled(vector, 1 / norm) : [0, 0, 1];
}
