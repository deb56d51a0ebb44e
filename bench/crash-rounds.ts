/**
 * Rounds of kill -9 of the whole node, database included, at random moments under load; then every instance that was
 * answered with success is looked for, and its bytes compared.
 *
 *   npm run bench:crash -- [--rounds 20] [--associations 4] [--rows 128] [--seed 1] [--url postgresql://…]
 *
 * Prints acknowledged, lost and rounds; exit 1 when one is lost. A server named by --url is not killed.
 */
import { createHash } from "node:crypto";
import { createReadStream, readdirSync } from "node:fs";
import { stat } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { pathOfKey } from "../src/archive/instance-folders.ts";
import { configSchema } from "../src/config/schema.ts";
import { openDatabase } from "../src/db/database.ts";
import { sendBulk } from "../src/dimse/bulk-sender.ts";
import { silentLogger } from "../src/kernel/log.ts";
import { ctSeries } from "../test/support/ct-series.ts";
import { ended, spawnNode, temporaryFolder } from "../test/support/node-under-test.ts";

export interface CrashRounds {
  readonly rounds: number;
  readonly associations: number;
  /** Rows and columns of the instances. */
  readonly rows: number;
  /** Decides the moments of the kills. */
  readonly seed: number;
  readonly url?: string | undefined;
  readonly ports: { readonly dicom: number; readonly http: number };
}

export interface CrashResult {
  readonly rounds: number;
  readonly acknowledged: number;
  /** SOP Instance UIDs that were answered with success and are not readable, or have other bytes. */
  readonly lost: readonly string[];
  /** Files without a row after the last start. */
  readonly orphans: number;
}

/** Instances an association has to send in one round: more than it can before the kill. */
const INSTANCES = 400;
const KILL_MS_MIN = 30;
const KILL_MS_MAX = 2_500;

export async function crashRounds(
  options: CrashRounds,
  onRound: (round: number, acknowledged: number) => void = () => undefined,
): Promise<CrashResult> {
  const dataDir = temporaryFolder();
  const random = randomFrom(options.seed);
  /** Digest of the data set by SOP Instance UID. */
  const acknowledged = new Map<string, string>();
  const start = () =>
    spawnNode({ dataDir, databaseUrl: options.url, quietSeconds: 3600 }, options.ports, {
      detached: true,
    });
  for (let round = 1; round <= options.rounds; round++) {
    const node = await start();
    const load = Array.from({ length: options.associations }, (_, index) =>
      pushUntilCut(options, `round-${round}-${index}`, acknowledged),
    );
    await sleep(KILL_MS_MIN + random() * (KILL_MS_MAX - KILL_MS_MIN));
    process.kill(-node.child.pid!, "SIGKILL");
    await ended(node.child);
    await Promise.all(load);
    onRound(round, acknowledged.size);
  }
  // The node mends at its start; what stands then is what counts.
  const last = await start();
  last.child.kill("SIGTERM");
  await ended(last.child);
  return { rounds: options.rounds, ...(await examine(options, dataDir, acknowledged)) };
}

async function pushUntilCut(
  { ports, rows }: CrashRounds,
  name: string,
  acknowledged: Map<string, string>,
): Promise<void> {
  const instances = ctSeries({ name, slices: INSTANCES, rows });
  const target = {
    host: "127.0.0.1",
    port: ports.dicom,
    callingAeTitle: "SENDER",
    calledAeTitle: "KINDRED",
    responseSeconds: 20,
  };
  await sendBulk(target, instances.slice(0, 1), instances, ({ kind }, index) => {
    const { sopInstanceUid, dataSet } = instances[index]!;
    if (kind === "stored")
      acknowledged.set(sopInstanceUid, createHash("sha256").update(dataSet).digest("hex"));
  }).catch(() => undefined);
}

async function examine(
  { url }: CrashRounds,
  dataDir: string,
  acknowledged: ReadonlyMap<string, string>,
): Promise<Pick<CrashResult, "acknowledged" | "lost" | "orphans">> {
  const config = configSchema.parse(url === undefined ? {} : { database: { url } });
  const database = await openDatabase({ config: config.database, dataDir, log: silentLogger() });
  try {
    const lost: string[] = [];
    for (const [uid, digest] of acknowledged) {
      const { rows } = await database.query<{ file_key: string; size_bytes: number }>(
        "select file_key, size_bytes from instance where sop_instance_uid = $1 and lost_at is null",
        [uid],
      );
      const row = rows[0];
      const found =
        row && (await digestOf(pathOfKey(`${dataDir}/instances`, row.file_key), row.size_bytes));
      if (found !== digest) lost.push(uid);
    }
    const { rows: kept } = await database.query<{ file_key: string }>(
      "select file_key from instance",
    );
    const files = readdirSync(`${dataDir}/instances`, { recursive: true, encoding: "utf8" });
    const named = new Set(kept.map((row) => `${row.file_key}.dcm`));
    const orphans = files.filter((name) => name.endsWith(".dcm") && !named.has(name)).length;
    return { acknowledged: acknowledged.size, lost, orphans };
  } finally {
    await database.close();
  }
}

/** SHA-256 of the last bytes of a file: the data set behind preamble and file meta. */
async function digestOf(path: string, dataSetBytes: number): Promise<string | undefined> {
  try {
    const { size } = await stat(path);
    const hash = createHash("sha256");
    for await (const chunk of createReadStream(path, { start: size - dataSetBytes }))
      hash.update(chunk as Buffer);
    return hash.digest("hex");
  } catch {
    return undefined;
  }
}

/** mulberry32. */
function randomFrom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      rounds: { type: "string", default: "20" },
      associations: { type: "string", default: "4" },
      rows: { type: "string", default: "128" },
      seed: { type: "string", default: "1" },
      url: { type: "string" },
    },
  });
  const result = await crashRounds(
    {
      rounds: Number(values.rounds),
      associations: Number(values.associations),
      rows: Number(values.rows),
      seed: Number(values.seed),
      url: values.url,
      ports: { dicom: 21_000 + (process.pid % 9_000), http: 31_000 + (process.pid % 9_000) },
    },
    (round, count) => console.log(`round ${round}: ${count} acknowledged so far`),
  );
  console.log(
    JSON.stringify({
      rounds: result.rounds,
      acknowledged: result.acknowledged,
      lost: result.lost.length,
      orphans: result.orphans,
    }),
  );
  if (result.lost.length > 0) process.exitCode = 1;
}

if (import.meta.main) await main();
