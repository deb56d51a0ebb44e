/**
 * Child process that owns the ONNX Runtime sessions. `run()` blocks its thread for the whole inference and cannot be
 * cancelled, so it never shares a process with sockets. A provider serves a model profile only after the profile's
 * golden vectors came out right on it. ORT never falls back by itself: one provider an attempt, the caller climbs down.
 */
import { open } from "node:fs/promises";
import { join } from "node:path";
import * as ort from "onnxruntime-node";
import { codeOf, KindredError, messageOf } from "../kernel/errors.ts";
import type { Bundle } from "./bundle.ts";
import { graphFileOf, type OneGraph, oneGraph } from "./one-graph.ts";
import { goldenInput, unitVector } from "./vector.ts";

/** Make this provider ready for one model profile, golden vectors first. */
export interface ProveRequest {
  readonly kind: "prove";
  readonly bundle: Bundle;
  readonly profileId: string;
  readonly provider: string;
  readonly threads: number;
}

/** Embed one tensor file with a profile that was proved before. */
export interface RunRequest {
  readonly kind: "run";
  readonly modelId: string;
  readonly profileId: string;
  readonly tensorPath: string;
}

export type ToProcess = (ProveRequest | RunRequest) & { readonly call: number };

export type FromProcess =
  | { readonly call: number; readonly kind: "proved" }
  | {
      readonly call: number;
      readonly kind: "vector";
      readonly vector: Float32Array;
      readonly milliseconds: number;
    }
  | {
      readonly call: number;
      readonly kind: "error";
      readonly code: string;
      readonly message: string;
    };

type Answer = FromProcess extends infer T ? (T extends unknown ? Omit<T, "call"> : never) : never;

interface Proved {
  readonly session: ort.InferenceSession;
  readonly plan: OneGraph;
}

function createSessions() {
  /** By model id, provider and graph: profiles of one model share a session. */
  const sessions = new Map<string, ort.InferenceSession>();
  /** By model id and profile id. */
  const proved = new Map<string, Proved>();

  async function prove(request: ProveRequest): Promise<Answer> {
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
    return { kind: "proved" };
  }

  async function run(request: RunRequest): Promise<Answer> {
    const one = proved.get(`${request.modelId} ${request.profileId}`);
    if (one === undefined)
      throw new KindredError("MODEL_NOT_READY", `Model ${request.modelId} is not loaded`);
    const tensor = await readTensor(request.tensorPath, voxelsOf(one.plan.shape));
    const started = performance.now();
    const vector = await infer(one.session, one.plan, tensor);
    return { kind: "vector", vector, milliseconds: performance.now() - started };
  }

  return { prove, run };
}

/** @throws KindredError `MODEL_INVALID` when the bundle needs a newer ONNX Runtime */
async function createSession(
  { bundle, provider, threads }: ProveRequest,
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

const sessions = createSessions();
process.on("message", (message: ToProcess) => {
  const { call } = message;
  (message.kind === "prove" ? sessions.prove(message) : sessions.run(message))
    .catch(
      (error: unknown): Answer => ({
        kind: "error",
        code: codeOf(error),
        message: messageOf(error),
      }),
    )
    .then((answer) => process.send?.({ ...answer, call }))
    .catch(() => process.exit(1));
});
process.on("disconnect", () => process.exit(0));
// A terminal's Ctrl-C reaches the whole group; the parent ends us in its own order.
process.on("SIGINT", () => undefined);
process.on("SIGTERM", () => undefined);
