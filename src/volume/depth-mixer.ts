/** Along z: reduced planes → the volume that a plan describes. Holds the result and whatever plane came too early. */
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
   * Takes the plane of slice k. Planes are mixed in the order of the slices, whatever order they come in, so that the
   * result is the same to the bit: one that comes early is held until its turn, and must not be overwritten before.
   *
   * @returns true when the plane was mixed and may be overwritten, false when it is held
   * @throws KindredError `NOT_A_VOLUME` when the plane is of another size or came before
   */
  add(k: number, plane: Float32Array): boolean;
  /** Planes that are held: what bounds the memory is that slices are given out in their order. */
  readonly heldCount: number;
  /**
   * The remaining steps applied.
   *
   * @throws KindredError `NOT_A_VOLUME` when a slice that has a part in it was never added
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
  const held = new Map<number, Float32Array>();
  let next = 0;
  /** Slices that nothing is made of need not come. */
  const skipUnneeded = () => {
    while (next < plan.slices && from[next] === from[next + 1]) next++;
  };
  const mixNext = (plane: Float32Array) => {
    kernel.take(plane);
    for (let i = from[next]!; i < from[next + 1]!; i++) kernel.add(sample[i]!, weight[i]!);
    next++;
    skipUnneeded();
  };
  skipUnneeded();
  return {
    get heldCount() {
      return held.size;
    },
    add(k, plane) {
      if (!(k >= 0 && k < plan.slices) || plane.length !== rows * columns)
        throw new KindredError("NOT_A_VOLUME", "A plane does not belong to the volume");
      if (from[k] === from[k + 1]) return true;
      if (k < next || held.has(k))
        throw new KindredError("NOT_A_VOLUME", "A plane of the volume came twice");
      if (k > next) {
        held.set(k, plane);
        return false;
      }
      mixNext(plane);
      for (let early = held.get(next); early !== undefined; early = held.get(next)) {
        held.delete(next);
        mixNext(early);
      }
      return true;
    },
    finish() {
      if (next < plan.slices) {
        const missing = plan.slices - next - held.size;
        throw new KindredError("NOT_A_VOLUME", `${missing} slices of the volume are missing`);
      }
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
