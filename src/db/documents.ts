/** Tables document and delivery: the durable outbox. */
import type { Queryable } from "./queryable.ts";
import type { SeriesRevision } from "./series.ts";

export interface DocumentRow {
  readonly sop_instance_uid: string;
  readonly series_instance_uid: string;
  readonly revision: number;
  readonly kind: string;
  readonly title: string;
  readonly sop_class_uid: string;
  readonly transfer_syntax_uid: string;
  readonly file_key: string;
  readonly text_lines: string[];
}

export interface DeliveryRow {
  readonly sop_instance_uid: string;
  readonly peer: string;
  readonly state: "pending" | "delivered" | "failed";
  readonly attempts: number;
  readonly last_error: string | null;
}

export async function saveDocument(
  tx: Queryable,
  at: SeriesRevision,
  document: {
    sopInstanceUid: string;
    kind: string;
    title: string;
    sopClassUid: string;
    transferSyntaxUid: string;
    fileKey: string;
    sizeBytes: number;
    textLines: readonly string[];
    createdAt: Date;
  },
  peers: readonly string[],
): Promise<void> {
  await tx.query(
    `insert into document (sop_instance_uid, series_instance_uid, revision, kind, title, sop_class_uid,
       transfer_syntax_uid, file_key, size_bytes, text_lines, created_at)
     values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
     on conflict (sop_instance_uid) do nothing`,
    [
      document.sopInstanceUid,
      at.seriesInstanceUid,
      at.revision,
      document.kind,
      document.title,
      document.sopClassUid,
      document.transferSyntaxUid,
      document.fileKey,
      document.sizeBytes,
      JSON.stringify(document.textLines),
      document.createdAt,
    ],
  );
  for (const peer of peers) {
    await tx.query(
      `insert into delivery (sop_instance_uid, peer, state, updated_at) values ($1, $2, 'pending', $3)
       on conflict (sop_instance_uid, peer) do nothing`,
      [document.sopInstanceUid, peer, document.createdAt],
    );
  }
}

export async function documentsOf(db: Queryable, at: SeriesRevision): Promise<DocumentRow[]> {
  const { rows } = await db.query<DocumentRow>(
    `select sop_instance_uid, series_instance_uid, revision, kind, title, sop_class_uid, transfer_syntax_uid,
       file_key, text_lines from document where series_instance_uid = $1 and revision = $2 order by kind`,
    [at.seriesInstanceUid, at.revision],
  );
  return rows;
}

export async function findDocument(
  db: Queryable,
  sopInstanceUid: string,
): Promise<DocumentRow | undefined> {
  const { rows } = await db.query<DocumentRow>(
    "select * from document where sop_instance_uid = $1",
    [sopInstanceUid],
  );
  return rows[0];
}

export async function deliveriesOf(db: Queryable, at: SeriesRevision): Promise<DeliveryRow[]> {
  const { rows } = await db.query<DeliveryRow>(
    `select l.sop_instance_uid, l.peer, l.state, l.attempts, l.last_error
     from delivery l join document d using (sop_instance_uid)
     where d.series_instance_uid = $1 and d.revision = $2 order by l.sop_instance_uid, l.peer`,
    [at.seriesInstanceUid, at.revision],
  );
  return rows;
}

export async function findDelivery(
  db: Queryable,
  sopInstanceUid: string,
  peer: string,
): Promise<(DeliveryRow & { readonly ambiguous_attempts: number }) | undefined> {
  const { rows } = await db.query<DeliveryRow & { readonly ambiguous_attempts: number }>(
    `select sop_instance_uid, peer, state, attempts, ambiguous_attempts, last_error from delivery
     where sop_instance_uid = $1 and peer = $2`,
    [sopInstanceUid, peer],
  );
  return rows[0];
}

/** Records an attempt to send. @param outcome - `isAmbiguous`: the peer may have it though it did not say so */
export async function recordAttempt(
  tx: Queryable,
  delivery: { sopInstanceUid: string; peer: string },
  outcome: {
    state: DeliveryRow["state"];
    error: string | null;
    isAmbiguous: boolean;
    now: Date;
  },
): Promise<void> {
  await tx.query(
    `update delivery set state = $3, attempts = attempts + 1, last_error = $4, updated_at = $5,
       ambiguous_attempts = ambiguous_attempts + $6::int
     where sop_instance_uid = $1 and peer = $2 and state <> 'delivered'`,
    [
      delivery.sopInstanceUid,
      delivery.peer,
      outcome.state,
      outcome.error,
      outcome.now,
      outcome.isAmbiguous ? 1 : 0,
    ],
  );
}

/** Deliveries that are not done, oldest first. */
export async function openDeliveries(
  db: Queryable,
  limit: number,
): Promise<(DeliveryRow & { series_instance_uid: string; title: string })[]> {
  const { rows } = await db.query<DeliveryRow & { series_instance_uid: string; title: string }>(
    `select l.sop_instance_uid, l.peer, l.state, l.attempts, l.last_error, d.series_instance_uid, d.title
     from delivery l join document d using (sop_instance_uid)
     where l.state <> 'delivered' order by l.updated_at limit $1`,
    [limit],
  );
  return rows;
}

/** Keeps who asked which similarity question, and which studies were answered. */
export async function auditQuery(
  db: Queryable,
  entry: {
    surface: string;
    callingAeTitle: string;
    remoteAddress: string;
    example: string;
    answers: readonly string[];
    now: Date;
  },
): Promise<void> {
  await db.query(
    `insert into query_audit (asked_at, surface, calling_ae_title, remote_address, example, answers)
     values ($1, $2, $3, $4, $5, $6)`,
    [
      entry.now,
      entry.surface,
      entry.callingAeTitle,
      entry.remoteAddress,
      entry.example,
      JSON.stringify(entry.answers),
    ],
  );
}
