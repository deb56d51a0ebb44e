/** Input tensors as the pipeline writes them: float32, little endian. */
import { open } from "node:fs/promises";
import { KindredError } from "../../kernel/errors.ts";

/**
 * @param count - values that the file must hold
 * @throws KindredError `UNAVAILABLE` when the file is gone, `MODEL_OUTPUT_INVALID` for a wrong size or NaN
 */
export async function readTensor(path: string, count: number): Promise<Float32Array> {
  const file = await open(path).catch((error: unknown) => {
    throw new KindredError(
      "UNAVAILABLE",
      "The input tensor is gone; the volume must be built again",
      { cause: error },
    );
  });
  try {
    const { size } = await file.stat();
    if (size !== count * 4)
      throw new KindredError(
        "MODEL_OUTPUT_INVALID",
        `The input tensor has ${size} bytes, not ${count * 4}`,
      );
    const tensor = new Float32Array(count);
    const bytes = new Uint8Array(tensor.buffer);
    for (let at = 0; at < size; ) {
      const { bytesRead } = await file.read(bytes, at, size - at, at);
      if (bytesRead === 0)
        throw new KindredError(
          "MODEL_OUTPUT_INVALID",
          "The input tensor was cut while it was read",
        );
      at += bytesRead;
    }
    // A graph may swallow NaN (Clip, Relu) and answer something that looks right.
    if (!tensor.every(Number.isFinite))
      throw new KindredError("MODEL_OUTPUT_INVALID", "The input tensor holds NaN or infinity");
    return tensor;
  } finally {
    await file.close();
  }
}
