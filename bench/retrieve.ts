/**
 * Retrieving, measured beside dcmtk's dcmqrscp and Orthanc: the same series kept by each, moved to the same storescp
 * (C-MOVE) or fetched by getscu (C-GET), interleaved, several times; medians with their spread.
 *
 *   npm run bench:retrieve -- [--quick] [--images 300] [--repetitions 5] [--write docs/benchmarks.md]
 *
 * Needs dcmtk and Orthanc. Everything runs on loopback in a temporary folder; whatever was started is stopped.
 */
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { cpus, loadavg, tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { uidFromName } from "../src/dicom/uids.ts";
import { markdown, spreadText } from "./figures.ts";
import { spread } from "./measure.ts";
import { cpuSeconds, processTree, sum } from "./process-figures.ts";
import {
  type Receiver,
  runTool,
  startDcmqrscp,
  startOrthanc,
  startOurs,
  startStorescp,
} from "./receivers.ts";
import { writeSeries } from "./synthetic-ct.ts";

const MARKS = ["<!-- bench:retrieve -->", "<!-- /bench:retrieve -->"] as const;
const NAME = "retrieve";
/** What a server does after its last response belongs to the cost too. */
const SETTLE_MS = 250;

const { values } = parseArgs({
  options: {
    quick: { type: "boolean", default: false },
    images: { type: "string" },
    repetitions: { type: "string" },
    write: { type: "string" },
  },
});
const images = Number(values.images ?? (values.quick ? 60 : 300));
const repetitions = Number(values.repetitions ?? (values.quick ? 2 : 5));
const folder = mkdtempSync(join(tmpdir(), "kindred-bench-"));

type Command = "C-MOVE" | "C-GET";

interface Run {
  readonly imagesPerSecond: number;
  /** Of everything that the server runs, milliseconds an image. */
  readonly cpuMs: number;
}

async function main(): Promise<void> {
  const stops: (() => Promise<void>)[] = [];
  const begin = async (starting: Promise<Receiver>) => {
    const receiver = await starting;
    stops.push(receiver.stop);
    return receiver;
  };
  try {
    // The larger PDU of the two that storescp can be told is what viewers announce.
    const options = ["--ignore", "-aet", "DEST", "-pdu", "131072"];
    const destination = await begin(startStorescp(join(folder, "dest"), false, options));
    const { port } = destination;
    const servers = [
      await begin(
        startOurs({
          name: "Kindred",
          dataDir: join(folder, "ours"),
          peers: [
            { aeTitle: "DEST", host: "127.0.0.1", port, allow: [] },
            { aeTitle: "READER", host: "127.0.0.1", allow: ["retrieve"] },
          ],
        }),
      ),
      await begin(startDcmqrscp(join(folder, "dcmqrscp"), { aeTitle: "DEST", port })),
      await begin(
        startOrthanc(join(folder, "orthanc"), {
          modalities: {
            dest: ["DEST", "127.0.0.1", port],
            // Orthanc answers moves of modalities it knows; this one is never called.
            reader: ["READER", "127.0.0.1", port],
          },
        }),
      ),
    ];
    const files = join(folder, "series");
    writeSeries(files, NAME, images);
    for (const one of servers) {
      const to = ["-R", "-aec", one.aeTitle, "+sd", "+r", "127.0.0.1", String(one.port)];
      await runTool("storescu", [...to, files]);
    }
    const text = [machine(), ...(await tables(servers))].join("\n\n");
    console.log(text);
    if (values.write !== undefined) write(values.write, text);
  } finally {
    for (const stop of stops.reverse()) await stop();
    rmSync(folder, { recursive: true, force: true });
  }
}

async function tables(servers: readonly Receiver[]): Promise<string[]> {
  const text: string[] = [];
  for (const command of ["C-MOVE", "C-GET"] as const) {
    const runs = new Map(servers.map((one) => [one.name, [] as Run[]]));
    // The first round warms up and is not counted.
    for (let round = 0; round <= repetitions; round++) {
      for (const [index] of servers.entries()) {
        const server = servers[(index + round) % servers.length]!;
        const run = await retrieve(command, server);
        if (round > 0) runs.get(server.name)!.push(run);
        console.error(`${command} ${server.name} ${run.imagesPerSecond.toFixed(0)} images/s`);
      }
    }
    const rows = [...runs].map(([name, all]) => [
      name,
      spreadText(spread(all.map((one) => one.imagesPerSecond))),
      spreadText(spread(all.map((one) => one.cpuMs))),
    ]);
    text.push(
      `${command}, ${images} images:`,
      markdown(["server", "images/s", "CPU ms an image"], rows),
    );
  }
  return text;
}

async function retrieve(command: Command, server: Receiver): Promise<Run> {
  execFileSync("sync");
  const pids = server.processes().map((one) => one.pid);
  const before = pids.map(cpuSeconds);
  const start = process.hrtime.bigint();
  const keys = [
    ...["-k", "QueryRetrieveLevel=STUDY"],
    ...["-k", `StudyInstanceUID=${uidFromName(`bench/study/${NAME}`)}`],
  ];
  const common = ["-S", "-aet", "READER", "-aec", server.aeTitle];
  const to = [...keys, "127.0.0.1", String(server.port)];
  const text =
    command === "C-MOVE"
      ? await runTool("movescu", ["-d", ...common, "-aem", "DEST", ...to])
      : await runTool("getscu", ["-d", ...common, "--ignore", "-pdu", "131072", ...to]);
  const completed = Number(/.*Completed Suboperations\s*: (\d+)/s.exec(text)?.[1]);
  if (completed !== images)
    throw new Error(`${server.name} sent ${completed}: ${text.slice(-4000)}`);
  const seconds = Number(process.hrtime.bigint() - start) / 1e9;
  await new Promise((resolve) => setTimeout(resolve, SETTLE_MS));
  await waitedFor(server);
  const spent = sum(pids.map((pid, index) => cpuSeconds(pid) - before[index]!));
  return { imagesPerSecond: images / seconds, cpuMs: (spent * 1000) / images };
}

/** The time of an ended child counts once its parent has waited for it. */
async function waitedFor(server: Receiver): Promise<void> {
  if (server.isOurs) return;
  for (let tries = 0; tries < 100; tries++) {
    if (server.processes().every(({ pid }) => processTree(pid).length === 1)) return;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error(`${server.name} keeps its child processes`);
}

function machine(): string {
  const { length } = cpus();
  return [
    `\`npm run bench:retrieve -- --images ${images} --repetitions ${repetitions}\``,
    `Node ${process.versions.node}, ${length} cores (${cpus()[0]?.model.trim()}), load ${loadavg()[0]!.toFixed(1)} at the end.`,
  ].join(": ");
}

function write(file: string, text: string): void {
  const [begin, end] = MARKS;
  const old = readFileSync(file, "utf8");
  const from = old.indexOf(begin);
  const to = old.indexOf(end);
  if (from < 0 || to < from) throw new Error(`${file} has no ${begin} … ${end}`);
  writeFileSync(file, `${old.slice(0, from + begin.length)}\n${text}\n${old.slice(to)}`);
}

await main();
