/**
 * What our model process costs beside a bare run of the same graph: time, memory, and the event loop of the thread that
 * asks while a long run goes on.
 *
 *   npm run bench:encode -- [--repetitions 12] [--bundle FOLDER] [--write docs/benchmarks.md]
 *
 * Without `--bundle` it writes a net of convolutions that takes a second or two. A bundle must be one graph that reads the
 * input whole. Both processes live side by side, one CPU thread each, and are asked in turn: A B, B A, A B …
 */
import { type ChildProcess, fork } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { cpus, loadavg, tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { monitorEventLoopDelay } from "node:perf_hooks";
import { parseArgs } from "node:util";
import { configSchema } from "../src/config/schema.ts";
import { discoverBundles, loadBundle } from "../src/encoder/bundle.ts";
import { createEncoder } from "../src/encoder/encoder.ts";
import { type Manifest, partsOf } from "../src/encoder/manifest.ts";
import { goldenInput, unitVector } from "../src/encoder/vector.ts";
import { silentLogger } from "../src/kernel/log.ts";
import { createMetrics } from "../src/kernel/metrics.ts";
import type { BareAnswer } from "./encode-child.ts";
import { atMost, figureRow, markdown, spreadText } from "./figures.ts";
import { spread } from "./measure.ts";
import { convolutionNet } from "./onnx-writer.ts";
import { commandLine, peakRssMb, processTree } from "./process-figures.ts";

const MARKS = ["<!-- bench:encode -->", "<!-- /bench:encode -->"] as const;
const FIGURES = {
  time: atMost("time of a request over the bare run's", 1.05, 1.01),
  loop: atMost("event-loop p99 of the asking thread during a run", 20, 5, " ms"),
  memory: atMost("peak RSS over the bare process's", 300, 100, " MB"),
};
const EDGE = 64;
const CHANNELS = 32;
const LAYERS = 7;
const LOOP_RESOLUTION_MS = 1;

const { values } = parseArgs({
  options: {
    repetitions: { type: "string", default: "12" },
    bundle: { type: "string" },
    write: { type: "string" },
  },
});
const repetitions = Number(values.repetitions);
const work = mkdtempSync(join(tmpdir(), "kindred-encode-"));

/** The graph that the whole bundle is. */
function onlyGraph(manifest: Manifest) {
  const [profile] = manifest.profiles;
  const space = manifest.spaces.find((one) => one.profile === profile!.id)!;
  const { stage: id, output } = partsOf(space.from);
  const stage = manifest.stages.find((one) => one.id === id);
  if (stage?.op !== "graph" || stage.in.join() !== "input" || profile!.tiling.mode !== "none")
    throw new Error("the bundle must be one graph that reads the input whole");
  const { file, inputs } = manifest.graphs[stage.graph]!;
  return { profile: profile!, file, input: Object.keys(inputs)[0]!, output: output! };
}

function askBare(child: ChildProcess, path: string): Promise<BareAnswer> {
  return new Promise((answer, reject) => {
    const ended = (code: number | null) => reject(new Error(`the bare run ended with ${code}`));
    child.once("exit", ended);
    child.once("message", (message: BareAnswer) => {
      child.off("exit", ended);
      answer(message);
    });
    child.send(path);
  });
}

function startBare(folder: string, graph: ReturnType<typeof onlyGraph>): ChildProcess {
  const { file, input, output, profile } = graph;
  const child = new URL("encode-child.ts", import.meta.url);
  return fork(child, [join(folder, file), input, output, profile.shape.join("x")], {
    execArgv: [],
  });
}

function writeInput(name: string, seed: number, shape: readonly number[]): string {
  const path = join(work, name);
  writeFileSync(path, new Uint8Array(goldenInput(seed, shape, [0, 1]).buffer));
  return path;
}

/** A bundle around the net, whose golden vector is the bare run's: here only the cost is of interest. */
async function writeBundle(): Promise<string> {
  const folder = join(work, "models", "convolutions");
  mkdirSync(folder, { recursive: true });
  const bytes = convolutionNet(EDGE, CHANNELS, LAYERS);
  writeFileSync(join(folder, "net.onnx"), bytes);
  const shape = [1, 1, EDGE, EDGE, EDGE];
  const size = shape.slice(2);
  const manifest = {
    formatVersion: 1,
    id: "convolutions",
    version: "1.0.0",
    title: "Convolutions",
    summary: "Random weights.",
    intendedUse: "Measurement.",
    limits: "It knows nothing.",
    licence: {
      weights: "MIT",
      code: "MIT",
      researchOnly: true,
      nonCommercial: false,
      acceptanceRequired: false,
    },
    files: [
      {
        path: "net.onnx",
        sha256: createHash("sha256").update(bytes).digest("hex"),
        bytes: bytes.length,
      },
    ],
    runtime: { opset: 17, ramMb: 400, providers: [{ provider: "cpu", precision: "fp32" }] },
    applicability: { modalities: ["CT"] },
    profiles: [
      {
        id: "default",
        ops: [{ op: "cropPad", sizeVoxels: size, value: 0 }],
        shape,
        tiling: { mode: "none" },
      },
    ],
    graphs: {
      net: {
        file: "net.onnx",
        inputs: { image: { shape, dtype: "float32", role: "volume" } },
        outputs: { vector: { shape: [1, CHANNELS], dtype: "float32", role: "pooled" } },
      },
    },
    stages: [{ id: "net", op: "graph", graph: "net", in: ["input"] }],
    spaces: [
      {
        id: "vector",
        dimension: CHANNELS,
        from: "net.vector",
        metric: "inner-product",
        storage: "vector",
        granularity: "volume",
        sharedWithText: false,
        profile: "default",
      },
    ],
  };
  const graph = onlyGraph(manifest as unknown as Manifest);
  const child = startBare(folder, graph);
  const { vector } = await askBare(child, writeInput("golden.f32", 1, shape));
  child.disconnect();
  const golden = {
    kind: "volume",
    profile: "default",
    formula: "blocks-and-noise",
    seed: 1,
    range: [0, 1],
    expected: [...unitVector(Float32Array.from(vector), CHANNELS)],
    tolerance: 1e-5,
  };
  writeFileSync(join(folder, "model.json"), JSON.stringify({ ...manifest, golden: [golden] }));
  return folder;
}

const folder = values.bundle === undefined ? await writeBundle() : resolve(values.bundle);
const { manifest } = await loadBundle(folder);
const graph = onlyGraph(manifest);
const input = writeInput("input.f32", 7, graph.profile.shape);
const bare = startBare(folder, graph);
const { encoder: config } = configSchema.parse({ encoder: { models: [manifest.id] } });
const encoder = createEncoder({
  config: { ...config, acceptedLicences: [manifest.id] },
  bundles: await discoverBundles([dirname(folder)], [manifest.id]),
  log: silentLogger(),
  metrics: createMetrics(),
});
await encoder.start();
const loop = monitorEventLoopDelay({ resolution: LOOP_RESOLUTION_MS });

const times = { bare: [] as number[], ours: [] as number[], loop: [] as number[] };
const runBare = async () => {
  times.bare.push((await askBare(bare, input)).milliseconds);
};
const runOurs = async () => {
  loop.reset();
  loop.enable();
  const started = performance.now();
  await encoder.embedFile(manifest.id, graph.profile.id, input);
  times.ours.push(performance.now() - started);
  loop.disable();
  times.loop.push(Math.max(0, loop.percentile(99) / 1e6 - LOOP_RESOLUTION_MS));
};
await runBare();
await runOurs();
for (const list of Object.values(times)) list.length = 0;
for (let i = 0; i < repetitions; i++) {
  const pair = [runBare, runOurs];
  for (const run of i % 2 === 0 ? pair : pair.reverse()) await run();
}
const ours = processTree(process.pid).find((pid) => commandLine(pid).includes("encoder-process"))!;
const [oursMb, bareMb] = [peakRssMb(ours), peakRssMb(bare.pid!)];
bare.disconnect();
await encoder.stop();
rmSync(work, { recursive: true, force: true });

const one = (value: number) => spread([value]);
const ratios = times.ours.map((ms, i) => ms / times.bare[i]!);
const command = `npm run bench:encode -- --repetitions ${repetitions}${values.bundle === undefined ? "" : ` --bundle ${manifest.id}`}`;
const text = [
  `\`${command}\`: ${cpus().length} × ${cpus()[0]!.model}, Node ${process.versions.node}, load ${loadavg()[0]!.toFixed(1)} at the end. Model ${manifest.id}; ${repetitions} runs of each in turn, median (least to most).`,
  markdown(
    ["figure", "must", "aim", "measured (spread)", "meets", "note"],
    [
      figureRow(FIGURES.time, spread(ratios), "pairs side by side"),
      figureRow(FIGURES.loop, spread(times.loop)),
      figureRow(FIGURES.memory, one(oursMb - bareMb), "proof and all runs"),
    ],
  ),
  markdown(
    ["", "ms", "peak RSS MB"],
    [
      ["bare ONNX Runtime", spreadText(spread(times.bare)), bareMb.toFixed(0)],
      ["request to the encoder", spreadText(spread(times.ours)), oursMb.toFixed(0)],
    ],
  ),
].join("\n\n");
console.log(text);
if (values.write !== undefined) {
  const page = readFileSync(values.write, "utf8");
  const [begin, end] = MARKS.map((mark) => page.indexOf(mark)) as [number, number];
  if (begin < 0 || end < begin) throw new Error(`${values.write} has no place for the table`);
  const kept = [page.slice(0, begin + MARKS[0].length), page.slice(end)];
  writeFileSync(values.write, kept.join(`\n${text}\n`));
}
