/** Table archive_node: who uses the archive now. The database's clock decides who is alive, no machine's. */
import type { Queryable } from "./queryable.ts";

/** A node that has not been seen for this long is taken for dead. */
export const ALIVE_SECONDS = 15;

export interface NodeRow {
  /** `owner`, `repair` or `receiver-NAME`. */
  readonly node: string;
  readonly role: string;
  /** One start of the node. */
  readonly run: string;
  readonly host: string;
  readonly process_id: number;
  readonly scope: string;
  readonly is_alive: boolean;
  readonly seen_seconds: number;
}

export async function archiveNodes(db: Queryable): Promise<NodeRow[]> {
  const { rows } = await db.query<NodeRow>(
    `select node, role, run, host, process_id, scope, seen_at > now() - make_interval(secs => $1) as is_alive,
       round(extract(epoch from now() - seen_at))::int as seen_seconds
     from archive_node order by node`,
    [ALIVE_SECONDS],
  );
  return rows;
}

/**
 * Takes a node's row over from a run that is dead.
 *
 * @param deadRuns - runs that are known to be dead however lately they were seen
 * @returns false while another run holds it
 */
export async function takeNodeRow(
  db: Queryable,
  row: Omit<NodeRow, "is_alive" | "seen_seconds">,
  deadRuns: readonly string[],
): Promise<boolean> {
  const { rowCount } = await db.query(
    `insert into archive_node as n (node, role, run, host, process_id, scope)
     values ($1, $2, $3, $4, $5, $6)
     on conflict (node) do update set role = excluded.role, run = excluded.run, host = excluded.host,
       process_id = excluded.process_id, scope = excluded.scope, started_at = now(), seen_at = now()
     where n.run = excluded.run or n.run = any($7) or n.seen_at <= now() - make_interval(secs => $8)`,
    [row.node, row.role, row.run, row.host, row.process_id, row.scope, deadRuns, ALIVE_SECONDS],
  );
  return rowCount > 0;
}

export async function leaveNodeRow(db: Queryable, node: string, run: string): Promise<void> {
  await db.query("delete from archive_node where node = $1 and run = $2", [node, run]);
}
