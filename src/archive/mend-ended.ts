/** What writers left whose processes ended while the archive goes on: a receiver that died, or an earlier run of this node. */
import { endWriters, writersWithEpoch } from "../db/archive-files.ts";
import type { Queryable } from "../db/queryable.ts";
import { messageOf } from "../kernel/errors.ts";
import type { Logger } from "../kernel/log.ts";
import type { Metrics } from "../kernel/metrics.ts";
import type { InstanceStore } from "./instance-store.ts";
import { marksOf, mendFolder } from "./mend.ts";
import { createRest } from "./rest.ts";

export interface EndedWriters {
  /** Resolves when nothing of them is left, or when it was stopped. Never rejects. */
  mend(isEnded: (writer: string) => boolean): Promise<void>;
  stop(): Promise<void>;
}

export interface EndedWritersOptions {
  readonly store: InstanceStore;
  readonly database: Queryable;
  readonly log: Logger;
  readonly metrics: Metrics;
}

const RETRY_MS = 2_000;

export function createEndedWriters(options: EndedWritersOptions): EndedWriters {
  const rest = createRest();
  const running = new Set<Promise<void>>();

  const mend = async (isEnded: (writer: string) => boolean) => {
    while (!rest.isStopped()) {
      try {
        return await mendOnce(options, isEnded);
      } catch (error) {
        options.log.warn(
          { event: "archive.mend_ended", why: messageOf(error) },
          "what an ended process left cannot be mended now; it is tried again",
        );
        await rest.sleep(RETRY_MS);
      }
    }
  };

  return {
    async mend(isEnded) {
      const one = mend(isEnded);
      running.add(one);
      await one;
      running.delete(one);
    },
    async stop() {
      rest.stop();
      await Promise.all(running);
    },
  };
}

/** First fenced, then mended: a file without a row is removed only when no row can come. */
async function mendOnce(
  { store, database, log, metrics }: EndedWritersOptions,
  isEnded: (writer: string) => boolean,
): Promise<void> {
  const marks = (await marksOf(store)).filter(({ writer }) => writer && isEnded(writer));
  const known = (await writersWithEpoch(database)).filter(isEnded);
  const writers = [...new Set([...known, ...marks.map((mark) => mark.writer!)])];
  if (writers.length === 0) return;
  await endWriters(database, writers);
  let findings = 0;
  for (const mark of marks)
    await mendFolder(
      {
        store,
        database,
        onFinding({ kind }) {
          findings++;
          metrics.archiveMendedTotal.inc({ kind });
        },
      },
      mark,
    );
  log.info(
    { event: "archive.ended_mended", writers: writers.length, folders: marks.length, findings },
    "what an ended process left was mended",
  );
}
