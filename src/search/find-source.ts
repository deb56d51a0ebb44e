/** The find source that `main.ts` hands to the DICOM listener: the called AE title decides what is asked. */
import type { Config } from "../config/schema.ts";
import type { QueryDatabase } from "../db/limited-queries.ts";
import type { FindMatch, FindRequest, FindResult, FindSource } from "../dimse/ports.ts";
import type { Clock } from "../kernel/clock.ts";
import { codeOf, KindredError } from "../kernel/errors.ts";
import type { Metrics } from "../kernel/metrics.ts";
import { type SimilarQueryOptions, similarQuery } from "./similar-query.ts";
import { standardQuery } from "./standard-query.ts";
import { type TextVectors, textQuery } from "./text-query.ts";

export interface FindSourceOptions {
  readonly config: Config;
  /** With a limit on each statement: peers think up the queries. */
  readonly database: QueryDatabase;
  readonly texts: TextVectors;
  readonly clock: Clock;
  readonly metrics: Metrics;
}

/** Where similar studies can be fetched from: the configured title, the peer that serves images, or ourselves. */
export function retrieveAeTitleOf(config: Config): string {
  return (
    config.dimse.retrieveAeTitle ??
    config.peers.find((peer) => peer.retrieveFrom)?.aeTitle ??
    config.dimse.aeTitle
  );
}

export function createFindSource(options: FindSourceOptions): FindSource {
  const { config, database, texts, clock, metrics } = options;
  const ranked: SimilarQueryOptions = {
    database,
    config: config.search,
    defaultModelId: config.encoder.models[0]!,
    retrieveAeTitle: retrieveAeTitleOf(config),
    clock,
  };
  return {
    async *find(request: FindRequest, signal: AbortSignal): AsyncGenerator<FindMatch, FindResult> {
      const { calledAeTitle, callingAeTitle } = request.association;
      const peer = config.peers.find((one) => one.aeTitle === callingAeTitle);
      const isStrict = peer?.strictPending === true;
      const stopTimer = metrics.findSeconds.startTimer({ called: calledAeTitle });
      try {
        const matches = ask(request);
        for (;;) {
          const step = await matches.next();
          if (step.done) return step.value;
          if (signal.aborted) throw new KindredError("QUERY_CANCELLED", "The requestor cancelled");
          yield { ...step.value, isWarning: step.value.isWarning && isStrict };
        }
      } catch (error) {
        if (codeOf(error) === "QUERY_TOO_SLOW")
          metrics.findTimeoutsTotal.inc({ called: calledAeTitle });
        throw error;
      } finally {
        stopTimer();
      }
    },
  };

  function ask(request: FindRequest): AsyncGenerator<FindMatch, FindResult> {
    switch (request.association.calledAeTitle) {
      case config.dimse.similarAeTitle:
        return similarQuery(ranked, request);
      case config.dimse.textAeTitle:
        return textQuery(ranked, request, texts);
      default:
        return standardQuery(database, {
          ...request,
          retrieveAeTitle: config.dimse.aeTitle,
          limit: config.dimse.pendingMatchesMax,
        });
    }
  }
}
