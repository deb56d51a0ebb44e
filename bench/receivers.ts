/** The three receivers as child processes on free loopback ports with folders of their own: ours, storescp, Orthanc. */
import { type ChildProcess, spawn } from "node:child_process";
import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  writeFileSync,
} from "node:fs";
import { connect } from "node:net";
import { serve } from "../src/cli/serve.ts";
import { configSchema } from "../src/config/schema.ts";
import { freePort } from "../test/support/free-port.ts";
import type { NativePostgres } from "../test/support/native-postgres.ts";
import { commandLine, processTree } from "./process-figures.ts";

/** As `npm start` has it. */
const NODE_OPTIONS = ["--max-semi-space-size=2"];
const START_MS_MAX = 120_000;
const STOP_MS_MAX = 30_000;
const TOOL_MS_MAX = 300_000;
const TOOL_TEXT_MAX = 1_000_000;
const SENDER_AE_TITLE = "STORESCU";

/** Part of a receiver that a process plays; CPU and memory are told apart by it. */
export type Role = "receiving" | "database" | "encoder" | "other";

export interface Receiver {
  readonly name: string;
  readonly port: number;
  readonly aeTitle: string;
  readonly isOurs: boolean;
  processes(): { readonly pid: number; readonly role: Role }[];
  /** Instances it says it has kept. */
  kept(): Promise<number>;
  /** Its HTTP address; ours only. */
  readonly http?: string;
  /** p99 of the event-loop delay since the last call, milliseconds; ours only. */
  lagP99Ms(): Promise<number | undefined>;
  stop(): Promise<void>;
}

/** Whether this version of the node can leave out fsync, and run several receiving processes. */
export const knowsSync = configSchema.safeParse({ archive: { sync: false } }).success;
export const knowsReceivers = serve.usage.includes("--receivers");

export interface OurOptions {
  readonly name: string;
  readonly dataDir: string;
  readonly sync?: boolean;
  readonly receivers?: number;
  /** A server of its own instead of the embedded database. */
  readonly postgres?: NativePostgres | undefined;
  /** Slices of a series are reduced while the next arrive, as a node does by default. */
  readonly reducesEarly?: boolean;
  /** Peers besides the sender. */
  readonly peers?: readonly object[];
  /** Further options of node, for profiling; children inherit them. */
  readonly nodeOptions?: string;
}

export async function startOurs(options: OurOptions): Promise<Receiver> {
  const [port, httpPort] = [await freePort(), await freePort()];
  mkdirSync(options.dataDir, { recursive: true });
  const configFile = `${options.dataDir}.json`;
  const config = {
    dataDir: options.dataDir,
    dimse: { port },
    http: { port: httpPort },
    // Nothing of the pipeline may start while receiving is measured.
    series: {
      quietSeconds: 3600,
      ceilingSeconds: 604_800,
      reduceWhileReceiving: options.reducesEarly === true,
    },
    ...(options.sync === false && knowsSync ? { archive: { sync: false } } : {}),
    ...(options.postgres === undefined
      ? {}
      : { database: { url: await options.postgres.freshDatabase() } }),
    peers: [
      { aeTitle: SENDER_AE_TITLE, host: "127.0.0.1", allow: ["store"] },
      ...(options.peers ?? []),
    ],
  };
  writeFileSync(configFile, JSON.stringify(config));
  const cli = new URL("../src/cli.ts", import.meta.url).pathname;
  const receivers =
    options.receivers !== undefined && knowsReceivers
      ? ["--receivers", String(options.receivers)]
      : [];
  const child = start(
    options.name,
    options.dataDir,
    process.execPath,
    [...NODE_OPTIONS, cli, "serve", "--config", configFile, ...receivers],
    { ...withoutSettings(), ...(options.nodeOptions && { NODE_OPTIONS: options.nodeOptions }) },
  );
  const http = `http://127.0.0.1:${httpPort}`;
  await answers(child, async () => (await fetch(`${http}/readyz`)).status === 200);
  const metrics = async () => (await fetch(`${http}/metrics`)).text();
  return {
    name: options.name,
    port,
    aeTitle: "KINDRED",
    isOurs: true,
    http,
    processes: () => [...ourProcesses(child.pid!), ...serverProcesses(options.postgres)],
    kept: async () =>
      Number(
        /^kindred_instances_received_total\{status="0000H"\} (\d+)/m.exec(await metrics())?.[1] ??
          0,
      ),
    async lagP99Ms() {
      const seconds = /^kindred_nodejs_eventloop_lag_p99_seconds (\S+)/m.exec(await metrics())?.[1];
      return seconds === undefined ? undefined : Number(seconds) * 1000;
    },
    stop: () => stop(child, "SIGTERM"),
  };
}

function serverProcesses(postgres: NativePostgres | undefined): { pid: number; role: Role }[] {
  const pid = postgres?.pid?.();
  return pid === undefined ? [] : processTree(pid).map((one) => ({ pid: one, role: "database" }));
}

function ourProcesses(root: number): { pid: number; role: Role }[] {
  const tree = processTree(root).map((pid) => ({ pid, line: commandLine(pid) }));
  const hasReceivers = tree.some((one) => one.pid !== root && /receiver/.test(one.line));
  return tree.map(({ pid, line }) => {
    if (line.includes("embedded-process")) return { pid, role: "database" };
    if (line.includes("encoder-process")) return { pid, role: "encoder" };
    const isReceiving = hasReceivers ? pid !== root && /receiver/.test(line) : pid === root;
    return { pid, role: isReceiving ? "receiving" : "other" };
  });
}

/** dcmtk's storescp with its defaults. @param doesFork - a process an association, for several at once */
export async function startStorescp(
  folder: string,
  doesFork: boolean,
  options: readonly string[] = [],
): Promise<Receiver> {
  const port = await freePort();
  mkdirSync(folder, { recursive: true });
  const name = doesFork ? "storescp --fork" : "storescp";
  const child = start(name, folder, "storescp", [
    ...(doesFork ? ["--fork"] : []),
    "-aet",
    "STORESCP",
    ...options,
    "-od",
    folder,
    String(port),
  ]);
  await answers(child, () => canConnect(port));
  return oneProcess(child, folder, { name, port, aeTitle: "STORESCP" });
}

/** A receiver of one process (and what it forks) whose files are what it keeps. */
function oneProcess(
  child: ChildProcess,
  folder: string,
  about: Pick<Receiver, "name" | "port" | "aeTitle">,
): Receiver {
  return {
    ...about,
    isOurs: false,
    processes: () => [{ pid: child.pid!, role: "receiving" }],
    kept: async () => readdirSync(folder).length,
    lagP99Ms: async () => undefined,
    stop: () => stop(child, "SIGTERM"),
  };
}

/** What Node itself costs: see least-receiver.ts. */
export async function startLeast(folder: string): Promise<Receiver> {
  const port = await freePort();
  mkdirSync(folder, { recursive: true });
  const file = new URL("./least-receiver.ts", import.meta.url).pathname;
  const args = [...NODE_OPTIONS, file, String(port), folder];
  const child = start("Node, least", folder, process.execPath, args);
  await answers(child, () => canConnect(port));
  return oneProcess(child, folder, { name: "Node, least", port, aeTitle: "LEAST" });
}

/** Where Debian's orthanc-postgresql puts it. */
const ORTHANC_POSTGRES = "/usr/share/orthanc/plugins/libOrthancPostgreSQLIndex.so";
export const hasOrthancPostgres = existsSync(ORTHANC_POSTGRES);

export interface OrthancOptions {
  /** As in its configuration: name → [AE title, host, port]. */
  readonly modalities?: Readonly<Record<string, readonly [string, string, number]>>;
  /** Keeps the index instead of SQLite. */
  readonly postgres?: NativePostgres | undefined;
}

/**
 * Orthanc with every file synced (SyncStorageArea). Its SQLite index is not: a commit there (journal WAL, synchronous NORMAL) may be lost
 * in a power cut, with the file still there. Its PostgreSQL index syncs each commit.
 */
export async function startOrthanc(
  folder: string,
  options: OrthancOptions = {},
): Promise<Receiver> {
  const [port, httpPort] = [await freePort(), await freePort()];
  mkdirSync(folder, { recursive: true });
  const configFile = `${folder}.json`;
  const { modalities = {}, postgres } = options;
  const name = postgres === undefined ? "Orthanc" : "Orthanc, PostgreSQL";
  writeFileSync(
    configFile,
    JSON.stringify({
      StorageDirectory: folder,
      IndexDirectory: folder,
      SyncStorageArea: true,
      Plugins: postgres === undefined ? [] : [ORTHANC_POSTGRES],
      ...(postgres === undefined ? {} : { PostgreSQL: await postgresIndex(postgres) }),
      DicomPort: port,
      DicomAet: "ORTHANC",
      DicomAlwaysAllowStore: true,
      DicomCheckCalledAet: false,
      DicomModalities: modalities,
      HttpPort: httpPort,
      RemoteAccessAllowed: false,
      AuthenticationEnabled: false,
    }),
  );
  const child = start(name, folder, "Orthanc", [configFile]);
  const http = `http://127.0.0.1:${httpPort}`;
  await answers(child, async () => (await fetch(`${http}/statistics`)).ok);
  return {
    name,
    port,
    aeTitle: "ORTHANC",
    isOurs: false,
    processes: () => [{ pid: child.pid!, role: "receiving" }, ...serverProcesses(postgres)],
    kept: async () => {
      const body = (await (await fetch(`${http}/statistics`)).json()) as { CountInstances: number };
      return body.CountInstances;
    },
    lagP99Ms: async () => undefined,
    stop: () => stop(child, "SIGTERM"),
  };
}

async function postgresIndex(postgres: NativePostgres): Promise<object> {
  const url = new URL(await postgres.freshDatabase());
  return {
    EnableIndex: true,
    EnableStorage: false,
    Host: url.hostname,
    Port: Number(url.port),
    Database: url.pathname.slice(1),
    Username: url.username,
    Password: "",
    EnableSsl: false,
  };
}

/** dcmtk's archive, a process an association (`-s` does not live long). @param destination - the only one that it may move to */
export async function startDcmqrscp(
  folder: string,
  destination: { readonly aeTitle: string; readonly port: number },
): Promise<Receiver> {
  const port = await freePort();
  mkdirSync(folder, { recursive: true });
  const configFile = `${folder}.cfg`;
  writeFileSync(
    configFile,
    [
      `NetworkTCPPort = ${port}`,
      "MaxPDUSize = 131072",
      "MaxAssociations = 16",
      "HostTable BEGIN",
      `destination = (${destination.aeTitle}, 127.0.0.1, ${destination.port})`,
      "HostTable END",
      "VendorTable BEGIN",
      "VendorTable END",
      "AETable BEGIN",
      `QRSCP ${folder} RW (1000, 1024mb) ANY`,
      "AETable END",
      "",
    ].join("\n"),
  );
  const child = start("dcmqrscp", folder, "dcmqrscp", ["-c", configFile]);
  await answers(child, () => canConnect(port));
  return {
    ...oneProcess(child, folder, { name: "dcmqrscp", port, aeTitle: "QRSCP" }),
    // Its index lies there too.
    kept: async () => readdirSync(folder).filter((name) => name.endsWith(".dcm")).length,
  };
}

function start(
  name: string,
  folder: string,
  command: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv = process.env,
): ChildProcess & { logFile: string } {
  const logFile = `${folder}.log`;
  const log = openSync(logFile, "w");
  const child = spawn(command, args, {
    env: { ...env, TCP_NODELAY: "1" },
    stdio: ["ignore", log, log],
  });
  closeSync(log);
  const end = () => child.kill("SIGKILL");
  process.once("exit", end);
  child.once("exit", () => process.off("exit", end));
  child.once("error", (error) => console.error(`${name}: ${error.message}`));
  return Object.assign(child, { logFile });
}

/** Settings in our own environment are none of the node's. */
function withoutSettings(): NodeJS.ProcessEnv {
  const isSetting = ([name]: [string, unknown]) => name.startsWith("KINDRED_");
  return Object.fromEntries(Object.entries(process.env).filter((one) => !isSetting(one)));
}

async function answers(
  child: ChildProcess & { logFile: string },
  ask: () => Promise<boolean>,
): Promise<void> {
  const deadline = Date.now() + START_MS_MAX;
  for (;;) {
    if (await ask().catch(() => false)) return;
    if (child.exitCode !== null || child.signalCode !== null || Date.now() > deadline) {
      child.kill("SIGKILL");
      const end = readFileSync(child.logFile, "utf8").slice(-2000);
      throw new Error(`${child.spawnfile} did not start:\n${end}`);
    }
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

function stop(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve();
  return new Promise((resolve) => {
    const timer = setTimeout(() => child.kill("SIGKILL"), STOP_MS_MAX);
    child.once("exit", () => {
      clearTimeout(timer);
      resolve();
    });
    child.kill(signal);
  });
}

/**
 * Runs a dcmtk tool to its end.
 *
 * @returns what it wrote
 * @throws Error with the end of it when it fails or takes too long
 */
export function runTool(command: string, args: readonly string[]): Promise<string> {
  const child = spawn(command, args, {
    // Nagle and delayed ACK would cost 40 ms a message: dcmtk 3.6.7 leaves them on.
    env: { ...process.env, TCP_NODELAY: "1" },
    stdio: ["ignore", "pipe", "pipe"],
    timeout: TOOL_MS_MAX,
    killSignal: "SIGKILL",
  });
  let text = "";
  const keep = (data: Buffer) => {
    text = (text + data).slice(-TOOL_TEXT_MAX);
  };
  child.stdout.on("data", keep);
  child.stderr.on("data", keep);
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("exit", (code, signal) => {
      if (code === 0) resolve(text);
      else reject(new Error(`${command} ended with ${code ?? signal}: ${text.slice(-2000)}`));
    });
  });
}

function canConnect(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    socket.once("connect", () => {
      socket.destroy();
      resolve(true);
    });
    socket.once("error", () => resolve(false));
  });
}
