/** Reports the result of a storage commitment request to the peer that asked, on an association of ours. PS3.4 J.3.3. */
import { judgeCommitment } from "../archive/commitment.ts";
import { type CommitmentKey, findCommitment, moveCommitment } from "../db/commitments.ts";
import { reportToPeer } from "../dimse/commitment-requestor.ts";
import { KindredError, messageOf } from "../kernel/errors.ts";
import { peerTarget } from "../outbound/peer-target.ts";
import type { PipelineOptions } from "./pipeline.ts";

/** @throws KindredError for another attempt; after the last one the transaction is parked */
export async function reportCommitment(
  options: PipelineOptions,
  key: CommitmentKey,
  isLastAttempt: boolean,
): Promise<void> {
  const { config, database, clock, log, metrics } = options;
  const row = await findCommitment(database, key);
  if (row === undefined || row.state === "reported") return;
  const record = (state: "reported" | "due" | "failed", error: string | null) =>
    moveCommitment(database, key, { state, isAttempt: true, error, now: clock.now() });
  const count = (outcome: string) =>
    metrics.commitmentReportsTotal.inc({ peer: key.peer, way: "new association", outcome });
  const facts = { peer_ae: key.peer, transaction: key.transactionUid };
  try {
    const result = await judgeCommitment(options, key);
    await reportToPeer(peerTarget(config, key.peer, options.tls), result, config.dimse.aeTitle);
  } catch (error) {
    await record(isLastAttempt ? "failed" : "due", messageOf(error));
    count(isLastAttempt ? "parked" : "retry");
    log.warn(
      {
        event: isLastAttempt ? "commitment.parked" : "commitment.retry",
        ...facts,
        err: messageOf(error),
      },
      "a storage commitment result was not reported",
    );
    if (isLastAttempt) return;
    // A refusal too: peers are set up one after the other, and the result must not be lost for that.
    throw new KindredError("PEER_BUSY", messageOf(error), { cause: error });
  }
  await record("reported", null);
  count("reported");
  log.info({ event: "commitment.reported", ...facts }, "storage commitment result reported");
}
