/**
 * This process as a writer of the archive. It writes rows in a term: an epoch of its own within an epoch of the archive.
 * Whoever else wants to remove files of it fences it first, so that a term that nobody fenced still owns all its files.
 * After a fence the tenure is another one: files of the earlier may be gone, and never get a row any more.
 */
import { randomUUID } from "node:crypto";
import { beginWriterEpoch, hasWriterEpoch } from "../db/archive-files.ts";
import type { WriterEpoch } from "../db/instances.ts";
import type { Queryable } from "../db/queryable.ts";
import { KindredError, messageOf } from "../kernel/errors.ts";
import type { Logger } from "../kernel/log.ts";

export interface WriterTerm extends WriterEpoch {
  readonly archiveEpoch: number;
  /** Counted from 1; the same while nobody fences the writer. */
  readonly tenure: number;
}

export interface ArchiveWriter {
  /** Tenure of the last term; 0 before the first. */
  tenure(): number;
  /** The term to write in, while there is one. */
  held(): WriterTerm | undefined;
  /** The same, begun where there is none. @throws KindredError `DB_UNAVAILABLE` */
  term(): Promise<WriterTerm>;
  /** Nothing more is written in this term: an answer was lost, or it is fenced. */
  drop(term: WriterTerm): void;
  /** Looks whether the term was fenced, and begins the next then. Never rejects. */
  look(): Promise<void>;
  /** Called at each new tenure after the first. */
  onTenure(listener: () => void): void;
}

export interface WriterOptions {
  /** No other process has it or ever had. */
  readonly id: string;
  readonly database: Queryable;
  readonly log: Logger;
}

export function createArchiveWriter({ id, database, log }: WriterOptions): ArchiveWriter {
  const listeners: (() => void)[] = [];
  let held: WriterTerm | undefined;
  let beginning: Promise<WriterTerm> | undefined;
  let lastEpoch: number | undefined;
  let tenure = 0;

  const begin = async (): Promise<WriterTerm> => {
    const begun = await beginWriterEpoch(database, id, lastEpoch).catch(asAway);
    const isFirst = tenure === 0;
    if (!begun.isContinued) tenure++;
    lastEpoch = begun.epoch;
    held = { writer: id, epoch: begun.epoch, archiveEpoch: begun.archiveEpoch, tenure };
    if (!begun.isContinued && !isFirst) {
      log.warn(
        { event: "archive.fenced", archive_epoch: begun.archiveEpoch },
        "the archive was taken over: instances that were on their way are refused",
      );
      for (const listener of listeners) listener();
    }
    return held;
  };
  const term = async () => {
    if (held !== undefined) return held;
    beginning ??= begin().finally(() => {
      beginning = undefined;
    });
    return beginning;
  };
  const drop = (one: WriterTerm) => {
    if (held === one) held = undefined;
  };

  return {
    tenure: () => tenure,
    held: () => held,
    term,
    drop,
    async look() {
      const now = held;
      if (now === undefined) return;
      try {
        if (await hasWriterEpoch(database, id, now.epoch)) return;
        drop(now);
        await term();
      } catch (error) {
        log.debug({ event: "archive.look_failed", why: messageOf(error) }, "the database is away");
      }
    },
    onTenure: (listener) => void listeners.push(listener),
  };
}

/** Also a lock that was not free in time: nothing was written, the sender may try again. */
function asAway(error: unknown): never {
  if (error instanceof KindredError) throw error;
  throw new KindredError("DB_UNAVAILABLE", `The archive is not free (${messageOf(error)})`, {
    details: { isSent: false },
    cause: error,
  });
}

/** A new writer of a node: names begin with the node's, so that it can find those of its earlier runs. */
export const newWriter = (node: string) => `${node}.${randomUUID()}`;

export const isWriterOf = (node: string, writer: string) => writer.startsWith(`${node}.`);
