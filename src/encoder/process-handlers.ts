/** What the model process does when it is asked: one function a kind of question. */
import { open } from "node:fs/promises";
import { join } from "node:path";
import * as ort from "onnxruntime-node";
import { KindredError } from "../kernel/errors.ts";
import type { Bundle } from "./bundle.ts";
import { graphFileOf, type OneGraph, oneGraph } from "./one-graph.ts";
import type { Answer, Ask, Handlers } from "./process-messages.ts";
import { createTextHandlers } from "./text/tower.ts";
import { goldenInput, unitVector } from "./vector.ts";

interface Proved {
  readonly session: ort.InferenceSession;
  readonly plan: OneGraph;
}

export function createHandlers(): Handlers {
  /** By model id, provider and graph: profiles of one model share a session. */
  const sessions = new Map<string, ort.InferenceSession>();
  /** By model id and profile id. */
  const proved = new Map<string, Proved>();

  async function prove(request: Ask<"prove">): Promise<Answer<"prove">> {
    const { bundle, provider } = request;
    const { id } = bundle.manifest;
    const plan = oneGraph(bundle.manifest, request.profileId);
    const name = `${id} ${provider} ${plan.graph}`;
    const session = sessions.get(name) ?? (await createSession(request, plan));
    try {
      await proveProfile(session, bundle, plan);
    } catch (error) {
      if (!sessions.has(name)) await session.release();
      throw error;
    }
    sessions.set(name, session);
    proved.set(`${id} ${request.profileId}`, { session, plan });
    return {};
  }

  async function run(request: Ask<"run">): Promise<Answer<"run">> {
    const one = proved.get(`${request.modelId} ${request.profileId}`);
    if (one === undefined)
      throw new KindredError("MODEL_NOT_READY", `Model ${request.modelId} is not loaded`);
    const tensor = await readTensor(request.tensorPath, voxelsOf(one.plan.shape));
    const started = performance.now();
    const vector = await infer(one.session, one.plan, tensor);
    return { vector, milliseconds: performance.now() - started };
  }

  return { prove, run, ...createTextHandlers() };
}

/** @throws KindredError `MODEL_INVALID` when the bundle needs a newer ONNX Runtime */
async function createSession(
  { bundle, provider, threads }: Ask<"prove">,
  plan: OneGraph,
): Promise<ort.InferenceSession> {
  const { minOrt } = bundle.manifest.runtime;
  const ours = ort.env.versions.node ?? ort.env.versions.common;
  if (minOrt !== undefined && ours.localeCompare(minOrt, "en", { numeric: true }) < 0)
    throw new KindredError(
      "MODEL_INVALID",
      `it needs ONNX Runtime ${minOrt} or newer, and this is ${ours}: update Kindred`,
    );
  const file = graphFileOf(bundle.manifest, plan.graph, provider);
  return ort.InferenceSession.create(join(bundle.folder, file), {
    executionProviders: [provider],
    intraOpNumThreads: threads,
    interOpNumThreads: 1,
    // Halves the peak memory of large inputs, at no measured cost.
    enableMemPattern: false,
    logSeverityLevel: 4,
  });
}

function voxelsOf(shape: readonly number[]): number {
  return shape.reduce((product, n) => product * n, 1);
}

/** Golden-vector self-test. @throws KindredError `MODEL_OUTPUT_INVALID` with the largest deviation */
async function proveProfile(
  session: ort.InferenceSession,
  bundle: Bundle,
  plan: OneGraph,
): Promise<void> {
  for (const golden of bundle.manifest.golden) {
    if (golden.kind !== "volume" || golden.profile !== plan.profileId) continue;
    if ((golden.space ?? plan.spaceId) !== plan.spaceId) continue;
    const input = goldenInput(golden.seed, plan.shape, golden.range);
    const vector = await infer(session, plan, input);
    const deviation = Math.max(...golden.expected.map((value, i) => Math.abs(value - vector[i]!)));
    // Written so that NaN fails.
    if (!(deviation <= golden.tolerance)) {
      throw new KindredError(
        "MODEL_OUTPUT_INVALID",
        `the golden vector of seed ${golden.seed} differs by ${deviation.toExponential(2)} (allowed ${golden.tolerance})`,
      );
    }
  }
}

/** @throws KindredError `UNAVAILABLE` when the file is gone, `MODEL_OUTPUT_INVALID` for a wrong size or NaN */
async function readTensor(path: string, count: number): Promise<Float32Array> {
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

async function infer(
  session: ort.InferenceSession,
  { input, output, shape, dimension }: OneGraph,
  tensor: Float32Array,
): Promise<Float32Array> {
  const outputs = await session.run({ [input]: new ort.Tensor("float32", tensor, [...shape]) }, [
    output,
  ]);
  const data = outputs[output]?.data;
  if (!(data instanceof Float32Array))
    throw new KindredError("MODEL_OUTPUT_INVALID", `The graph has no float output "${output}"`);
  return unitVector(data, dimension);
}
