/**
 * The composition root: builds every part, joins the ports, and owns the order of start and stop.
 *
 *   C-STORE → archive (file, row, then 0000H) → series complete → pipeline (reconstruct → embed → report) → outbox
 *   C-FIND  → search (standard | similar | text) → answers
 *   C-MOVE, C-GET → archive (rows, then file by file) → C-STORE to the destination or on the same association
 *
 * Nobody may send before everything that keeps an instance stands, so the DICOM listener starts last and stops first. With
 * `node.role` worker it is left out, with receiver everything between archive and listener.
 */
import { chmod, mkdir } from "node:fs/promises";
import { availableParallelism, hostname } from "node:os";
import { resolve } from "node:path";
import { type Archive, openArchive } from "./archive/archive.ts";
import { joinArchive } from "./archive/join-archive.ts";
import { openSharedSyncs, type SharedSyncs } from "./archive/shared-syncs.ts";
import { isWriterOf, newWriter } from "./archive/writer.ts";
import type { Config, Role } from "./config/schema.ts";
import { type Database, openDatabase } from "./db/database.ts";
import { lockDataDir } from "./db/lock.ts";
import { migrate } from "./db/migrate.ts";
import { claimNode, lockOf, OWNER } from "./db/node-claim.ts";
import type { ListenerAddress } from "./dimse/connections.ts";
import { createTurns } from "./dimse/services/turns.ts";
import { openTlsFiles } from "./dimse/tls-files.ts";
import { openTokenVerifier } from "./dimse/token-verifier.ts";
import { discoverBundles, unusedBundles } from "./encoder/bundle.ts";
import { createEncoder, type Encoder } from "./encoder/encoder.ts";
import { modelFolders, placedModels } from "./encoder/model-folders.ts";
import { openVerifiedFiles } from "./encoder/verified-files.ts";
import { createHttpServer, type Processing } from "./http/server.ts";
import { type Clock, systemClock } from "./kernel/clock.ts";
import type { KindredError } from "./kernel/errors.ts";
import { createLogger, type Logger } from "./kernel/log.ts";
import { createMetrics, type Metrics } from "./kernel/metrics.ts";
import { VERSION } from "./kernel/version.ts";
import { createPipeline, type PipelineOptions } from "./pipeline/pipeline.ts";
import { createQueue } from "./pipeline/queue.ts";
import { createFront, type FrontOptions } from "./receiver/front.ts";
import { compileReceiver } from "./receiver/receiver-node.ts";
import {
  type Receivers as DicomFront,
  type ReceiversOptions,
  startReceivers,
} from "./receiver/receivers.ts";
import { NO_TEXTS } from "./receiver/shared-texts.ts";
import type { TextVectors } from "./search/text-query.ts";

/** A running node. */
export interface Node {
  readonly role: Role;
  /** With role worker there is no listener: its ports are undefined and 0. */
  readonly dicom: ListenerAddress;
  readonly http: { readonly host: string; readonly port: number };
  readonly database: Database;
  /** Resolves when another node has taken the place of this one, which was away too long: stop it then. */
  readonly displaced: Promise<KindredError>;
  /** Stops accepting, lets running work end, closes everything in reverse order. Safe to call twice. */
  stop(): Promise<void>;
}

export interface NodeOptions {
  readonly config: Config;
  readonly log?: Logger;
  readonly clock?: Clock;
}

/** What every part of the node is built with; what was started is stopped in reverse order. */
interface Parts {
  readonly config: Config;
  readonly dataDir: string;
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: Metrics;
  readonly stops: (() => Promise<unknown>)[];
  readonly part: (name: string) => Logger;
  readonly isStopping: () => boolean;
  /** Of this process and of the receivers that it will start. */
  readonly syncs: SharedSyncs | undefined;
}

/** Time a node waits for another that may be dead, and a receiver for the owner. */
const WAIT_SECONDS = 30;

/**
 * Starts a node. When a part fails to start, the parts before it are stopped again.
 *
 * @throws KindredError `DATA_DIR_IN_USE`, `DB_UNAVAILABLE`, `UNAVAILABLE` (port taken) with what to do
 */
export async function startNode({ config, ...given }: NodeOptions): Promise<Node> {
  const log = given.log ?? createLogger(config.log);
  const metrics = createMetrics();
  metrics.buildInfo.set({ version: VERSION }, 1);
  metrics.collectProcess();
  const stops: (() => Promise<unknown>)[] = [];
  let isStopping = false;
  let stopping: Promise<void> | undefined;
  const stop = () => {
    isStopping = true;
    stopping ??= stopAll(stops, log);
    return stopping;
  };
  const parts: Parts = {
    config,
    dataDir: resolve(config.dataDir),
    clock: given.clock ?? systemClock,
    log,
    metrics,
    stops,
    part: (name) => log.child({ component: name }),
    isStopping: () => isStopping,
    syncs:
      receiverCount(config) > 0 && config.archive.sync
        ? openSharedSyncs(receiverCount(config) + 1)
        : undefined,
  };
  stops.push(async () => parts.syncs?.close());
  try {
    return { ...(await startParts(parts)), stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function startParts(parts: Parts): Promise<Omit<Node, "stop">> {
  const { config, dataDir, clock, log, metrics, stops, part, isStopping } = parts;
  const { role } = config.node;
  const name = nameOf(config);
  await mkdir(dataDir, { recursive: true, mode: 0o700 });
  await chmod(dataDir, 0o700);
  const lock = await lockDataDir(dataDir, lockOf(name));
  stops.push(() => lock.release());

  // Runs beside the start of the database.
  const compiled = receiverCount(config) > 0 ? compileReceiver(dataDir) : Promise.resolve();

  // Before anything that takes time: wrong files end the start at once.
  const tls = await openTlsFiles(config.dimse.tls, part("dimse"));
  if (tls !== undefined) stops.push(async () => tls.close());
  const verifyToken = await openTokenVerifier(config.dimse.tokenVerifier);

  const database = await openDatabase({
    config: config.database,
    dataDir,
    log: part("db"),
    connectionsMax: receiverCount(config) + 4,
    sync: config.archive.sync,
  });
  stops.push(() => database.close());
  const { archive, displaced } = await openShared(parts, database, name);
  const processing =
    role === "receiver" ? undefined : await startProcessing(parts, { database, archive, tls });

  let front: DicomFront | undefined;
  const web = createHttpServer({
    config,
    database,
    processing,
    clock,
    log: part("http"),
    metrics,
    front: () => front,
    archiveCheck: () => archive.check(),
    isStopping,
  });
  const http = await web.start();
  stops.push(() => web.stop());
  if (role !== "worker") {
    const turns = createTurns(config.dimse.movesPerDestinationMax, (count) =>
      metrics.movesWaiting.set(count),
    );
    const texts = processing === undefined ? NO_TEXTS : textsOf(processing.encoder);
    front = await startFront(
      { config, database, archive, tls, verifyToken, clock, log, metrics, turns, texts },
      { name, compiled, syncs: parts.syncs },
    );
    stops.push(front.stop);
  }
  const dicom = front?.address ?? NO_LISTENER;
  log.info(
    {
      event: "node.started",
      version: VERSION,
      role,
      dicom_port: dicom.plainPort,
      dicom_tls_port: dicom.tlsPort,
      http_port: http.port,
      engine: database.engine,
    },
    role === "worker" ? "Kindred works" : "Kindred is listening",
  );
  return { role, dicom, http, database, displaced };
}

const NO_LISTENER: ListenerAddress = {
  host: "",
  port: 0,
  plainPort: undefined,
  tlsPort: undefined,
};

/** Under this name the node is known to others, and writes: one at a time, see db/node-claim.ts. */
function nameOf({ node }: Config): string {
  if (node.role !== "receiver") return OWNER;
  return `receiver-${
    node.name ??
    hostname()
      .replaceAll(/[^A-Za-z0-9_-]/g, "-")
      .slice(0, 40)
  }`;
}

/** The archive, which other nodes may use too: the owner takes it over, a receiver joins what the owner has opened. */
async function openShared(
  parts: Parts,
  database: Database,
  name: string,
): Promise<{ archive: Archive; displaced: Promise<KindredError> }> {
  const { config, dataDir, clock, metrics, stops, part } = parts;
  const { role } = config.node;
  const isOwner = role !== "receiver";
  const log = part("archive");
  if (isOwner) await migrate(database);
  else await joinArchive({ database, dataDir, log, waitSeconds: WAIT_SECONDS });
  const claim = await claimNode({
    database,
    dataDir,
    node: name,
    role,
    log,
    waitSeconds: WAIT_SECONDS,
  });
  stops.push(() => claim.release());
  const archive = await openArchive({
    config: config.archive,
    dataDir,
    database: database.bounded,
    clock,
    log,
    metrics,
    isOwner,
    writer: newWriter(name),
    syncs: parts.syncs?.flagOf(0),
    outlivesOwner: !isOwner,
  });
  stops.push(() => archive.close());
  // Of earlier runs: this one does not write yet.
  if (!isOwner) await archive.mendEnded((writer) => isWriterOf(name, writer));
  return { archive, displaced: claim.displaced };
}

/** What follows the storing of instances: models, queue, pipeline. */
async function startProcessing(
  { config, dataDir, clock, metrics, stops, part }: Parts,
  given: Pick<PipelineOptions, "database" | "tls"> & { archive: Archive },
): Promise<Processing> {
  const { database, archive, tls } = given;
  const folders = modelFolders(config);
  const { models } = config.encoder;
  const verified = await openVerifiedFiles(dataDir);
  const bundles = await discoverBundles(folders, models, verified);
  for (const { id: model, error } of await unusedBundles(placedModels(config), models, verified))
    part("encoder").warn(
      { event: "model.unused", model, reason: error ?? "it is not in encoder.models" },
      "a model bundle lies in the model folders and will not run",
    );
  await verified.save();
  const encoder = createEncoder({
    config: config.encoder,
    bundles,
    log: part("encoder"),
    metrics,
  });
  await encoder.start();
  stops.push(() => encoder.stop());

  const queue = createQueue({ database, log: part("pipeline"), metrics, clock });
  const pipeline = createPipeline({
    config,
    dataDir,
    database,
    store: archive.store,
    encoder,
    queue,
    tls,
    clock,
    log: part("pipeline"),
    metrics,
  });
  await pipeline.start();
  stops.push(() => pipeline.stop());
  return { encoder, queue, completion: pipeline.completion };
}

const textsOf = (encoder: Encoder): TextVectors => ({
  vectorOf: (text) => encoder.embedText(text),
});

/** Receivers in processes of their own, or the front in this one. */
async function startFront(
  options: FrontOptions,
  given: { readonly name: string } & Pick<ReceiversOptions, "compiled" | "syncs">,
): Promise<DicomFront> {
  const { config, database, archive, log, metrics, turns, texts } = options;
  const count = receiverCount(config);
  if (count > 0) {
    const { socketFolder } = database;
    return startReceivers({
      config,
      count,
      socketFolder,
      log,
      metrics,
      turns,
      texts,
      compiled: given.compiled,
      syncs: given.syncs,
      newWriter: () => newWriter(given.name),
      onWriterEnded: (ended) => void archive.mendEnded((writer) => writer === ended),
    });
  }
  const front = createFront(options);
  const address = await front.start();
  return { address, listening: () => 1, metrics: async () => [], stop: () => front.stop() };
}

function receiverCount({ node, dimse }: Config): number {
  const { receivers } = dimse;
  if (node.role === "worker") return 0;
  return receivers === "cores" ? availableParallelism() : receivers;
}

async function stopAll(stops: (() => Promise<unknown>)[], log: Logger): Promise<void> {
  for (const one of stops.reverse()) {
    try {
      await one();
    } catch (error) {
      log.error({ event: "node.stop_failed", err: error }, "a part did not stop cleanly");
    }
  }
  log.info({ event: "node.stopped" }, "Kindred stopped");
}
