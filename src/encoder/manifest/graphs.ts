/** The ONNX graphs, how their tensors are strung together, and the spaces whose vectors are kept. */
import { z } from "zod";
import { count, fileName, outputRef, plainName, stageName, tensorName } from "./values.ts";

const RANK_MAX = 8;
/** Elements of one tensor: 1 GiB of floats. */
export const TENSOR_VALUES_MAX = 268_435_456;
const TENSORS_MAX = 32;
/** pgvector: an index holds vectors of so many dimensions. */
export const DIMENSION_MAX = { vector: 2_000, halfvec: 4_000 } as const;

const shape = z
  .array(
    z.union([
      count(TENSOR_VALUES_MAX),
      z.string().regex(/^[A-Za-z][A-Za-z0-9_]{0,31}$/, "must be a number or a symbol such as N"),
    ]),
  )
  .max(RANK_MAX)
  .refine(
    (dims) =>
      dims.reduce<number>((all, n) => (typeof n === "number" ? all * n : all), 1) <=
      TENSOR_VALUES_MAX,
    `must hold at most ${TENSOR_VALUES_MAX} values`,
  )
  .describe(
    "Dimensions: a number, or a symbol for one that varies; the same symbol is the same size.",
  );

const dtype = z.enum(["float32", "float16", "int64", "int32", "bool"]);

const input = z.strictObject({
  shape,
  dtype,
  role: z
    .enum(["volume", "dense", "tokens", "pooled", "ids", "mask", "grid"])
    .describe(
      "volume: the profile's tensor or a window of it; dense, tokens, pooled: an output of an earlier stage; " +
        "ids, mask: of the tokenizer; grid: windows along slices, rows and columns, given by the node.",
    ),
});

const output = z.strictObject({
  shape,
  dtype,
  role: z
    .enum(["dense", "tokens", "pooled", "projected", "logits"])
    .describe(
      "dense: [batch, channels, slices, rows, columns]; tokens: [batch, tokens, values]; pooled, projected: " +
        "[batch, values]; logits: [batch, labels].",
    ),
});

function tensors<T extends z.ZodType>(tensor: T) {
  return z
    .record(tensorName, tensor)
    .refine((all) => Object.keys(all).length >= 1, "needs at least one tensor")
    .refine(
      (all) => Object.keys(all).length <= TENSORS_MAX,
      `has more than ${TENSORS_MAX} tensors`,
    );
}

const graph = z.strictObject({
  file: fileName.describe(
    "The ONNX file. External data lie beside it and stand in `files` as well.",
  ),
  inputs: tensors(input),
  outputs: tensors(output),
});

export const graphs = z
  .record(stageName, graph)
  .refine((all) => Object.keys(all).length >= 1, "needs at least one graph")
  .refine((all) => Object.keys(all).length <= 16, "has more than 16 graphs");

const from = z.array(outputRef).min(1).max(8);
const one = z.tuple([outputRef]);
const axis = z
  .number()
  .int()
  .min(0)
  .max(RANK_MAX - 1);
const id = stageName.refine((name) => name !== "input", "input is the profile's tensor");

/** Axes count from 0, the batch; every stage keeps axis 0. */
const stage = z.discriminatedUnion("op", [
  z
    .strictObject({ id, op: z.literal("graph"), graph: stageName, in: from })
    .describe("Runs a graph; `in` in the order of its inputs, inputs of role grid left out."),
  z
    .strictObject({ id, op: z.literal("flatten"), in: one, axis: axis.min(1) })
    .describe("Joins this axis and all after it."),
  z
    .strictObject({
      id,
      op: z.literal("mean"),
      in: one,
      axes: z.array(axis.min(1)).min(1).max(RANK_MAX),
    })
    .describe("Mean over these axes, which are removed."),
  z.strictObject({ id, op: z.literal("l2"), in: one }).describe("Unit length along the last axis."),
  z
    .strictObject({ id, op: z.literal("concat"), in: from.min(2), axis: axis.min(1) })
    .describe("Joins tensors along this axis."),
  z
    .strictObject({
      id,
      op: z.literal("select"),
      in: one,
      axis: axis.min(1),
      index: z
        .number()
        .int()
        .min(0)
        .max(TENSOR_VALUES_MAX - 1),
    })
    .describe("One element of this axis, which is removed: a class token."),
  z
    .strictObject({
      id,
      op: z.literal("transpose"),
      in: one,
      order: z.array(axis).min(2).max(RANK_MAX),
    })
    .refine(
      ({ order }) => order[0] === 0 && [...order].sort().every((value, i) => value === i),
      "order must name every axis once, axis 0 first",
    ),
]);

export const stages = z.array(stage).min(1).max(64);

const space = z
  .strictObject({
    id: plainName,
    dimension: z.number().int().min(2).max(DIMENSION_MAX.halfvec),
    from: outputRef.describe(
      "What becomes the vector. The node makes it unit length and refuses NaN and zero.",
    ),
    metric: z.literal("inner-product"),
    storage: z
      .enum(["vector", "halfvec"])
      .describe("vector: float32, at most 2000; halfvec: float16, at most 4000."),
    granularity: z.enum(["volume", "token"]).describe("One vector a volume, or one a token."),
    sharedWithText: z.boolean().describe("The text tower's vectors lie in it too."),
    profile: plainName,
  })
  .refine(
    (each) => each.dimension <= DIMENSION_MAX[each.storage],
    `storage vector holds at most ${DIMENSION_MAX.vector} dimensions: use halfvec`,
  );

export const spaces = z.array(space).min(1).max(16);

export type Stage = z.output<typeof stage>;
export type Graph = z.output<typeof graph>;
export type Space = z.output<typeof space>;
