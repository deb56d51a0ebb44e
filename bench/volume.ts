/**
 * From slices to the model's grid, measured beside a C loop of the same work and beside torch: CPU, wall and peak RSS.
 *
 *   npm run bench:volume -- [--quick] [--kernel] [--slices 600,3000] [--repetitions 5] [--python PATH] [--write docs/benchmarks.md]
 *
 * `--kernel` leaves out the whole way through a node, which needs dcmtk. Needs a C compiler (gcc or cc) for the first comparison and `--python` with torch for the second; without them it
 * prints our own figures only. Each measurement runs in a process of its own; repetitions are interleaved.
 */
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { cpus, loadavg, tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import type { AxisWeights } from "../src/volume/axis-weights.ts";
import { weightsOf } from "../src/volume/resample.ts";
import { atLeast, atMost, figureRow, markdown, spreadText } from "./figures.ts";
import { spread } from "./measure.ts";
import { noiseFrame } from "./synthetic-ct.ts";
import { COLUMNS, FRAMES, ROWS, STEP, volumeCase } from "./volume-case.ts";
import type { ReductionTimes } from "./volume-child.ts";
import { decodeRates, type Way, wholeWay } from "./volume-way.ts";

const CODER = "dcmcjpls";
const CODED_FRAMES = 240;
const MARKS = ["<!-- bench:volume -->", "<!-- /bench:volume -->"] as const;

const { values } = parseArgs({
  options: {
    quick: { type: "boolean", default: false },
    kernel: { type: "boolean", default: false },
    slices: { type: "string" },
    repetitions: { type: "string" },
    python: { type: "string" },
    write: { type: "string" },
  },
});
const counts = (values.slices ?? (values.quick ? "600" : "600,3000")).split(",").map(Number);
const repetitions = Number(values.repetitions ?? (values.quick ? 2 : 5));
const folder = mkdtempSync(join(tmpdir(), "kindred-bench-"));
const framesPath = join(folder, "frames.raw");

/** One run of one contender; seconds of CPU but for `wall`. */
interface Run {
  readonly inPlane: number;
  readonly alongZ: number;
  readonly wall?: number;
  readonly peakRssMb?: number;
}

interface Contender {
  readonly name: string;
  run(slices: number): Run;
}

function ours(name: string, option: string[] = []): Contender {
  const child = new URL("volume-child.ts", import.meta.url).pathname;
  return {
    name,
    run(slices) {
      const args = [child, framesPath, String(slices), ...option];
      const text = execFileSync(process.execPath, args, { encoding: "utf8" });
      return JSON.parse(text) as ReductionTimes;
    },
  };
}

function compiledC(): Contender | undefined {
  const source = new URL("volume-reference.c", import.meta.url).pathname;
  const program = join(folder, "volume-reference");
  const compiler = ["gcc", "cc"].find((name) => {
    try {
      const flags = ["-O3", "-march=native", "-fopenmp-simd"];
      execFileSync(name, [...flags, source, "-o", program], { stdio: "pipe" });
      return true;
    } catch {
      return false;
    }
  });
  if (compiler === undefined) return undefined;
  return {
    name: "C loop",
    run(slices) {
      const input = weightsForC(slices);
      const text = execFileSync(program, [framesPath, String(FRAMES)], { input, encoding: "utf8" });
      const [inPlane, alongZ] = text.split(" ").map(Number) as [number, number];
      return { inPlane, alongZ };
    },
  };
}

/** `slices rows columns`, then the weights of x, y and z: outputs, taps, starts, weights. */
function weightsForC(slices: number): Buffer {
  const { plan } = volumeCase(slices);
  const parts: (Int32Array | Float32Array)[] = [Int32Array.of(slices, ROWS, COLUMNS)];
  for (const axis of [...plan.axes].reverse()) {
    const w: AxisWeights = weightsOf(axis, STEP);
    parts.push(Int32Array.of(w.start.length, w.taps), w.start, w.weight);
  }
  return Buffer.concat(parts.map((part) => Buffer.from(part.buffer)));
}

function torch(python: string, threads?: number): Contender {
  const script = new URL("volume-torch.py", import.meta.url).pathname;
  return {
    name: threads === undefined ? "torch" : `torch, ${threads} thread`,
    run(slices) {
      const { plan } = volumeCase(slices);
      const sizes = [slices, ROWS, COLUMNS, ...plan.grid.sizeVoxels];
      const env =
        threads === undefined ? process.env : { ...process.env, OMP_NUM_THREADS: String(threads) };
      const text = execFileSync(python, [script, framesPath, ...[FRAMES, ...sizes].map(String)], {
        encoding: "utf8",
        env,
      });
      const [inPlane, alongZ, wall, peakRssMb] = text.split(" ").map(Number) as number[];
      return { inPlane: inPlane!, alongZ: alongZ!, wall: wall!, peakRssMb: peakRssMb! };
    },
  };
}

/** The demanded figures of the whole way; needs dcmtk. */
async function ways(): Promise<string> {
  const runs = new Map<number, Way[]>(counts.map((slices) => [slices, []]));
  const rates: number[][] = [];
  for (let i = 0; i < repetitions; i++) {
    for (const slices of counts) runs.get(slices)!.push(await wholeWay(folder, slices, i));
    rates.push(await decodeRates(folder, CODER, CODED_FRAMES, [1, 2]));
  }
  const first = runs.get(counts[0]!)!;
  const of = (all: readonly Way[], value: (way: Way) => number) => spread(all.map(value));
  const most = runs.get(counts.at(-1)!)!;
  const growth = spread(most.map((way, i) => way.builderMb / first[i]!.builderMb));
  const figures = [
    figureRow(
      atMost(`last slice stored → volume ready, ${counts[0]} slices, s`, 1.5, 0.5),
      of(first, (way) => way.readySeconds),
    ),
    figureRow(
      atMost(`peak RSS of the building process, ${counts[0]} slices, MB`, 350, 250),
      of(first, (way) => way.builderMb),
      "its sockets, database client and console too; the encoder and the database are processes of their own",
    ),
    ...(counts.length > 1
      ? [
          figureRow(
            atMost(`the same with ${counts.at(-1)} slices over ${counts[0]}`, 1.2, 1),
            growth,
          ),
        ]
      : []),
    figureRow(
      atLeast("frames/s decoded, two threads over one (JPEG-LS)", 1.7, 1.9),
      spread(rates.map(([one, two]) => two! / one!)),
    ),
  ];
  const rows = counts.map((slices) => {
    const all = runs.get(slices)!;
    return [
      String(slices),
      spreadText(of(all, (way) => slices / way.sentSeconds)),
      spreadText(of(all, (way) => way.readySeconds)),
      spreadText(of(all, (way) => way.builderMb)),
      spreadText(of(all, (way) => way.allMb)),
    ];
  });
  return [
    `The whole way: storescu → node → volume for the default model and the picture, series of one extent; decoding of ${CODED_FRAMES} frames: ${spreadText(spread(rates.map(([one]) => one!)))} frames/s on one thread.`,
    "",
    markdown(["figure", "must", "aim", "measured (spread)", "meets", "note"], figures),
    "",
    markdown(
      ["slices", "sent, images/s", "ready after, s", "building process, MB", "all processes, MB"],
      rows,
    ),
  ].join("\n");
}

async function main(): Promise<void> {
  // Each frame is the noise from another place on, so that no two neighbours are alike.
  const bytes = ROWS * COLUMNS * 2;
  const noise = noiseFrame(bytes + FRAMES * 2);
  const frames = Array.from({ length: FRAMES }, (_, i) => noise.subarray(i * 2, i * 2 + bytes));
  writeFileSync(framesPath, Buffer.concat(frames));
  const simd = ours("Kindred");
  const c = compiledC();
  const torches =
    values.python === undefined ? [] : [torch(values.python, 1), torch(values.python)];
  const contenders = [
    simd,
    ours("Kindred, plain TypeScript", ["plain"]),
    ...(c ? [c] : []),
    ...torches,
  ];
  const text = counts.map((slices) => section(slices, contenders, c, torches[0])).join("\n\n");
  const whole = values.kernel ? [] : ["", await ways()];
  const command = `npm run bench:volume -- --slices ${counts.join()} --repetitions ${repetitions}${values.python === undefined ? "" : " --python PYTHON"}`;
  const machine = `${cpus().length} × ${cpus()[0]!.model}, Node ${process.version.slice(1)}`;
  const load = loadavg()[0]!.toFixed(1);
  const head = `\`${command}\`: ${machine}, load ${load} at the end.`;
  const result = [MARKS[0], head, "", text, ...whole, MARKS[1]].join("\n");
  console.log(result);
  if (values.write !== undefined) {
    const document = readFileSync(values.write, "utf8");
    const [from, to] = MARKS.map((mark) => document.indexOf(mark)) as [number, number];
    const tail = document.slice(to + MARKS[1].length);
    if (from < 0 || to < from) throw new Error(`${values.write} has no ${MARKS[0]} section`);
    writeFileSync(values.write, document.slice(0, from) + result + tail);
  }
}

function section(
  slices: number,
  contenders: readonly Contender[],
  c: Contender | undefined,
  oneTorch: Contender | undefined,
): string {
  const runs = new Map<Contender, Run[]>(contenders.map((one) => [one, []]));
  for (let i = 0; i < repetitions; i++)
    for (const one of contenders) runs.get(one)!.push(one.run(slices));
  const cpu = (run: Run) => run.inPlane + run.alongZ;
  const mine = runs.get(contenders[0]!)!;
  const over = (other: Contender | undefined) =>
    other && spread(mine.map((run, i) => cpu(run) / cpu(runs.get(other)![i]!)));
  const figures = [
    figureRow(atMost("CPU over the C loop's", 4, 2), over(c)),
    figureRow(atMost("CPU over torch's, one thread", 0.6, 0.3), over(oneTorch)),
    figureRow(
      atMost("peak RSS of the process, MB", 350, 250),
      spread(mine.map((run) => run.peakRssMb!)),
    ),
  ];
  const rows = contenders.map((one) => {
    const of = (value: (run: Run) => number | undefined, scale = 1000) => {
      const all = runs.get(one)!.map(value);
      return all[0] === undefined ? "" : spreadText(spread(all.map((v) => v! * scale)));
    };
    return [
      one.name,
      of((run) => run.inPlane),
      of((run) => run.alongZ),
      of(cpu),
      of((run) => run.wall),
      of((run) => run.peakRssMb, 1),
    ];
  });
  return [
    `512 × 512 × ${slices} at 0.7 × 0.7 × 1 mm → 2 mm, antialiased; ${repetitions} runs, median (least to most):`,
    "",
    markdown(["figure", "must", "aim", "measured (spread)", "meets", "note"], figures),
    "",
    markdown(["", "CPU ms in-plane", "along z", "both", "wall ms", "peak RSS MB"], rows),
  ].join("\n");
}

try {
  await main();
} finally {
  rmSync(folder, { recursive: true, force: true });
}
