/**
 * Files of the archive. Bytes are written where they stay, into a file that stood there empty (see instance-folders.ts for
 * keys), and synced; only a file that a row names is one of the archive.
 */
import { join } from "node:path";
import { KindredError } from "../kernel/errors.ts";
import { type ArchiveFs, asStorageError, createArchiveFs, isAbsent } from "./archive-fs.ts";
import { createDiskPace } from "./disk-pace.ts";
import { createFileWriter } from "./file-writer.ts";
import { createBlocks } from "./held-bytes.ts";
import { createInstanceFolders, pathOfKey } from "./instance-folders.ts";
import type { SyncFlag } from "./shared-syncs.ts";
import type { ArchiveWriter } from "./writer.ts";

export interface InstanceStore {
  readonly dataDir: string;
  readonly folders: ArchiveFolders;
  readonly fs: ArchiveFs;
  /** Takes a new file. @throws KindredError `STORAGE_FULL` */
  create(): Promise<PendingFile>;
  /** Writes a whole file durably and returns its key. */
  put(bytes: Buffer): Promise<string>;
  /** @throws KindredError `INTERNAL` for anything that is not a key */
  pathOf(fileKey: string): string;
  /** A row names the file, or none ever will and it is removed: nothing is left to decide about it. */
  settle(fileKey: string): void;
  /** Removes a file that no row names, and settles it. */
  remove(fileKey: string): Promise<void>;
  /** Size of a file; undefined when it is not there. */
  sizeOf(fileKey: string): Promise<number | undefined>;
  freeBytes(): Promise<number>;
  /** The writer has another tenure: what stands empty from the earlier goes. */
  retire(): Promise<void>;
  /** After the last file. What was settled needs no look at the next start. */
  close(): Promise<void>;
}

/** Folders below the data folder. */
export interface ArchiveFolders {
  readonly instances: string;
  /** One empty file for each folder of `instances` that may hold files without a row. */
  readonly open: string;
  /** Files without a row that nobody can explain, put aside by `kindred doctor --repair`. */
  readonly orphans: string;
}

/** A file that is being written. */
export interface PendingFile {
  /** Tenure of the writer in which it was taken: in another one it may be gone. */
  readonly tenure: number;
  /** Bytes so far, preamble and file meta included. */
  readonly sizeBytes: number;
  /** The buffer is the caller's again at once. A promise resolves when more may come; none: at once. @throws KindredError `STORAGE_FULL` */
  write(bytes: Uint8Array): Promise<void> | undefined;
  /** A row may name it when it is durable. Until {@link InstanceStore.settle} it counts as undecided. */
  readonly fileKey: string;
  /**
   * Writes what still waits and begins the sync.
   *
   * @throws KindredError `STORAGE_FULL`; call discard then
   */
  finish(): Promise<FinishedFile>;
  /** Closes and removes it, wherever it is; safe to call twice; never rejects. */
  discard(): Promise<void>;
}

export interface FinishedFile {
  /** The sync; undefined where nothing is synced. Rejects with KindredError `STORAGE_FULL`: call discard then. */
  readonly durable: Promise<void> | undefined;
}

export interface StoreOptions {
  readonly fs?: ArchiveFs;
  /** False: bytes and folders are not synced, success then only means that the operating system has them. */
  readonly sync?: boolean;
  /** Bytes of one instance that may wait for the disk. */
  readonly heldBytesMax?: number;
  readonly now?: () => Date;
  /** Of the processes that write beside this one. */
  readonly syncs?: SyncFlag | undefined;
  /** Needed to make files; a store without it only reads, removes and mends. */
  readonly writer?: ArchiveWriter;
}

const HELD_BYTES_MAX = 1_048_576;
const FOLDER_MODE = 0o700;
/** Empty files that wait for the next instances while these come in a stream. */
const AHEAD_MAX = 16;

const NO_WRITER: Pick<ArchiveWriter, "term" | "tenure"> = {
  tenure: () => 0,
  term: () => Promise.reject(new KindredError("INTERNAL", "The store was opened without a writer")),
};

/** Makes the folders and returns the store. What a crash left is mended elsewhere (mend.ts). */
export async function openInstanceStore(
  dataDir: string,
  options: StoreOptions = {},
): Promise<InstanceStore> {
  const { sync = true, heldBytesMax = HELD_BYTES_MAX } = options;
  const pace = createDiskPace(options.syncs);
  const blocks = createBlocks();
  const fs = options.fs ?? createArchiveFs(pace);
  const now = options.now ?? (() => new Date());
  const folders: ArchiveFolders = {
    instances: join(dataDir, "instances"),
    open: join(dataDir, "open"),
    orphans: join(dataDir, "orphans"),
  };
  for (const folder of Object.values(folders))
    await fs.mkdir(folder, { recursive: true, mode: FOLDER_MODE });
  const writer = options.writer ?? NO_WRITER;
  const folderOptions = { fs, root: folders.instances, open: folders.open, sync, now, writer };
  const ofInstances = createInstanceFolders({ ...folderOptions, aheadMax: AHEAD_MAX });
  // Rows of documents come later and elsewhere: their folders stay marked and are looked through at the next start.
  const ofDocuments = createInstanceFolders({ ...folderOptions, aheadMax: 0 });
  const pathOf = (fileKey: string) => pathOfKey(folders.instances, fileKey);

  const createIn = async (target: typeof ofInstances): Promise<PendingFile> => {
    const { fileKey, handle, tenure } = await target.take();
    const writer = createFileWriter(handle, heldBytesMax, pace, blocks);
    let closing: Promise<void> | undefined;
    const close = () => (closing ??= handle.close());
    return {
      tenure,
      get sizeBytes() {
        return writer.sizeBytes;
      },
      write: (bytes) => writer.write(bytes),
      fileKey,
      async finish() {
        await writer.flush();
        const durable = sync ? handle.datasync().catch(asStorageError) : undefined;
        // The bytes are safe then: the close needs no wait, and its failure would change nothing.
        Promise.resolve(durable)
          .then(close)
          .catch(() => undefined);
        return { durable };
      },
      async discard() {
        await writer.stop();
        await close().catch(() => undefined);
        try {
          await fs.rm(pathOf(fileKey), { force: true });
          target.settle(fileKey);
        } catch {
          // The next start removes it: its folder stays marked.
        }
      },
    };
  };

  return {
    dataDir,
    folders,
    fs,
    create: () => createIn(ofInstances),
    pathOf,
    async put(bytes) {
      const file = await createIn(ofDocuments);
      try {
        await file.write(bytes);
        const { durable } = await file.finish();
        await durable;
        return file.fileKey;
      } catch (error) {
        await file.discard();
        throw error;
      }
    },
    settle: (fileKey) => ofInstances.settle(fileKey),
    async remove(fileKey) {
      await fs.rm(pathOf(fileKey), { force: true });
      ofInstances.settle(fileKey);
    },
    async sizeOf(fileKey) {
      try {
        return (await fs.stat(pathOf(fileKey))).size;
      } catch (error) {
        if (isAbsent(error)) return undefined;
        throw error;
      }
    },
    async retire() {
      await Promise.all([ofInstances.retire(), ofDocuments.retire()]);
    },
    async freeBytes() {
      const { bavail, bsize } = await fs.statfs(folders.instances);
      return bavail * bsize;
    },
    async close() {
      await Promise.all([ofInstances.close(), ofDocuments.close()]);
    },
  };
}
