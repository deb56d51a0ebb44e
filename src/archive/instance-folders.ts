/**
 * Time-ordered folders of bounded size. A key is `DAY/TIME-RANDOM/NUMBER`: this process makes the folder and is the
 * only one that writes to it, nothing a peer sends has a part in it. A folder that is in use has a mark in `open/`,
 * made durable before its first file, so that after a crash only marked folders need to be looked through; it says who
 * writes there, and since when (see writer.ts). Files are made empty and ahead, several with one sync of their folder: the
 * one that is then written needs a sync of its bytes alone.
 */
import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { KindredError } from "../kernel/errors.ts";
import {
  type ArchiveFile,
  type ArchiveFs,
  asStorageError,
  isAbsent,
  syncFolder,
} from "./archive-fs.ts";
import type { ArchiveWriter, WriterTerm } from "./writer.ts";

export const FOLDER_FILES_MAX = 1000;
/** Files that are made at once when many wait. */
const TOGETHER_MAX = 64;
const FOLDER_MODE = 0o700;
const FILE_MODE = 0o600;
const DAY_LENGTH = "YYYYMMDD".length;

const KEY = /^\d{8}\/\d{6}-[0-9a-f]{8}\/\d{3}$/;
/** Keys of archives made before folders were ordered by time. */
const OLD_KEY = /^[0-9a-f]{8}-[0-9a-f-]{27}$/;

/** Path of a file below `root`. @throws KindredError `INTERNAL` for anything that is not a key */
export function pathOfKey(root: string, fileKey: string): string {
  if (KEY.test(fileKey)) return join(root, `${fileKey}.dcm`);
  if (OLD_KEY.test(fileKey))
    return join(root, fileKey.slice(0, 2), fileKey.slice(2, 4), `${fileKey}.dcm`);
  throw new KindredError("INTERNAL", "A file key in the database is not one of ours");
}

/** True for a key of a time-ordered folder. */
export const isKey = (text: string) => KEY.test(text);

/** `DAY/TIME-RANDOM` of a key. */
export function folderOfKey(fileKey: string): string {
  return fileKey.slice(0, fileKey.lastIndexOf("/"));
}

/** Every key that a folder can hold. */
export function keysOfFolder(folder: string): string[] {
  return Array.from({ length: FOLDER_FILES_MAX }, (_, number) => keyIn(folder, number));
}

/** A mark: `DAY+TIME-RANDOM@EPOCH@WRITER`; made before there were several nodes: `DAY+TIME-RANDOM`. */
const MARK = /^(\d{8})\+(\d{6}-[0-9a-f]{8})(?:@(\d{1,15})@([\w.-]{1,120}))?$/;

/** What a mark says. */
export interface FolderMark {
  readonly folder: string;
  /** Epoch of the archive in which the folder was made; 0 where that is not known. */
  readonly archiveEpoch: number;
  readonly writer: string | undefined;
}

export function markOf(folder: string, term: Pick<WriterTerm, "archiveEpoch" | "writer">): string {
  return `${folder.replace("/", "+")}@${term.archiveEpoch}@${term.writer}`;
}

/** Undefined for a name that is no mark. */
export function readMark(name: string): FolderMark | undefined {
  const [, day, rest, epoch = "0", writer] = MARK.exec(name) ?? [];
  if (day === undefined) return undefined;
  return { folder: `${day}/${rest}`, archiveEpoch: Number(epoch), writer };
}

const keyIn = (folder: string, number: number) => `${folder}/${String(number).padStart(3, "0")}`;

/** A file that stands empty, durably, and is open for writing. */
export interface FileSlot {
  readonly fileKey: string;
  readonly handle: ArchiveFile;
  /** Only while the writer has this tenure is the file surely there. */
  readonly tenure: number;
}

export interface InstanceFolders {
  /** A file that nobody else has. Its key stays open until {@link settle}. @throws KindredError `STORAGE_FULL` */
  take(): Promise<FileSlot>;
  /** It is decided whether the key's file stays. Unknown keys and second calls change nothing. */
  settle(fileKey: string): void;
  /** The writer has another tenure: files of the earlier that nobody took go, and the marks of folders in which all is settled. */
  retire(): Promise<void>;
  /** Removes files that nobody took and the marks of all folders in which everything is settled; nothing may be taken afterwards. */
  close(): Promise<void>;
}

export interface FolderOptions {
  readonly fs: ArchiveFs;
  readonly root: string;
  /** Folder of the marks. */
  readonly open: string;
  /** False: nothing is synced. */
  readonly sync: boolean;
  readonly now: () => Date;
  readonly writer: Pick<ArchiveWriter, "term" | "tenure">;
  /** Files that are made ahead while instances come one after the other; 0 makes each when it is asked for. */
  readonly aheadMax: number;
}

interface OpenFolder {
  readonly folder: string;
  readonly mark: string;
  readonly tenure: number;
  readonly handle: ArchiveFile;
  readonly unsettled: Set<string>;
  next: number;
}

export function createInstanceFolders(options: FolderOptions): InstanceFolders {
  const { fs, writer, aheadMax } = options;
  const open = new Map<string, OpenFolder>();
  const closing = new Set<Promise<void>>();
  const ready: FileSlot[] = [];
  let current: OpenFolder | undefined;
  let making: Promise<void> | undefined;
  let takers = 0;
  /** Grows while instances come, so that a lone one does not leave many empty files. */
  let ahead = 0;
  let syncedDay: string | undefined;
  let isClosing = false;

  const closeFolder = (one: OpenFolder) => {
    open.delete(one.folder);
    const done = Promise.all([
      one.handle.close(),
      // Only an empty one goes: nothing of it was kept.
      fs.rmdir(join(options.root, one.folder)).catch(() => undefined),
      fs.rm(join(options.open, one.mark), { force: true }),
    ]).then(
      () => undefined,
      // A mark that stays costs a look at the next start.
      () => undefined,
    );
    closing.add(done);
    void done.then(() => closing.delete(done));
  };
  const hasRoom = (one: OpenFolder) =>
    one.next < FOLDER_FILES_MAX && one.tenure === writer.tenure();
  const isDone = (one: OpenFolder) => one.unsettled.size === 0 && (!hasRoom(one) || isClosing);
  const settle = (fileKey: string) => {
    const one = open.get(folderOfKey(fileKey));
    if (one?.unsettled.delete(fileKey) && isDone(one)) closeFolder(one);
  };
  /** What cannot be removed stays unsettled: the next start looks for it. */
  const remove = (fileKey: string) =>
    fs.rm(pathOfKey(options.root, fileKey), { force: true }).then(
      () => settle(fileKey),
      () => undefined,
    );
  const removeSlot = async ({ fileKey, handle }: FileSlot) => {
    await handle.close().catch(() => undefined);
    await remove(fileKey);
  };
  const create = (fileKey: string) =>
    fs.open(pathOfKey(options.root, fileKey), "wx", FILE_MODE).catch(async (error: unknown) => {
      // It may be there all the same.
      await remove(fileKey);
      throw error;
    });

  const folderWithRoom = async (): Promise<OpenFolder> => {
    if (current !== undefined && hasRoom(current)) return current;
    const term = await writer.term();
    const folder = nameAt(options.now());
    const mark = markOf(folder, term);
    const isDaySynced = folder.slice(0, DAY_LENGTH) === syncedDay;
    const handle = await makeFolder(options, folder, mark, isDaySynced);
    syncedDay = folder.slice(0, DAY_LENGTH);
    current = { folder, mark, tenure: term.tenure, handle, unsettled: new Set(), next: 0 };
    open.set(folder, current);
    return current;
  };

  /** Makes files and lets one sync of the folder make all their names durable, before any of them is used. */
  const make = async (count: number): Promise<void> => {
    const one = await folderWithRoom();
    const made: FileSlot[] = [];
    try {
      const end = Math.min(one.next + count, FOLDER_FILES_MAX);
      while (one.next < end) {
        const fileKey = keyIn(one.folder, one.next++);
        one.unsettled.add(fileKey);
        made.push({ fileKey, handle: await create(fileKey), tenure: one.tenure });
      }
      if (options.sync) await one.handle.sync();
      ready.push(...made);
    } catch (error) {
      // Another node took the archive over and found the folder empty: the next file is made in another one.
      if (isAbsent(error)) one.next = FOLDER_FILES_MAX;
      for (const slot of made) await removeSlot(slot);
      throw error;
    }
  };

  const makeMore = (): Promise<void> => {
    making ??= make(Math.min(Math.max(takers, ahead, 1), TOGETHER_MAX)).finally(() => {
      making = undefined;
    });
    return making;
  };

  /** Those of another tenure are put aside to be removed. */
  const nextReady = (): FileSlot | undefined => {
    while (ready[0] !== undefined && ready[0].tenure !== writer.tenure())
      void removeSlot(ready.shift()!);
    return ready.shift();
  };

  return {
    async take() {
      takers++;
      let slot: FileSlot | undefined;
      try {
        // After a fence what is ready would be refused.
        await writer.term();
        for (;;) {
          slot = nextReady();
          if (slot !== undefined) break;
          await makeMore().catch(asStorageError);
        }
      } finally {
        takers--;
      }
      ahead = Math.min(ahead * 2 + 1, aheadMax);
      // A failure comes again for the one who then has to wait for it.
      if (ready.length < ahead / 2) makeMore().catch(() => undefined);
      return slot;
    },
    settle,
    async retire() {
      await making?.catch(() => undefined);
      const stale = ready.filter((slot) => slot.tenure !== writer.tenure());
      for (const slot of stale) ready.splice(ready.indexOf(slot), 1);
      for (const slot of stale) await removeSlot(slot);
      for (const one of [...open.values()]) if (isDone(one)) closeFolder(one);
    },
    async close() {
      isClosing = true;
      await making?.catch(() => undefined);
      for (const slot of ready.splice(0)) await removeSlot(slot);
      for (const one of [...open.values()]) {
        if (isDone(one)) closeFolder(one);
        else await one.handle.close().catch(() => undefined);
      }
      await Promise.all(closing);
    },
  };
}

function nameAt(now: Date): string {
  const [day, time] = now.toISOString().slice(0, 19).replaceAll(/[-:]/g, "").split("T");
  return `${day}/${time}-${randomBytes(4).toString("hex")}`;
}

/** Mark first, then the folder: a folder without a mark would never be looked through. */
async function makeFolder(
  options: FolderOptions,
  folder: string,
  mark: string,
  isDaySynced: boolean,
): Promise<ArchiveFile> {
  const { fs, root, sync } = options;
  const file = await fs.open(join(options.open, mark), "wx", FILE_MODE);
  await file.close();
  if (sync) await syncFolder(fs, options.open);
  const day = join(root, folder.slice(0, DAY_LENGTH));
  await fs.mkdir(day, { recursive: true, mode: FOLDER_MODE });
  // Once a process: who made the day may have been killed before it was durable.
  if (sync && !isDaySynced) await syncFolder(fs, root);
  const path = join(root, folder);
  await fs.mkdir(path, { mode: FOLDER_MODE });
  if (sync) await syncFolder(fs, day);
  return fs.open(path, "r");
}
