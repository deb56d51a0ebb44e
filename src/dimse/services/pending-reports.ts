/**
 * Pending responses of a retrieve: after sub-operations, not more often than asked for, and, where nothing else tells the
 * requestor that we live, from time to time while one sub-operation or the wait for a turn lasts.
 */

export interface PendingReports {
  /** A sub-operation was counted. @throws when the response cannot be sent */
  counted(): Promise<void>;
  /** No more are sent; resolves when the last one is out. */
  end(): Promise<void>;
}

/** Requestors commonly give up after 30 to 60 s without a response. */
const HEARTBEAT_MS = 10_000;

export function createPendingReports(options: {
  /** Least time between two, seconds; 0 reports each sub-operation. */
  readonly periodSeconds: number;
  readonly hasHeartbeat: boolean;
  send(): Promise<void>;
}): PendingReports {
  const periodMs = options.periodSeconds * 1000;
  let lastAt = Number.NEGATIVE_INFINITY;
  let isEnded = false;
  let sent: Promise<unknown> = Promise.resolve();
  const report = () => {
    lastAt = performance.now();
    beat?.refresh();
    const sending = options.send();
    sent = sending.catch(() => undefined);
    return sending;
  };
  const beat = options.hasHeartbeat
    ? setTimeout(() => {
        // When it cannot be sent the association is over, which stops the retrieve by its signal.
        if (!isEnded) report().catch(() => undefined);
      }, HEARTBEAT_MS)
    : undefined;
  return {
    async counted() {
      if (performance.now() - lastAt >= periodMs) await report();
    },
    async end() {
      isEnded = true;
      clearTimeout(beat);
      await sent;
    },
  };
}
