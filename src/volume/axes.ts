/** Proof that a volume points where it shall, after every turn. */
import { KindredError } from "../kernel/errors.ts";
import type { CtVolume, Vector3 } from "./types.ts";
import { dot, length } from "./vectors.ts";

/** LPS component and sign of each letter. */
const LETTERS: Readonly<Record<string, readonly [0 | 1 | 2, 1 | -1]>> = {
  L: [0, 1],
  R: [0, -1],
  P: [1, 1],
  A: [1, -1],
  S: [2, 1],
  I: [2, -1],
};
/** An axis may lie up to 54.7 degrees off the body axis that is nearest to it. */
const COSINE_MIN = 0.577;
const SQUARE_TOLERANCE = 1e-6;

/**
 * @param wanted - codes of x, y and z, e.g. "LPS"
 * @throws KindredError `INTERNAL` when the axes are not at right angles or do not grow in the wanted directions
 */
export function assertAxes(volume: Pick<CtVolume, "axesZyx">, wanted: string): void {
  const axes: readonly Vector3[] = [...volume.axesZyx].reverse();
  const isUnit = axes.every((axis) => Math.abs(length(axis) - 1) <= SQUARE_TOLERANCE);
  const isSquare = [0, 1, 2].every(
    (i) => Math.abs(dot(axes[i]!, axes[(i + 1) % 3]!)) <= SQUARE_TOLERANCE,
  );
  const isTurned = axes.every((axis, i) => {
    const direction = LETTERS[wanted[i] ?? ""];
    return direction !== undefined && axis[direction[0]] * direction[1] >= COSINE_MIN;
  });
  if (isUnit && isSquare && isTurned && wanted.length === axes.length) return;
  throw new KindredError("INTERNAL", `The axes of a volume do not point to ${wanted}`);
}
