/** Nodes for tests: in this process, or as a child that can be killed; both on free ports with their own folder. */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { configSchema } from "../../src/config/schema.ts";
import type { BulkInstance } from "../../src/dimse/bulk-sender.ts";
import { sendBulk } from "../../src/dimse/bulk-sender.ts";
import { createLogger } from "../../src/kernel/log.ts";
import { type Node, startNode } from "../../src/main.ts";

export function temporaryFolder(): string {
  return mkdtempSync(join(tmpdir(), "kindred-test-"));
}

export interface TestSettings {
  readonly dataDir?: string;
  readonly databaseUrl?: string | undefined;
  readonly pacsPort?: number;
  readonly quietSeconds?: number;
  /** Receiver processes; 0 receives in the node's own process. */
  readonly receivers?: number;
  readonly extra?: Record<string, unknown>;
}

export function settings(options: TestSettings = {}, ports = { dicom: 0, http: 0 }) {
  const { pacsPort, databaseUrl } = options;
  return {
    dataDir: options.dataDir ?? temporaryFolder(),
    dimse: {
      port: ports.dicom,
      receivers: options.receivers ?? 0,
      releaseSeconds: 1,
      artimSeconds: 1,
    },
    http: { port: ports.http },
    series: { quietSeconds: options.quietSeconds ?? 0.5 },
    ...(databaseUrl === undefined ? {} : { database: { url: databaseUrl } }),
    outbound: { backoffSeconds: 1 },
    peers: [
      { aeTitle: "SENDER", host: "127.0.0.1", allow: ["store", "query", "similar"] },
      ...(pacsPort === undefined
        ? []
        : [
            {
              aeTitle: "PACS",
              host: "127.0.0.1",
              port: pacsPort,
              sendReports: true,
              retrieveFrom: true,
            },
          ]),
    ],
    ...options.extra,
  };
}

export async function startTestNode(
  options: TestSettings = {},
): Promise<{ node: Node; log: string[] }> {
  const lines: string[] = [];
  const log = createLogger(
    { level: "debug", identifiers: "hash" },
    { write: (line) => void lines.push(line) },
  );
  const node = await startNode({ config: configSchema.parse(settings(options)), log });
  return { node, log: lines };
}

export async function getJson<T>(
  node: { http: { host: string; port: number } },
  path: string,
): Promise<T> {
  const response = await fetch(`http://${node.http.host}:${node.http.port}${path}`);
  return (await response.json()) as T;
}

export function push(
  dicom: { host: string; port: number },
  instances: readonly BulkInstance[],
  callingAeTitle = "SENDER",
) {
  const pairs = new Map(
    instances.map((one) => [`${one.sopClassUid} ${one.transferSyntaxUid}`, one]),
  );
  return sendBulk(
    { ...dicom, callingAeTitle, calledAeTitle: "KINDRED", responseSeconds: 20 },
    [...pairs.values()],
    instances,
  );
}

/** Asks until the answer satisfies, for at most `seconds`. */
export async function waitFor<T>(
  ask: () => Promise<T>,
  isRight: (answer: T) => boolean,
  seconds = 40,
): Promise<T> {
  const deadline = Date.now() + seconds * 1000;
  for (;;) {
    const answer = await ask().catch(() => undefined);
    if (answer !== undefined && isRight(answer)) return answer;
    if (Date.now() > deadline)
      throw new Error(`still not so after ${seconds} s: ${JSON.stringify(answer)?.slice(0, 2000)}`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

/** The environment without KINDRED_ settings: switches of this test run are no settings of a node. */
export function cleanEnvironment(): NodeJS.ProcessEnv {
  return Object.fromEntries(
    Object.entries(process.env).filter(([name]) => !name.startsWith("KINDRED_")),
  );
}

/**
 * `kindred serve` as a child process.
 *
 * @param group - the child leads a process group of its own, so that it can be killed with its database
 */
export async function spawnNode(
  options: TestSettings,
  ports: { dicom: number; http: number },
  group: { detached?: boolean } = {},
): Promise<{
  child: ChildProcess;
  output: () => string;
  http: { host: string; port: number };
  dicom: { host: string; port: number };
}> {
  const file = join(temporaryFolder(), "config.json");
  writeFileSync(file, JSON.stringify(settings(options, ports)));
  const cli = new URL("../../src/cli.ts", import.meta.url).pathname;
  let text = "";
  const child = spawn(process.execPath, [cli, "serve", "--config", file], {
    env: cleanEnvironment(),
    stdio: ["ignore", "pipe", "pipe"],
    ...group,
  });
  child.stdout.on("data", (data) => {
    text += data;
  });
  child.stderr.on("data", (data) => {
    text += data;
  });
  const node = {
    child,
    output: () => text,
    http: { host: "127.0.0.1", port: ports.http },
    dicom: { host: "127.0.0.1", port: ports.dicom },
  };
  const isReady = waitFor(
    () => fetch(`http://127.0.0.1:${ports.http}/readyz`),
    (response) => response.status === 200,
    60,
  );
  // Why it does not come up stands in what it said.
  const ends = ended(child).then((code) => {
    throw new Error(`the node ended with ${code} before it was ready`);
  });
  ends.catch(() => undefined);
  try {
    await Promise.race([isReady, ends]);
  } catch (error) {
    throw new Error(`${(error as Error).message}\n${text}`, { cause: error });
  }
  return node;
}

export function ended(child: ChildProcess): Promise<number | null> {
  return new Promise((resolve) => {
    if (child.exitCode !== null || child.signalCode !== null) resolve(child.exitCode);
    else child.once("exit", (code) => resolve(code));
  });
}
