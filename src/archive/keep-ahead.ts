/**
 * The row of a lone instance, on its way to the database while the bytes are synced: its transaction is opened meanwhile and committed
 * after the sync. What a success means stays the same, bytes synced before the row is committed, but the two are not waited for one after the
 * other. An open transaction keeps the row of the series locked, and the embedded database's one session: when the disk is slow it is rolled back.
 */
import type { BoundedDatabase, OpenStatement } from "../db/bounded.ts";
import { type KeptInstance, openKnownInstances, type WriterEpoch } from "../db/instances.ts";
import { KindredError } from "../kernel/errors.ts";

/** How long a transaction that has run waits for the disk. */
const SYNC_MS_MAX = 50;

/**
 * - `kept`: the bytes are synced and the row is committed.
 * - `late`: the bytes are synced, but took long; nothing is written.
 * - `refused`: the bytes are synced; the statement refused and wrote nothing.
 */
export type KeptAhead = "kept" | "late" | "refused";

/**
 * Settles when the sync has.
 *
 * @param durable - the sync; its error is thrown, and nothing is written then
 * @throws KindredError `DB_UNAVAILABLE`; `details.isSent` is false unless the answer of the commit is lost
 */
export async function keepAhead(
  database: BoundedDatabase,
  term: WriterEpoch,
  instance: KeptInstance,
  durable: Promise<void>,
): Promise<KeptAhead> {
  let statement: OpenStatement;
  try {
    statement = await openKnownInstances(database, term, [instance]);
  } catch (error) {
    await durable;
    if (error instanceof KindredError) throw error;
    return "refused";
  }
  try {
    if (!(await isWithin(durable, SYNC_MS_MAX))) {
      await statement.rollback();
      await durable;
      return "late";
    }
  } catch (error) {
    await statement.rollback();
    throw error;
  }
  try {
    await statement.commit();
    return "kept";
  } catch (error) {
    if (error instanceof KindredError) throw error;
    return "refused";
  }
}

/** False when it takes longer. @throws its error */
async function isWithin(work: Promise<void>, limitMs: number): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<false>((resolve) => {
    timer = setTimeout(resolve, limitMs, false);
  });
  try {
    return await Promise.race([work.then(() => true), late]);
  } finally {
    clearTimeout(timer);
  }
}
