/**
 * One process owns a data folder. The lock is an abstract unix socket named after device and inode of the folder:
 * the kernel frees it on kill -9, and no file can be left behind. A pid file beside it only serves the message.
 */
import { mkdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { connect, createServer, type Server } from "node:net";
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
  const server = await bind(await socketPath(dataDir, purpose));
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

/**
 * Whether a process of this machine has the lock. It is looked at without being taken: who begins at this moment would find it
 * taken and end.
 *
 * @throws the error of the file system when the folder is not there
 */
export async function isDataDirLocked(dataDir: string, purpose = "node"): Promise<boolean> {
  const socket = connect({ path: await socketPath(dataDir, purpose) });
  const answer = new Promise<boolean>((resolve) => {
    socket.once("connect", () => resolve(true));
    // Any other answer, as of a queue that is full, comes from somebody who is there.
    socket.once("error", (error: NodeJS.ErrnoException) => resolve(error.code !== "ECONNREFUSED"));
  });
  return answer.finally(() => socket.destroy());
}

async function socketPath(dataDir: string, purpose: string): Promise<string> {
  const { dev, ino } = await stat(dataDir, { bigint: true });
  return `\0kindred-${purpose}-${dev}-${ino}`;
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
