/** How a volume becomes the input of the graphs: steps, shape, and windows where the graphs see a part at a time. */
import { z } from "zod";
import type { Resampling } from "../../volume/sampling.ts";
import { STEP_VOXELS_MAX } from "../../volume/steps.ts";
import { tiling, tilingFaults } from "./tiling.ts";
import { count, edge, type Fault, finite, plainName, product, triple, voxels } from "./values.ts";

const CHANNELS_MAX = 16;
/** Values of one input over all channels: 1 GiB of floats. */
const INPUT_VALUES_MAX = 2 * STEP_VOXELS_MAX;

/** One preprocessing step. Sizes and spacings are `[slices, rows, columns]`. */
const op = z.discriminatedUnion("op", [
  z.strictObject({
    op: z.literal("reorient"),
    axes: z
      .string()
      .regex(
        /^(?=.*[LR])(?=.*[PA])(?=.*[SI])[LRPASI]{3}$/,
        "must be one of LR, one of PA and one of SI in any order, such as LPS",
      )
      .describe(
        "Where columns, rows and slices lead, in this order: the last axis of the tensor first.",
      ),
  }),
  z
    .strictObject({
      op: z.literal("resample"),
      spacingMm: triple(z.number().min(0.1).max(100)).optional(),
      sizeVoxels: voxels.optional(),
      antialias: z.boolean(),
      flavour: z
        .enum(["torch", "area", "monai", "torchio", "simpleitk"])
        .optional()
        .describe(
          "Whose resampler the model was trained behind (default: torch); see docs/volumes.md.",
        ),
      sizeRule: z.enum(["round", "floor", "ceil"]).optional(),
      stepFrom: z.enum(["spacing", "size"]).optional(),
      outsideValue: finite.optional(),
    })
    .superRefine((one, context) => {
      for (const message of resamplingFaults(one)) context.addIssue({ code: "custom", message });
    }),
  z
    .strictObject({ op: z.literal("clipHu"), min: finite, max: finite })
    .refine((one) => one.min < one.max, "min must be below max"),
  z
    .strictObject({ op: z.literal("scale"), multiply: finite, add: finite })
    .describe("multiply · value + add."),
  z
    .strictObject({
      op: z.literal("zscore"),
      scope: z.literal("volume"),
      epsilon: z.number().min(0).max(1),
    })
    .describe(
      "(value − mean) / (standard deviation + epsilon), both of all voxels as they are then.",
    ),
  z
    .strictObject({ op: z.literal("foregroundCrop"), above: finite })
    .describe("Cuts the box of all voxels above the value; without any, the volume stays whole."),
  z.strictObject({
    op: z.literal("cropPad"),
    sizeVoxels: voxels,
    value: finite,
    flavour: z
      .enum(["monai", "torchio"])
      .optional()
      .describe(
        "Whose centring: which side an odd voxel goes to. Default: the end, cut or filled.",
      ),
  }),
  z
    .strictObject({
      op: z.literal("windows"),
      windows: z
        .array(z.strictObject({ center: finite, width: z.number().min(1).max(1e6) }))
        .min(1)
        .max(CHANNELS_MAX),
      range: z
        .tuple([finite, finite])
        .refine(([low, high]) => low < high, "must be [low, high]")
        .describe("What the lower and the upper edge of a window become."),
    })
    .describe("A channel a window. The last step; what comes before leaves Hounsfield units."),
]);

type Op = z.output<typeof op>;

/** A setting that a flavour does not have would be passed over in silence. */
function resamplingFaults(one: Resampling): string[] {
  const { flavour = "torch" } = one;
  const isSpaced = one.spacingMm !== undefined;
  const isSized = one.sizeVoxels !== undefined;
  const isArea = flavour === "area";
  const hasOutside = flavour === "torchio" || flavour === "simpleitk";
  const faults: [boolean, string][] = [
    [isSpaced === isSized, "needs one of spacingMm and sizeVoxels"],
    [isSized && flavour !== "torch" && !isArea, `flavour ${flavour} needs spacingMm`],
    [isArea && !isSized, "flavour area needs sizeVoxels"],
    [flavour !== "torch" && one.antialias, `flavour ${flavour} has no antialias`],
    [one.sizeRule !== undefined && (flavour === "monai" || !isSpaced), "sizeRule has no effect"],
    [one.stepFrom !== undefined && (flavour !== "torch" || !isSpaced), "stepFrom has no effect"],
    [one.outsideValue !== undefined && !hasOutside, "outsideValue has no effect"],
  ];
  return faults.flatMap(([isFault, message]) => (isFault ? [message] : []));
}

export const profile = z
  .strictObject({
    id: plainName,
    ops: z.array(op).min(1).max(32).describe("Applied to Hounsfield units in their order."),
    shape: z
      .tuple([z.literal(1), count(CHANNELS_MAX), edge, edge, edge])
      .describe("What the steps end in: [batch, channels, slices, rows, columns].")
      .refine(
        (shape) => product(shape.slice(2)) <= STEP_VOXELS_MAX && product(shape) <= INPUT_VALUES_MAX,
        `must hold at most ${STEP_VOXELS_MAX} voxels and ${INPUT_VALUES_MAX} values`,
      ),
    tiling,
  })
  .superRefine((one, context) => {
    for (const [path, message] of [...stepFaults(one), ...tilingFaults(one)])
      context.addIssue({ code: "custom", message, path: [...path] });
  });

function stepFaults({ ops, shape }: { ops: readonly Op[]; shape: readonly number[] }): Fault[] {
  const faults: Fault[] = [];
  if (finalSize(ops)?.join() !== shape.slice(2).join())
    faults.push([["ops"], `the last sizing step must give the shape ${shape.slice(2).join("×")}`]);
  const at = ops.findIndex((one) => one.op === "windows");
  const windows = ops[at];
  const channels = windows?.op === "windows" ? windows.windows.length : 1;
  if (at >= 0 && at !== ops.length - 1) faults.push([["ops", at], "windows must be the last step"]);
  if (at >= 0 && ops.some((one) => one.op === "scale" || one.op === "zscore"))
    faults.push([["ops", at], "windows need Hounsfield units: remove scale and zscore"]);
  if (shape[1] !== channels)
    faults.push([["shape", 1], `must be ${channels}: the steps make ${channels} channel(s)`]);
  return faults;
}

/** Size that the steps end in, whatever volume they start from; undefined when it depends on the volume. */
function finalSize(ops: readonly Op[]): readonly number[] | undefined {
  let size: readonly number[] | undefined;
  for (const one of ops) {
    if (one.op === "resample" || one.op === "cropPad") size = one.sizeVoxels;
    if (one.op === "foregroundCrop") size = undefined;
  }
  return size;
}
