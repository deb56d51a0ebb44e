/**
 * The archive as the node sees it: opened and mended before the first association, closed after the last writer. Its
 * parts are the files (instance-store), their rows (keep-queue), and the receiving end of C-STORE (receive).
 */
import { createSecretKey, randomUUID } from "node:crypto";
import type { Config } from "../config/schema.ts";
import { archiveDigestKey } from "../db/archive-files.ts";
import type { BoundedDatabase } from "../db/bounded.ts";
import type { StoreSink } from "../dimse/ports.ts";
import type { Clock } from "../kernel/clock.ts";
import type { Logger } from "../kernel/log.ts";
import type { Metrics } from "../kernel/metrics.ts";
import type { ArchiveFs } from "./archive-fs.ts";
import { createFreeSpace } from "./free-space.ts";
import { type InstanceStore, openInstanceStore } from "./instance-store.ts";
import { createKeepQueue } from "./keep-queue.ts";
import { mendAtStart, type StartMending } from "./mend.ts";
import { createEndedWriters } from "./mend-ended.ts";
import { createStoreSink } from "./receive.ts";
import type { SyncFlag } from "./shared-syncs.ts";
import { type ArchiveWriter, createArchiveWriter } from "./writer.ts";

export interface ArchiveOptions {
  readonly config: Config["archive"];
  readonly dataDir: string;
  readonly database: BoundedDatabase;
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: Metrics;
  /** The owner mends what the last run left, and fences every writer off; receivers only write. */
  readonly isOwner: boolean;
  /** Name of this process as a writer, which no other has or had; unset: one is made. */
  readonly writer?: string;
  /** The owner may start again while this process goes on: it looks now and then whether it was fenced. */
  readonly outlivesOwner?: boolean;
  /** Of the processes of this node that write beside this one. */
  readonly syncs?: SyncFlag | undefined;
  /** Tests put a fault into one of its calls. */
  readonly fs?: ArchiveFs;
}

export interface Archive {
  readonly store: InstanceStore;
  readonly sink: StoreSink;
  /** What the start found and did; undefined where the archive is not owned. */
  readonly mended: StartMending | undefined;
  /**
   * Fences writers whose processes are gone, and removes what they left. Goes on in the background while the database is
   * away, until the archive is closed.
   */
  mendEnded(isEnded: (writer: string) => boolean): Promise<void>;
  /** @throws KindredError `STORAGE_FULL` when no instance would be taken now */
  check(): Promise<void>;
  /** After the listener and the pipeline. */
  close(): Promise<void>;
}

/** Between two looks whether the writer was fenced: an instance that comes later than that is not refused. */
const LOOK_MS = 1_000;

/** @throws KindredError `DB_UNAVAILABLE`, `STORAGE_FULL`: then the node must not start */
export async function openArchive(options: ArchiveOptions): Promise<Archive> {
  const { config, database, clock, log, metrics } = options;
  const writer = createArchiveWriter({ id: options.writer ?? randomUUID(), database, log });
  const store = await openInstanceStore(options.dataDir, {
    ...(options.fs === undefined ? {} : { fs: options.fs }),
    sync: config.sync,
    heldBytesMax: config.heldBytesMax,
    now: () => clock.now(),
    syncs: options.syncs,
    writer,
  });
  writer.onTenure(() => {
    store
      .retire()
      .catch((error: unknown) =>
        log.warn({ event: "archive.retire", err: error }, "empty files of before stay for now"),
      );
  });
  if (!config.sync)
    log.warn(
      { event: "archive.unsafe" },
      "archive.sync is false: a power cut loses instances that were answered with success",
    );
  const queue = createKeepQueue({
    writer,
    database,
    duplicates: config.duplicates,
    log,
    metrics,
    onResolved: async (fileKey, hasRow) =>
      hasRow ? store.settle(fileKey) : await store.remove(fileKey),
  });
  const digestKey = createSecretKey(await archiveDigestKey(database));
  // Last of what can fail: from here on a check goes on in the background until close.
  const mended = options.isOwner ? await mendAtStart({ store, database, log, metrics }) : undefined;
  const ended = createEndedWriters({ store, database, log, metrics });
  const stopLooking = options.outlivesOwner === true ? keepLooking(writer) : () => undefined;
  const space = createFreeSpace({
    freeBytes: () => store.freeBytes(),
    freeBytesMin: config.freeBytesMin,
    clock,
    log,
    metrics,
  });
  const sinkOptions = { config, database, digestKey, store, queue, space, clock, log, metrics };
  return {
    store,
    sink: createStoreSink(sinkOptions),
    mended,
    mendEnded: ended.mend,
    check: () => space.check(),
    async close() {
      stopLooking();
      queue.stop();
      await ended.stop();
      await mended?.stop();
      await store.close();
    },
  };
}

/** One look at a time, however long the database takes. */
function keepLooking(writer: ArchiveWriter): () => void {
  let isLooking = false;
  const timer = setInterval(() => {
    if (isLooking) return;
    isLooking = true;
    void writer.look().finally(() => {
      isLooking = false;
    });
  }, LOOK_MS);
  timer.unref();
  return () => clearInterval(timer);
}
