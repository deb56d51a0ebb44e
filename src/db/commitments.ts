/** Table commitment: storage commitment requests of peers, and what is kept of the instances they name. */
import type { Queryable } from "./queryable.ts";

/** A transaction UID belongs to the peer that made it. */
export interface CommitmentKey {
  readonly peer: string;
  readonly transactionUid: string;
}

/** SOP Class UID, SOP Instance UID. */
export type ReferencePair = readonly [string, string];
/** SOP Class UID, SOP Instance UID, Failure Reason. */
export type FailureTriple = readonly [string, string, number];

export interface CommitmentRow {
  readonly peer: string;
  readonly transaction_uid: string;
  readonly reference_list: ReferencePair[];
  readonly failures: FailureTriple[] | null;
  readonly state: "held" | "due" | "reported" | "failed";
  readonly attempts: number;
  readonly last_error: string | null;
}

/**
 * Writes a request down. One that is there already with the same references is opened again: its peer lost the answer.
 *
 * @returns false when the transaction UID is taken by other references; nothing is changed then
 */
export async function takeCommitment(
  db: Queryable,
  request: CommitmentKey & {
    readonly digest: Buffer;
    readonly references: readonly ReferencePair[];
    readonly now: Date;
    readonly holdUntil: Date;
  },
): Promise<boolean> {
  const { rowCount } = await db.query(
    `insert into commitment (peer, transaction_uid, digest, reference_list, state, hold_until, requested_at, updated_at)
     values ($1, $2, $3, $4, 'held', $6, $5, $5)
     on conflict (peer, transaction_uid) do update
       set state = 'held', hold_until = $6, attempts = 0, last_error = null, updated_at = $5
       where commitment.digest = excluded.digest`,
    [
      request.peer,
      request.transactionUid,
      request.digest,
      JSON.stringify(request.references),
      request.now,
      request.holdUntil,
    ],
  );
  return rowCount > 0;
}

export async function findCommitment(
  db: Queryable,
  key: CommitmentKey,
): Promise<CommitmentRow | undefined> {
  const { rows } = await db.query<CommitmentRow>(
    `select peer, transaction_uid, reference_list, failures, state, attempts, last_error
     from commitment where peer = $1 and transaction_uid = $2`,
    [key.peer, key.transactionUid],
  );
  return rows[0];
}

/** Keeps the judgement; the first one stands. */
export async function saveFailures(
  db: Queryable,
  key: CommitmentKey,
  failures: readonly FailureTriple[],
): Promise<FailureTriple[]> {
  const { rows } = await db.query<{ failures: FailureTriple[] }>(
    `update commitment set failures = coalesce(failures, $3)
     where peer = $1 and transaction_uid = $2 returning failures`,
    [key.peer, key.transactionUid, JSON.stringify(failures)],
  );
  return rows[0]?.failures ?? [...failures];
}

/** Who holds a transaction holds it until then; a time that is past gives it up. */
export async function renewHold(db: Queryable, key: CommitmentKey, until: Date): Promise<void> {
  await db.query(
    `update commitment set hold_until = $3
     where peer = $1 and transaction_uid = $2 and state = 'held'`,
    [key.peer, key.transactionUid, until],
  );
}

/** Records what became of an attempt to report; a transaction that was reported meanwhile stays so. */
export async function moveCommitment(
  tx: Queryable,
  key: CommitmentKey,
  to: { state: CommitmentRow["state"]; isAttempt: boolean; error: string | null; now: Date },
): Promise<void> {
  await tx.query(
    `update commitment set state = $3, attempts = attempts + $4, last_error = $5, updated_at = $6
     where peer = $1 and transaction_uid = $2 and state <> 'reported'`,
    [key.peer, key.transactionUid, to.state, to.isAttempt ? 1 : 0, to.error, to.now],
  );
}

/**
 * Transactions whose holder never said what became of them are due now; so are those that nobody has tried since
 * `staleSince`, though they were due. The caller makes their jobs in the same transaction.
 */
export async function releaseHolds(
  tx: Queryable,
  at: { now: Date; staleSince: Date; limit: number },
): Promise<CommitmentKey[]> {
  const { rows } = await tx.query<{ peer: string; transaction_uid: string }>(
    `update commitment set state = 'due', updated_at = $1 where (peer, transaction_uid) in
       (select peer, transaction_uid from commitment
        where (state = 'held' and hold_until <= $1) or (state = 'due' and updated_at <= $2)
        order by hold_until limit $3 for update skip locked)
     returning peer, transaction_uid`,
    [at.now, at.staleSince, at.limit],
  );
  return rows.map((row) => ({ peer: row.peer, transactionUid: row.transaction_uid }));
}

/** Transactions of peers that are not reported, oldest first. */
export async function openCommitments(
  db: Queryable,
  limit: number,
): Promise<
  {
    peer: string;
    state: string;
    references: number;
    attempts: number;
    last_error: string | null;
    requested_at: Date;
  }[]
> {
  const { rows } = await db.query<{
    peer: string;
    state: string;
    references: number;
    attempts: number;
    last_error: string | null;
    requested_at: Date;
  }>(
    `select peer, state, jsonb_array_length(reference_list) as references, attempts, last_error, requested_at
     from commitment where state <> 'reported' order by requested_at limit $1`,
    [limit],
  );
  return rows;
}

/**
 * Whether {@link releaseHolds}, or one of the steps of commitment-requests.ts, has something to do: one cheap look at
 * the indexes of what is open.
 *
 * @param at.dueBefore - documents that wait for their request since then or longer
 */
export async function hasCommitmentWork(
  db: Queryable,
  at: { now: Date; staleSince: Date; dueBefore: Date },
): Promise<boolean> {
  const { rows } = await db.query<{ is_due: boolean }>(
    `select exists (select 1 from commitment
         where (state = 'held' and hold_until <= $1) or (state = 'due' and updated_at <= $2))
       or exists (select 1 from delivery_commitment
         where state = 'resend' or (state = 'due' and updated_at <= $3)) as is_due`,
    [at.now, at.staleSince, at.dueBefore],
  );
  return rows[0]!.is_due;
}

/** Forgets transactions that ended, well or parked, before `before`. */
export async function removeOldCommitments(db: Queryable, before: Date): Promise<void> {
  await db.query(
    "delete from commitment where state in ('reported', 'failed') and updated_at < $1",
    [before],
  );
  await db.query(
    "delete from commitment_request where state in ('done', 'failed') and updated_at < $1",
    [before],
  );
}

/** A kept instance, whose file was not found lost, as a commitment needs to know it. */
export interface KeptReference {
  readonly sop_instance_uid: string;
  readonly sop_class_uid: string;
  readonly file_key: string;
  readonly size_bytes: number;
  /** Size of the file; null where it was not written down. */
  readonly file_bytes: number | null;
}

export async function keptReferences(
  db: Queryable,
  sopInstanceUids: readonly string[],
): Promise<KeptReference[]> {
  const { rows } = await db.query<KeptReference>(
    `select sop_instance_uid, sop_class_uid, file_key, size_bytes, file_bytes from instance
     where sop_instance_uid = any($1) and lost_at is null`,
    [[...sopInstanceUids]],
  );
  return rows;
}
