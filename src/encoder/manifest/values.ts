/** The plain values that a manifest is made of, each with its bounds. */
import { z } from "zod";
import { STEP_VOXELS_MAX } from "../../volume/steps.ts";

/** Text for people: no control characters, for it is shown in terminals and stands in DICOM objects. */
export function text(charactersMax: number) {
  return z
    .string()
    .min(1)
    .max(charactersMax)
    .regex(/^[^\p{Cc}\p{Cs}]*$/u, "must be text without control characters, in one line");
}

/** Id of a bundle, profile, space, head, label or prompt set: also part of file names and metrics. */
export const plainName = z
  .string()
  .regex(
    /^[a-z0-9][a-z0-9._-]{0,63}$/,
    "must be 1 to 64 lower-case letters, digits, dots, dashes or underscores",
  );

/** Id of a graph or stage: without a dot, for a dot parts it from the name of its output. */
export const stageName = z
  .string()
  .regex(
    /^[a-z][A-Za-z0-9_-]{0,63}$/,
    "must be 1 to 64 letters, digits, dashes or underscores, a small letter first",
  );

/** A file of the bundle; every one must be listed in `files`. */
export const fileName = z
  .string()
  .regex(
    /^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/,
    "must be a plain file name in the bundle's own folder",
  );

/** Name of an input or output of a graph, as it stands in the ONNX file. */
export const tensorName = z
  .string()
  .regex(/^[\x21-\x7e]{1,128}$/, "must be 1 to 128 printable ASCII characters without spaces");

/** `STAGE`, or `STAGE.OUTPUT` for a graph; `input` is the tensor of the profile. */
export const outputRef = z
  .string()
  .regex(
    /^[a-z][A-Za-z0-9_-]{0,63}(\.[\x21-\x7e]{1,128})?$/,
    'must be "input", "STAGE" or "STAGE.OUTPUT"',
  );

export const finite = z.number().min(-1e6).max(1e6);
export const count = (max: number) => z.number().int().min(1).max(max);

export function triple<T extends z.ZodType>(item: T) {
  return z.tuple([item, item, item]);
}

/** Voxels along one axis of a grid. */
export const EDGE_MAX = 1024;
export const edge = count(EDGE_MAX);
/** `[slices, rows, columns]` */
export const voxels = triple(edge).refine(
  (size) => product(size) <= STEP_VOXELS_MAX,
  `must hold at most ${STEP_VOXELS_MAX} voxels`,
);

export function product(sizes: readonly number[]): number {
  return sizes.reduce((all, n) => all * n, 1);
}

/** What is wrong with a manifest, and where. */
export type Fault = readonly [path: readonly (string | number)[], message: string];
