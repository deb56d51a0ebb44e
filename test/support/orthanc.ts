/** A real Orthanc with its own configuration and folder, on free ports, driven over its REST API. */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { freePort } from "./free-port.ts";
import { stopped } from "./stopped.ts";

export interface Orthanc {
  readonly httpPort: number;
  readonly dicomPort: number;
  get<T>(path: string): Promise<T>;
  /** @param body - bytes of an instance, or an object that goes out as JSON */
  post<T>(path: string, body: unknown): Promise<T>;
  stop(): Promise<void>;
}

export interface OrthancOptions {
  readonly folder: string;
  readonly dicomPort?: number;
  /** Added to the configuration, over what stands there. */
  readonly settings?: Readonly<Record<string, unknown>>;
}

/**
 * Starts Orthanc as the PACS with AE title `PACS`. Orthanc 1.10 binds every address, so nobody but the loopback's
 * modalities may store, and HTTP answers loopback only.
 */
export async function startOrthanc(options: OrthancOptions): Promise<Orthanc> {
  const { folder } = options;
  mkdirSync(folder, { recursive: true });
  const httpPort = await freePort();
  const dicomPort = options.dicomPort ?? (await freePort());
  const file = join(folder, "orthanc.json");
  const settings = {
    Name: "PACS",
    StorageDirectory: join(folder, "storage"),
    IndexDirectory: join(folder, "storage"),
    HttpPort: httpPort,
    DicomPort: dicomPort,
    DicomAet: "PACS",
    RemoteAccessAllowed: false,
    AuthenticationEnabled: false,
    DicomAlwaysAllowStore: false,
    DicomAlwaysAllowEcho: false,
    DicomCheckModalityHost: true,
    Plugins: [],
    ...options.settings,
  };
  writeFileSync(file, JSON.stringify(settings));
  const child = spawn("Orthanc", [file], {
    stdio: "ignore",
    env: { ...process.env, TCP_NODELAY: "1" },
  });
  const call = async <T>(method: string, path: string, body?: unknown): Promise<T> => {
    const answer = await fetch(`http://127.0.0.1:${httpPort}${path}`, {
      method,
      ...(body === undefined
        ? {}
        : { body: body instanceof Uint8Array ? Buffer.from(body) : JSON.stringify(body) }),
    });
    if (!answer.ok)
      throw new Error(`Orthanc ${method} ${path}: ${answer.status} ${await answer.text()}`);
    return (await answer.json()) as T;
  };
  await answers(child, httpPort);
  return {
    httpPort,
    dicomPort,
    get: (path) => call("GET", path),
    post: (path, body) => call("POST", path, body),
    stop: () => stopped(child),
  };
}

async function answers(child: ChildProcess, httpPort: number): Promise<void> {
  for (let attempt = 0; attempt < 150; attempt++) {
    if (child.exitCode !== null) break;
    const isUp = await fetch(`http://127.0.0.1:${httpPort}/system`).then(
      (one) => one.ok,
      () => false,
    );
    if (isUp) return;
    await new Promise((later) => setTimeout(later, 200));
  }
  await stopped(child);
  throw new Error("Orthanc did not start");
}
