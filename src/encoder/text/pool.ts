/** Which tokens of a text tower's output make the vector of a text. */
import { KindredError } from "../../kernel/errors.ts";
import { unitVector } from "../vector.ts";

export type TextPool = "none" | "firstToken" | "lastToken" | "meanToken";

/**
 * @param output - of the graph: `[texts, dimension]` for pool `none`, else `[texts, tokens, dimension]`, flattened
 * @param mask - `[texts][tokens]` flattened, 1 where a token is no filling; first and last are counted among these
 * @returns a vector of unit length a text
 * @throws KindredError `MODEL_OUTPUT_INVALID` for other dimensions, NaN, infinity or a vector without direction
 */
export function pooledVectors(
  output: { readonly dims: readonly number[]; readonly data: Float32Array },
  mask: Int32Array,
  pool: TextPool,
  rows: number,
): Float32Array[] {
  const { dims, data } = output;
  const dimension = dims.at(-1) ?? 0;
  const tokens = pool === "none" ? 1 : (dims[1] ?? 0);
  const isRight =
    dims.length === (pool === "none" ? 2 : 3) &&
    dims[0] === rows &&
    dimension > 0 &&
    tokens > 0 &&
    data.length === rows * tokens * dimension &&
    (pool === "none" || mask.length === rows * tokens);
  if (!isRight)
    throw new KindredError(
      "MODEL_OUTPUT_INVALID",
      `The text tower gave [${dims.join(", ")}] for ${rows} texts`,
    );
  return Array.from({ length: rows }, (_, row) => {
    const at = (token: number) => {
      const start = (row * tokens + token) * dimension;
      return data.subarray(start, start + dimension);
    };
    if (pool === "none") return unitVector(at(0), dimension);
    const used = mask.subarray(row * tokens, (row + 1) * tokens);
    if (pool === "firstToken") return unitVector(at(Math.max(0, used.indexOf(1))), dimension);
    if (pool === "lastToken") return unitVector(at(Math.max(0, used.lastIndexOf(1))), dimension);
    const sum = new Float64Array(dimension);
    for (let token = 0; token < tokens; token++) {
      if (used[token] === 0) continue;
      at(token).forEach((value, i) => {
        sum[i]! += value;
      });
    }
    return unitVector(Float32Array.from(sum), dimension);
  });
}
