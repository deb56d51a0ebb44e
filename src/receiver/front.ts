/**
 * The DICOM front: listener → services → archive and search. It stands in the node's own process, or, with
 * `dimse.receivers`, in receiver processes that share one port.
 */
import type { Archive } from "../archive/archive.ts";
import { createCommitmentKeeper } from "../archive/commitment.ts";
import { createRetrieveSource } from "../archive/retrieve-source.ts";
import type { Config } from "../config/schema.ts";
import type { Database } from "../db/database.ts";
import type { AssociationCounts } from "../dimse/association-counts.ts";
import { createDimseListener, type DimseListener } from "../dimse/listener.ts";
import { type CommitmentService, createCommitmentService } from "../dimse/services/commitment.ts";
import { moveDestination } from "../dimse/services/move-destination.ts";
import { createRetrieveService } from "../dimse/services/retrieve.ts";
import type { Turns } from "../dimse/services/turns.ts";
import type { TlsFiles } from "../dimse/tls-files.ts";
import type { TokenVerifier } from "../dimse/user-identity.ts";
import type { Clock } from "../kernel/clock.ts";
import type { Logger } from "../kernel/log.ts";
import type { Metrics } from "../kernel/metrics.ts";
import { createCommitmentResults } from "../outbound/commitment.ts";
import { createFindSource } from "../search/find-source.ts";
import type { TextVectors } from "../search/text-query.ts";

export interface FrontOptions {
  readonly config: Config;
  readonly database: Database;
  readonly archive: Archive;
  readonly tls: TlsFiles | undefined;
  /** The module of `dimse.tokenVerifier`. */
  readonly verifyToken: TokenVerifier | undefined;
  /** Associations of all processes that share the port; without it this process counts its own. */
  readonly counts?: AssociationCounts;
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: Metrics;
  /** At move destinations: shared by all receivers of the node. */
  readonly turns: Turns;
  readonly texts: TextVectors;
}

/** Joins the ports of the DIMSE room to the rooms that implement them. */
export function createFront(options: FrontOptions): DimseListener {
  const { config, database, archive, texts, clock, metrics } = options;
  const log = options.log.child({ component: "dimse" });
  return createDimseListener({
    config: config.dimse,
    peers: config.peers,
    store: archive.sink,
    find: createFindSource({ config, database: database.limited, texts, clock, metrics }),
    commitment: commitmentService(options, log),
    retrieve: createRetrieveService({
      config: config.dimse,
      source: createRetrieveSource({ database: database.bounded, store: archive.store }),
      destinationOf: (aeTitle) => moveDestination(config, aeTitle, options.tls?.current()),
      turns: options.turns,
      log,
      metrics,
    }),
    tls: options.tls,
    verifyToken: options.verifyToken,
    counts: options.counts,
    log,
    metrics,
  });
}

/** The archive answers what peers ask, the outbox takes what they report. */
function commitmentService(options: FrontOptions, log: Logger): CommitmentService {
  const { config, database, archive, clock, metrics } = options;
  const keeper = createCommitmentKeeper({
    database: database.bounded,
    store: archive.store,
    clock,
    log: options.log.child({ component: "archive" }),
    metrics,
  });
  const results = createCommitmentResults({
    config,
    database,
    clock,
    log: options.log.child({ component: "outbound" }),
    metrics,
  });
  const sink = { request: keeper.request, result: results.result };
  return createCommitmentService({ config, sink, log, metrics });
}
