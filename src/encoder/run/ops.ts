/** The stages that are no graph, in plain TypeScript. Axes count from 0, the batch. */
import { KindredError } from "../../kernel/errors.ts";
import type { Stage } from "../manifest.ts";
import { countOf, type HostTensor } from "./host-tensor.ts";

export type PlainStage = Exclude<Stage, { op: "graph" }>;

/**
 * @param given - what `stage.in` names, in its order
 * @throws KindredError `MODEL_OUTPUT_INVALID` when the shapes, some of which only a run tells, do not fit the stage
 */
export function applyStage(stage: PlainStage, given: readonly HostTensor[]): HostTensor {
  const one = given[0]!;
  switch (stage.op) {
    case "flatten":
      needAxis(stage, one, stage.axis);
      return flatten(one, stage.axis);
    case "mean":
      for (const axis of stage.axes) needAxis(stage, one, axis);
      return [...new Set(stage.axes)].sort((a, b) => b - a).reduce(meanOver, one);
    case "l2":
      return unitRows(one);
    case "select":
      needAxis(stage, one, stage.axis);
      if (stage.index >= one.dims[stage.axis]!)
        throw misfit(stage, `axis ${stage.axis} has no element ${stage.index}`);
      return select(one, stage.axis, stage.index);
    case "transpose":
      if (stage.order.length !== one.dims.length)
        throw misfit(stage, `it orders ${stage.order.length} of ${one.dims.length} axes`);
      return transpose(one, stage.order);
    case "concat":
      return concat(stage, given);
  }
}

function misfit(stage: PlainStage, what: string): KindredError {
  return new KindredError("MODEL_OUTPUT_INVALID", `The stage ${stage.id} does not fit: ${what}`);
}

function needAxis(stage: PlainStage, { dims }: HostTensor, axis: number): void {
  if (axis >= dims.length) throw misfit(stage, `there is no axis ${axis} in [${dims.join(", ")}]`);
}

/** Shares the values with what it is made of. */
function flatten({ dims, data }: HostTensor, axis: number): HostTensor {
  return { dims: [...dims.slice(0, axis), countOf(dims.slice(axis))], data };
}

/** Values before, along and after an axis. */
function around(dims: readonly number[], axis: number): readonly [number, number, number] {
  return [countOf(dims.slice(0, axis)), dims[axis]!, countOf(dims.slice(axis + 1))];
}

const without = (dims: readonly number[], axis: number) => dims.filter((_, i) => i !== axis);

/** Summed in double precision. */
function meanOver({ dims, data }: HostTensor, axis: number): HostTensor {
  const [outer, length, inner] = around(dims, axis);
  const means = new Float32Array(outer * inner);
  const sums = new Float64Array(inner);
  for (let o = 0; o < outer; o++) {
    sums.fill(0);
    for (let i = 0; i < length; i++) {
      const start = (o * length + i) * inner;
      for (let k = 0; k < inner; k++) sums[k]! += data[start + k]!;
    }
    for (let k = 0; k < inner; k++) means[o * inner + k] = sums[k]! / length;
  }
  return { dims: without(dims, axis), data: means };
}

/** Shorter vectors than this stay as short, as torch.nn.functional.normalize has it. */
const LENGTH_MIN = 1e-12;

function unitRows({ dims, data }: HostTensor): HostTensor {
  const length = dims.at(-1) ?? 1;
  const unit = new Float32Array(data.length);
  for (let start = 0; start < data.length; start += length) {
    let sum = 0;
    for (let i = 0; i < length; i++) sum += data[start + i]! ** 2;
    const by = 1 / Math.max(Math.sqrt(sum), LENGTH_MIN);
    for (let i = 0; i < length; i++) unit[start + i] = data[start + i]! * by;
  }
  return { dims, data: unit };
}

function select({ dims, data }: HostTensor, axis: number, index: number): HostTensor {
  const [outer, length, inner] = around(dims, axis);
  const chosen = new Float32Array(outer * inner);
  for (let o = 0; o < outer; o++) {
    const start = (o * length + index) * inner;
    chosen.set(data.subarray(start, start + inner), o * inner);
  }
  return { dims: without(dims, axis), data: chosen };
}

function transpose({ dims, data }: HostTensor, order: readonly number[]): HostTensor {
  const strides = dims.map((_, axis) => countOf(dims.slice(axis + 1)));
  const turned = order.map((axis) => dims[axis]!);
  const steps = order.map((axis) => strides[axis]!);
  const moved = new Float32Array(data.length);
  const at = turned.map(() => 0);
  const last = turned.length - 1;
  let from = 0;
  for (let i = 0; i < moved.length; i++) {
    moved[i] = data[from]!;
    // Counts up like an odometer, the last axis first.
    for (let axis = last; axis >= 0; axis--) {
      from += steps[axis]!;
      if (++at[axis]! < turned[axis]!) break;
      from -= steps[axis]! * turned[axis]!;
      at[axis] = 0;
    }
  }
  return { dims: turned, data: moved };
}

function concat(
  stage: Extract<PlainStage, { op: "concat" }>,
  given: readonly HostTensor[],
): HostTensor {
  const { axis } = stage;
  const first = given[0]!.dims;
  needAxis(stage, given[0]!, axis);
  const isAlike = given.every(
    ({ dims }) =>
      dims.length === first.length && dims.every((n, i) => i === axis || n === first[i]),
  );
  if (!isAlike) throw misfit(stage, `the tensors differ in more than axis ${axis}`);
  const size = given.reduce((sum, { dims }) => sum + dims[axis]!, 0);
  const dims = first.map((n, i) => (i === axis ? size : n));
  const joined = new Float32Array(countOf(dims));
  const [outer, , inner] = around(dims, axis);
  let start = 0;
  for (const { dims: own, data } of given) {
    const length = own[axis]! * inner;
    for (let o = 0; o < outer; o++)
      joined.set(data.subarray(o * length, (o + 1) * length), o * size * inner + start);
    start += length;
  }
  return { dims, data: joined };
}
