/**
 * Storage commitment as jobs: results that are owed to peers, and requests for what peers took. Nothing of it is known
 * to the process alone: a row says what is owed, a job in the same transaction does it, and clocks find what was left.
 */
import { setInterval } from "node:timers/promises";
import { takeResends } from "../db/commitment-requests.ts";
import {
  type CommitmentKey,
  hasCommitmentWork,
  releaseHolds,
  removeOldCommitments,
} from "../db/commitments.ts";
import type { Queryable } from "../db/queryable.ts";
import { createCommitmentService } from "../dimse/services/commitment.ts";
import { KindredError, messageOf } from "../kernel/errors.ts";
import {
  askForCommitment,
  type CommitmentJob,
  createCommitmentResults,
  endOverdueRequests,
  openDueRequests,
} from "../outbound/commitment.ts";
import type { DeliveryJob } from "../outbound/send.ts";
import type { PipelineOptions } from "./pipeline.ts";
import { reportCommitment } from "./report-commitment.ts";

const REPORT = "commitment.report";
const REQUEST = "commitment.request";
const AT_ONCE_MAX = 500;
/** A peer without an open association waits this long, and as long again for the queue. */
const LOOK_MS = 250;
const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

export interface CommitmentCare {
  /** Ends the transactions that no peer reported on, and forgets those that are over for long. Called by a clock. */
  tidy(): Promise<void>;
  /** Begins to look for what is due. */
  start(): void;
  stop(): Promise<void>;
}

/**
 * Defines the jobs.
 *
 * @param send - makes the job that sends a document, in the transaction given
 */
export function createCommitmentCare(
  options: PipelineOptions,
  send: (tx: Queryable, job: DeliveryJob) => Promise<void>,
): CommitmentCare {
  const { queue, config, log } = options;
  const { outbound } = config;
  const results = createCommitmentResults(options);
  // Serves the associations of our own requests: peers report on them, and ask nothing.
  const service = createCommitmentService({
    ...options,
    sink: {
      request: () => Promise.reject(new KindredError("NOT_AUTHORIZED", "This is our request")),
      result: results.result,
    },
  });
  const retries = {
    retryLimit: outbound.attemptsMax - 1,
    retryDelaySeconds: outbound.backoffSeconds,
    retryDelaySecondsMax: outbound.backoffSecondsMax,
    retryBackoff: true,
    concurrency: 4,
  };
  queue.define<CommitmentKey>(REPORT, {
    ...retries,
    handler: (key, { attempt }) => reportCommitment(options, key, attempt >= outbound.attemptsMax),
  });
  queue.define<CommitmentJob>(REQUEST, {
    ...retries,
    handler: (job, { attempt }) =>
      askForCommitment({ ...options, results, service }, job, attempt >= outbound.attemptsMax),
  });
  const stopping = new AbortController();
  let looking: Promise<void> | undefined;

  async function look(): Promise<void> {
    for await (const _ of setInterval(LOOK_MS, undefined, { signal: stopping.signal })) {
      await takeWhatIsDue(options, send).catch((error: unknown) =>
        log.warn(
          { event: "commitment.look_failed", err: messageOf(error) },
          "storage commitment work could not be looked for; it goes on",
        ),
      );
    }
  }

  return {
    async tidy() {
      await endOverdueRequests(options);
      const keptSince = options.clock.now().getTime() - config.commitment.keepDays * DAY_MS;
      await removeOldCommitments(options.database, new Date(keptSince));
    },
    start() {
      // The interval ends by its signal, which rejects it.
      looking = look().catch(() => undefined);
    },
    async stop() {
      stopping.abort();
      await looking;
    },
  };
}

/** Rows become jobs: receiver processes have the database, not the queue. */
async function takeWhatIsDue(
  options: PipelineOptions,
  send: (tx: Queryable, job: DeliveryJob) => Promise<void>,
): Promise<void> {
  const { database, queue, clock, config } = options;
  const now = clock.now();
  const before = (milliseconds: number) => new Date(now.getTime() - milliseconds);
  // Longer than any wait between two attempts: whoever is still due then has no job.
  const staleSince = before(2 * config.outbound.backoffSecondsMax * 1000 + HOUR_MS);
  const dueBefore = before(config.commitment.batchSeconds * 1000);
  if (!(await hasCommitmentWork(database, { now, staleSince, dueBefore }))) return;
  await openDueRequests(options, (tx, job) =>
    queue.enqueue(REQUEST, { ...job }, { tx, key: job.transactionUid }),
  );
  await database.transaction(async (tx) => {
    for (const key of await releaseHolds(tx, { now, staleSince, limit: AT_ONCE_MAX })) {
      await queue.enqueue(REPORT, { ...key }, { tx, key: `${key.peer}/${key.transactionUid}` });
    }
    for (const job of await takeResends(tx, AT_ONCE_MAX)) await send(tx, job);
  });
}
