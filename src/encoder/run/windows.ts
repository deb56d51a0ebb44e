/** Windows of a large grid: where they lie, what is in them, and how their outputs become one. */
import { KindredError } from "../../kernel/errors.ts";
import { type GridTiling, windowSteps } from "../manifest.ts";
import { countOf, type HostTensor } from "./host-tensor.ts";

type Triple = readonly [number, number, number];

export interface Windows {
  /** `[slices, rows, columns]` of each, voxels. */
  readonly size: Triple;
  /** First voxel of each window, `[slice, row, column]`; slices outermost. */
  readonly starts: readonly Triple[];
  /** Windows along slices, rows and columns. */
  readonly counts: Triple;
}

/** @param grid - `[slices, rows, columns]` */
export function windowsOf(
  tiling: Pick<GridTiling, "window" | "overlap">,
  grid: readonly number[],
): Windows {
  const steps = windowSteps(tiling);
  const along = tiling.window.map((size, axis) => {
    const room = grid[axis]! - size;
    const count = 1 + Math.ceil(room / steps[axis]!);
    return Array.from({ length: count }, (_, i) => Math.min(i * steps[axis]!, room));
  });
  const [zs, ys, xs] = along as [number[], number[], number[]];
  return {
    size: tiling.window,
    starts: zs.flatMap((z) => ys.flatMap((y) => xs.map((x): Triple => [z, y, x]))),
    counts: [zs.length, ys.length, xs.length],
  };
}

/**
 * Some of the windows as one batch.
 *
 * @param whole - `[1, channels, slices, rows, columns]`
 * @returns `[windows, channels, slices, rows, columns]`
 */
export function cutWindows(
  whole: HostTensor,
  { size, starts }: Windows,
  first: number,
  count: number,
): HostTensor {
  const [, channels, depth, rows, columns] = whole.dims as [number, number, number, number, number];
  const [wz, wy, wx] = size;
  const data = new Float32Array(count * channels * wz * wy * wx);
  let to = 0;
  for (const [z, y, x] of starts.slice(first, first + count))
    for (let channel = 0; channel < channels; channel++)
      for (let k = 0; k < wz; k++)
        for (let j = 0; j < wy; j++) {
          const from = ((channel * depth + z + k) * rows + y + j) * columns + x;
          data.set(whole.data.subarray(from, from + wx), to);
          to += wx;
        }
  return { dims: [count, channels, wz, wy, wx], data };
}

/** Takes the outputs of the windows in their order. */
export interface WindowJoin {
  /** @throws KindredError `MODEL_OUTPUT_INVALID` when the output is not of the shape that can be joined */
  add(batch: HostTensor): void;
  finish(): HostTensor;
}

/** Mean or maximum of each element over all windows. */
export function reduceWindows(how: "mean" | "max"): WindowJoin {
  let sums: Float64Array | undefined;
  let dims: readonly number[] = [];
  let count = 0;
  return {
    add(batch) {
      const [windows = 1, ...rest] = batch.dims;
      const values = countOf(rest);
      if (sums === undefined) {
        dims = rest;
        sums = new Float64Array(values).fill(how === "mean" ? 0 : Number.NEGATIVE_INFINITY);
      }
      if (rest.join() !== dims.join()) throw unlike(rest, dims);
      for (let w = 0; w < windows; w++)
        for (let i = 0; i < values; i++) {
          const value = batch.data[w * values + i]!;
          if (how === "mean") sums[i]! += value;
          // Written so that NaN stays.
          else sums[i] = value > sums[i]! || Number.isNaN(value) ? value : sums[i]!;
        }
      count += windows;
    },
    finish() {
      const all = sums ?? new Float64Array(0);
      const by = how === "mean" ? Math.max(count, 1) : 1;
      return { dims: [1, ...dims], data: Float32Array.from(all, (value) => value / by) };
    },
  };
}

/**
 * One map of all windows; where they overlap, the mean. Windows are a full grid, so that how many cover an element is a
 * product of three short lists.
 *
 * @param grid - `[slices, rows, columns]` of the input
 * @param downsample - voxels an element, an axis
 */
export function stitchWindows(
  windows: Windows,
  grid: readonly number[],
  downsample: readonly number[],
): WindowJoin {
  const [mz, my, mx] = grid.map((n, axis) => n / downsample[axis]!) as [number, number, number];
  const [wz, wy, wx] = windows.size.map((n, axis) => n / downsample[axis]!) as [
    number,
    number,
    number,
  ];
  let map: Float32Array | undefined;
  let channels = 0;
  let next = 0;
  return {
    add(batch) {
      const [count = 0, own = 0, ...size] = batch.dims;
      if (size.join() !== [wz, wy, wx].join() || (map !== undefined && own !== channels))
        throw unlike(batch.dims.slice(1), [own, wz, wy, wx]);
      channels = own;
      map ??= new Float32Array(channels * mz * my * mx);
      let from = 0;
      for (let w = 0; w < count; w++) {
        const start = windows.starts[next++]!;
        const [z, y, x] = start.map((n, axis) => n / downsample[axis]!) as [number, number, number];
        for (let c = 0; c < channels; c++)
          for (let k = 0; k < wz; k++)
            for (let j = 0; j < wy; j++) {
              const to = ((c * mz + z + k) * my + y + j) * mx + x;
              for (let i = 0; i < wx; i++) map[to + i]! += batch.data[from + i]!;
              from += wx;
            }
      }
    },
    finish() {
      const all = map ?? new Float32Array(0);
      const [cz, cy, cx] = ([0, 1, 2] as const).map((axis) =>
        coverOf(windows, axis, grid[axis]!, downsample[axis]!),
      ) as [number[], number[], number[]];
      let at = 0;
      for (let c = 0; c < channels; c++)
        for (const z of cz) for (const y of cy) for (const x of cx) all[at++]! /= z * y * x;
      return { dims: [1, channels, mz, my, mx], data: all };
    },
  };
}

/** How many windows cover each element of an axis. */
function coverOf(windows: Windows, axis: 0 | 1 | 2, length: number, by: number): number[] {
  const cover = new Array<number>(length / by).fill(0);
  for (const start of new Set(windows.starts.map((one) => one[axis])))
    for (let i = 0; i < windows.size[axis] / by; i++) cover[start / by + i]!++;
  return cover;
}

function unlike(found: readonly number[], wanted: readonly number[]): KindredError {
  return new KindredError(
    "MODEL_OUTPUT_INVALID",
    `A window gave [${found.join(", ")}], not [${wanted.join(", ")}]`,
  );
}
