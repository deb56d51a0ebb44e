/** Windows: how the graphs see a large grid a part at a time. */
import { z } from "zod";
import { count, EDGE_MAX, type Fault, product, triple, voxels } from "./values.ts";

const WINDOWS_MAX = 4_096;

const grid = z
  .strictObject({
    mode: z.literal("grid"),
    window: voxels.describe("What the graphs see at a time, [slices, rows, columns]."),
    overlap: z
      .union([
        z.number().min(0).max(0.875),
        triple(
          z
            .number()
            .int()
            .min(0)
            .max(EDGE_MAX - 1),
        ),
      ])
      .describe("Of neighbouring windows: a fraction of the window, or voxels an axis."),
    batchMax: count(256).describe("Most windows of one run."),
    stitch: z
      .literal("denseGrid")
      .optional()
      .describe("Dense outputs are put together to one map; where windows overlap, their mean."),
    downsample: triple(count(64)).optional().describe("Voxels an element of the map, an axis."),
    reduce: z
      .enum(["mean", "max"])
      .optional()
      .describe("Outputs of the windows are reduced element by element."),
  })
  .superRefine((one, context) => {
    const issue = (message: string) => context.addIssue({ code: "custom", message });
    if ((one.stitch === undefined) === (one.reduce === undefined))
      issue("needs one of stitch and reduce");
    if ((one.stitch === undefined) !== (one.downsample === undefined))
      issue("stitch and downsample come together");
    if (windowSteps(one).some((step) => step < 1)) issue("overlap must be smaller than the window");
  });

export const tiling = z.discriminatedUnion("mode", [
  z.strictObject({ mode: z.literal("none") }),
  grid,
]);

export type GridTiling = z.output<typeof grid>;

/** Voxels from one window to the next, an axis; the last window is moved back so that it ends where the grid ends. */
export function windowSteps({ window, overlap }: Pick<GridTiling, "window" | "overlap">): number[] {
  return window.map((size, i) =>
    typeof overlap === "number"
      ? Math.max(1, Math.floor(size * (1 - overlap)))
      : size - overlap[i]!,
  );
}

type Tiling = z.output<typeof tiling>;

/** What is wrong with the windows of a profile of this shape. */
export function tilingFaults({
  tiling,
  shape,
}: {
  tiling: Tiling;
  shape: readonly number[];
}): Fault[] {
  if (tiling.mode === "none") return [];
  const faults: Fault[] = [];
  const size = shape.slice(2);
  const steps = windowSteps(tiling);
  if (tiling.window.some((edge, i) => edge > size[i]!))
    return [[["tiling", "window"], `must fit into the shape ${size.join("×")}`]];
  const windows = product(
    steps.map((step, i) => 1 + Math.ceil((size[i]! - tiling.window[i]!) / step)),
  );
  if (windows > WINDOWS_MAX)
    faults.push([
      ["tiling", "overlap"],
      `makes ${windows} windows; at most ${WINDOWS_MAX} are run`,
    ]);
  const { downsample } = tiling;
  const isUneven = (n: number, i: number) => downsample !== undefined && n % downsample[i]! !== 0;
  if ([size, tiling.window, steps].some((lengths) => lengths.some(isUneven)))
    faults.push([
      ["tiling", "downsample"],
      "must divide shape, window and the step between windows",
    ]);
  return faults;
}
