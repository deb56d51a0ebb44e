/** CPU profiles of our processes (--cpu-prof), cut to the time of the sending: which functions took it. */
import { mkdirSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { markdown, short } from "./figures.ts";
import { measure } from "./measure.ts";
import { cpuSecondsByThread } from "./process-figures.ts";
import { type OurOptions, startOurs } from "./receivers.ts";
import { writeSeries } from "./synthetic-ct.ts";

const SAMPLE_US = 250;
const ROWS = 30;
const ROOT = new URL("../", import.meta.url).href;

interface CpuProfile {
  readonly nodes: readonly {
    readonly id: number;
    readonly callFrame: {
      readonly functionName: string;
      readonly url: string;
      readonly lineNumber: number;
    };
  }[];
  /** Microseconds of the monotonic clock, as is process.hrtime. */
  readonly startTime: number;
  readonly samples: readonly number[];
  readonly timeDeltas: readonly number[];
}

/** Sends a warm-up, then `images` over `associations`, and returns the tables as Markdown. */
export async function profile(
  folder: string,
  images: number,
  options: Omit<OurOptions, "name" | "dataDir">,
): Promise<string> {
  const profiles = join(folder, "profiles");
  mkdirSync(profiles, { recursive: true });
  const receiver = await startOurs({
    ...options,
    name: "Kindred, profiled",
    dataDir: join(folder, "data"),
    nodeOptions: `--cpu-prof --cpu-prof-interval=${SAMPLE_US} --cpu-prof-dir=${profiles}`,
  });
  const roles = new Map(receiver.processes().map((one) => [one.pid, one.role]));
  const text: string[] = [];
  let window = { from: 0, to: 0 };
  try {
    writeSeries(join(folder, "warm"), "profile-warm", 200);
    await measure(receiver, [join(folder, "warm")], 200);
    writeSeries(join(folder, "send"), "profile-send", images);
    const before = [...roles.keys()].map((pid) => [pid, cpuSecondsByThread(pid)] as const);
    const from = monotonicUs();
    const sent = await measure(receiver, [join(folder, "send")], images);
    window = { from, to: monotonicUs() };
    text.push(
      `${images} images over one association, profiler on: ${short(sent.imagesPerSecond)} images/s, ` +
        `CPU ${short(sent.cpuMsSum)} ms an image in all processes, event-loop p99 ${short(sent.lagP99Ms ?? Number.NaN)} ms.`,
      "CPU by thread, ms an image:",
      markdown(["process", "thread", "ms an image"], threadRows(before, roles, images)),
    );
  } finally {
    await receiver.stop();
  }
  for (const name of readdirSync(profiles)) {
    const [, pid, thread] = /^CPU\.\d+\.\d+\.(\d+)\.(\d+)\./.exec(name) ?? [];
    const one = JSON.parse(readFileSync(join(profiles, name), "utf8")) as CpuProfile;
    const { rows, busyMs } = selfTimes(one, window, images);
    if (busyMs < 20) continue;
    text.push(
      `Self time of the ${roles.get(Number(pid)) ?? "unknown"} process (thread ${thread}): ${short(busyMs / images)} ms an image not idle.`,
      markdown(["function", "where", "ms an image", "%"], rows),
    );
  }
  return text.join("\n\n");
}

function threadRows(
  before: readonly (readonly [number, ReadonlyMap<string, number>])[],
  roles: ReadonlyMap<number, string>,
  images: number,
): string[][] {
  return before.flatMap(([pid, earlier]) =>
    [...cpuSecondsByThread(pid)].flatMap(([thread, seconds]) => {
      const ms = ((seconds - (earlier.get(thread) ?? 0)) * 1000) / images;
      return ms < 0.005 ? [] : [[roles.get(pid) ?? "", thread, ms.toFixed(3)]];
    }),
  );
}

function selfTimes(
  one: CpuProfile,
  window: { from: number; to: number },
  images: number,
): { rows: string[][]; busyMs: number } {
  const frames = new Map(one.nodes.map((node) => [node.id, node.callFrame]));
  const byFunction = new Map<string, number>();
  let at = one.startTime;
  let busyMs = 0;
  one.samples.forEach((id, index) => {
    const deltaUs = one.timeDeltas[index]!;
    at += deltaUs;
    const frame = frames.get(id)!;
    if (at < window.from || at > window.to || frame.functionName === "(idle)") return;
    const where = frame.url === "" ? "" : `${frame.url.replace(ROOT, "")}:${frame.lineNumber + 1}`;
    const key = `${frame.functionName || "(anonymous)"}\0${where}`;
    byFunction.set(key, (byFunction.get(key) ?? 0) + deltaUs / 1000);
    busyMs += deltaUs / 1000;
  });
  const rows = [...byFunction]
    .sort((a, b) => b[1] - a[1])
    .slice(0, ROWS)
    .map(([key, ms]) => {
      const [name, where] = key.split("\0");
      return [name!, where!, (ms / images).toFixed(4), ((ms * 100) / busyMs).toFixed(1)];
    });
  return { rows, busyMs };
}

function monotonicUs(): number {
  return Number(process.hrtime.bigint() / 1000n);
}
