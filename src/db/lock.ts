/**
 * One process owns a data folder. The lock is an abstract unix socket named after device and inode of the folder:
 * the kernel frees it on kill -9, and no file can be left behind. A pid file beside it only serves the message.
 */
import { mkdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { createServer, type Server } from "node:net";
import { hostname } from "node:os";
import { join } from "node:path";
import { KindredError } from "../kernel/errors.ts";

export interface DataDirLock {
  release(): Promise<void>;
}

/** @throws KindredError `DATA_DIR_IN_USE` naming the process that owns the folder and what to do */
export async function lockDataDir(dataDir: string, purpose = "node"): Promise<DataDirLock> {
  await mkdir(dataDir, { recursive: true, mode: 0o700 });
  const pidFile = join(dataDir, `${purpose}.pid`);
  const owner = await readOwner(pidFile);
  const { dev, ino } = await stat(dataDir, { bigint: true });
  const server = await bind(`\0kindred-${purpose}-${dev}-${ino}`);
  if (server === undefined)
    throw inUse(
      dataDir,
      owner === undefined ? "another process" : `process ${owner.pid} (${owner.host})`,
    );
  await writeFile(pidFile, JSON.stringify({ pid: process.pid, host: hostname() }), { mode: 0o600 });
  return {
    async release() {
      await rm(pidFile, { force: true });
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}

function bind(path: string): Promise<Server | undefined> {
  return new Promise((resolve, reject) => {
    const server = createServer((socket) => socket.destroy());
    server.once("error", (error: NodeJS.ErrnoException) => {
      if (error.code === "EADDRINUSE") resolve(undefined);
      else reject(error);
    });
    server.listen({ path }, () => {
      server.unref();
      resolve(server);
    });
  });
}

interface Owner {
  readonly pid: number;
  readonly host: string;
}

async function readOwner(pidFile: string): Promise<Owner | undefined> {
  try {
    const { pid, host } = JSON.parse(await readFile(pidFile, "utf8")) as {
      pid: number;
      host: string;
    };
    return { pid, host };
  } catch {
    return undefined;
  }
}

function inUse(dataDir: string, who: string): KindredError {
  return new KindredError(
    "DATA_DIR_IN_USE",
    `${who} already owns the data folder ${dataDir}: stop it first, or give this one another folder (KINDRED_DATA_DIR)`,
  );
}
