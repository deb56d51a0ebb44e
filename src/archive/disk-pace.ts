/**
 * Whether a write on this thread would return at once. Bytes that are still warm from the socket are copied into the page cache
 * cheaper from this thread than from the thread pool (receiving 526 kB took 2.9 instead of 6 ms CPU on a loaded machine), but
 * a disk that stalls would stop the thread. So: at once while everything else asked of the disk comes back promptly and no sync is
 * under way in any process of the node, by the pool otherwise. A file system that is committing what a sync waits for may hold a write
 * up until it has, however long the disk takes.
 */
import type { SyncFlag } from "./shared-syncs.ts";

const SLOW_CALL_MS = 250;
const SLOW_NOW_MS = 100;
/** How long a slow call keeps the others away from this thread. */
const REST_MS = 5_000;

export interface DiskPace {
  isPrompt(): boolean;
  /** Notes that a call to the disk is under way until the promise settles. */
  watch<T>(call: Promise<T>): Promise<T>;
  /** The same for a sync of a file or folder. */
  watchSync<T>(call: Promise<T>): Promise<T>;
  /** Runs a call on this thread and notes how long it took. */
  measure<T>(call: () => T): T;
}

/**
 * @param shared - tells the other processes of the node, and of them; without it this process stands alone
 * @param now - a clock in milliseconds that only goes forward
 */
export function createDiskPace(
  shared?: SyncFlag,
  now: () => number = () => performance.now(),
): DiskPace {
  const startedAt = new Map<Promise<unknown>, number>();
  let restUntil = Number.NEGATIVE_INFINITY;
  let syncs = 0;
  return {
    isPrompt() {
      const at = now();
      if (syncs > 0 || at < restUntil || shared?.isAnySet() === true) return false;
      // A map keeps the order of insertion: the first is the oldest.
      const [oldest] = startedAt.values();
      return oldest === undefined || at - oldest < SLOW_CALL_MS;
    },
    watch(call) {
      startedAt.set(call, now());
      const ended = () => startedAt.delete(call);
      call.then(ended, ended);
      return call;
    },
    watchSync(call) {
      if (++syncs === 1) shared?.set(true);
      const ended = () => {
        if (--syncs === 0) shared?.set(false);
      };
      call.then(ended, ended);
      return call;
    },
    measure(call) {
      const at = now();
      try {
        return call();
      } finally {
        if (now() - at > SLOW_NOW_MS) restUntil = now() + REST_MS;
      }
    },
  };
}
