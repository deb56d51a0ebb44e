/** Whether a model is made for a volume, as far as numbers tell. */
import type { Applicability } from "./manifest.ts";

/** The native volume: after tilt and gap correction, before any model's grid. Null where there is none, which nothing is said of. */
export interface NativeGrid {
  /** `[slices, rows, columns]` */
  readonly sizeVoxels: readonly [number, number, number] | null;
  /** mm, `[slices, rows, columns]` */
  readonly spacingMm: readonly [number, number, number] | null;
}

const AXES = ["along the slices", "down the rows", "along the columns"] as const;
/** Spacings and extents are measured; what is as large as the limit is not beyond it. */
const SAME = 1e-3;

/** @returns sentences why the model does not apply, with the numbers; empty when it does */
export function inapplicable(
  { slicesMin, spacingMmMax, extentMmMin }: Applicability,
  { sizeVoxels, spacingMm }: NativeGrid,
): string[] {
  if (sizeVoxels === null || spacingMm === null) return [];
  const reasons: string[] = [];
  if (slicesMin !== undefined && sizeVoxels[0] < slicesMin)
    reasons.push(`the volume has ${sizeVoxels[0]} slices, and the model needs ${slicesMin}`);
  AXES.forEach((axis, i) => {
    const spacing = spacingMm[i]!;
    const most = spacingMmMax?.[i];
    if (most !== undefined && spacing > most * (1 + SAME))
      reasons.push(
        `the spacing ${axis} is ${shown(spacing)} mm, and the model takes at most ${shown(most)} mm`,
      );
    const extent = spacing * sizeVoxels[i]!;
    const least = extentMmMin?.[i];
    if (least !== undefined && extent < least * (1 - SAME))
      reasons.push(
        `the extent ${axis} is ${shown(extent)} mm, and the model needs ${shown(least)} mm`,
      );
  });
  return reasons;
}

const shown = (mm: number) => Number(mm.toFixed(2));
