/**
 * The one place that strings rooms together: which job follows which.
 *
 *   series complete → reconstruct → embed → report → send (one job a document and peer)
 *
 * Every arrow is a durable job whose next one is enqueued in the transaction that records its result. Work on a
 * revision that is no longer the current one changes nothing and ends.
 */
import type { InstanceStore } from "../archive/instance-store.ts";
import type { Config } from "../config/schema.ts";
import type { Database } from "../db/database.ts";
import type { Queryable } from "../db/queryable.ts";
import { moveSeries, type SeriesRevision, type SeriesState } from "../db/series.ts";
import type { TlsFiles } from "../dimse/tls-files.ts";
import type { Encoder } from "../encoder/encoder.ts";
import type { Clock } from "../kernel/clock.ts";
import { codeOf, messageOf } from "../kernel/errors.ts";
import type { Logger } from "../kernel/log.ts";
import type { Metrics } from "../kernel/metrics.ts";
import { STATUSES } from "../kernel/statuses.ts";
import { type DeliveryJob, sendDocument } from "../outbound/send.ts";
import { careForIndexes } from "../search/index-care.ts";
import { type Completion, createCompletion } from "../series/completion.ts";
import { startClocks } from "./clocks.ts";
import { createCommitmentCare } from "./commitment-jobs.ts";
import { createEarlyStart } from "./early-start.ts";
import { embedSeries } from "./embed-series.ts";
import type { Queue } from "./queue.ts";
import { reconstructSeries } from "./reconstruct-series.ts";
import { createReconstructor } from "./reconstructor.ts";
import { closeRefused } from "./refuse.ts";
import { reportSeries } from "./report-series.ts";
import { createStageFailures } from "./stage-failures.ts";

export interface PipelineOptions {
  readonly config: Config;
  readonly dataDir: string;
  readonly database: Database;
  readonly store: InstanceStore;
  readonly encoder: Encoder;
  readonly queue: Queue;
  /** For peers that are called by TLS. */
  readonly tls?: TlsFiles | undefined;
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: Metrics;
}

/** What every stage needs; `next` enqueues the following job inside the stage's transaction. */
export interface StageOptions extends PipelineOptions {
  readonly reconstructor: ReturnType<typeof createReconstructor>;
  readonly next: {
    reconstruct(tx: Queryable, at: SeriesRevision): Promise<void>;
    embed(tx: Queryable, at: SeriesRevision): Promise<void>;
    report(tx: Queryable, at: SeriesRevision): Promise<void>;
    send(tx: Queryable, job: DeliveryJob): Promise<void>;
  };
}

export interface Pipeline {
  start(): Promise<void>;
  stop(): Promise<void>;
  readonly completion: Completion;
}

const STAGE_RETRIES = 8;
/** Series that wait for the encoder, which runs one thing at a time a device: so a cheap model of one passes a dear one. */
const EMBED_CONCURRENCY = 4;

export function createPipeline(options: PipelineOptions): Pipeline {
  const { config, database, queue, clock, log } = options;
  const reconstructor = createReconstructor(options.dataDir);
  const enqueue = (kind: string) => (tx: Queryable, at: SeriesRevision) =>
    queue.enqueue(kind, { ...at }, { tx, key: `${at.seriesInstanceUid}/${at.revision}` });
  const stage: StageOptions = {
    ...options,
    reconstructor,
    next: {
      reconstruct: enqueue("series.reconstruct"),
      embed: enqueue("series.embed"),
      report: enqueue("series.report"),
      send: (tx, job) =>
        queue.enqueue(
          "outbound.send",
          { ...job },
          { tx, key: `${job.sopInstanceUid}/${job.peer}` },
        ),
    },
  };
  const failures = createStageFailures(options);
  const completion = createCompletion({
    config: config.series,
    database,
    clock,
    onComplete: async (tx, at) => {
      await closeRefused(tx, stage, at);
    },
  });

  const defineStage = (
    kind: string,
    from: readonly SeriesState[],
    run: (stage: StageOptions, at: SeriesRevision, attempt: number) => Promise<void>,
    concurrency = 1,
  ) =>
    queue.define<SeriesRevision>(kind, {
      retryLimit: STAGE_RETRIES,
      retryDelaySeconds: 2,
      retryBackoff: true,
      concurrency,
      handler: async (at, job) => {
        try {
          await run(stage, at, job.attempt);
        } catch (error) {
          const isOver =
            job.attempt > STAGE_RETRIES || STATUSES[codeOf(error)].retry === "permanent";
          failures.tell(kind, at, job.attempt, error);
          if (isOver) await failSeries(stage, at, from, `${codeOf(error)}: ${messageOf(error)}`);
          throw error;
        }
      },
    });

  const commitments = createCommitmentCare(options, stage.next.send);
  let clocks: ReturnType<typeof startClocks> | undefined;
  return {
    completion,
    async start() {
      defineStage("series.reconstruct", ["complete"], reconstructSeries);
      defineStage("series.embed", ["reconstructed"], embedSeries, EMBED_CONCURRENCY);
      defineStage("series.report", ["embedded"], reportSeries);
      queue.define<DeliveryJob>("outbound.send", {
        retryLimit: config.outbound.attemptsMax - 1,
        retryDelaySeconds: config.outbound.backoffSeconds,
        retryDelaySecondsMax: config.outbound.backoffSecondsMax,
        retryBackoff: true,
        concurrency: 2,
        handler: (job, { attempt }) =>
          sendDocument(
            { ...options, pathOf: options.store.pathOf },
            job,
            attempt >= config.outbound.attemptsMax,
          ),
      });
      await queue.start();
      commitments.start();
      clocks = startClocks(log, {
        everySecond: [
          { name: "completion", run: () => completion.closeDue() },
          { name: "early start", run: createEarlyStart(stage) },
        ],
        everyMinute: [
          { name: "indexes", run: () => careForIndexes(database, config.search, log) },
          { name: "old commitments", run: () => commitments.tidy() },
        ],
      });
    },
    async stop() {
      await clocks?.stop();
      await commitments.stop();
      await queue.stop();
      await reconstructor.stop();
    },
  };
}

async function failSeries(
  stage: StageOptions,
  at: SeriesRevision,
  from: readonly SeriesState[],
  reason: string,
): Promise<void> {
  const isCurrent = await moveSeries(stage.database, at, from, "failed", reason.slice(0, 500));
  if (isCurrent) stage.metrics.seriesTotal.inc({ state: "failed" });
}
