/** Vectors on the wire: pgvector's binary form (vector_send), which both engines parse fast. */
import { KindredError } from "../kernel/errors.ts";

const DIMENSION_MAX = 16_000;

/**
 * A parameter for `$n::vector`: int16 dimension, int16 zero, big-endian float4 values.
 *
 * @throws KindredError `MODEL_OUTPUT_INVALID` for NaN, infinity, or an impossible dimension
 */
export function vectorParameter(values: Float32Array): Buffer {
  if (values.length === 0 || values.length > DIMENSION_MAX || !values.every(Number.isFinite)) {
    throw new KindredError("MODEL_OUTPUT_INVALID", "A vector must hold 1 to 16,000 finite numbers");
  }
  const buffer = Buffer.alloc(4 + 4 * values.length);
  buffer.writeInt16BE(values.length, 0);
  values.forEach((value, index) => {
    buffer.writeFloatBE(value, 4 + 4 * index);
  });
  return buffer;
}
