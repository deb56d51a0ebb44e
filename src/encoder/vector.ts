/** Checks on what a model gives, and the input it proves itself with. */
import { KindredError } from "../kernel/errors.ts";

const NORM_MIN = 1e-12;

/** The output at unit length. @throws KindredError `MODEL_OUTPUT_INVALID` for a wrong length, NaN, or no direction */
export function unitVector(output: Float32Array, dimension: number): Float32Array {
  if (output.length !== dimension)
    throw new KindredError(
      "MODEL_OUTPUT_INVALID",
      `The model gave ${output.length} values, not ${dimension}`,
    );
  let sum = 0;
  for (const value of output) sum += value * value;
  const norm = Math.sqrt(sum);
  if (!Number.isFinite(norm) || norm < NORM_MIN)
    throw new KindredError(
      "MODEL_OUTPUT_INVALID",
      "The model gave no usable vector (NaN, infinity or zero)",
    );
  return output.map((value) => value / norm);
}

/** Edge of the blocks of a golden input, voxels. */
const BLOCK = 8;

/**
 * Input of a golden vector, formula `blocks-and-noise`: blocks of 8 voxels of one random level (three quarters) plus
 * noise on every voxel (one quarter), mapped to the range. Blocks, because noise alone looks the same everywhere and
 * would prove little. Random numbers are the upper 24 bits of a linear congruential sequence (Numerical Recipes'
 * constants), first one for each block, then one for each voxel, both in `[z][y][x]` order; all sums are exact in
 * double precision, so that an exporter in another language makes the very same input. Further channels go on in the
 * same sequence, each with its blocks first.
 *
 * @param shape - `[1, channels, slices, rows, columns]`
 * @returns `[channel][z][y][x]` flattened
 */
export function goldenInput(
  seed: number,
  shape: readonly number[],
  range: readonly [number, number],
): Float32Array {
  const [channels, depth, rows, columns] = shape.slice(1) as [number, number, number, number];
  let state = seed >>> 0;
  const next = () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state >>> 8;
  };
  const blockRows = Math.ceil(rows / BLOCK);
  const blockColumns = Math.ceil(columns / BLOCK);
  const values = new Float32Array(channels * depth * rows * columns);
  const [low, high] = range;
  const blockCount = Math.ceil(depth / BLOCK) * blockRows * blockColumns;
  let i = 0;
  for (let channel = 0; channel < channels; channel++) {
    const blocks = Array.from({ length: blockCount }, next);
    for (let z = 0; z < depth; z++) {
      for (let y = 0; y < rows; y++) {
        const first = (Math.floor(z / BLOCK) * blockRows + Math.floor(y / BLOCK)) * blockColumns;
        for (let x = 0; x < columns; x++) {
          const level = (3 * blocks[first + Math.floor(x / BLOCK)]! + next()) / 67108864;
          values[i++] = low + (high - low) * level;
        }
      }
    }
  }
  return values;
}
