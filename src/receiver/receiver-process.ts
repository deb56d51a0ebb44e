/**
 * A receiver process: the DICOM front on the shared port, with a database connection of its own and nothing else, so
 * that it stays small. Its parent starts and stops it; without the parent it ends (so `compileReceiver` has it loaded).
 */
import cluster from "node:cluster";
import { resolve } from "node:path";
import { openArchive } from "../archive/archive.ts";
import { syncFlag } from "../archive/shared-syncs.ts";
import { openDatabase } from "../db/database.ts";
import { openTlsFiles } from "../dimse/tls-files.ts";
import { openTokenVerifier } from "../dimse/token-verifier.ts";
import { systemClock } from "../kernel/clock.ts";
import { codeOf, messageOf } from "../kernel/errors.ts";
import { createLogger } from "../kernel/log.ts";
import { createMetrics } from "../kernel/metrics.ts";
import { createFront } from "./front.ts";
import type { FromReceiver, ToReceiver } from "./messages.ts";
import { createSharedCounts } from "./shared-counts.ts";
import { textsByChannel } from "./shared-texts.ts";
import { turnsByChannel } from "./shared-turns.ts";

const metrics = createMetrics();
const counts = createSharedCounts(tell);
const shared = turnsByChannel(tell);
const ofNode = textsByChannel(tell);
let reload: () => void = () => undefined;
let stop: () => Promise<void> = async () => undefined;

function tell(message: FromReceiver): void {
  process.send?.(message);
}

async function start(message: Extract<ToReceiver, { type: "start" }>): Promise<void> {
  const { config, socketFolder, writer, syncs } = message;
  const log = createLogger(config.log).child({ receiver: cluster.worker?.id });
  const dataDir = resolve(config.dataDir);
  const database = await openDatabase({
    config: config.database,
    dataDir,
    log: log.child({ component: "db" }),
    socketFolder,
  });
  const { turns } = shared;
  const archive = await openArchive({
    config: config.archive,
    dataDir,
    database: database.bounded,
    clock: systemClock,
    log: log.child({ component: "archive" }),
    metrics,
    isOwner: false,
    writer,
    syncs: syncs === undefined ? undefined : syncFlag(syncs),
    outlivesOwner: config.node.role === "receiver",
  });
  const tls = await openTlsFiles(config.dimse.tls, log.child({ component: "dimse" }));
  const front = createFront({
    config,
    database,
    archive,
    tls,
    verifyToken: await openTokenVerifier(config.dimse.tokenVerifier),
    counts,
    clock: systemClock,
    log,
    metrics,
    turns,
    texts: ofNode.texts,
  });
  reload = () => void tls?.reload();
  stop = async () => {
    await front.stop();
    tls?.close();
    await archive.close();
    await database.close();
  };
  metrics.collectProcess();
  tell({ type: "listening", address: await front.start() });
}

process.on("message", (message: ToReceiver) => {
  if (message.type === "start") {
    start(message).catch((error: unknown) => {
      tell({ type: "failed", code: codeOf(error), message: messageOf(error) });
    });
  } else if (message.type === "stop") {
    void stop().finally(() => process.disconnect());
  } else if (message.type === "reload") {
    reload();
  } else if (message.type === "counted") {
    counts.answered(message);
  } else if (message.type === "turn") {
    shared.given(message.id);
  } else if (message.type === "text") {
    ofNode.answered(message);
  } else if (message.type === "metrics") {
    void metrics.registry
      .getMetricsAsJSON()
      .then((all) => tell({ type: "metrics", id: message.id, metrics: all }));
  }
});
process.on("disconnect", () => process.exit(0));
// Ctrl-C reaches the whole process group; the parent says when it is time.
process.on("SIGINT", () => undefined);
process.on("SIGTERM", () => undefined);
