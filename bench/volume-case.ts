/** The stack that bench/volume.ts reduces. */
import { planReduction, type ReductionPlan } from "../src/volume/reduction-plan.ts";
import type { StackGeometry } from "../src/volume/types.ts";

export const ROWS = 512;
export const COLUMNS = 512;
/** Different frames; slices take them in turn, so that memory is measured without the source. */
export const FRAMES = 16;
export const STEP = { op: "resample", spacingMm: [2, 2, 2], antialias: true } as const;

export function volumeCase(slices: number): { geometry: StackGeometry; plan: ReductionPlan } {
  const geometry: StackGeometry = {
    sizeVoxels: [slices, ROWS, COLUMNS],
    spacingMm: [1, 0.7, 0.7],
    originLps: [0, 0, 0],
    axesZyx: [
      [0, 0, 1],
      [0, 1, 0],
      [1, 0, 0],
    ],
    placements: Array.from({ length: slices }, (_, z) => ({ z, row: 0, column: 0 })),
  };
  const plan = planReduction(geometry, [STEP], { rows: ROWS, columns: COLUMNS });
  if (plan === null) throw new Error("a plain stack folds");
  return { geometry, plan };
}
