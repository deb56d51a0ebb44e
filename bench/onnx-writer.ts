/** An ONNX file written field by field (onnx.proto3 of ONNX 1.15): enough for a net of convolutions, and no Python. */

type Field = readonly [number: number, value: number | string | Uint8Array];

function varint(value: number): number[] {
  const bytes: number[] = [];
  for (let rest = value; ; rest = Math.floor(rest / 128)) {
    if (rest < 128) return [...bytes, rest];
    bytes.push((rest % 128) + 128);
  }
}

/** A message: whole numbers as varints, all else with its length before it. */
function message(...fields: readonly Field[]): Uint8Array {
  const parts = fields.flatMap(([number, value]) => {
    if (typeof value === "number")
      return [Uint8Array.from([...varint(number * 8), ...varint(value)])];
    const bytes = typeof value === "string" ? new TextEncoder().encode(value) : value;
    return [Uint8Array.from([...varint(number * 8 + 2), ...varint(bytes.length)]), bytes];
  });
  return new Uint8Array(Buffer.concat(parts));
}

const FLOAT = 1;
const INTS = 7;
const INT = 2;

const tensor = (name: string, dims: readonly number[], data: Float32Array) =>
  message(
    ...dims.map((n): Field => [1, n]),
    [2, FLOAT],
    [8, name],
    [9, new Uint8Array(data.buffer, data.byteOffset, data.byteLength)],
  );
const ints = (name: string, values: readonly number[]) =>
  message([1, name], ...values.map((n): Field => [8, n]), [20, INTS]);
const int = (name: string, value: number) => message([1, name], [3, value], [20, INT]);
const node = (op: string, inputs: string[], output: string, ...attributes: Uint8Array[]) =>
  message(
    ...inputs.map((one): Field => [1, one]),
    [2, output],
    [4, op],
    ...attributes.map((one): Field => [5, one]),
  );
const value = (name: string, dims: readonly number[]) => {
  const shape = message(...dims.map((n): Field => [1, message([1, n])]));
  return message([1, name], [2, message([1, message([1, FLOAT], [2, shape])])]);
};

/**
 * Layers of 3 × 3 × 3 convolutions and rectifiers, then the mean over the volume. Weights are of a fixed sequence, so that
 * every machine runs the same net.
 *
 * @param edge - of the input `image`, `[1, 1, edge, edge, edge]`
 * @returns the file; its output is `vector`, `[1, channels]`
 */
export function convolutionNet(edge: number, channels: number, layers: number): Uint8Array {
  let state = 1;
  const weights = (count: number, scale: number) =>
    Float32Array.from({ length: count }, () => {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
      return ((state >>> 8) / 8_388_608 - 1) * scale;
    });
  const nodes: Uint8Array[] = [];
  const tensors: Uint8Array[] = [];
  let from = "image";
  for (let i = 0; i < layers; i++) {
    const inputs = i === 0 ? 1 : channels;
    const scale = Math.sqrt(6 / (inputs * 27));
    tensors.push(
      tensor(`w${i}`, [channels, inputs, 3, 3, 3], weights(channels * inputs * 27, scale)),
    );
    nodes.push(
      node("Conv", [from, `w${i}`], `c${i}`, ints("pads", [1, 1, 1, 1, 1, 1])),
      node("Relu", [`c${i}`], `r${i}`),
    );
    from = `r${i}`;
  }
  nodes.push(
    node("GlobalAveragePool", [from], "mean"),
    node("Flatten", ["mean"], "vector", int("axis", 1)),
  );
  const graph = message(
    ...nodes.map((one): Field => [1, one]),
    [2, "convolutions"],
    ...tensors.map((one): Field => [5, one]),
    [11, value("image", [1, 1, edge, edge, edge])],
    [12, value("vector", [1, channels])],
  );
  // IR version 8, operators 17.
  return message([1, 8], [2, "kindred"], [7, graph], [8, message([2, 17])]);
}
