/** The watermark of the disk: below it new instances are refused, the rest of the node goes on. */
import type { Clock } from "../kernel/clock.ts";
import { KindredError, messageOf } from "../kernel/errors.ts";
import type { Logger } from "../kernel/log.ts";
import type { Metrics } from "../kernel/metrics.ts";

/** The disk is asked at most once in this time. */
const CHECK_MS = 1000;

export interface FreeSpace {
  /** @throws KindredError `STORAGE_FULL` below the watermark, and when the disk does not answer */
  check(): Promise<void>;
}

export interface FreeSpaceOptions {
  readonly freeBytes: () => Promise<number>;
  readonly freeBytesMin: number;
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: Metrics;
}

export function createFreeSpace(options: FreeSpaceOptions): FreeSpace {
  const { clock, log, metrics, freeBytesMin } = options;
  let checkedAt = Number.NEGATIVE_INFINITY;
  let asking: Promise<void> | undefined;
  let fault: string | undefined;

  const ask = async () => {
    const before = fault;
    try {
      const freeBytes = await options.freeBytes();
      metrics.archiveFreeBytes.set(freeBytes);
      fault =
        freeBytes < freeBytesMin
          ? "Free disk is below archive.freeBytesMin: free space, then send again"
          : undefined;
    } catch (error) {
      fault = `The disk of the archive does not answer (${messageOf(error)}): mend it, then send again`;
    }
    checkedAt = clock.now().getTime();
    if (fault !== undefined && before === undefined)
      log.error({ event: "archive.full", why: fault }, "new instances are refused");
    if (fault === undefined && before !== undefined)
      log.info({ event: "archive.space" }, "instances are taken again");
  };

  return {
    async check() {
      if (clock.now().getTime() - checkedAt >= CHECK_MS) {
        asking ??= ask().finally(() => {
          asking = undefined;
        });
      }
      // Only the first answer, and one while space is short, are worth waiting for.
      if (asking !== undefined && (fault !== undefined || checkedAt === Number.NEGATIVE_INFINITY))
        await asking;
      if (fault !== undefined) throw new KindredError("STORAGE_FULL", fault);
    },
  };
}
