/** Tables commitment_request and delivery_commitment: storage commitment that we ask of peers for what we sent. */
import type { Queryable } from "./queryable.ts";

export interface CommitmentRequestRow {
  readonly transaction_uid: string;
  readonly peer: string;
  readonly state: "due" | "asked" | "done" | "failed";
  readonly attempts: number;
  readonly last_error: string | null;
}

/** A delivery in a transaction, with what is needed to send its document again. */
export interface AskedDelivery {
  readonly sop_instance_uid: string;
  readonly sop_class_uid: string;
  readonly series_instance_uid: string;
  readonly revision: number;
  readonly rounds: number;
}

/** A document was delivered: its peer is to be asked. */
export async function expectCommitment(
  tx: Queryable,
  delivery: { readonly sopInstanceUid: string; readonly peer: string },
  now: Date,
): Promise<void> {
  await tx.query(
    `insert into delivery_commitment (sop_instance_uid, peer, state, updated_at) values ($1, $2, 'due', $3)
     on conflict (sop_instance_uid, peer)
     do update set state = 'due', transaction_uid = null, updated_at = $3
     where delivery_commitment.state <> 'committed'`,
    [delivery.sopInstanceUid, delivery.peer, now],
  );
}

/**
 * Peers whose documents wait for a request: none of them came since `quietSince`, or one waits since `longSince`.
 */
export async function peersToAsk(
  db: Queryable,
  at: { quietSince: Date; longSince: Date },
): Promise<string[]> {
  const { rows } = await db.query<{ peer: string }>(
    `select peer from delivery_commitment where state = 'due' group by peer
     having max(updated_at) <= $1 or min(updated_at) <= $2 order by peer`,
    [at.quietSince, at.longSince],
  );
  return rows.map((row) => row.peer);
}

/**
 * Opens a transaction for the documents of a peer that wait.
 *
 * @returns how many it has; with none there is no transaction
 */
export async function openRequest(
  tx: Queryable,
  request: { transactionUid: string; peer: string; limit: number; now: Date },
): Promise<number> {
  const { transactionUid, peer, limit, now } = request;
  const { rowCount } = await tx.query(
    `update delivery_commitment set state = 'asked', transaction_uid = $1, rounds = rounds + 1, updated_at = $4
     where peer = $2 and sop_instance_uid in
       (select sop_instance_uid from delivery_commitment where peer = $2 and state = 'due'
        order by updated_at limit $3 for update skip locked)`,
    [transactionUid, peer, limit, now],
  );
  if (rowCount === 0) return 0;
  await tx.query(
    `insert into commitment_request (transaction_uid, peer, state, created_at, updated_at)
     values ($1, $2, 'due', $3, $3)`,
    [transactionUid, peer, now],
  );
  return rowCount;
}

/** @param lock - hold the row until the transaction ends */
export async function findRequest(
  db: Queryable,
  transactionUid: string,
  lock = false,
): Promise<CommitmentRequestRow | undefined> {
  const { rows } = await db.query<CommitmentRequestRow>(
    `select transaction_uid, peer, state, attempts, last_error from commitment_request
     where transaction_uid = $1 ${lock ? "for update" : ""}`,
    [transactionUid],
  );
  return rows[0];
}

/** The deliveries of a transaction that are in one of the states, in order of series. */
export async function deliveriesIn(
  db: Queryable,
  transactionUid: string,
  states: readonly ("asked" | "failed")[],
): Promise<AskedDelivery[]> {
  const { rows } = await db.query<AskedDelivery>(
    `select c.sop_instance_uid, d.sop_class_uid, d.series_instance_uid, d.revision, c.rounds
     from delivery_commitment c join document d using (sop_instance_uid)
     where c.transaction_uid = $1 and c.state = any($2) order by d.series_instance_uid, c.sop_instance_uid`,
    [transactionUid, [...states]],
  );
  return rows;
}

/** Records what became of an attempt to ask; a transaction that was reported meanwhile stays done. */
export async function moveRequest(
  tx: Queryable,
  transactionUid: string,
  to: { state: CommitmentRequestRow["state"]; isAttempt: boolean; error: string | null; now: Date },
): Promise<void> {
  await tx.query(
    `update commitment_request set state = $2, attempts = attempts + $3, last_error = $4, updated_at = $5
     where transaction_uid = $1 and state <> 'done'`,
    [transactionUid, to.state, to.isAttempt ? 1 : 0, to.error, to.now],
  );
}

export async function settleDelivery(
  tx: Queryable,
  transactionUid: string,
  sopInstanceUid: string,
  to: { state: "due" | "resend" | "committed" | "failed"; error: string | null; now: Date },
): Promise<void> {
  await tx.query(
    `update delivery_commitment set state = $3, last_error = $4, updated_at = $5
     where transaction_uid = $1 and sop_instance_uid = $2 and state in ('asked', 'failed')`,
    [transactionUid, sopInstanceUid, to.state, to.error, to.now],
  );
}

/** The peer does not have the document after all: it is sent again, or parked. */
export async function reopenDelivery(
  tx: Queryable,
  delivery: { readonly sopInstanceUid: string; readonly peer: string },
  to: { state: "pending" | "failed"; error: string; now: Date },
): Promise<void> {
  await tx.query(
    `update delivery set state = $3, last_error = $4, updated_at = $5, ambiguous_attempts = 0
     where sop_instance_uid = $1 and peer = $2 and state = 'delivered'`,
    [delivery.sopInstanceUid, delivery.peer, to.state, to.error, to.now],
  );
}

/** Deliveries that are to be sent again. The caller makes their jobs in the same transaction. */
export async function takeResends(
  tx: Queryable,
  limit: number,
): Promise<{ sopInstanceUid: string; peer: string }[]> {
  const { rows } = await tx.query<{ sop_instance_uid: string; peer: string }>(
    `update delivery_commitment set state = 'failed' where (sop_instance_uid, peer) in
       (select sop_instance_uid, peer from delivery_commitment where state = 'resend'
        order by updated_at limit $1 for update skip locked)
     returning sop_instance_uid, peer`,
    [limit],
  );
  return rows.map((row) => ({ sopInstanceUid: row.sop_instance_uid, peer: row.peer }));
}

/** Transactions whose peer took the request before `before` and has not reported. */
export async function overdueRequests(
  db: Queryable,
  before: Date,
  limit: number,
): Promise<string[]> {
  const { rows } = await db.query<{ transaction_uid: string }>(
    `select transaction_uid from commitment_request where state = 'asked' and updated_at <= $1
     order by updated_at limit $2`,
    [before, limit],
  );
  return rows.map((row) => row.transaction_uid);
}

/** Per delivery of the documents named: whether the peer committed; only deliveries that were asked for or will be. */
export async function commitmentsOf(
  db: Queryable,
  sopInstanceUids: readonly string[],
): Promise<{ sop_instance_uid: string; peer: string; state: string; last_error: string | null }[]> {
  const { rows } = await db.query<{
    sop_instance_uid: string;
    peer: string;
    state: string;
    last_error: string | null;
  }>(
    `select sop_instance_uid, peer, state, last_error from delivery_commitment
     where sop_instance_uid = any($1)`,
    [[...sopInstanceUids]],
  );
  return rows;
}

/** Our transactions that are not done, oldest first; not those whose documents were asked for again since. */
export async function openRequests(
  db: Queryable,
  limit: number,
): Promise<(CommitmentRequestRow & { readonly references: number; readonly created_at: Date })[]> {
  const { rows } = await db.query<
    CommitmentRequestRow & { readonly references: number; readonly created_at: Date }
  >(
    `select r.transaction_uid, r.peer, r.state, r.attempts, r.last_error, r.created_at,
       (select count(*)::int from delivery_commitment c where c.transaction_uid = r.transaction_uid) as references
     from commitment_request r where r.state <> 'done' and (r.state <> 'failed' or exists
       (select 1 from delivery_commitment c where c.transaction_uid = r.transaction_uid)) order by r.created_at limit $1`,
    [limit],
  );
  return rows;
}
