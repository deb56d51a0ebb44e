/** Three middle planes and three projections, made of reduced slices as they come: the volume between never exists. */
import { KindredError } from "../kernel/errors.ts";
import type { BodyViews, ViewValues } from "./picture.ts";
import { createMixKernel } from "./plane-kernel.ts";
import type { ReductionPlan } from "./reduction-plan.ts";

export interface ViewsMixer {
  /**
   * Takes the plane of slice k and keeps nothing of it but lines. Slices come in their order.
   *
   * @param plane - `[row][column]` of the stack, values less the plan's `airValue`
   */
  add(k: number, plane: Float32Array): void;
  /** @throws KindredError `NOT_A_VOLUME` when a slice was never added */
  finish(): BodyViews;
}

/**
 * A projection along the slices is that of the slices themselves; one along rows or columns is interpolated between those
 * of the slices.
 *
 * @param plan - of `pictureSteps`
 */
export function createViewsMixer(plan: ReductionPlan): ViewsMixer {
  const rows = plan.rows.sampling.outputs;
  const columns = plan.columns.sampling.outputs;
  const { from, sample, weight, samples } = plan.depth;
  const lineLength = 2 * (rows + columns);
  const kernel = createMixKernel(samples, lineLength);
  kernel.voxels.fill(plan.airValue);
  const lines = new Float32Array(lineLength);
  const brightest = new Float32Array(rows * columns);
  let middle = new Float32Array(rows * columns);
  let weightOfMiddle = 0;
  let next = 0;
  return {
    add(k, plane) {
      if (k !== next || plane.length !== rows * columns)
        throw new KindredError("NOT_A_VOLUME", "A plane does not belong to the picture");
      next++;
      takeLines(plane, rows, columns, lines, brightest);
      kernel.take(lines);
      for (let i = from[k]!; i < from[k + 1]!; i++) {
        kernel.add(sample[i]!, weight[i]!);
        if (sample[i] !== samples >> 1 || weight[i]! <= weightOfMiddle) continue;
        weightOfMiddle = weight[i]!;
        middle = plane.slice();
      }
    },
    finish() {
      if (next < plan.slices)
        throw new KindredError(
          "NOT_A_VOLUME",
          `${plan.slices - next} slices of the picture are missing`,
        );
      const air = plan.airValue;
      /** By stack axis that a view does not show; each by its lower and its higher axis. */
      const across = (
        slice: Float32Array,
        line: number,
      ): ((low: number, high: number) => number)[] => [
        (y, x) => slice[y * columns + x]! + air,
        (z, x) => kernel.voxels[z * lineLength + line * columns + x]!,
        (z, y) => kernel.voxels[z * lineLength + 2 * columns + line * rows + y]!,
      ];
      return {
        pixelMm: plan.grid.spacingMm[0],
        sizeVoxels: plan.grid.sizeVoxels,
        planes: inBody(plan, across(middle, 0)),
        projections: inBody(plan, across(brightest, 1)),
      };
    },
  };
}

/** Middle row, brightest of each column, middle column, brightest of each row; and the brightest of all slices. */
function takeLines(
  plane: Float32Array,
  rows: number,
  columns: number,
  lines: Float32Array,
  brightest: Float32Array,
): void {
  const middleRow = (rows >> 1) * columns;
  const middleColumn = columns >> 1;
  lines.fill(Number.NEGATIVE_INFINITY);
  for (let x = 0; x < columns; x++) lines[x] = plane[middleRow + x]!;
  let i = 0;
  for (let y = 0; y < rows; y++) {
    let most = Number.NEGATIVE_INFINITY;
    for (let x = 0; x < columns; x++, i++) {
      const value = plane[i]!;
      if (value > most) most = value;
      if (value > lines[columns + x]!) lines[columns + x] = value;
      if (value > brightest[i]!) brightest[i] = value;
    }
    lines[2 * columns + y] = plane[y * columns + middleColumn]!;
    lines[2 * columns + rows + y] = most;
  }
}

/** From the axes of the stack to those of the body; flips are in the plan's weights. */
function inBody(
  { axisFrom }: ReductionPlan,
  acrossStackAxis: readonly ((low: number, high: number) => number)[],
): ViewValues {
  const view = (hidden: number, down: number, along: number) => {
    const value = acrossStackAxis[axisFrom[hidden]!]!;
    return axisFrom[down]! < axisFrom[along]! ? value : (i: number, j: number) => value(j, i);
  };
  return { axial: view(0, 1, 2), coronal: view(1, 0, 2), sagittal: view(2, 0, 1) };
}
