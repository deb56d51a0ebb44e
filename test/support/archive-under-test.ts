/** The archive without a network: a database, an opened archive, and a peer that hands it data sets. */
import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { type Archive, openArchive } from "../../src/archive/archive.ts";
import { type ArchiveFs, createArchiveFs } from "../../src/archive/archive-fs.ts";
import { createDiskPace } from "../../src/archive/disk-pace.ts";
import { type Config, configSchema } from "../../src/config/schema.ts";
import type { BoundedDatabase } from "../../src/db/bounded.ts";
import { type Database, openDatabase } from "../../src/db/database.ts";
import { migrate } from "../../src/db/migrate.ts";
import type { Queryable } from "../../src/db/queryable.ts";
import type { BulkInstance } from "../../src/dimse/bulk-sender.ts";
import { systemClock } from "../../src/kernel/clock.ts";
import { codeOf } from "../../src/kernel/errors.ts";
import { silentLogger } from "../../src/kernel/log.ts";
import { createMetrics, type Metrics } from "../../src/kernel/metrics.ts";
import { STATUSES, statusHex } from "../../src/kernel/statuses.ts";
import { temporaryFolder } from "./node-under-test.ts";

export async function openTestDatabase(
  settings: Partial<Config["database"]> = {},
  dataDir = temporaryFolder(),
): Promise<Database> {
  const config = configSchema.parse({ database: settings }).database;
  const database = await openDatabase({ config, dataDir, log: silentLogger() });
  await migrate(database);
  return database;
}

export interface TestArchive extends Archive {
  readonly dataDir: string;
  readonly metrics: Metrics;
}

export async function openTestArchive(options: {
  database: BoundedDatabase;
  dataDir?: string;
  archive?: Partial<Config["archive"]>;
  fs?: ArchiveFs;
  isOwner?: boolean;
  writer?: string;
  outlivesOwner?: boolean;
}): Promise<TestArchive> {
  const dataDir = options.dataDir ?? temporaryFolder();
  const metrics = createMetrics();
  const archive = await openArchive({
    config: configSchema.parse({ archive: { freeBytesMin: 0, ...options.archive } }).archive,
    dataDir,
    database: options.database,
    clock: systemClock,
    log: silentLogger(),
    metrics,
    fs: options.fs ?? createArchiveFs(createDiskPace()),
    isOwner: options.isOwner ?? true,
    ...(options.writer === undefined ? {} : { writer: options.writer }),
    outlivesOwner: options.outlivesOwner ?? false,
  });
  return Object.assign(archive, { dataDir, metrics });
}

const CHUNK_BYTES = 16_384;

/** One C-STORE as the service does it; returns the status as the peer sees it. */
export async function send(
  archive: Archive,
  instance: BulkInstance,
  callingAeTitle = "SENDER",
): Promise<string> {
  try {
    const receiver = await archive.sink.begin({
      association: {
        id: "test",
        callingAeTitle,
        calledAeTitle: "KINDRED",
        remoteAddress: "127.0.0.1",
        isKnownPeer: true,
        permissions: ["store"],
      },
      messageId: 1,
      ...instance,
    });
    try {
      for (let at = 0; at < instance.dataSet.length; at += CHUNK_BYTES)
        await receiver.write(Buffer.from(instance.dataSet.subarray(at, at + CHUNK_BYTES)));
    } catch (error) {
      await receiver.abort();
      throw error;
    }
    await receiver.complete();
    return "0000H";
  } catch (error) {
    return statusHex(STATUSES[codeOf(error)].store);
  }
}

export interface StoredRow {
  readonly sop_instance_uid: string;
  readonly file_key: string;
  readonly revision: number;
  readonly lost_at: Date | null;
}

export async function rowOf(
  database: Queryable,
  sopInstanceUid: string,
): Promise<StoredRow | undefined> {
  const { rows } = await database.query<StoredRow>(
    "select sop_instance_uid, file_key, revision, lost_at from instance where sop_instance_uid = $1",
    [sopInstanceUid],
  );
  return rows[0];
}

/** True when the row stands and its file ends with the very data-set bytes. */
export async function isReadable(
  archive: Archive,
  database: Queryable,
  instance: BulkInstance,
): Promise<boolean> {
  const row = await rowOf(database, instance.sopInstanceUid);
  if (row === undefined || row.lost_at !== null) return false;
  const file = readFileSync(archive.store.pathOf(row.file_key));
  return file.subarray(-instance.dataSet.length).equals(instance.dataSet);
}

/** Keys of all files that anything was written to: those made ahead stand empty. */
export function filesOf(dataDir: string): string[] {
  const folder = join(dataDir, "instances");
  return readdirSync(folder, { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".dcm") && sizeOf(join(folder, name)) > 0)
    .map((name) => name.slice(0, -4))
    .sort();
}

/** One that is taken away meanwhile is as good as empty. */
function sizeOf(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0;
}

/** Names of the files that no row names. */
export async function orphansOf(dataDir: string, database: Queryable): Promise<string[]> {
  const keys = filesOf(dataDir);
  const { rows } = await database.query<{ file_key: string }>(
    "select file_key from instance where file_key = any($1) union all select file_key from document where file_key = any($1)",
    [keys],
  );
  const named = new Set(rows.map((row) => row.file_key));
  return keys.filter((key) => !named.has(key));
}
