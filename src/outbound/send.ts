/**
 * Sends one document to one peer and records what came of it. The queue brings the job back after a transient or
 * ambiguous outcome; sending again is safe because C-STORE is idempotent by SOP Instance UID. Ambiguous ones have a limit
 * of their own, for peers that are not.
 */
import type { Config } from "../config/schema.ts";
import { expectCommitment } from "../db/commitment-requests.ts";
import type { Database } from "../db/database.ts";
import { deliveriesOf, findDelivery, findDocument, recordAttempt } from "../db/documents.ts";
import { lockSeries, moveSeries, type SeriesRevision } from "../db/series.ts";
import { sendInstances } from "../dimse/requestor/send-instances.ts";
import type { Target } from "../dimse/requestor-association.ts";
import type { TlsFiles } from "../dimse/tls-files.ts";
import type { Clock } from "../kernel/clock.ts";
import { codeOf, type ErrorCode, KindredError, messageOf } from "../kernel/errors.ts";
import type { Logger } from "../kernel/log.ts";
import type { Metrics } from "../kernel/metrics.ts";
import { type RetryClass, STATUSES } from "../kernel/statuses.ts";
import { peerTarget } from "./peer-target.ts";

export interface OutboundOptions {
  readonly config: Config;
  readonly database: Database;
  readonly pathOf: (fileKey: string) => string;
  /** For peers that are called by TLS. */
  readonly tls?: TlsFiles | undefined;
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: Metrics;
}

export interface DeliveryJob {
  readonly sopInstanceUid: string;
  readonly peer: string;
}

/**
 * @param isLastAttempt - the queue will not bring the job back: a failure parks the delivery
 * @throws KindredError with the retry class of the outcome; nothing when delivered or already delivered
 */
export async function sendDocument(
  options: OutboundOptions,
  job: DeliveryJob,
  isLastAttempt: boolean,
): Promise<void> {
  const { database, clock, log, metrics } = options;
  const delivery = await findDelivery(database, job.sopInstanceUid, job.peer);
  const document = await findDocument(database, job.sopInstanceUid);
  if (delivery === undefined || document === undefined || delivery.state === "delivered") return;
  const failure = await attempt(options, job, document);
  const isAmbiguous = failure?.retry === "ambiguous";
  const isTooOften =
    isAmbiguous && delivery.ambiguous_attempts + 1 >= options.config.outbound.ambiguousAttemptsMax;
  const isParked =
    failure !== undefined && (isLastAttempt || isTooOften || failure.retry === "permanent");
  const state = failure === undefined ? "delivered" : isParked ? "failed" : "pending";
  metrics.sendsTotal.inc({ peer: job.peer, outcome: state });
  const at = { seriesInstanceUid: document.series_instance_uid, revision: document.revision };
  await database.transaction(async (tx) => {
    // Two deliveries of one series may end at once: the later one must see the earlier.
    await lockSeries(tx, at);
    await recordAttempt(tx, job, {
      state,
      error: failure?.error.message ?? null,
      isAmbiguous,
      now: clock.now(),
    });
    await finishSeries(tx, at, metrics);
    const isToCommit = options.config.peers.some((one) => one.aeTitle === job.peer && one.commit);
    if (state === "delivered" && isToCommit) await expectCommitment(tx, job, clock.now());
  });
  if (failure === undefined) {
    log.info(
      { event: "document.delivered", peer_ae: job.peer, instance: job.sopInstanceUid },
      "document delivered",
    );
    return;
  }
  const event = isParked ? "document.parked" : "document.retry";
  log.warn(
    {
      event,
      peer_ae: job.peer,
      instance: job.sopInstanceUid,
      retry: failure.retry,
      err: failure.error.message,
    },
    "document was not delivered",
  );
  if (!isParked) throw failure.error;
}

interface Failure {
  readonly error: KindredError;
  readonly retry: RetryClass;
}

async function attempt(
  options: OutboundOptions,
  job: DeliveryJob,
  document: {
    file_key: string;
    sop_class_uid: string;
    sop_instance_uid: string;
    transfer_syntax_uid: string;
  },
): Promise<Failure | undefined> {
  const { config } = options;
  let target: Target;
  try {
    target = peerTarget(config, job.peer, options.tls);
  } catch (error) {
    return failureOf(codeOf(error), messageOf(error));
  }
  const [outcome] = await sendInstances(target, [
    {
      path: options.pathOf(document.file_key),
      sopClassUid: document.sop_class_uid,
      sopInstanceUid: document.sop_instance_uid,
      transferSyntaxUid: document.transfer_syntax_uid,
    },
  ]);
  const { code, message } = outcome!;
  return code === undefined ? undefined : failureOf(code, message);
}

/** The queue reads the retry class from the code, so the two must not differ. */
function failureOf(code: ErrorCode, message: string): Failure {
  return { error: new KindredError(code, message), retry: STATUSES[code].retry };
}

/** The series is delivered when every document of its revision is at every peer. */
async function finishSeries(
  tx: Parameters<typeof deliveriesOf>[0],
  at: SeriesRevision,
  metrics: Metrics,
): Promise<void> {
  const deliveries = await deliveriesOf(tx, at);
  if (!deliveries.every((delivery) => delivery.state === "delivered")) return;
  if (await moveSeries(tx, at, ["reported"], "delivered"))
    metrics.seriesTotal.inc({ state: "delivered" });
}
