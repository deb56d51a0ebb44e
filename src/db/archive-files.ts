/** What the rows say about the files of the archive: for mending after a crash, and for files in doubt. */
import type { Queryable } from "./queryable.ts";

/**
 * Takes the archive over: when it resolves, no keeping statement that any process sent before can write any more,
 * whatever became of its connection. Writers begin anew.
 *
 * @param atLeast - the epoch rises above it
 * @returns the epoch that the database had, and the one that begins
 */
export async function advanceArchiveEpoch(
  db: Queryable,
  atLeast: number,
): Promise<{ earlier: number; begun: number }> {
  const { rows } = await db.query<{ earlier: number; begun: number }>(
    "select earlier, begun from advance_archive_epoch($1)",
    [atLeast],
  );
  return rows[0]!;
}

/** The key of the digests by which the same bytes are known; made with the archive, never changed. */
export async function archiveDigestKey(db: Queryable): Promise<Buffer> {
  const { rows } = await db.query<{ digest_key: Buffer }>("select digest_key from archive_epoch");
  return rows[0]!.digest_key;
}

/** What a writer begins with. */
export interface BegunEpoch {
  readonly epoch: number;
  /** Epoch of the archive: it changes when an owner takes the archive over. */
  readonly archiveEpoch: number;
  /** Nobody has fenced the writer since it began the epoch that it holds. */
  readonly isContinued: boolean;
}

/**
 * Begins the next epoch of one writing process: none of its own earlier statements can write any more.
 *
 * @param held - the epoch it had before; undefined at first
 */
export async function beginWriterEpoch(
  db: Queryable,
  writer: string,
  held?: number,
): Promise<BegunEpoch> {
  const { rows } = await db.query<{ begun: number; archive: number; is_continued: boolean }>(
    "select begun, archive, is_continued from begin_writer_epoch($1, $2)",
    [writer, held ?? null],
  );
  const { begun, archive, is_continued: isContinued } = rows[0]!;
  return { epoch: begun, archiveEpoch: archive, isContinued };
}

/** Whether a writer still has this epoch. */
export async function hasWriterEpoch(
  db: Queryable,
  writer: string,
  epoch: number,
): Promise<boolean> {
  const { rows } = await db.query("select 1 from archive_writer where writer = $1 and epoch = $2", [
    writer,
    epoch,
  ]);
  return rows.length > 0;
}

/** Writers that have an epoch. */
export async function writersWithEpoch(db: Queryable): Promise<string[]> {
  const { rows } = await db.query<{ writer: string }>("select writer from archive_writer");
  return rows.map((row) => row.writer);
}

/** Fences writers whose processes are gone: none of their statements can write any more. */
export async function endWriters(db: Queryable, writers: readonly string[]): Promise<void> {
  await db.query("select end_writers($1)", [[...writers]]);
}

/** The name of the archive folder that the database belongs to; undefined before an owner gave it. */
export async function archiveName(db: Queryable): Promise<string | undefined> {
  const { rows } = await db.query<{ archive: string | null }>("select archive from archive_epoch");
  return rows[0]?.archive ?? undefined;
}

export async function nameArchive(db: Queryable, name: string): Promise<void> {
  await db.query("update archive_epoch set archive = $1 where archive is distinct from $1", [name]);
}

/** Those of the keys that a row names, of an instance or a document. */
export async function fileKeysWithRow(
  db: Queryable,
  fileKeys: readonly string[],
): Promise<Set<string>> {
  const { rows } = await db.query<{ file_key: string }>(
    `select file_key from instance where file_key = any($1)
     union all select file_key from document where file_key = any($1)`,
    [[...fileKeys]],
  );
  return new Set(rows.map((row) => row.file_key));
}

/** A row of an instance that should have a file. */
export interface ExpectedFile {
  readonly sop_instance_uid: string;
  readonly file_key: string;
  readonly size_bytes: number;
  readonly file_bytes: number | null;
}

const EXPECTED = "sop_instance_uid, file_key, size_bytes, file_bytes";

/** Rows of instances, not lost, with these keys. */
export async function expectedFiles(
  db: Queryable,
  fileKeys: readonly string[],
): Promise<ExpectedFile[]> {
  const { rows } = await db.query<ExpectedFile>(
    `select ${EXPECTED} from instance where file_key = any($1) and lost_at is null`,
    [[...fileKeys]],
  );
  return rows;
}

/** The next page of rows of instances, not lost, after a SOP Instance UID. */
export async function nextExpectedFiles(
  db: Queryable,
  after: string,
  limit: number,
): Promise<ExpectedFile[]> {
  const { rows } = await db.query<ExpectedFile>(
    `select ${EXPECTED} from instance where sop_instance_uid > $1 and lost_at is null
     order by sop_instance_uid limit $2`,
    [after, limit],
  );
  return rows;
}

/**
 * Marks instances as lost; their series get a reason, and those that still need the files fail. A C-STORE of the
 * same instance is then kept as new and opens the next revision.
 */
export async function markInstancesLost(
  db: Queryable,
  fileKeys: readonly string[],
): Promise<number> {
  const { rows } = await db.query<{ lost: number }>(
    `with gone as (
       update instance set lost_at = now() where file_key = any($1) and lost_at is null
       returning series_instance_uid),
     marked as (
       update series set
         reason = 'INSTANCE_LOST: files of this series are missing or damaged: send the series again',
         state = case when state in ('receiving', 'complete', 'reconstructed') then 'failed' else state end
       where series_instance_uid in (select series_instance_uid from gone))
     select count(*)::int as lost from gone`,
    [[...fileKeys]],
  );
  return rows[0]!.lost;
}

export async function countLostInstances(db: Queryable): Promise<number> {
  const { rows } = await db.query<{ lost: number }>(
    "select count(*)::int as lost from instance where lost_at is not null",
  );
  return rows[0]!.lost;
}

/** Files that a replacement left over. */
export async function filesToRemove(db: Queryable, limit: number): Promise<string[]> {
  const { rows } = await db.query<{ file_key: string }>(
    "select file_key from file_removal order by decided_at limit $1",
    [limit],
  );
  return rows.map((row) => row.file_key);
}

export async function forgetRemoved(db: Queryable, fileKeys: readonly string[]): Promise<void> {
  await db.query("delete from file_removal where file_key = any($1)", [[...fileKeys]]);
}
