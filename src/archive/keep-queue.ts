/**
 * Group commit: while one statement is on its way to the database, the instances of other associations wait and go
 * together in the next. One that waits alone goes at once, or even ahead of the sync of its bytes (keep-ahead.ts). When an answer is lost, the rows may stand: their files
 * are in doubt until the next epoch of this writer has begun, which no statement of ours can outlive. When the writer was
 * fenced, instances whose files it took before are refused: another node may have removed them.
 */
import { fileKeysWithRow } from "../db/archive-files.ts";
import type { BoundedDatabase } from "../db/bounded.ts";
import {
  type DuplicatesPolicy,
  type KeepResult,
  type KeptInstance,
  keepInstances,
  keepKnownInstances,
} from "../db/instances.ts";
import type { InstanceHeader } from "../dicom/instance-header.ts";
import { KindredError } from "../kernel/errors.ts";
import type { Logger } from "../kernel/log.ts";
import type { Metrics } from "../kernel/metrics.ts";
import { keepAhead } from "./keep-ahead.ts";
import type { ArchiveWriter, WriterTerm } from "./writer.ts";

export interface KeepQueue {
  /**
   * Writes the row of one instance.
   *
   * @param tenure - of the writer, when it took the file
   * @throws KindredError; {@link isInDoubt} tells whether the row may stand all the same
   */
  keep(instance: KeptInstance, tenure: number): Promise<KeepResult>;
  /**
   * The same while the bytes are being synced, for an instance beside which this process receives no other.
   *
   * @param durable - the sync: the row is committed after it, and it has settled when this does. @throws its error
   */
  keepLone(instance: KeptInstance, tenure: number, durable: Promise<void>): Promise<KeepResult>;
  /** Ends the attempts to resolve doubts; what is left is mended at the next start. */
  stop(): void;
}

export interface KeepQueueOptions {
  readonly writer: ArchiveWriter;
  /** Statements are given up after `database.statementSeconds`: their error says whether they were sent. */
  readonly database: BoundedDatabase;
  readonly duplicates: DuplicatesPolicy;
  readonly log: Logger;
  readonly metrics: Metrics;
  /** A file whose answer was lost: does its row stand? */
  readonly onResolved: (fileKey: string, hasRow: boolean) => Promise<void>;
}

/** Instances in one statement. */
const TOGETHER_MAX = 64;
/** Instances that wait; each is one association's. */
const WAITING_MAX = 4096;
/** Files in doubt that are remembered; more are mended at the next start. */
const DOUBTS_MAX = 20_000;
const DOUBTS_TOGETHER_MAX = 500;
/** Series that are remembered; beyond it the memory begins anew. */
const KNOWN_MAX = 4096;
const RETRIES_MAX = 4;
const RESOLVE_MS_MIN = 500;
const RESOLVE_MS_MAX = 15_000;
/** SQLSTATEs of a statement that wrote nothing because another was in its way. */
const IN_THE_WAY = new Set(["40001", "40P01", "55P03"]);

/** True when the database did not answer and the row may stand. */
export function isInDoubt(error: unknown): boolean {
  return (
    error instanceof KindredError &&
    error.code === "DB_UNAVAILABLE" &&
    error.details.isSent !== false
  );
}

const KEPT: KeepResult = { outcome: "kept", earlierFileKey: undefined };

interface Waiting {
  readonly instance: KeptInstance;
  readonly tenure: number;
  readonly resolve: (result: KeepResult) => void;
  readonly reject: (error: unknown) => void;
}

export function createKeepQueue(options: KeepQueueOptions): KeepQueue {
  const { writer, database, log, metrics } = options;
  const waiting: Waiting[] = [];
  const doubts: string[] = [];
  /** Series whose rows this process has seen stand, with their study and with the patient of the instances. */
  const known = new Set<string>();
  let isTurning = false;
  let isStopped = false;
  let timer: NodeJS.Timeout | undefined;
  let pauseMs = RESOLVE_MS_MIN;

  const remember = (header: InstanceHeader) => {
    if (known.size >= KNOWN_MAX) known.clear();
    known.add(seriesKey(header));
  };

  /** The term was begun after the last answer was lost, and nothing is in doubt any more. */
  const isReady = () => writer.held() !== undefined && doubts.length === 0;

  /** The term to write in; a doubt drops the one it came in, so that this one began after every doubt. */
  const readyTerm = async (): Promise<WriterTerm> => {
    const term = await writer.term();
    if (doubts.length > 0) await resolveDoubts();
    pauseMs = RESOLVE_MS_MIN;
    return term;
  };

  const resolveDoubts = async () => {
    while (doubts.length > 0) {
      const some = doubts.slice(0, DOUBTS_TOGETHER_MAX);
      const standing = await fileKeysWithRow(database, some);
      for (const fileKey of some) await options.onResolved(fileKey, standing.has(fileKey));
      doubts.splice(0, some.length);
      metrics.archiveInDoubt.set(doubts.length);
    }
  };

  /** Nothing of these was sent. */
  const refuse = (some: readonly Waiting[], error: unknown) => {
    const text = error instanceof Error ? error.message : String(error);
    const certain = new KindredError("DB_UNAVAILABLE", text, {
      details: { isSent: false },
      cause: error,
    });
    for (const one of some) one.reject(certain);
  };

  const noteDoubts = (term: WriterTerm, some: readonly KeptInstance[]) => {
    writer.drop(term);
    for (const one of some) if (doubts.length < DOUBTS_MAX) doubts.push(one.fileKey);
    metrics.archiveInDoubt.set(doubts.length);
    log.warn(
      { event: "archive.in_doubt", count: doubts.length },
      "the database did not answer a commit: these files wait until it does",
    );
  };

  /** One statement; what happens to its instances depends on what is known about it. */
  const send = async (all: readonly Waiting[], tries = 1): Promise<void> => {
    let term: WriterTerm;
    try {
      term = await readyTerm();
    } catch (error) {
      refuse(all, error);
      return;
    }
    const some = all.filter((one) => one.tenure === term.tenure);
    if (some.length < all.length) {
      const isStale = (one: Waiting) => one.tenure !== term.tenure;
      refuse(all.filter(isStale), takenOverError());
    }
    if (some.length === 0) return;
    try {
      const instances = some.map((one) => one.instance);
      if (instances.every(({ header }) => known.has(seriesKey(header)))) {
        await keepKnownInstances(database, term, instances);
        for (const one of some) one.resolve(KEPT);
        return;
      }
      const results = await keepInstances(database, term, options.duplicates, instances);
      some.forEach((one, index) => {
        const result = results[index];
        if (result === undefined || result.outcome === "fenced") {
          writer.drop(term);
          refuse([one], takenOverError());
        } else {
          if (result.outcome === "kept") remember(one.instance.header);
          one.resolve(result);
        }
      });
    } catch (error) {
      if (isInDoubt(error)) {
        noteDoubts(
          term,
          some.map((one) => one.instance),
        );
        for (const one of some) one.reject(error);
      } else if (error instanceof KindredError) refuse(some, error);
      else await sendAgain(some, error, tries);
    }
  };

  /** The statement failed as a whole and wrote nothing: one bad row must not cost the others. */
  const sendAgain = async (some: readonly Waiting[], error: unknown, tries: number) => {
    // Something that was known is not so any more, or an instance came again.
    known.clear();
    const isInTheWay = IN_THE_WAY.has((error as { code?: string }).code ?? "");
    if (some.length > 1) {
      for (const [index, one] of some.entries()) {
        await send([one]);
        if (!isReady()) return refuse(some.slice(index + 1), awayError());
      }
    } else if (!isInTheWay) some[0]!.reject(error);
    else if (tries < RETRIES_MAX) await send(some, tries + 1);
    else refuse(some, error);
  };

  const turn = async () => {
    if (isTurning) return;
    isTurning = true;
    try {
      while (waiting.length > 0) {
        const some = waiting.splice(0, TOGETHER_MAX);
        const isAway = !isReady();
        await send(some);
        // Still away: who waited meanwhile has waited long enough, a deadline each in turn would add up.
        if (isAway && !isReady()) refuse(waiting.splice(0), awayError());
      }
    } finally {
      isTurning = false;
      resolveLater();
    }
  };

  /** Doubts are resolved without waiting for the next instance. */
  const resolveLater = () => {
    if (isReady() || isStopped || timer !== undefined) return;
    timer = setTimeout(() => {
      timer = undefined;
      if (isTurning || isReady() || isStopped) return;
      isTurning = true;
      readyTerm()
        .then(
          () => log.info({ event: "archive.resolved" }, "the database answers again"),
          () => {
            pauseMs = Math.min(pauseMs * 2, RESOLVE_MS_MAX);
          },
        )
        .finally(() => {
          isTurning = false;
          if (waiting.length > 0) void turn();
          else resolveLater();
        });
    }, pauseMs);
    timer.unref();
  };

  const keep: KeepQueue["keep"] = (instance, tenure) =>
    new Promise((resolve, reject) => {
      const one = { instance, tenure, resolve, reject };
      if (waiting.length >= WAITING_MAX) refuse([one], new Error("Too many instances wait"));
      else {
        waiting.push(one);
        void turn();
      }
    });

  /** The way of one that does not wait for others, nor they for it: none is there. */
  const ahead = async (term: WriterTerm, instance: KeptInstance, durable: Promise<void>) => {
    isTurning = true;
    try {
      const outcome = await keepAhead(database, term, instance, durable);
      if (outcome === "refused") known.clear();
      return outcome;
    } catch (error) {
      if (isInDoubt(error)) noteDoubts(term, [instance]);
      throw error;
    } finally {
      isTurning = false;
      if (waiting.length > 0) void turn();
      else resolveLater();
    }
  };

  return {
    keep,
    async keepLone(instance, tenure, durable) {
      const term = writer.held();
      const isKnown = known.has(seriesKey(instance.header));
      if (isTurning || !isKnown || !isReady() || term?.tenure !== tenure) await durable;
      else if ((await ahead(term, instance, durable)) === "kept") return KEPT;
      return keep(instance, tenure);
    },
    stop() {
      isStopped = true;
      clearTimeout(timer);
    },
  };
}

const seriesKey = (header: InstanceHeader) =>
  `${header.studyInstanceUid} ${header.seriesInstanceUid} ${header.patientId}`;

function takenOverError(): Error {
  return new Error("The archive was taken over by another start of a node: send it again");
}

function awayError(): Error {
  return new Error("The database is away: see /readyz and kindred doctor");
}
