/**
 * Storage commitment as SCP: requests of peers are written down before they are answered, and each reference is checked
 * against what is really kept: row and file. PS3.4 J.3.
 */
import { createHash } from "node:crypto";
import {
  type CommitmentKey,
  type CommitmentRow,
  type FailureTriple,
  findCommitment,
  type KeptReference,
  keptReferences,
  moveCommitment,
  renewHold,
  saveFailures,
  takeCommitment,
} from "../db/commitments.ts";
import type { Queryable } from "../db/queryable.ts";
import {
  type CommitmentResult,
  type CommitmentSink,
  HOLD_SECONDS,
  type InstanceReference,
  type TakenCommitment,
} from "../dimse/ports.ts";
import type { Clock } from "../kernel/clock.ts";
import { KindredError } from "../kernel/errors.ts";
import type { Logger } from "../kernel/log.ts";
import type { Metrics } from "../kernel/metrics.ts";
import { DIMSE } from "../kernel/statuses.ts";
import type { InstanceStore } from "./instance-store.ts";

export interface CommitmentKeeperOptions {
  readonly database: Queryable;
  readonly store: Pick<InstanceStore, "sizeOf">;
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: Metrics;
}

/** References looked up in one query. */
const LOOK_UP_MAX = 1_000;
/** Files looked at side by side. */
const FILES_AT_ONCE = 8;

/** The part of the sink that peers ask. */
export function createCommitmentKeeper(
  options: CommitmentKeeperOptions,
): Pick<CommitmentSink, "request"> {
  const { database, clock } = options;
  return {
    async request({ association, transactionUid, references }) {
      const key = { peer: association.callingAeTitle, transactionUid };
      const now = clock.now();
      const isTaken = await takeCommitment(database, {
        ...key,
        digest: digestOf(references),
        references: references.map((one) => [one.sopClassUid, one.sopInstanceUid] as const),
        now,
        holdUntil: holdFrom(now),
      });
      if (!isTaken) {
        throw new KindredError(
          "BAD_REQUEST",
          "Transaction UID is in use with other references: make a new one",
        );
      }
      return taken(options, key);
    },
  };
}

function taken(options: CommitmentKeeperOptions, key: CommitmentKey): TakenCommitment {
  const { database, clock } = options;
  return {
    renew: () => renewHold(database, key, holdFrom(clock.now())),
    judge: () => judgeCommitment(options, key),
    reported: () =>
      moveCommitment(database, key, {
        state: "reported",
        isAttempt: true,
        error: null,
        now: clock.now(),
      }),
    // The pipeline looks for transactions that nobody holds any more.
    handOver: () => renewHold(database, key, clock.now()),
  };
}

function holdFrom(now: Date): Date {
  return new Date(now.getTime() + HOLD_SECONDS * 1000);
}

/**
 * The result of a transaction: judged when it is first asked for, the same ever after.
 *
 * @throws KindredError `NOT_FOUND` when there is no such transaction, `DB_UNAVAILABLE`
 */
export async function judgeCommitment(
  options: Omit<CommitmentKeeperOptions, "clock">,
  key: CommitmentKey,
): Promise<CommitmentResult> {
  const row = await findCommitment(options.database, key);
  if (row === undefined) throw new KindredError("NOT_FOUND", "There is no such transaction");
  if (row.failures !== null) return resultOf(row, row.failures);
  const failures = await saveFailures(options.database, key, await failuresOf(options, row));
  options.metrics.commitmentReferencesTotal.inc({ outcome: "failed" }, failures.length);
  options.metrics.commitmentReferencesTotal.inc(
    { outcome: "committed" },
    row.reference_list.length - failures.length,
  );
  return resultOf(row, failures);
}

function resultOf(row: CommitmentRow, failures: readonly FailureTriple[]): CommitmentResult {
  const failed = new Set(failures.map(([sopClassUid, uid]) => `${sopClassUid} ${uid}`));
  return {
    transactionUid: row.transaction_uid,
    committed: row.reference_list
      .filter(([sopClassUid, uid]) => !failed.has(`${sopClassUid} ${uid}`))
      .map(([sopClassUid, sopInstanceUid]) => ({ sopClassUid, sopInstanceUid })),
    failed: failures.map(([sopClassUid, sopInstanceUid, reason]) => ({
      sopClassUid,
      sopInstanceUid,
      reason,
    })),
  };
}

async function failuresOf(
  options: Pick<CommitmentKeeperOptions, "database" | "store" | "log">,
  row: CommitmentRow,
): Promise<FailureTriple[]> {
  const failures: FailureTriple[] = [];
  for (let at = 0; at < row.reference_list.length; at += LOOK_UP_MAX) {
    const part = row.reference_list.slice(at, at + LOOK_UP_MAX);
    const kept = new Map(
      (
        await keptReferences(
          options.database,
          part.map(([, uid]) => uid),
        )
      ).map((one) => [one.sop_instance_uid, one]),
    );
    for (let from = 0; from < part.length; from += FILES_AT_ONCE) {
      const reasons = await Promise.all(
        part.slice(from, from + FILES_AT_ONCE).map(async ([sopClassUid, uid]) => ({
          sopClassUid,
          uid,
          reason: await reasonAgainst(options, sopClassUid, kept.get(uid)),
        })),
      );
      for (const { sopClassUid, uid, reason } of reasons)
        if (reason !== undefined) failures.push([sopClassUid, uid, reason]);
    }
  }
  return failures;
}

/** Failure Reason (0008,1197) of a reference, undefined when the instance is kept. PS3.3 C.14.1.1. */
async function reasonAgainst(
  options: Pick<CommitmentKeeperOptions, "store" | "log">,
  sopClassUid: string,
  kept: KeptReference | undefined,
): Promise<number | undefined> {
  if (kept === undefined) return DIMSE.noSuchInstance;
  if (kept.sop_class_uid !== sopClassUid) return DIMSE.classInstanceConflict;
  const state = await fileState(options.store, kept);
  if (state === "whole") return undefined;
  options.log.error(
    { event: "archive.damaged", instance: kept.sop_instance_uid, state },
    "an instance that the database knows is not whole on disk",
  );
  return state === "lost" ? DIMSE.noSuchInstance : DIMSE.processingFailure;
}

/** Whether the file is there in its whole size. */
async function fileState(
  store: CommitmentKeeperOptions["store"],
  kept: KeptReference,
): Promise<"whole" | "lost" | "damaged" | "unreadable"> {
  try {
    const size = await store.sizeOf(kept.file_key);
    if (size === undefined) return "lost";
    // Without its size written down it must at least be longer than its data set.
    const isWhole = kept.file_bytes === null ? size > kept.size_bytes : size === kept.file_bytes;
    return isWhole ? "whole" : "damaged";
  } catch {
    return "unreadable";
  }
}

/** Of the references in order of UID: the order in which a peer lists them means nothing. */
function digestOf(references: readonly InstanceReference[]): Buffer {
  const lines = references.map((one) => `${one.sopInstanceUid} ${one.sopClassUid}`).sort();
  return createHash("sha256").update(lines.join("\n")).digest();
}
