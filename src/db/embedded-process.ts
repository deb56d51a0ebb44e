/**
 * Child process: PGlite with pgvector on a data folder, served over a unix socket. PGlite blocks its thread while a
 * query runs, so it never shares a process with the sockets of DICOM or HTTP. Real fsync is added here: PGlite
 * alone answers commit without one.
 */
import { fdatasyncSync } from "node:fs";
import { PGlite } from "@electric-sql/pglite";
import { NodeFS } from "@electric-sql/pglite/nodefs";
import { vector } from "@electric-sql/pglite-pgvector";
import { serveEmbedded } from "./embedded-sockets.ts";
import { type DataDirLock, lockDataDir } from "./lock.ts";

interface EmscriptenModule {
  FS: { filesystems: { NODEFS: { stream_ops: Record<string, unknown> } } };
}

/** NodeFS whose fsync reaches the disk: the bytes and what is needed to read them; nobody reads the times of these files. */
class DurableNodeFs extends NodeFS {
  override async init(...args: Parameters<NodeFS["init"]>): ReturnType<NodeFS["init"]> {
    const { emscriptenOpts } = await super.init(...args);
    const addFsync = (module: EmscriptenModule) => {
      module.FS.filesystems.NODEFS.stream_ops.fsync = (stream: { nfd?: number }) => {
        if (stream.nfd !== undefined) fdatasyncSync(stream.nfd);
        return 0;
      };
    };
    const preRun = [...((emscriptenOpts.preRun as unknown[] | undefined) ?? []), addFsync];
    return { emscriptenOpts: { ...emscriptenOpts, preRun } as typeof emscriptenOpts };
  }
}

const BROKEN_EXIT = 70;
const LOCK_TRIES = 150;
const LOCK_PAUSE_MS = 100;

/** The child of a killed parent may still be ending: wait for its lock rather than open the folder twice. */
async function lock(folder: string): Promise<DataDirLock> {
  for (let tries = 1; ; tries++) {
    try {
      return await lockDataDir(folder, "database");
    } catch (error) {
      if (tries >= LOCK_TRIES) throw error;
      await new Promise((resolve) => setTimeout(resolve, LOCK_PAUSE_MS));
    }
  }
}

interface Arguments {
  readonly folder: string;
  readonly socketPath: string;
  readonly connectionsMax: number;
  /** False: a commit does not wait for the disk (archive.sync). */
  readonly sync: boolean;
}

async function main({ folder, socketPath, connectionsMax, sync }: Arguments): Promise<void> {
  await lock(folder);
  // The default parameters without -F, which would turn fsync off.
  const startParams = [
    "--single",
    "-O",
    "-j",
    "-c",
    "search_path=public",
    "-c",
    "exit_on_error=false",
    "-c",
    "log_checkpoints=false",
    "-c",
    "max_worker_processes=0",
    "-c",
    "max_parallel_workers=0",
    "-c",
    "max_parallel_workers_per_gather=0",
    "-c",
    "max_parallel_maintenance_workers=0",
    "-c",
    "io_method=sync",
    "-c",
    "fsync=on",
    "-c",
    "wal_sync_method=fsync",
    "-c",
    `synchronous_commit=${sync ? "on" : "off"}`,
  ];
  const db = await PGlite.create({
    fs: new DurableNodeFs(`${folder}/pgdata`),
    extensions: { vector },
    startParams,
  });
  const sockets = await serveEmbedded({
    session: db,
    path: socketPath,
    connectionsMax,
    // The parent starts another; nothing acknowledged is lost.
    onBroken: () => process.exit(BROKEN_EXIT),
  });
  process.on("disconnect", () => process.exit(0));
  process.on("message", (message) => {
    if (message === "are you there") process.send?.("here");
    if (message === "stop") {
      void sockets
        .stop()
        .then(() => db.close())
        .finally(() => process.exit(0));
    }
  });
  process.send?.("ready");
}

// The parent ends us; signals meant for it (Ctrl-C reaches the whole group) must not cut a commit.
process.on("SIGINT", () => undefined);
process.on("SIGTERM", () => undefined);
main(JSON.parse(process.argv[2]!) as Arguments).catch((error: unknown) => {
  process.send?.({ error: error instanceof Error ? error.message : String(error) });
  process.exit(1);
});
