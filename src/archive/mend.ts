/**
 * Files and rows are brought to agree again after a crash, before anything is received or served.
 *
 * When the owner starts, folders marked in an earlier epoch are looked through both ways (a file without a row was never
 * acknowledged, an empty one never used): their writers are fenced, so that no row comes any more. Files that a
 * replacement left over go. That is a few folders whatever the size of the archive. After a run that did not end in order
 * every row's file is looked at too, slowly, in the background. `kindred doctor --repair` does all of it at once, and
 * looks through every folder.
 */
import { randomUUID } from "node:crypto";
import { join, relative } from "node:path";
import {
  advanceArchiveEpoch,
  countLostInstances,
  type ExpectedFile,
  expectedFiles,
  fileKeysWithRow,
  filesToRemove,
  forgetRemoved,
  markInstancesLost,
  nameArchive,
  nextExpectedFiles,
} from "../db/archive-files.ts";
import type { Queryable } from "../db/queryable.ts";
import { messageOf } from "../kernel/errors.ts";
import type { Logger } from "../kernel/log.ts";
import type { Metrics } from "../kernel/metrics.ts";
import { isAbsent } from "./archive-fs.ts";
import { type ArchiveState, readArchiveState, writeArchiveState } from "./archive-state.ts";
import { type FolderMark, isKey, keysOfFolder, readMark } from "./instance-folders.ts";
import type { InstanceStore } from "./instance-store.ts";
import { createRest, type Rest } from "./rest.ts";

export const FINDING_KINDS = [
  "file-without-row",
  "row-without-file",
  "wrong-size",
  "replaced-file",
] as const;
export type FindingKind = (typeof FINDING_KINDS)[number];

export interface ArchiveFinding {
  readonly kind: FindingKind;
  /** File key. */
  readonly name: string;
  /** What was done about it. */
  readonly done: string;
}

export interface MendOptions {
  readonly store: InstanceStore;
  readonly database: Queryable;
  readonly onFinding: (finding: ArchiveFinding) => void;
}

const PAGE = 500;
/** The background check rests this many times as long as it works. */
const REST_FACTOR = 4;
const REST_MS_MIN = 20;
const RETRY_MS = 5_000;

/** What a start found. */
export interface StartMending {
  readonly counts: Readonly<Record<FindingKind, number>>;
  /** Resolves when the check of all rows has ended, was stopped, or was not needed. */
  readonly swept: Promise<void>;
  /** Ends the check in the background and writes down how the run ended. */
  stop(): Promise<void>;
}

export async function mendAtStart(
  options: Omit<MendOptions, "onFinding"> & { log: Logger; metrics: Metrics },
): Promise<StartMending> {
  const { store, log, metrics } = options;
  const counts = Object.fromEntries(FINDING_KINDS.map((kind) => [kind, 0])) as Record<
    FindingKind,
    number
  >;
  const onFinding = ({ kind }: ArchiveFinding) => {
    counts[kind]++;
    metrics.archiveMendedTotal.inc({ kind });
  };
  const mending = { ...options, onFinding };
  const state = await readArchiveState(store);
  const { epoch, name } = await mendMarked(mending, state, log);
  const note = (isClean: boolean): Promise<void> =>
    writeArchiveState(store, { epoch, isClean, name }).catch((error: unknown) =>
      log.warn({ event: "archive.state", err: error }, "archive.json cannot be written"),
    );
  await note(false);
  metrics.instancesLost.set(await countLostInstances(options.database));
  if (Object.values(counts).some((count) => count > 0))
    log.warn({ event: "archive.mended", ...counts }, "files and rows were brought to agree");
  const rest = createRest();
  const isNeeded = state !== undefined && !state.isClean;
  let isSwept = !isNeeded;
  const swept = isNeeded
    ? sweepSlowly(mending, rest, log).then((isDone) => {
        isSwept = isDone;
      })
    : Promise.resolve();
  return {
    counts,
    swept,
    async stop() {
      rest.stop();
      await swept;
      await note(isSwept);
    },
  };
}

/** Everything at once. No other node may use the archive. Files without a row outside marked folders are put aside, not removed. */
export async function mendFully(options: MendOptions, log: Logger): Promise<void> {
  const { store } = options;
  const state = await readArchiveState(store);
  const { epoch, name } = await mendMarked(options, state, log);
  await putAsideStrays(options, store.folders.instances);
  for (let after = ""; ; ) {
    const rows = await nextExpectedFiles(options.database, after, PAGE);
    if (rows.length === 0) break;
    await mendRows(options, rows);
    after = rows.at(-1)!.sop_instance_uid;
  }
  await writeArchiveState(store, { epoch, isClean: true, name });
}

async function mendMarked(
  options: MendOptions,
  state: ArchiveState | undefined,
  log: Logger,
): Promise<{ epoch: number; name: string }> {
  const { store, database } = options;
  const known = state?.epoch ?? 0;
  const atLeast = Math.max(known, ...(await marksOf(store)).map((mark) => mark.archiveEpoch));
  // Afterwards no statement of an earlier run, or of a receiver that goes on, can write a row for a file that stands now.
  const { earlier, begun: epoch } = await advanceArchiveEpoch(database, atLeast);
  const name = state?.name ?? randomUUID();
  await nameArchive(database, name);
  // Rows of instances that were answered with success may be missing in it: their files are put aside.
  const isDatabaseOlder = earlier < known;
  if (isDatabaseOlder)
    log.error(
      { event: "archive.database_older" },
      "the database is older than the files of the archive (restored from a backup?): files without a row go to orphans/",
    );
  // Those of this epoch belong to receivers that write.
  for (const mark of await marksOf(store))
    if (mark.archiveEpoch < epoch) await mendFolder(options, mark, isDatabaseOlder);
  for (let keys = await filesToRemove(database, PAGE); keys.length > 0; ) {
    for (const name of keys) {
      await store.remove(name);
      options.onFinding({ kind: "replaced-file", name, done: "removed" });
    }
    await forgetRemoved(database, keys);
    keys = await filesToRemove(database, PAGE);
  }
  return { epoch, name };
}

interface FoundMark extends FolderMark {
  /** Name of the file. */
  readonly mark: string;
}

/** All marks of the archive. */
export async function marksOf(store: InstanceStore): Promise<FoundMark[]> {
  const found: FoundMark[] = [];
  for (const mark of await store.fs.readdir(store.folders.open)) {
    const read = readMark(mark);
    if (read !== undefined) found.push({ ...read, mark });
  }
  return found;
}

/** Looks a folder through whose writer is fenced. */
export async function mendFolder(
  options: MendOptions,
  { folder, mark }: FoundMark,
  isDatabaseOlder = false,
): Promise<void> {
  const { store, database, onFinding } = options;
  const path = join(store.folders.instances, folder);
  const names = await namesIn(store, path);
  const keys = names.map((name) => `${folder}/${name.replace(/\.dcm$/, "")}`).filter(isKey);
  const withRow = await fileKeysWithRow(database, keys);
  const strays = keys.filter((key) => !withRow.has(key));
  for (const name of strays) {
    const isUnused = (await store.sizeOf(name)) === 0;
    if (isUnused) await store.remove(name);
    else if (isDatabaseOlder) await putAside(options, name, store.pathOf(name));
    else {
      await store.remove(name);
      const done = "removed: it was never answered with success";
      onFinding({ kind: "file-without-row", name, done });
    }
  }
  await mendRows(options, await expectedFiles(database, keysOfFolder(folder)));
  if (names.length === strays.length) await store.fs.rmdir(path).catch(() => undefined);
  await store.fs.rm(join(store.folders.open, mark), { force: true });
}

async function namesIn(store: InstanceStore, path: string): Promise<string[]> {
  try {
    return await store.fs.readdir(path);
  } catch (error) {
    if (isAbsent(error) || (error as NodeJS.ErrnoException).code === "ENOTDIR") return [];
    throw error;
  }
}

/** Rows whose file is missing or of another size: marked as lost, so that a re-send is kept as new. */
async function mendRows(options: MendOptions, rows: readonly ExpectedFile[]): Promise<void> {
  const { store, database, onFinding } = options;
  const done = "marked as lost: send the instance again and it is kept as new";
  const findings: ArchiveFinding[] = [];
  for (const row of rows) {
    const size = await store.sizeOf(row.file_key);
    if (size === undefined) findings.push({ kind: "row-without-file", name: row.file_key, done });
    else if (row.file_bytes === null ? size < row.size_bytes : size !== row.file_bytes)
      findings.push({ kind: "wrong-size", name: row.file_key, done });
  }
  if (findings.length === 0) return;
  await markInstancesLost(
    database,
    findings.map((one) => one.name),
  );
  findings.forEach(onFinding);
}

/** Looks at every row's file and rests in between; true when it came to the end. */
async function sweepSlowly(options: MendOptions, rest: Rest, log: Logger): Promise<boolean> {
  let after = "";
  while (!rest.isStopped()) {
    const startedAt = performance.now();
    try {
      const rows = await nextExpectedFiles(options.database, after, PAGE);
      if (rows.length === 0) {
        log.info({ event: "archive.swept" }, "every row's file was looked at");
        return true;
      }
      await mendRows(options, rows);
      after = rows.at(-1)!.sop_instance_uid;
      await rest.sleep(Math.max(REST_MS_MIN, (performance.now() - startedAt) * REST_FACTOR));
    } catch (error) {
      log.warn({ event: "archive.sweep", why: messageOf(error) }, "the check of all files waits");
      await rest.sleep(RETRY_MS);
    }
  }
  return false;
}

/** Walks all folders; a file that no row names goes to `orphans/`. */
async function putAsideStrays(options: MendOptions, folder: string): Promise<void> {
  const { store, database } = options;
  const { instances } = store.folders;
  const files: string[] = [];
  for (const name of await namesIn(store, folder)) {
    const path = join(folder, name);
    if (name.endsWith(".dcm")) files.push(path);
    else await putAsideStrays(options, path);
  }
  // Marked still or again: somebody writes there.
  const name = relative(instances, folder);
  if (files.length > 0 && (await marksOf(store)).some((mark) => mark.folder === name)) return;
  for (let at = 0; at < files.length; at += PAGE) {
    const byKey = new Map(files.slice(at, at + PAGE).map((path) => [keyOf(instances, path), path]));
    const withRow = await fileKeysWithRow(database, [...byKey.keys()]);
    for (const [name, path] of byKey) {
      if (withRow.has(name)) continue;
      if ((await store.fs.stat(path)).size === 0) await store.fs.rm(path, { force: true });
      else await putAside(options, name, path);
    }
  }
}

async function putAside(options: MendOptions, name: string, path: string): Promise<void> {
  const { store, onFinding } = options;
  await store.fs.rename(path, join(store.folders.orphans, `${name.replaceAll("/", "+")}.dcm`));
  const done = "moved to orphans/: send it again, or remove it when nobody misses it";
  onFinding({ kind: "file-without-row", name, done });
}

function keyOf(root: string, path: string): string {
  const key = relative(root, path).replace(/\.dcm$/, "");
  return isKey(key) ? key : key.slice(key.lastIndexOf("/") + 1);
}
