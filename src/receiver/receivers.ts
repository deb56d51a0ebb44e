/**
 * Receiver processes as the node sees them: started, restarted when they die, stopped, and asked for their metrics.
 * They share one port through node:cluster, whose round robin deals connections evenly.
 */
import cluster, { type ClusterSettings, type Worker } from "node:cluster";
import type { SharedSyncs } from "../archive/shared-syncs.ts";
import type { Config } from "../config/schema.ts";
import { createAssociationCounts } from "../dimse/association-counts.ts";
import type { Turns } from "../dimse/services/turns.ts";
import { KindredError } from "../kernel/errors.ts";
import type { Logger } from "../kernel/log.ts";
import type { Metrics } from "../kernel/metrics.ts";
import type { TextVectors } from "../search/text-query.ts";
import type { Address, FromReceiver, ToReceiver } from "./messages.ts";
import { RECEIVER_FILE, RECEIVER_NODE_OPTIONS, receiverEnvironment } from "./receiver-node.ts";
import { createReceiverCounts } from "./shared-counts.ts";
import { answerText } from "./shared-texts.ts";
import { turnsOfReceiver } from "./shared-turns.ts";

export interface Receivers {
  readonly address: Address;
  /** Receivers that listen now. */
  listening(): number;
  /** The metrics of each receiver that answers in time, as prom-client's JSON. */
  metrics(): Promise<unknown[]>;
  stop(): Promise<void>;
}

export interface ReceiversOptions {
  readonly config: Config;
  readonly count: number;
  readonly socketFolder: string | undefined;
  readonly log: Logger;
  readonly metrics: Metrics;
  /** At move destinations. */
  readonly turns: Turns;
  readonly texts: TextVectors;
  /** Of `compileReceiver`: receivers start after it. */
  readonly compiled: Promise<void>;
  /** In which all processes of the node tell of their syncs: one slot for the node, then one for each receiver. */
  readonly syncs: SharedSyncs | undefined;
  /** Names a receiver process as a writer of the archive. */
  readonly newWriter: () => string;
  /** The process of this writer ended, in order or not, while the node goes on. */
  readonly onWriterEnded: (writer: string) => void;
}

const START_MS_MAX = 60_000;
const METRICS_MS_MAX = 2_000;
/** Of a forked process; what it inherits besides comes next. */
const STDIO = ["inherit", "inherit", "inherit", "ipc"] as const;
const RESTART_MS_MIN = 200;
const RESTART_MS_MAX = 10_000;
const STOP_MS_EXTRA = 5_000;

/** Starts the receivers. @throws KindredError what the first one could not do, e.g. `UNAVAILABLE` (port taken) */
export async function startReceivers(options: ReceiversOptions): Promise<Receivers> {
  const { config, count, log } = options;
  const settings: ClusterSettings = {
    exec: RECEIVER_FILE,
    args: [],
    execArgv: [...RECEIVER_NODE_OPTIONS],
    serialization: "advanced",
    stdio: options.syncs === undefined ? [...STDIO] : [...STDIO, options.syncs.fd],
  };
  cluster.schedulingPolicy = cluster.SCHED_RR;
  await options.compiled;
  const ready = new Set<Worker>();
  const waiting = new Map<number, (metrics: unknown) => void>();
  const counts = createAssociationCounts();
  let lastId = 0;
  let isStopping = false;
  let restartMs = RESTART_MS_MIN;

  const launch = (index: number): Promise<Address> => {
    // Of the whole process, which may hold several nodes.
    cluster.setupPrimary(settings);
    const worker = cluster.fork(receiverEnvironment(config.dataDir));
    const writer = options.newWriter();
    const slot =
      options.syncs === undefined
        ? undefined
        : { fd: STDIO.length, slot: index + 1, slots: options.syncs.slots };
    const turns = turnsOfReceiver(options.turns, (message) => send(worker, message));
    const { promise, resolve: listens, reject } = Promise.withResolvers<Address>();
    const timer = setTimeout(() => worker.process.kill("SIGKILL"), START_MS_MAX);
    const ofWorker = createReceiverCounts(counts, (answer) => send(worker, answer));
    worker.on("message", (message: FromReceiver) => {
      if (message.type === "listening") {
        clearTimeout(timer);
        ready.add(worker);
        restartMs = RESTART_MS_MIN;
        listens(message.address);
      } else if (message.type === "failed") {
        reject(new KindredError(message.code, message.message));
        worker.process.kill("SIGKILL");
      } else if (message.type === "turn wanted") {
        turns.take(message.id, message.key);
      } else if (message.type === "turn back") {
        turns.leave(message.id);
      } else if (message.type === "text wanted") {
        void answerText(options.texts, message).then((answer) => send(worker, answer));
      } else if (message.type === "metrics") {
        waiting.get(message.id)?.(message.metrics);
      } else {
        void ofWorker.take(message);
      }
    });
    worker.once("exit", (code, signal) => {
      clearTimeout(timer);
      ofWorker.end();
      turns.leaveAll();
      // It may have ended in the middle of one.
      if (slot !== undefined) options.syncs?.flagOf(slot.slot).set(false);
      if (!isStopping || signal !== null) options.onWriterEnded(writer);
      const wasReady = ready.delete(worker);
      reject(
        new KindredError(
          "UNAVAILABLE",
          `A receiver process ended at its start (${signal ?? code})`,
        ),
      );
      if (wasReady && !isStopping) restart(index, code, signal);
    });
    const { socketFolder } = options;
    send(worker, { type: "start", config, socketFolder, writer, syncs: slot });
    return promise;
  };

  function restart(index: number, code: number, signal: string): void {
    options.metrics.receiverRestartsTotal.inc();
    log.error(
      { event: "receiver.exited", code, signal },
      "a receiver process ended; another is started",
    );
    setTimeout(() => {
      if (isStopping) return;
      launch(index).catch((error: unknown) => {
        log.error({ event: "receiver.restart_failed", err: error }, "a receiver did not start");
        restartMs = Math.min(restartMs * 2, RESTART_MS_MAX);
        if (!isStopping) restart(index, 0, "start");
      });
    }, restartMs);
  }

  const onHangUp = () => {
    for (const worker of ready) send(worker, { type: "reload" });
  };
  process.on("SIGHUP", onHangUp);

  async function stop(): Promise<void> {
    isStopping = true;
    process.off("SIGHUP", onHangUp);
    const workers = Object.values(cluster.workers ?? {}).filter((one) => one !== undefined);
    const limitMs = config.dimse.releaseSeconds * 1000 + STOP_MS_EXTRA;
    await Promise.all(
      workers.map(async (worker) => {
        const ended = new Promise<void>((done) => worker.once("exit", () => done()));
        const timer = setTimeout(() => worker.process.kill("SIGKILL"), limitMs);
        send(worker, { type: "stop" });
        await ended;
        clearTimeout(timer);
      }),
    );
  }

  async function ask(worker: Worker): Promise<unknown> {
    const id = ++lastId;
    const { promise, resolve: answered } = Promise.withResolvers<unknown>();
    const timer = setTimeout(() => answered(undefined), METRICS_MS_MAX);
    waiting.set(id, answered);
    send(worker, { type: "metrics", id });
    const answer = await promise;
    clearTimeout(timer);
    waiting.delete(id);
    return answer;
  }

  try {
    const [address] = await Promise.all(Array.from({ length: count }, (_, index) => launch(index)));
    return {
      address: address!,
      listening: () => ready.size,
      metrics: async () =>
        (await Promise.all([...ready].map(ask))).filter((one) => one !== undefined),
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

function send(worker: Worker, message: ToReceiver): void {
  // A worker that is just ending has no channel any more; its exit is handled where it is awaited.
  if (worker.isConnected()) worker.send(message, () => undefined);
}
