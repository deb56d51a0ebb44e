/** A bare run of ONNX Runtime in a process of its own, for bench/encode.ts: FILE INPUT OUTPUT DIMS; a tensor's path a line. */
import { readFileSync } from "node:fs";
import * as ort from "onnxruntime-node";

export interface BareAnswer {
  readonly milliseconds: number;
  readonly vector: readonly number[];
}

const [file, input, output, dims] = process.argv.slice(2) as [string, string, string, string];
// The settings of src/encoder/run/sessions.ts: what is compared is the process around the run.
const session = await ort.InferenceSession.create(file, {
  executionProviders: ["cpu"],
  intraOpNumThreads: 1,
  interOpNumThreads: 1,
  enableMemPattern: false,
  logSeverityLevel: 4,
});
process.on("message", async (path: string) => {
  const bytes = readFileSync(path);
  const data = new Float32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4);
  const started = performance.now();
  const tensor = new ort.Tensor("float32", data, dims.split("x").map(Number));
  const answer = await session.run({ [input]: tensor }, [output]);
  const milliseconds = performance.now() - started;
  const vector = [...(answer[output]!.data as Float32Array)];
  process.send!({ milliseconds, vector } satisfies BareAnswer);
});
process.on("disconnect", () => process.exit(0));
