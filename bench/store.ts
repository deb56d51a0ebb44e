/**
 * Receiving, measured beside dcmtk's storescp and Orthanc: the same files to each in one run, interleaved, several
 * times; medians with their spread, ratios of neighbours, and each demanded figure beside its target.
 *
 *   npm run bench:store -- [--quick] [--images 300] [--repetitions 5] [--only throughput,memory,million]
 *     [--million 1000000] [--receivers N] [--profile] [--write docs/benchmarks.md]
 *
 * Needs dcmtk and Orthanc. Everything runs on loopback in a temporary folder; whatever was started is stopped.
 */
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { cpus, loadavg, release, tmpdir, totalmem } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { type NativePostgres, startNativePostgres } from "../test/support/native-postgres.ts";
import { FIGURES, figureRow, markdown, short, spreadText } from "./figures.ts";
import { fillDatabase } from "./fill-database.ts";
import { type Measurement, measure, type Spread, spread } from "./measure.ts";
import { peakRssMb } from "./process-figures.ts";
import { profile } from "./profile.ts";
import {
  hasOrthancPostgres,
  knowsReceivers,
  knowsSync,
  type Receiver,
  startLeast,
  startOrthanc,
  startOurs,
  startStorescp,
} from "./receivers.ts";
import { writeMultiFrame, writeSeries } from "./synthetic-ct.ts";

const ASSOCIATIONS = 4;
const MULTI_FRAMES = 400;
/** Rows that the empty store held before: enough to have used its log files. */
const EMPTIED_ROWS = 100_000;
const MARKS = ["<!-- bench:store -->", "<!-- /bench:store -->"] as const;

const { values } = parseArgs({
  options: {
    quick: { type: "boolean", default: false },
    images: { type: "string" },
    repetitions: { type: "string" },
    only: { type: "string", default: "throughput,memory,million" },
    million: { type: "string" },
    receivers: { type: "string" },
    profile: { type: "boolean", default: false },
    write: { type: "string" },
  },
});
const isQuick = values.quick;
const settings = {
  images: Number(values.images ?? (isQuick ? 60 : 300)),
  repetitions: Number(values.repetitions ?? (isQuick ? 2 : 5)),
  slices: isQuick ? 200 : 1000,
  memoryRepetitions: isQuick ? 1 : 3,
  million: Number(values.million ?? (isQuick ? 20_000 : 1_000_000)),
  receivers: values.receivers === undefined ? undefined : Number(values.receivers),
};

/**
 * Series of each kind that are sent first and not counted: a receiver runs for months, and each of several receiving processes has to
 * compile what it runs. V8 compiles 350 functions of a receiver in its first 300 images, 10 in the eleventh (--trace-opt), and its
 * threads for that are counted like any other.
 */
const WARM_UPS = 12;

const folder = mkdtempSync(join(tmpdir(), "kindred-bench-"));
const progress = (text: string) => console.error(`[${new Date().toISOString()}] ${text}`);

type Runs = Map<string, { one: Measurement[]; four: Measurement[] }>;

interface Results {
  runs?: Runs;
  peaks?: Peak[];
  million?: { full: Measurement[]; empty: Measurement[] };
}

async function main(): Promise<void> {
  const lines = [machine()];
  const sections = new Set(values.only.split(","));
  if (values.profile) {
    const options = { receivers: settings.receivers, sync: !knowsSync };
    lines.push(
      await profile(join(folder, "profile"), isQuick ? 200 : 1000, withoutUndefined(options)),
    );
  } else {
    const results: Results = {};
    if (sections.has("throughput")) results.runs = await throughput();
    if (sections.has("memory")) results.peaks = await memory();
    if (sections.has("million")) results.million = await million();
    lines.push(...tables(results));
  }
  const text = lines.join("\n\n");
  console.log(text);
  if (values.write !== undefined) writeSection(values.write, text);
}

/** All receivers side by side; every repetition is a new series. */
async function throughput(): Promise<Runs> {
  const ours = withoutUndefined({ receivers: settings.receivers });
  const receivers: Receiver[] = [];
  const servers: NativePostgres[] = [];
  const runs: Runs = new Map();
  try {
    if (knowsSync)
      receivers.push(
        await startOurs({
          ...ours,
          name: "Kindred, no fsync",
          sync: false,
          dataDir: join(folder, "unsynced"),
        }),
      );
    receivers.push(
      await startOurs({ ...ours, name: "Kindred", dataDir: join(folder, "synced") }),
      await startStorescp(join(folder, "storescp"), false),
      await startStorescp(join(folder, "storescp-fork"), true),
      await startLeast(join(folder, "least")),
      await startOrthanc(join(folder, "orthanc")),
    );
    // Each with a server of its own: what it costs is counted.
    for (const begin of withPostgres(ours)) {
      const postgres = await startNativePostgres();
      if (postgres === undefined) {
        progress("no native PostgreSQL with pgvector here (CONTRIBUTING.md says how): left out");
        break;
      }
      servers.push(postgres);
      receivers.push(await begin(postgres));
    }
    for (const one of receivers) runs.set(one.name, { one: [], four: [] });
    for (let repetition = 1 - WARM_UPS; repetition <= settings.repetitions; repetition++) {
      for (const kind of ["one", "four"] as const) {
        // Kept to the end: ext4 looks for a new inode past all that were deleted in the last minutes, and whoever makes files pays.
        const series = join(folder, `series-${kind}-${repetition}`);
        const parts = writeSeries(series, `${kind}-${repetition}`, settings.images, ASSOCIATIONS);
        // Each begins in turn, so that no receiver always follows the same one.
        const order = receivers.map(
          (_, index) => receivers[(index + repetition + WARM_UPS) % receivers.length]!,
        );
        for (const receiver of order) {
          const doesFork = receiver.name.includes("--fork");
          const isSingle = receiver.name === "storescp";
          if (kind === "one" ? doesFork : isSingle) continue;
          const result = await measure(
            receiver,
            kind === "one" ? [series] : parts,
            settings.images,
          );
          if (repetition > 0) runs.get(receiver.name)![kind].push(result);
          progress(
            `${repetition <= 0 ? "warm-up" : `repetition ${repetition}`}, ${kind}: ${receiver.name} ` +
              `${short(result.imagesPerSecond)} images/s, ${short(result.cpuMs.receiving ?? 0)} CPU ms`,
          );
        }
      }
    }
    return runs;
  } finally {
    for (const one of receivers) await one.stop();
    for (const one of servers) await one.stop();
  }
}

/** Where a success means the same on both sides: file and index synced. */
function withPostgres(ours: object): ((postgres: NativePostgres) => Promise<Receiver>)[] {
  if (!hasOrthancPostgres) {
    progress("no orthanc-postgresql here: Orthanc is measured with SQLite alone");
    return [];
  }
  const name = "Kindred, PostgreSQL";
  return [
    (postgres) => startOurs({ ...ours, name, dataDir: join(folder, "postgres"), postgres }),
    (postgres) => startOrthanc(join(folder, "orthanc-postgres"), { postgres }),
  ];
}

interface Peak {
  readonly receiver: string;
  readonly data: "slices" | "multiFrame";
  /** A data folder's first start, or a later one, which finds what the first has compiled. */
  readonly start: "first" | "later";
  /** MB by process: role and peak. */
  readonly processes: readonly { readonly role: string; readonly mb: number }[];
  /** Of the receiving process before anything was sent. */
  readonly startMb: number;
  readonly lagP99Ms: number | undefined;
  readonly seconds: number;
}

/** A fresh process for each: peak memory counts from its start. Ours starts twice on its folder. */
async function memory(): Promise<Peak[]> {
  const folders: Record<Peak["data"], Record<Peak["start"], string>> = {
    slices: { first: join(folder, "slices"), later: join(folder, "slices-later") },
    multiFrame: { first: join(folder, "multi"), later: join(folder, "multi-later") },
  };
  for (const path of Object.values(folders.slices)) writeSeries(path, path, settings.slices);
  for (const path of Object.values(folders.multiFrame)) writeMultiFrame(path, path, MULTI_FRAMES);
  const peaks: Peak[] = [];
  const ours = withoutUndefined({ receivers: settings.receivers });
  for (let repetition = 0; repetition < settings.memoryRepetitions; repetition++) {
    for (const data of ["slices", "multiFrame"] as const) {
      const at = (name: string) => join(folder, `${name}-${data}-${repetition}`);
      const startNode = () => startOurs({ ...ours, name: "Kindred", dataDir: at("memory") });
      for (const start of ["first", "later"] as const)
        peaks.push(await peakOf(startNode, { data, start }, folders[data][start]));
      if (repetition > 0) continue;
      const startOthers = [
        () => startStorescp(at("memory-storescp"), false),
        () => startOrthanc(at("memory-orthanc")),
      ];
      for (const begin of startOthers)
        peaks.push(await peakOf(begin, { data, start: "first" }, folders[data].first));
    }
  }
  return peaks;
}

/** Starts a receiver, sends it a folder and stops it. */
async function peakOf(
  begin: () => Promise<Receiver>,
  what: Pick<Peak, "data" | "start">,
  sent: string,
): Promise<Peak> {
  const receiver = await begin();
  try {
    const peaksNow = () =>
      receiver.processes().map(({ pid, role }) => ({ role, mb: peakRssMb(pid) }));
    const startMb = Math.max(...peaksNow().map(({ role, mb }) => (role === "receiving" ? mb : 0)));
    const images = what.data === "slices" ? settings.slices : 1;
    const { lagP99Ms, seconds } = await measure(receiver, [sent], images);
    const processes = peaksNow();
    progress(
      `${what.data}, ${what.start} start: ${receiver.name} ${processes.map((one) => `${one.role} ${short(one.mb)} MB`).join(", ")}`,
    );
    return { receiver: receiver.name, ...what, processes, startMb, lagP99Ms, seconds };
  } finally {
    await receiver.stop();
  }
}

/** Two nodes of ours, one with a filled database, the same new series to both in turn. */
async function million(): Promise<{ full: Measurement[]; empty: Measurement[] }> {
  const filled = join(folder, "filled");
  const start = Date.now();
  await fillDatabase(filled, settings.million);
  progress(`${settings.million} instances filled in ${((Date.now() - start) / 1000).toFixed(0)} s`);
  await fillDatabase(join(folder, "empty"), Math.min(settings.million, EMPTIED_ROWS), true);
  const ours = withoutUndefined({ receivers: settings.receivers });
  const full = await startOurs({ ...ours, name: "Kindred, filled", dataDir: filled });
  try {
    const empty = await startOurs({
      ...ours,
      name: "Kindred, empty",
      dataDir: join(folder, "empty"),
    });
    try {
      const results = { full: [] as Measurement[], empty: [] as Measurement[] };
      for (let repetition = 0; repetition <= settings.repetitions; repetition++) {
        const series = join(folder, `series-million-${repetition}`);
        const parts = writeSeries(series, `million-${repetition}`, settings.images, ASSOCIATIONS);
        // Several associations warm up every receiving process.
        const folders = repetition === 0 ? parts : [series];
        const order = [["full", full] as const, ["empty", empty] as const];
        for (const [kind, receiver] of repetition % 2 === 0 ? order : order.reverse()) {
          const result = await measure(receiver, folders, settings.images);
          if (repetition > 0) results[kind].push(result);
          progress(
            `repetition ${repetition}: ${receiver.name} ${short(result.cpuMsSum)} CPU ms, ${short(result.imagesPerSecond)} images/s`,
          );
        }
      }
      return results;
    } finally {
      await empty.stop();
    }
  } finally {
    await full.stop();
  }
}

function tables({ runs, peaks, million: cost }: Results): string[] {
  const synced = runs?.get("Kindred");
  const unsynced = runs?.get("Kindred, no fsync") ?? synced;
  const storescp = runs?.get("storescp");
  const fork = runs?.get("storescp --fork");
  const orthanc = runs?.get("Orthanc");
  const least = runs?.get("Node, least");
  const [ourPostgres, orthancPostgres] = [
    runs?.get("Kindred, PostgreSQL"),
    runs?.get("Orthanc, PostgreSQL"),
  ];
  const noSync = knowsSync ? "" : "ours with fsync: archive.sync is not known to this version";
  const peaksOf = (data: Peak["data"]) => {
    const ofOurs = peaks?.filter((one) => one.receiver === "Kindred" && one.data === data);
    return ofOurs && spread(ofOurs.map((one) => most(one, "receiving")));
  };
  const lags = [
    ...(synced?.one ?? []),
    ...(synced?.four ?? []),
    ...(peaks ?? []).filter((one) => one.receiver === "Kindred"),
  ].flatMap((one) => one.lagP99Ms ?? []);
  const rows = [
    figureRow(FIGURES.cpu, ratio(unsynced?.one, storescp?.one, receivingCpu), noSync),
    figureRow(FIGURES.unsyncedRate, ratio(unsynced?.one, storescp?.one, rate), noSync),
    figureRow(
      FIGURES.syncedRate,
      ratio(synced?.one, orthanc?.one, rate),
      "embedded database; Orthanc syncs its files, not its SQLite index",
    ),
    figureRow(
      FIGURES.syncedRate,
      ratio(ourPostgres?.one, orthancPostgres?.one, rate),
      "PostgreSQL on either side: files and index synced",
    ),
    figureRow(
      FIGURES.fourOverOne,
      ratio(synced?.four, synced?.one, rate),
      `synced, ${!knowsReceivers ? "one receiving process" : settings.receivers === undefined ? "a receiving process a core" : `${settings.receivers} receiving processes`}`,
    ),
    figureRow(
      FIGURES.peakSlices,
      peaksOf("slices"),
      `${settings.slices} slices; first and later starts`,
    ),
    figureRow(
      FIGURES.peakMultiFrame,
      peaksOf("multiFrame"),
      `${MULTI_FRAMES} frames; first and later starts`,
    ),
    figureRow(
      FIGURES.lag,
      lags.length === 0 ? undefined : spread(lags),
      "all runs of the synced node",
    ),
    figureRow(
      FIGURES.million,
      ratio(cost?.full, cost?.empty, (one) => one.cpuMsSum),
      `${settings.million} rows; CPU of all processes`,
    ),
  ];
  const text = [markdown(["figure", "must", "aim", "measured (spread)", "meets", "note"], rows)];
  if (!knowsReceivers)
    text.push("`kindred serve --receivers N` is not known to this version: one receiving process.");
  if (runs !== undefined) text.push(...runTables(runs));
  if (unsynced !== undefined && fork !== undefined) {
    text.push(
      `Further ratios: four associations over storescp --fork ${ratioText(unsynced.four, fork.four, rate)}, ` +
        `over Orthanc ${ratioText(synced?.four, orthanc?.four, rate)}` +
        `${ourPostgres === undefined ? "" : `, with PostgreSQL ${ratioText(ourPostgres.four, orthancPostgres?.four, rate)}`}; ` +
        `CPU of all our processes over storescp's ${ratioText(unsynced.one, storescp?.one, (one) => one.cpuMsSum)}, ` +
        `over Orthanc's ${ratioText(synced?.one, orthanc?.one, (one) => one.cpuMsSum)}; ` +
        `the least that Node can do over storescp: CPU ${ratioText(least?.one, storescp?.one, receivingCpu)}, images/s ${ratioText(least?.one, storescp?.one, rate)}.`,
    );
  }
  if (peaks !== undefined) text.push(peakTable(peaks));
  if (cost !== undefined) {
    text.push(
      `With ${settings.million} instances: ${spreadText(spread(cost.full.map((one) => one.cpuMsSum)))} CPU ms an image in all processes, ` +
        `${spreadText(spread(cost.full.map(rate)))} images/s; empty: ${spreadText(spread(cost.empty.map((one) => one.cpuMsSum)))}, ` +
        `${spreadText(spread(cost.empty.map(rate)))}; seconds an image ${ratioText(cost.empty, cost.full, rate)} times.`,
    );
  }
  return text;
}

function runTables(runs: Runs): string[] {
  const row = (name: string, kind: string, list: readonly Measurement[]) => {
    const of = (value: (one: Measurement) => number) => spreadText(spread(list.map(value)));
    const isOurs = list[0]!.lagP99Ms !== undefined || name.startsWith("Kindred");
    return [
      name,
      kind,
      of(rate),
      of(receivingCpu),
      list[0]!.cpuMs.database === undefined ? "" : of((one) => one.cpuMs.database ?? 0),
      isOurs ? of((one) => (one.cpuMs.encoder ?? 0) + (one.cpuMs.other ?? 0)) : "",
      of((one) => one.cpuMsSum),
      list[0]!.lagP99Ms === undefined ? "" : of((one) => one.lagP99Ms ?? Number.NaN),
    ];
  };
  const rows = [...runs].flatMap(([name, { one, four }]) => [
    ...(one.length > 0 ? [row(name, "1", one)] : []),
    ...(four.length > 0 ? [row(name, String(ASSOCIATIONS), four)] : []),
  ]);
  const head = [
    "receiver",
    "associations",
    "images/s",
    "CPU ms an image: receiving",
    "database",
    "rest",
    "sum",
    "event-loop p99 ms",
  ];
  return [
    `${settings.images} images a run, ${settings.repetitions} runs, median (least to most):`,
    markdown(head, rows),
  ];
}

function peakTable(peaks: readonly Peak[]): string {
  const rows = peaks.map((one) => [
    one.receiver,
    one.data === "slices" ? `${settings.slices} slices` : `one object of ${MULTI_FRAMES} frames`,
    one.receiver === "Kindred" ? one.start : "",
    short(one.startMb),
    short(most(one, "receiving")),
    one.processes.length > 1 ? short(most(one, "database")) : "",
    one.processes.length > 1 ? short(Math.max(most(one, "encoder"), most(one, "other"))) : "",
    one.lagP99Ms === undefined ? "" : short(one.lagP99Ms),
    short(one.seconds),
  ]);
  const head = [
    "receiver",
    "data",
    "start",
    "peak RSS MB at start: receiving",
    "after: receiving",
    "database",
    "rest",
    "event-loop p99 ms",
    "seconds",
  ];
  return markdown(head, rows);
}

function most(peak: Peak, role: string): number {
  return Math.max(0, ...peak.processes.filter((one) => one.role === role).map((one) => one.mb));
}

const rate = (one: Measurement) => one.imagesPerSecond;
const receivingCpu = (one: Measurement) => one.cpuMs.receiving ?? Number.NaN;

/** Ratios of runs that stood side by side, so that what disturbs the machine disturbs both. */
function ratio(
  upper: readonly Measurement[] | undefined,
  lower: readonly Measurement[] | undefined,
  value: (one: Measurement) => number,
): Spread | undefined {
  if (upper === undefined || lower === undefined || upper.length === 0) return undefined;
  return spread(upper.map((one, index) => value(one) / value(lower[index]!)));
}

function ratioText(...args: Parameters<typeof ratio>): string {
  const found = ratio(...args);
  return found === undefined ? "not measured" : spreadText(found);
}

function machine(): string {
  const version = (command: string) =>
    execFileSync(command, ["--version"], { encoding: "utf8" })
      .split("\n")[0]!
      .replaceAll("$", "")
      .trim();
  const git = (...args: string[]) => execFileSync("git", args, { encoding: "utf8" }).trim();
  const commit = `${git("rev-parse", "--short", "HEAD")}${git("status", "--porcelain", "src") === "" ? "" : " with changes"}`;
  const [one, five] = loadavg();
  // Where the text goes is no part of what was measured.
  const write = process.argv.indexOf("--write");
  const given = process.argv
    .slice(2)
    .filter((_, index) => write < 0 || (index + 2 !== write && index + 1 !== write));
  return [
    `- command: \`${["npm run bench:store", ...(given.length > 0 ? ["--"] : []), ...given].join(" ")}\`, ${new Date().toISOString().slice(0, 10)}, commit ${commit}`,
    `- machine: ${cpus().length} × ${cpus()[0]!.model.trim()}, ${(totalmem() / 1e9).toFixed(0)} GB, Linux ${release()}, load average before ${short(one!)} and ${short(five!)}`,
    `- versions: node ${process.versions.node}, ${version("storescp")}, Orthanc ${version("Orthanc").replace(/^Orthanc /, "")}; embedded database; sender storescu with TCP_NODELAY=1`,
  ].join("\n");
}

/** Replaces what stands between the marks of a document. */
function writeSection(file: string, text: string): void {
  const whole = readFileSync(file, "utf8");
  const [from, to] = [whole.indexOf(MARKS[0]), whole.indexOf(MARKS[1])];
  if (from < 0 || to < from) throw new Error(`${file} has no ${MARKS.join(" … ")}`);
  writeFileSync(file, `${whole.slice(0, from + MARKS[0].length)}\n${text}\n${whole.slice(to)}`);
}

/** exactOptionalPropertyTypes: an option that was not given is left out. */
function withoutUndefined<T extends object>(
  options: T,
): { [K in keyof T]: Exclude<T[K], undefined> } {
  return Object.fromEntries(
    Object.entries(options).filter(([, value]) => value !== undefined),
  ) as never;
}

// Receivers end with this process, however it ends (receivers.ts).
for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => process.exit(130));
process.once("exit", () => rmSync(folder, { recursive: true, force: true }));
await main();
