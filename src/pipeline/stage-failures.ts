/**
 * Stages that fail, counted and told. What a peer put into its series is no fault of the node and is told as a warning;
 * neither can fill the log, because a peer may send the like as often as it wants.
 */
import type { SeriesRevision } from "../db/series.ts";
import { RefusalLog } from "../dimse/refusal-log.ts";
import { codeOf, type ErrorCode, messageOf } from "../kernel/errors.ts";
import type { Logger } from "../kernel/log.ts";
import type { Metrics } from "../kernel/metrics.ts";

export interface StageFailures {
  tell(kind: string, at: SeriesRevision, attempt: number, error: unknown): void;
}

/** What the instances of a series can be at fault for. */
const OF_THE_DATA: ReadonlySet<ErrorCode> = new Set([
  "DATASET_UNREADABLE",
  "DATASET_INCOMPLETE",
  "NOT_A_VOLUME",
]);

export function createStageFailures(options: {
  readonly log: Logger;
  readonly metrics: Metrics;
}): StageFailures {
  const lines = new RefusalLog(options.log, () => performance.now());
  return {
    tell(kind, at, attempt, error) {
      const code = codeOf(error);
      options.metrics.stageFailuresTotal.inc({ kind, code });
      lines[OF_THE_DATA.has(code) ? "warn" : "error"](
        `series.stage_failed ${kind} ${code}`,
        {
          event: "series.stage_failed",
          kind,
          series: at.seriesInstanceUid,
          attempt,
          code,
          err: messageOf(error),
        },
        "a stage failed",
      );
    },
  };
}
