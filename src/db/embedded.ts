/** The embedded database as its parent sees it: start, watchdog, restart, stop. */
import { type ChildProcess, fork } from "node:child_process";
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { KindredError } from "../kernel/errors.ts";
import type { Logger } from "../kernel/log.ts";
import { besides } from "../kernel/own-process.ts";

export interface EmbeddedServer {
  /** Folder of the socket, as pg's `host`. */
  readonly socketFolder: string;
  /** Kills the process; it is started again at once. For the watchdog. */
  restart(): void;
  stop(): Promise<void>;
}

const START_MS_MAX = 60_000;
const STOP_MS_MAX = 15_000;
const RESTART_PAUSE_MS = 200;
const RESTART_PAUSE_MS_MAX = 10_000;
/** One statement may take longer than the watchdog of the pool waits (a migration); a process that does nothing else for this long spins. */
const BUSY_MS_MAX = 600_000;
/** Of that limit: how often the process is asked whether it is still there. */
const ASKS = 20;
/** A unix socket path holds at most 107 bytes. */
const SOCKET_PATH_BYTES_MAX = 107;
const SOCKET_NAME = ".s.PGSQL.5432";

/**
 * Starts PGlite on `<dataDir>/db` in a process of its own.
 *
 * @param options.sync - false: a commit does not wait for the disk
 * @param options.busyMsMax - a process whose one thread is not free for this long is killed and started again; ten minutes when not given
 */
export async function startEmbedded(
  dataDir: string,
  log: Logger,
  options: {
    readonly connectionsMax: number;
    readonly sync: boolean;
    readonly busyMsMax?: number | undefined;
  },
): Promise<EmbeddedServer> {
  const folder = join(dataDir, "db");
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const isShort = Buffer.byteLength(join(folder, SOCKET_NAME)) <= SOCKET_PATH_BYTES_MAX;
  const socketFolder = isShort ? folder : await mkdtemp(join(tmpdir(), "kindred-"));
  let isStopping = false;
  let child: ChildProcess | undefined;

  /** Until it succeeds: a full disk or a loaded machine passes. */
  const startAgain = (pauseMs: number) => {
    setTimeout(() => {
      if (isStopping) return;
      start().catch((error: unknown) => {
        log.error(
          { event: "database.restart_failed", err: error },
          "the embedded database did not start",
        );
        startAgain(Math.min(pauseMs * 2, RESTART_PAUSE_MS_MAX));
      });
    }, pauseMs);
  };
  const start = async () => {
    await rm(join(socketFolder, SOCKET_NAME), { force: true });
    const started = await launch({
      folder,
      socketPath: join(socketFolder, SOCKET_NAME),
      ...options,
    });
    child = started;
    const unwatch = watchBusy(started, options.busyMsMax ?? BUSY_MS_MAX, () =>
      log.error(
        { event: "database.stuck" },
        "the embedded database does nothing but one statement; it is restarted",
      ),
    );
    started.once("exit", (code, signal) => {
      unwatch();
      if (isStopping) return;
      log.error(
        { event: "database.exited", code, signal },
        "the embedded database ended; it is started again",
      );
      startAgain(RESTART_PAUSE_MS);
    });
  };
  await start();
  return {
    socketFolder,
    restart: () => void child?.kill("SIGKILL"),
    async stop() {
      isStopping = true;
      if (child !== undefined) await end(child);
      if (!isShort) await rm(socketFolder, { recursive: true, force: true });
    },
  };
}

/**
 * Kills the process when it has not answered for so long: it answers between statements. What counts are questions, not time, which goes on
 * while this process or the machine is stopped.
 *
 * @returns ends the watch
 */
function watchBusy(child: ChildProcess, limitMs: number, onStuck: () => void) {
  let unanswered = 0;
  child.on("message", (message) => {
    if (message === "here") unanswered = 0;
  });
  const timer = setInterval(() => {
    if (unanswered++ < ASKS) {
      if (child.connected) child.send("are you there", () => undefined);
      return;
    }
    clearInterval(timer);
    onStuck();
    child.kill("SIGKILL");
  }, limitMs / ASKS);
  timer.unref();
  return () => clearInterval(timer);
}

function launch(settings: object): Promise<ChildProcess> {
  const child = fork(besides(import.meta.url, "embedded-process"), [JSON.stringify(settings)], {
    stdio: ["ignore", "ignore", "ignore", "ipc"],
    execArgv: [],
  });
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => child.kill("SIGKILL"), START_MS_MAX);
    child.once("message", (message) => {
      clearTimeout(timer);
      child.removeAllListeners("exit");
      if (message === "ready") resolve(child);
      else
        reject(
          new KindredError(
            "DB_UNAVAILABLE",
            `The embedded database did not start: ${(message as { error: string }).error}`,
          ),
        );
    });
    child.once("exit", (code) => {
      clearTimeout(timer);
      reject(
        new KindredError("DB_UNAVAILABLE", `The embedded database did not start (exit ${code})`),
      );
    });
  });
}

function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve();
  return new Promise((resolve) => {
    const timer = setTimeout(() => child.kill("SIGKILL"), STOP_MS_MAX);
    child.once("exit", () => {
      clearTimeout(timer);
      resolve();
    });
    if (child.connected) child.send("stop");
    else child.kill("SIGKILL");
  });
}
