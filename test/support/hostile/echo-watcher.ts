/**
 * Another peer, on a thread of its own so that the attacker's work does not slow it: at a fixed rhythm it opens an
 * association, echoes and releases, and it echoes on an association that stays open.
 */
import { connect, type Socket } from "node:net";
import { isMainThread, parentPort, Worker, workerData } from "node:worker_threads";
import { processorMs, starvedMs } from "./process-figures.ts";
import { aeTitle, associate, CONTEXTS, echoPdu, RELEASE_RQ } from "./wire.ts";

const EVERY_MS = 200;
const GIVE_UP_MS = 30_000;
const ADDRESS = "127.0.0.9";

/** What the watching thread measures. */
interface EchoMeasured {
  readonly kind: "new" | "standing";
  /** From the start to the C-ECHO-RSP. */
  readonly milliseconds: number;
  /** Part of it in which this thread itself did not get to run. */
  readonly stalledMs: number;
  /** Set when there was no answer. */
  readonly fault?: string;
}

export interface EchoReport extends EchoMeasured {
  /** What the node's processes used of the processor since the report before, and waited for it in vain (ms). */
  readonly nodeUsedMs: number;
  readonly nodeStarvedMs: number;
}

/** An echo later than this is the node's doing; time in which this machine ran neither it nor the watcher is not. */
export const ECHO_MS_MAX = 1000;

/** True for an echo that failed or that came too late by the node's doing. */
export function isLate(report: EchoReport, limitMs = ECHO_MS_MAX): boolean {
  const { milliseconds, stalledMs, nodeStarvedMs } = report;
  return report.fault !== undefined || milliseconds - Math.max(stalledMs, nodeStarvedMs) > limitMs;
}

export interface EchoWatcher {
  readonly reports: readonly EchoReport[];
  stop(): Promise<void>;
}

/** @param onReport - called for each echo, for telling what was under way */
export function watchEcho(
  target: { host: string; port: number },
  pids: () => readonly number[],
  onReport: (report: EchoReport) => void = () => undefined,
): EchoWatcher {
  const worker = new Worker(new URL(import.meta.url), {
    workerData: { ...target, isEchoWatcher: true },
  });
  const reports: EchoReport[] = [];
  let used = processorMs(pids());
  let starved = starvedMs(pids());
  worker.on("message", (measured: EchoMeasured) => {
    const [usedNow, starvedNow] = [processorMs(pids()), starvedMs(pids())];
    const report = {
      ...measured,
      nodeUsedMs: usedNow - used,
      nodeStarvedMs: starvedNow - starved,
    };
    [used, starved] = [usedNow, starvedNow];
    reports.push(report);
    onReport(report);
  });
  return {
    reports,
    async stop() {
      await worker.terminate();
    },
  };
}

/** Sends, and resolves when a PDU of the type has come. */
function ask(socket: Socket, bytes: Buffer, wanted: number): Promise<void> {
  return new Promise((resolve, reject) => {
    let got = Buffer.alloc(0);
    const settle = (fault?: string) => {
      clearTimeout(timer);
      socket.removeAllListeners();
      socket.on("error", () => undefined);
      if (fault === undefined) resolve();
      else reject(new Error(fault));
    };
    const timer = setTimeout(() => settle(`no answer in ${GIVE_UP_MS} ms`), GIVE_UP_MS);
    socket.on("error", (error: NodeJS.ErrnoException) => settle(error.code ?? error.message));
    socket.on("close", () => settle("closed"));
    socket.on("data", (data) => {
      got = Buffer.concat([got, data]);
      if (got.length < 6 || got.length < 6 + got.readUInt32BE(2)) return;
      settle(got[0] === wanted ? undefined : `PDU ${got.subarray(0, 10).toString("hex")}`);
    });
    socket.write(bytes);
  });
}

const REQUEST = associate({ calling: aeTitle("WATCHER"), contexts: CONTEXTS.slice(0, 1) });

const BEAT_MS = 20;

/** Sums up how late a clock of this thread is. */
function stallMeter(): { take(): number } {
  let stalledMs = 0;
  let last = performance.now();
  setInterval(() => {
    const now = performance.now();
    stalledMs += Math.max(0, now - last - 2 * BEAT_MS);
    last = now;
  }, BEAT_MS).unref();
  return {
    take() {
      const taken = stalledMs;
      stalledMs = 0;
      return taken;
    },
  };
}

async function watch(target: { host: string; port: number }): Promise<never> {
  const open = async () => {
    const socket = connect({ ...target, localAddress: ADDRESS, noDelay: true });
    await ask(socket, REQUEST, 2).catch((error: unknown) => {
      socket.destroy();
      throw error;
    });
    return socket;
  };
  const stall = stallMeter();
  const timed = async (kind: EchoReport["kind"], work: () => Promise<void>) => {
    stall.take();
    const start = performance.now();
    const fault = await work().then(
      () => undefined,
      (error: unknown) => (error instanceof Error ? error.message : String(error)),
    );
    const milliseconds = performance.now() - start;
    const stalledMs = stall.take();
    parentPort!.postMessage({
      kind,
      milliseconds,
      stalledMs,
      ...(fault === undefined ? {} : { fault }),
    });
    await new Promise((resolve) => setTimeout(resolve, EVERY_MS));
  };
  let standing: Socket | undefined;
  for (;;) {
    await timed("new", async () => {
      const socket = await open();
      try {
        await ask(socket, echoPdu(), 4);
        await ask(socket, RELEASE_RQ, 6);
      } finally {
        socket.destroy();
      }
    });
    await timed("standing", async () => {
      standing ??= await open();
      await ask(standing, echoPdu(), 4).catch((error: unknown) => {
        standing?.destroy();
        standing = undefined;
        throw error;
      });
    });
  }
}

if (!isMainThread && (workerData as { isEchoWatcher?: boolean } | null)?.isEchoWatcher === true)
  await watch(workerData as { host: string; port: number });
