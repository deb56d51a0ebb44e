/**
 * Storage commitment as SCU: peers with `commit` are asked for the documents they took, one transaction a batch. What a
 * peer does not commit is sent again; what it never reports on is asked for again; both end after `roundsMax`. PS3.4 J.3.
 */
import {
  type AskedDelivery,
  deliveriesIn,
  findRequest,
  moveRequest,
  openRequest,
  overdueRequests,
  peersToAsk,
  reopenDelivery,
  settleDelivery,
} from "../db/commitment-requests.ts";
import type { Database } from "../db/database.ts";
import type { Queryable } from "../db/queryable.ts";
import { lockSeries, moveSeries } from "../db/series.ts";
import { newUid } from "../dicom/uids.ts";
import { requestCommitment } from "../dimse/commitment-requestor.ts";
import type { CommitmentResult, CommitmentSink } from "../dimse/ports.ts";
import type { CommitmentService } from "../dimse/services/commitment.ts";
import { codeOf, KindredError, messageOf } from "../kernel/errors.ts";
import { statusHex } from "../kernel/statuses.ts";
import { peerTarget } from "./peer-target.ts";
import type { OutboundOptions } from "./send.ts";

export interface CommitmentJob {
  readonly transactionUid: string;
}

export type CommitmentResultsOptions = Pick<
  OutboundOptions,
  "config" | "database" | "clock" | "log" | "metrics"
>;

export interface CommitmentResults extends Pick<CommitmentSink, "result"> {
  /** Resolves when the peer's report on a transaction was taken in this process; `forget` ends the waiting. */
  awaited(transactionUid: string): { readonly reported: Promise<void>; forget(): void };
}

/** References in one request of ours. */
const BATCH_MAX = 500;
/** Where documents keep coming, the first one waits for so many times `batchSeconds`. */
const WAITS_MAX = 10;
const OVERDUE_AT_ONCE = 100;

/** The part of the sink that takes reports on what we sent. */
export function createCommitmentResults(options: CommitmentResultsOptions): CommitmentResults {
  const { log, metrics } = options;
  const waiting = new Map<string, () => void>();
  return {
    async result(peer, result) {
      const counts = await options.database.transaction((tx) =>
        takeResult(options, tx, peer, result),
      );
      if (counts === undefined) {
        metrics.commitmentResultsTotal.inc({ peer, outcome: "unknown transaction" });
        throw new KindredError("BAD_REQUEST", "Transaction UID is not one that we asked of you");
      }
      metrics.commitmentResultsTotal.inc({ peer, outcome: "committed" }, counts.committed);
      metrics.commitmentResultsTotal.inc({ peer, outcome: "failed" }, counts.failed);
      log[counts.failed === 0 ? "info" : "warn"](
        {
          event: "commitment.result",
          peer_ae: peer,
          transaction: result.transactionUid,
          ...counts,
        },
        "a peer reported on what we sent",
      );
      waiting.get(result.transactionUid)?.();
    },
    awaited(transactionUid) {
      const { promise, resolve } = Promise.withResolvers<void>();
      waiting.set(transactionUid, resolve);
      return { reported: promise, forget: () => void waiting.delete(transactionUid) };
    },
  };
}

/** @returns undefined when we did not ask this of the peer */
async function takeResult(
  options: CommitmentResultsOptions,
  tx: Queryable,
  peer: string,
  result: CommitmentResult,
): Promise<{ committed: number; failed: number } | undefined> {
  const { transactionUid } = result;
  const request = await findRequest(tx, transactionUid, true);
  if (request?.peer !== peer) return undefined;
  const counts = { committed: 0, failed: 0 };
  if (request.state === "done") return counts;
  const now = options.clock.now();
  const committed = new Set(
    result.committed.map((one) => `${one.sopClassUid} ${one.sopInstanceUid}`),
  );
  const reasons = new Map(result.failed.map((one) => [one.sopInstanceUid, one.reason]));
  // Also those we had given up: a report that comes late is still the peer's word.
  for (const one of await deliveriesIn(tx, transactionUid, ["asked", "failed"])) {
    const reason = reasons.get(one.sop_instance_uid);
    if (reason === undefined && committed.has(`${one.sop_class_uid} ${one.sop_instance_uid}`)) {
      counts.committed++;
      await settleDelivery(tx, transactionUid, one.sop_instance_uid, {
        state: "committed",
        error: null,
        now,
      });
    } else {
      counts.failed++;
      const why = reason === undefined ? "it is not in the report" : statusHex(reason);
      await takeFailure(options, tx, { peer, transactionUid }, one, why);
    }
  }
  await moveRequest(tx, transactionUid, { state: "done", isAttempt: false, error: null, now });
  return counts;
}

/** The peer does not keep the document: it is sent again, and its series is not delivered any more; or it is parked. */
async function takeFailure(
  options: CommitmentResultsOptions,
  tx: Queryable,
  request: { peer: string; transactionUid: string },
  one: AskedDelivery,
  why: string,
): Promise<void> {
  const now = options.clock.now();
  const error = `The peer does not commit the object (${why})`;
  const delivery = { sopInstanceUid: one.sop_instance_uid, peer: request.peer };
  const at = { seriesInstanceUid: one.series_instance_uid, revision: one.revision };
  const isParked = one.rounds >= options.config.commitment.roundsMax;
  await lockSeries(tx, at);
  await settleDelivery(tx, request.transactionUid, one.sop_instance_uid, {
    state: isParked ? "failed" : "resend",
    error,
    now,
  });
  await reopenDelivery(tx, delivery, { state: isParked ? "failed" : "pending", error, now });
  await moveSeries(tx, at, ["delivered"], "reported");
}

/** Opens a transaction for every peer whose documents waited long enough. Called by a clock. */
export async function openDueRequests(
  options: Pick<OutboundOptions, "config" | "database" | "clock">,
  enqueue: (tx: Queryable, job: CommitmentJob) => Promise<void>,
): Promise<void> {
  const { database, config } = options;
  const now = options.clock.now();
  const batchMs = config.commitment.batchSeconds * 1000;
  const quietSince = new Date(now.getTime() - batchMs);
  const longSince = new Date(now.getTime() - WAITS_MAX * batchMs);
  for (const peer of await peersToAsk(database, { quietSince, longSince })) {
    await database.transaction(async (tx) => {
      const transactionUid = newUid();
      const count = await openRequest(tx, { transactionUid, peer, limit: BATCH_MAX, now });
      if (count > 0) await enqueue(tx, { transactionUid });
    });
  }
}

/** Ends transactions that were not reported in time; their documents are asked for again. Called by a clock. */
export async function endOverdueRequests(
  options: Pick<OutboundOptions, "config" | "database" | "clock" | "log">,
): Promise<void> {
  const { database, config, clock, log } = options;
  const before = new Date(clock.now().getTime() - config.commitment.reportHours * 3_600_000);
  for (const transactionUid of await overdueRequests(database, before, OVERDUE_AT_ONCE)) {
    await giveUp(database, transactionUid, {
      error: "The peer did not report in time",
      roundsMax: config.commitment.roundsMax,
      now: clock.now(),
    });
    log.warn(
      { event: "commitment.overdue", transaction: transactionUid },
      "a peer did not report on what we sent",
    );
  }
}

/** @param end.roundsMax - deliveries with fewer rounds are asked for again */
async function giveUp(
  database: Database,
  transactionUid: string,
  end: { readonly error: string; readonly roundsMax: number; readonly now: Date },
): Promise<void> {
  const { error, now } = end;
  await database.transaction(async (tx) => {
    const request = await findRequest(tx, transactionUid, true);
    if (request === undefined || request.state === "done") return;
    await moveRequest(tx, transactionUid, { state: "failed", isAttempt: false, error, now });
    for (const one of await deliveriesIn(tx, transactionUid, ["asked"])) {
      const state = one.rounds < end.roundsMax ? "due" : "failed";
      await settleDelivery(tx, transactionUid, one.sop_instance_uid, { state, error, now });
    }
  });
}

/**
 * Sends the N-ACTION of one transaction. The queue brings the job back; asking twice in one transaction is safe for a
 * peer that answers it the same.
 *
 * @param isLastAttempt - the queue will not bring the job back: a failure parks the transaction
 * @throws KindredError with the retry class of the failure
 */
export async function askForCommitment(
  options: Pick<OutboundOptions, "config" | "database" | "clock" | "log" | "tls"> & {
    readonly results: CommitmentResults;
    readonly service: CommitmentService;
  },
  job: CommitmentJob,
  isLastAttempt: boolean,
): Promise<void> {
  const { database, config, clock, log } = options;
  const { transactionUid } = job;
  const request = await findRequest(database, transactionUid);
  if (request === undefined || request.state !== "due") return;
  const { peer } = request;
  const references = (await deliveriesIn(database, transactionUid, ["asked"])).map((one) => ({
    sopClassUid: one.sop_class_uid,
    sopInstanceUid: one.sop_instance_uid,
  }));
  if (references.length === 0) return;
  const facts = { peer_ae: peer, transaction: transactionUid };
  const record = (state: "due" | "asked", error: string | null) =>
    moveRequest(database, transactionUid, { state, isAttempt: true, error, now: clock.now() });
  const waiting = options.results.awaited(transactionUid);
  let isTaken = false;
  try {
    await requestCommitment(
      peerTarget(config, peer, options.tls),
      { transactionUid, references },
      async (command, context, responder) =>
        options.service.handler(command, context, responder, peer),
      {
        seconds: config.commitment.waitSeconds,
        reported: waiting.reported,
        async onTaken() {
          await record("asked", null);
          isTaken = true;
          log.info(
            { event: "commitment.asked", ...facts, references: references.length },
            "storage commitment asked for",
          );
        },
      },
    );
  } catch (error) {
    // Once the peer took the request the rest is its business.
    if (isTaken) return;
    const isParked = isLastAttempt || codeOf(error) === "PEER_REFUSED";
    await record("due", messageOf(error));
    log.warn(
      {
        event: isParked ? "commitment.parked" : "commitment.retry",
        ...facts,
        err: messageOf(error),
      },
      "storage commitment could not be asked for",
    );
    if (!isParked) throw error;
    // It may have refused its repetition only, after an answer that we lost: the next round has another transaction.
    await giveUp(database, transactionUid, {
      error: messageOf(error),
      roundsMax: isLastAttempt ? 0 : config.commitment.roundsMax,
      now: clock.now(),
    });
  } finally {
    waiting.forget();
  }
}
