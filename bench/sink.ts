/**
 * Drives the store sink directly, without a network: what the receiving end costs an image.
 *
 *   npm run bench:sink -- [--images 300] [--associations 1] [--chunk 65536] [--set archive.sync=false] [--url postgresql://…]
 *
 * With --object-mb one object of that size is sent instead, from a buffer that is used again: its peak RSS is the sink's.
 *
 * Prints CPU ms an image of this process and of the embedded database, images a second, peak RSS and event-loop delay.
 */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { monitorEventLoopDelay } from "node:perf_hooks";
import { parseArgs } from "node:util";
import { openArchive } from "../src/archive/archive.ts";
import { configSchema } from "../src/config/schema.ts";
import { openDatabase } from "../src/db/database.ts";
import { migrate } from "../src/db/migrate.ts";
import type { AssociationInfo, StoreSink } from "../src/dimse/ports.ts";
import { systemClock } from "../src/kernel/clock.ts";
import { silentLogger } from "../src/kernel/log.ts";
import { createMetrics } from "../src/kernel/metrics.ts";
import { ctSeries } from "../test/support/ct-series.ts";

const { values: flags } = parseArgs({
  options: {
    images: { type: "string", default: "300" },
    rows: { type: "string", default: "512" },
    associations: { type: "string", default: "1" },
    chunk: { type: "string", default: "65536" },
    sync: { type: "string", default: "true" },
    "object-mb": { type: "string" },
    url: { type: "string" },
  },
});
const images = Number(flags.images);
const associations = Number(flags.associations);
const chunkBytes = Number(flags.chunk);

/** CPU ms of a process so far, from /proc (clock ticks of 10 ms). */
function cpuMsOf(pid: string): number {
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8")
    .replace(/^.*\) /, "")
    .split(" ");
  return (Number(fields[11]) + Number(fields[12])) * 10;
}

function children(): string[] {
  return readdirSync("/proc/self/task").flatMap((task) =>
    readFileSync(`/proc/self/task/${task}/children`, "utf8").trim().split(" ").filter(Boolean),
  );
}

type Instance = ReturnType<typeof ctSeries>[number];

/** Instances made from one by writing another number at the end of its SOP Instance UID. */
function* copies(template: Instance, count: number, from: number): Generator<Instance> {
  const stem = template.sopInstanceUid.slice(0, -6);
  const at = template.dataSet.indexOf(stem);
  for (let index = from; index < from + count; index++) {
    const sopInstanceUid = `${stem}${String(index).padStart(6, "0")}`;
    template.dataSet.write(sopInstanceUid, at, "latin1");
    yield { ...template, sopInstanceUid };
  }
}

/** What the script itself costs: the same chunks into nothing. */
const nothing: StoreSink = {
  begin: async () => ({
    write: async () => undefined,
    complete: async () => undefined,
    abort: async () => undefined,
  }),
};

const associationOf = (callingAeTitle: string): AssociationInfo => ({
  id: callingAeTitle,
  callingAeTitle,
  calledAeTitle: "KINDRED",
  remoteAddress: "127.0.0.1",
  isKnownPeer: true,
  permissions: ["store"],
});

async function store(sink: StoreSink, instance: Instance, callingAeTitle: string): Promise<void> {
  const receiver = await sink.begin({
    association: associationOf(callingAeTitle),
    messageId: 1,
    ...instance,
  });
  for (let at = 0; at < instance.dataSet.length; at += chunkBytes) {
    // A socket gives a fresh buffer every time, and the loop turns between two of them.
    await receiver.write(Buffer.from(instance.dataSet.subarray(at, at + chunkBytes)));
    await new Promise(setImmediate);
  }
  await receiver.complete();
}

/** One object whose Pixel Data have `megabytes`, without ever holding it. */
async function storeLarge(sink: StoreSink, megabytes: number): Promise<void> {
  const [small] = ctSeries({ name: "large", slices: 1, rows: 16 }) as [Instance];
  const pixelBytes = 16 * 16 * 2;
  const header = Buffer.from(small.dataSet.subarray(0, -pixelBytes));
  header.writeUInt32LE(megabytes * 1_000_000, header.length - 4);
  const receiver = await sink.begin({
    association: associationOf("LARGE"),
    messageId: 1,
    ...small,
  });
  await receiver.write(header);
  for (let left = megabytes * 1_000_000; left > 0; left -= chunkBytes) {
    await receiver.write(Buffer.alloc(Math.min(left, chunkBytes), 1));
    await new Promise(setImmediate);
  }
  await receiver.complete();
}

const dataDir = mkdtempSync(join(tmpdir(), "kindred-bench-"));
const config = configSchema.parse({
  dataDir,
  ...(flags.url === undefined ? {} : { database: { url: flags.url } }),
  archive: flags.sync === "false" ? { sync: false } : {},
});
const log = silentLogger();
const database = await openDatabase({ config: config.database, dataDir, log });
await migrate(database);
const archive = await openArchive({
  config: config.archive,
  dataDir,
  database: database.bounded,
  clock: systemClock,
  log,
  metrics: createMetrics(),
  isOwner: true,
});
const { sink } = archive;
const rows = Number(flags.rows);
const each = Math.ceil(images / associations);
const sent = each * associations;
const templates = Array.from(
  { length: associations },
  (_, index) => ctSeries({ name: `bench-${index}`, slices: 1, rows })[0]!,
);

/** Pushes `count` images over every association at once. */
async function push(into: StoreSink, count: number, from: number): Promise<void> {
  await Promise.all(
    templates.map(async (template, index) => {
      for (const instance of copies(template, count, from))
        await store(into, instance, `PEER${index}`);
    }),
  );
}

await push(sink, 30, 0);
const ownBefore = process.cpuUsage();
await push(nothing, each, 0);
const own = process.cpuUsage(ownBefore);
const [child] = children();
const delay = monitorEventLoopDelay({ resolution: 1 });
delay.enable();
const childBefore = child === undefined ? 0 : cpuMsOf(child);
const cpuBefore = process.cpuUsage();
const startedAt = performance.now();
const objectMb = flags["object-mb"];
if (objectMb === undefined) await push(sink, each, 1000);
else await storeLarge(sink, Number(objectMb));
const seconds = (performance.now() - startedAt) / 1000;
const cpu = process.cpuUsage(cpuBefore);
const childMs = child === undefined ? Number.NaN : cpuMsOf(child) - childBefore;
delay.disable();
const result = {
  engine: database.engine,
  images: sent,
  associations,
  sync: flags.sync,
  imagesPerSecond: Number((sent / seconds).toFixed(1)),
  cpuMsAnImage: Number(((cpu.user + cpu.system) / 1000 / sent).toFixed(3)),
  ofThatTheScriptItself: Number(((own.user + own.system) / 1000 / sent).toFixed(3)),
  userMs: Number((cpu.user / 1000 / sent).toFixed(3)),
  databaseCpuMsAnImage: Number((childMs / sent).toFixed(2)),
  peakRssMb: Math.round(process.resourceUsage().maxRSS / 1024),
  loopDelayP99Ms: Number((delay.percentile(99) / 1e6).toFixed(1)),
};
console.log(JSON.stringify(result));
await archive.close();
await database.close();
rmSync(dataDir, { recursive: true, force: true });
