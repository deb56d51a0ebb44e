/** Along z: reduced planes → the volume that a plan describes. Holds the result alone. */
import { KindredError } from "../kernel/errors.ts";
import { createMixKernel, type MixKernel } from "./plane-kernel.ts";
import type { ReductionPlan } from "./reduction-plan.ts";
import { fillOutside, gather } from "./resample.ts";
import type { Triple } from "./sampling.ts";
import { applySteps } from "./steps.ts";
import type { CtVolume } from "./types.ts";
import { createWasmMixKernel } from "./wasm-kernel.ts";

export interface DepthMixer {
  /**
   * Takes the plane of slice k, and keeps nothing of it. Slices come in their order, so that the sums are the same to the bit.
   *
   * @throws KindredError `NOT_A_VOLUME` when the plane is of another size or not the next one
   */
  add(k: number, plane: Float32Array): void;
  /**
   * The remaining steps applied.
   *
   * @throws KindredError `NOT_A_VOLUME` when a slice was never added
   */
  finish(): CtVolume;
}

/** @param options.plain - the TypeScript kernel even where there is a faster one */
export function createDepthMixer(
  plan: ReductionPlan,
  options: { plain?: boolean } = {},
): DepthMixer {
  const rows = plan.rows.sampling.outputs;
  const columns = plan.columns.sampling.outputs;
  const { from, sample, weight, samples } = plan.depth;
  const kernel: MixKernel =
    (options.plain ? null : createWasmMixKernel(samples, rows * columns)) ??
    createMixKernel(samples, rows * columns);
  // Planes are differences to air.
  kernel.voxels.fill(plan.airValue);
  let next = 0;
  return {
    add(k, plane) {
      if (k !== next || k >= plan.slices || plane.length !== rows * columns)
        throw new KindredError("NOT_A_VOLUME", "A plane does not belong to the volume");
      next++;
      if (from[k] === from[k + 1]) return;
      kernel.take(plane);
      for (let i = from[k]!; i < from[k + 1]!; i++) kernel.add(sample[i]!, weight[i]!);
    },
    finish() {
      if (next < plan.slices)
        throw new KindredError(
          "NOT_A_VOLUME",
          `${plan.slices - next} slices of the volume are missing`,
        );
      const voxels = inAxesOf(plan, kernel.voxels, [samples, rows, columns]);
      fillOutside(voxels, plan.axes, plan.resampling);
      return applySteps({ voxelsZyx: voxels, ...plan.grid }, plan.rest, true);
    },
  };
}

/** From the axes of the stack to those of the result; flips are in the weights. */
function inAxesOf(plan: ReductionPlan, voxels: Float32Array, size: Triple): Float32Array {
  if (plan.axisFrom.every((axis, to) => axis === to)) return voxels;
  const steps = [size[1] * size[2], size[2], 1];
  const step = plan.axisFrom.map((axis) => steps[axis]!) as unknown as Triple;
  return gather(voxels, 0, step, plan.grid.sizeVoxels) as Float32Array;
}
