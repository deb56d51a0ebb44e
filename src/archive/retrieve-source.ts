/** What C-MOVE and C-GET send: the instances that the rows name, in order, each opened only when its turn comes. */
import type { Queryable } from "../db/queryable.ts";
import {
  nextInstancesToRetrieve,
  type RetrievableInstance,
  type RetrievableSeries,
  seriesToRetrieve,
} from "../db/retrieve.ts";
import type { RetrieveKeys, RetrieveSource, StoredInstance } from "../dimse/ports.ts";
import { KindredError } from "../kernel/errors.ts";
import { type BlockPool, createBlockPool, openDataSetFile } from "./data-set-file.ts";
import type { InstanceStore } from "./instance-store.ts";

export interface RetrieveSourceOptions {
  readonly database: Queryable;
  readonly store: Pick<InstanceStore, "pathOf">;
}

/** Rows of one statement: the embedded database answers one statement at a time, and receiving must not wait for us. */
const PAGE_ROWS = 2_000;

/** The source that `main.ts` hands to the retrieve service. About 200 bytes of memory an instance found. */
export function createRetrieveSource(options: RetrieveSourceOptions): RetrieveSource {
  const { database, store } = options;
  const pool = createBlockPool();
  return {
    async find(keys, instancesMax) {
      const found: StoredInstance[] = [];
      const shared = new Map<string, string>();
      const series = (await seriesToRetrieve(database, keys)).sort(bySeries);
      for (const one of series) {
        const rows = await rowsOf(database, one, keys, instancesMax - found.length);
        for (const row of rows.sort(byInstance)) found.push(instanceOf(row, shared, store, pool));
      }
      return found;
    },
  };
}

/** @throws KindredError `RETRIEVE_LIMIT` */
async function rowsOf(
  database: Queryable,
  series: RetrievableSeries,
  keys: RetrieveKeys,
  rowsMax: number,
): Promise<RetrievableInstance[]> {
  const rows: RetrievableInstance[] = [];
  for (let page = PAGE_ROWS; page === PAGE_ROWS; ) {
    const next = await nextInstancesToRetrieve(database, {
      seriesInstanceUid: series.series_instance_uid,
      after: rows.at(-1)?.sop_instance_uid ?? "",
      sopInstanceUids: keys.sopInstanceUids,
      limit: PAGE_ROWS,
    });
    page = next.length;
    for (const row of next) rows.push(row);
    if (rows.length > rowsMax) {
      throw new KindredError("RETRIEVE_LIMIT", "More instances than allowed at once: ask for less");
    }
  }
  return rows;
}

function instanceOf(
  row: RetrievableInstance,
  shared: Map<string, string>,
  store: RetrieveSourceOptions["store"],
  pool: BlockPool,
): StoredInstance {
  const { sop_instance_uid, file_key, size_bytes } = row;
  // Each row brings its own copy of the same few UIDs.
  const share = (text: string) => {
    const known = shared.get(text);
    if (known === undefined) shared.set(text, text);
    return known ?? text;
  };
  return {
    sopClassUid: share(row.sop_class_uid),
    sopInstanceUid: sop_instance_uid,
    transferSyntaxUid: share(row.transfer_syntax_uid),
    open: () => openDataSetFile(store.pathOf(file_key), size_bytes, pool),
  };
}

function bySeries(a: RetrievableSeries, b: RetrievableSeries): number {
  return (
    compare(a.study_instance_uid, b.study_instance_uid) ||
    byNumber(a.series_number, b.series_number) ||
    compare(a.series_instance_uid, b.series_instance_uid)
  );
}

function byInstance(a: RetrievableInstance, b: RetrievableInstance): number {
  return (
    byNumber(a.instance_number, b.instance_number) ||
    compare(a.sop_instance_uid, b.sop_instance_uid)
  );
}

/** Values of VR IS by their number; what is none comes last. */
function byNumber(a: string, b: string): number {
  const numberOf = (text: string) => (/^[-+]?\d{1,12}$/.test(text) ? Number(text) : Infinity);
  const [x, y] = [numberOf(a), numberOf(b)];
  return x === y ? 0 : x - y;
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
