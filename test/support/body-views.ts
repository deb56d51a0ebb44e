/** Views of a volume that is given whole: its slices go the way of a series' slices. */
import { type BodyViews, pictureSteps } from "../../src/volume/picture.ts";
import { createPlaneReducer } from "../../src/volume/plane-reducer.ts";
import { planReduction } from "../../src/volume/reduction-plan.ts";
import type { CtVolume } from "../../src/volume/types.ts";
import { createViewsMixer } from "../../src/volume/views-mixer.ts";

export function viewsOf({ voxelsZyx, ...grid }: CtVolume): BodyViews {
  const [depth, rows, columns] = grid.sizeVoxels;
  const placements = Array.from({ length: depth }, (_, z) => ({ z, row: 0, column: 0 }));
  const plan = planReduction({ ...grid, placements }, pictureSteps(grid), { rows, columns });
  if (plan === null) throw new Error("a plain stack folds");
  const reducer = createPlaneReducer([plan]);
  const mixer = createViewsMixer(plan);
  const hounsfield = {
    rescaleSlope: 1,
    rescaleIntercept: 0,
    paddingValue: undefined,
    paddingRangeLimit: undefined,
  };
  for (let z = 0; z < depth; z++) {
    const slice = Int16Array.from(voxelsZyx.subarray(z * rows * columns, (z + 1) * rows * columns));
    mixer.add(z, reducer.reduce(z, slice, hounsfield)[0]!);
  }
  return mixer.finish();
}
