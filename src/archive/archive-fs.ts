/**
 * The file-system calls of the archive, as few as it needs: production hands in those of node:fs/promises, tests
 * hand in the same ones with a fault in the n-th call.
 */
import fs, { closeSync, openSync, writevSync } from "node:fs";
import {
  mkdir,
  readdir,
  readFile,
  rename,
  rm,
  rmdir,
  stat,
  statfs,
  writeFile,
} from "node:fs/promises";
import { promisify } from "node:util";
import { KindredError } from "../kernel/errors.ts";
import type { DiskPace } from "./disk-pace.ts";

/** An open file or folder. */
export interface ArchiveFile {
  writev(buffers: readonly Uint8Array[]): Promise<{ bytesWritten: number }>;
  /** On this thread: see disk-pace.ts. @returns bytes written */
  writevNow(buffers: readonly Uint8Array[]): number;
  datasync(): Promise<void>;
  sync(): Promise<void>;
  close(): Promise<void>;
}

export interface ArchiveFs {
  open(path: string, flags: "r" | "wx", mode?: number): Promise<ArchiveFile>;
  mkdir(path: string, options: { recursive?: boolean; mode: number }): Promise<unknown>;
  rename(from: string, to: string): Promise<void>;
  rm(path: string, options: { force: true }): Promise<void>;
  rmdir(path: string): Promise<void>;
  readdir(path: string): Promise<string[]>;
  readFile(path: string, encoding: "utf8"): Promise<string>;
  writeFile(path: string, text: string, options: { mode: number; flush: boolean }): Promise<void>;
  stat(path: string): Promise<{ size: number }>;
  statfs(path: string): Promise<{ bavail: number; bsize: number }>;
}

/**
 * The real file system. Files are made, written and closed on this thread while the disk is prompt: the way to the thread
 * pool and back costs several times as much as that does (see disk-pace.ts). Everything else goes there always.
 */
export function createArchiveFs(pace: DiskPace): ArchiveFs {
  return {
    async open(path, flags, mode) {
      const fd =
        flags === "wx" && pace.isPrompt()
          ? pace.measure(() => openSync(path, flags, mode))
          : await pace.watch(openFile(path, flags, mode));
      return fileOf(fd, pace);
    },
    mkdir,
    rename,
    readdir,
    readFile,
    rm,
    rmdir,
    stat,
    statfs,
    writeFile,
  };
}

const openFile = promisify(fs.open);
const closeFile = promisify(fs.close);
const datasyncFile = promisify(fs.fdatasync);
const syncFile = promisify(fs.fsync);

function fileOf(fd: number, pace: DiskPace): ArchiveFile {
  return {
    writev: async (buffers) => {
      const { promise, resolve, reject } = Promise.withResolvers<{ bytesWritten: number }>();
      fs.writev(fd, buffers, (error, bytesWritten) =>
        error === null ? resolve({ bytesWritten }) : reject(error),
      );
      return promise;
    },
    writevNow: (buffers) => pace.measure(() => writevSync(fd, buffers)),
    datasync: () => pace.watchSync(datasyncFile(fd)),
    sync: () => pace.watchSync(syncFile(fd)),
    async close() {
      if (pace.isPrompt()) pace.measure(() => closeSync(fd));
      else await closeFile(fd);
    },
  };
}

/** True for the absence of a file or folder. */
export function isAbsent(error: unknown): boolean {
  return (error as NodeJS.ErrnoException).code === "ENOENT";
}

/** Whatever the operating system refuses becomes `STORAGE_FULL`: the sender may try again when it is mended. */
export function asStorageError(error: unknown): never {
  const { code } = error as NodeJS.ErrnoException;
  if (error instanceof KindredError || code === undefined) throw error;
  throw new KindredError(
    "STORAGE_FULL",
    `The archive cannot be written (${code}): free space or mend the disk`,
    { cause: error },
  );
}

/** A new name in a folder survives a power cut only when the folder itself is synced. */
export async function syncFolder(fs: ArchiveFs, folder: string): Promise<void> {
  const handle = await fs.open(folder, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
