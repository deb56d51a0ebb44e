/** Tensors between graphs: always float32 in our own memory, whatever a graph computes in. */
export interface HostTensor {
  /** Axis 0 is the batch. */
  readonly dims: readonly number[];
  /** Row-major: the last axis runs fastest. */
  readonly data: Float32Array;
}

/** Values by `STAGE`, `STAGE.OUTPUT` or `input`. */
export type Values = Map<string, HostTensor>;

export function countOf(dims: readonly number[]): number {
  return dims.reduce((product, n) => product * n, 1);
}
