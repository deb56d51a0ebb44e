/** ONNX Runtime sessions of one process: loaded when a graph is needed, shared by profiles, let go to make room. */
import { stat } from "node:fs/promises";
import { join } from "node:path";
import * as ort from "onnxruntime-node";
import { KindredError, messageOf } from "../../kernel/errors.ts";
import type { Bundle } from "../bundle.ts";
import type { Graph, Manifest } from "../manifest.ts";
import { fromHalf, toHalf } from "./half.ts";
import { countOf, type HostTensor } from "./host-tensor.ts";

/** What a graph is fed: floats are turned to the graph's own type; whole numbers may come as they are. */
export interface Feed {
  readonly dims: readonly number[];
  readonly data: Float32Array | BigInt64Array;
}

export interface SessionSettings {
  readonly provider: string;
  /** CPU threads of one run. */
  readonly threads: number;
}

export interface Sessions {
  /**
   * Runs one graph of a bundle, which is loaded first if it is not.
   *
   * @param feeds - by the names of the graph's inputs
   * @param wanted - names of the outputs
   * @throws KindredError `MODEL_OUT_OF_MEMORY`; `MODEL_INVALID` when the graph cannot be loaded or its files are no
   * longer those that were proved; `MODEL_OUTPUT_INVALID` when it fails or gives another shape than the manifest says
   */
  run(
    bundle: Bundle,
    graph: string,
    feeds: ReadonlyMap<string, Feed>,
    wanted: readonly string[],
  ): Promise<Map<string, HostTensor>>;
  /** Frees the sessions of a bundle; they are loaded again when they are needed. */
  release(digest: string): Promise<void>;
}

interface Loaded {
  readonly digest: string;
  readonly session: ort.InferenceSession;
}

export function createSessions(settings: SessionSettings): Sessions {
  /** By bundle digest and file. */
  const loaded = new Map<string, Loaded>();
  /** By bundle digest: its files as they were when a graph of it was first loaded. */
  const proved = new Map<string, string>();

  const open = async (bundle: Bundle, file: string): Promise<ort.InferenceSession> => {
    const { digest } = bundle;
    const key = `${digest} ${file}`;
    const known = loaded.get(key);
    if (known !== undefined) return known.session;
    const identity = await identityOf(bundle);
    if ((proved.get(digest) ?? identity) !== identity)
      throw new KindredError(
        "MODEL_INVALID",
        `files of ${bundle.manifest.id} changed since it proved itself: start the node again to prove it anew`,
      );
    const session = await createSession(bundle, file, settings);
    proved.set(digest, identity);
    loaded.set(key, { digest, session });
    return session;
  };

  return {
    async run(bundle, name, feeds, wanted) {
      const graph = bundle.manifest.graphs[name]!;
      const session = await open(bundle, graphFileOf(bundle.manifest, name, settings.provider));
      const given = Object.fromEntries(
        [...feeds].map(([input, feed]) => [input, toOrt(input, feed, graph)]),
      );
      const outputs = await session.run(given, [...wanted]).catch((error: unknown) => {
        throw asKindred("MODEL_OUTPUT_INVALID", error);
      });
      return new Map(wanted.map((output) => [output, fromOrt(output, outputs[output], graph)]));
    },
    async release(digest) {
      for (const [key, one] of loaded) {
        if (one.digest !== digest) continue;
        loaded.delete(key);
        await one.session.release();
      }
    },
  };
}

/** The file of a graph on a provider. */
export function graphFileOf(manifest: Manifest, graph: string, provider: string): string {
  const note = manifest.runtime.providers.find((one) => one.provider === provider);
  const other = note?.graphs !== undefined && Object.hasOwn(note.graphs, graph);
  return other ? note.graphs![graph]! : manifest.graphs[graph]!.file;
}

/** Whoever writes to a file changes this; the digests were compared before. */
async function identityOf({ folder, manifest }: Bundle): Promise<string> {
  const facts = await Promise.all(
    manifest.files.map(async ({ path }) => {
      const found = await stat(join(folder, path), { bigint: true }).catch(() => undefined);
      return found && [found.ino, found.size, found.mtimeNs, found.ctimeNs].join(" ");
    }),
  );
  return facts.join("\n");
}

async function createSession(
  { manifest, folder }: Bundle,
  file: string,
  { provider, threads }: SessionSettings,
): Promise<ort.InferenceSession> {
  const { minOrt } = manifest.runtime;
  const ours = ort.env.versions.node ?? ort.env.versions.common;
  if (minOrt !== undefined && ours.localeCompare(minOrt, "en", { numeric: true }) < 0)
    throw new KindredError(
      "MODEL_INVALID",
      `it needs ONNX Runtime ${minOrt} or newer, and this is ${ours}: update Kindred`,
    );
  try {
    // By path, so that external data beside the file are mapped and not read.
    return await ort.InferenceSession.create(join(folder, file), {
      executionProviders: [provider],
      intraOpNumThreads: threads,
      interOpNumThreads: 1,
      // Halves the peak memory of large inputs, at no measured cost.
      enableMemPattern: false,
      logSeverityLevel: 4,
    });
  } catch (error) {
    throw asKindred("MODEL_INVALID", error);
  }
}

/** Texts of ONNX Runtime, its providers and the C++ library. */
const MEMORY_TEXT =
  /bad_alloc|out of memory|out_of_memory|failed to allocate|allocation failed|cannot allocate|bfcarena/i;

function asKindred(code: "MODEL_INVALID" | "MODEL_OUTPUT_INVALID", error: unknown): KindredError {
  const text = messageOf(error).split("\n")[0]!;
  if (MEMORY_TEXT.test(messageOf(error)))
    return new KindredError(
      "MODEL_OUT_OF_MEMORY",
      `There is not enough memory for the model: give the machine more, or take it out of encoder.models (${text})`,
    );
  return new KindredError(code, text, { cause: error });
}

function toOrt(name: string, { dims, data }: Feed, { inputs }: Graph): ort.Tensor {
  if (countOf(dims) !== data.length)
    throw new KindredError(
      "MODEL_OUTPUT_INVALID",
      `The input ${name} has ${data.length} values, not ${dims.join(" × ")}`,
    );
  const dtype = inputs[name]?.dtype ?? "float32";
  const shape = [...dims];
  switch (dtype) {
    case "float32":
      return new ort.Tensor("float32", asFloats(data), shape);
    case "float16":
      return halfTensor(toHalf(asFloats(data)), shape);
    case "int32":
      return new ort.Tensor("int32", Int32Array.from(asFloats(data)), shape);
    case "bool":
      return new ort.Tensor(
        "bool",
        Uint8Array.from(asFloats(data), (n) => (n === 0 ? 0 : 1)),
        shape,
      );
    case "int64":
      return new ort.Tensor("int64", wholes(data), shape);
  }
}

/**
 * Where Node has a Float16Array, the library makes one of the bits and its native part, of version 1.30, then finds no
 * bytes in it ("not enough space: expected 1024, got 0"). So the native part is shown the bits themselves.
 */
function halfTensor(bits: Uint16Array, shape: number[]): ort.Tensor {
  const tensor = new ort.Tensor("float16", bits, shape);
  return Object.defineProperty(tensor, "data", { value: bits });
}

function wholes(data: Feed["data"]): BigInt64Array {
  if (!(data instanceof Float32Array)) return data;
  return BigInt64Array.from(Array.from(data, (value) => BigInt(Math.round(value))));
}

function asFloats(data: Feed["data"]): Float32Array {
  return data instanceof Float32Array ? data : Float32Array.from(data, Number);
}

function fromOrt(name: string, tensor: ort.Tensor | undefined, { outputs }: Graph): HostTensor {
  if (tensor === undefined || !ArrayBuffer.isView(tensor.data))
    throw new KindredError("MODEL_OUTPUT_INVALID", `The graph has no output of numbers "${name}"`);
  const { dims } = tensor;
  const wanted = outputs[name]?.shape ?? [];
  const isRight =
    dims.length === wanted.length &&
    wanted.every((n, axis) => typeof n === "string" || n === dims[axis]);
  if (!isRight)
    throw new KindredError(
      "MODEL_OUTPUT_INVALID",
      `The output ${name} has the shape [${dims.join(", ")}], and the manifest says [${wanted.join(", ")}]`,
    );
  return { dims, data: floatsOf(tensor) };
}

function floatsOf({ type, data }: ort.Tensor): Float32Array {
  if (data instanceof Float32Array) return data;
  const { buffer, byteOffset, byteLength } = data as Uint16Array;
  // A Float16Array where Node has one; its bits are the same.
  if (type === "float16") return fromHalf(new Uint16Array(buffer, byteOffset, byteLength / 2));
  return Float32Array.from(data as ArrayLike<number | bigint>, Number);
}
