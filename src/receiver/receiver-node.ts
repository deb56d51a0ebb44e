/**
 * How Node runs a receiver process: small. What every receiver would do for itself at its start is done once, by a
 * process that ends again; its memory would stay with a receiver for good.
 */
import { execFile } from "node:child_process";
import { mkdir } from "node:fs/promises";
import { join, resolve } from "node:path";

/** The same extension as this file: .ts from source, .js from dist. */
export const RECEIVER_FILE = new URL(
  import.meta.url.endsWith(".ts") ? "./receiver-process.ts" : "./receiver-process.js",
  import.meta.url,
).pathname;

/**
 * A small young generation is collected often and cheaply. What outlives it, the state of the instance that waits for its row, is
 * garbage soon after: V8 would let it grow to twice what lives before it collects the old generation, which is 10 MB of a process
 * this small; so it may grow by 60 %.
 */
export const RECEIVER_NODE_OPTIONS: readonly string[] = [
  "--max-semi-space-size=1",
  "--heap-growing-percent=60",
];

const COMPILE_MS_MAX = 30_000;

/** Settings of the environment that a receiver process gets beside our own. */
export function receiverEnvironment(dataDir: string): { readonly [name: string]: string } {
  return {
    NODE_COMPILE_CACHE: compileCache(dataDir),
    // glibc: V8's compiling threads would each keep memory of their own that no other thread uses again.
    MALLOC_ARENA_MAX: "1",
  };
}

function compileCache(dataDir: string): string {
  return join(resolve(dataDir), "cache");
}

/**
 * Fills the compile cache of the data folder: without it every receiver strips types and compiles for itself, which costs
 * each of them 30 MB. The options of Node are part of the cache's key, so it takes a process with the receivers' own.
 * Never rejects: a receiver that finds nothing compiled starts all the same.
 */
export async function compileReceiver(dataDir: string): Promise<void> {
  await mkdir(compileCache(dataDir), { recursive: true, mode: 0o700 }).catch(() => undefined);
  const env = { ...process.env, ...receiverEnvironment(dataDir) };
  const options = { env, timeout: COMPILE_MS_MAX, killSignal: "SIGKILL" as const };
  // Without a parent to listen to it has nothing to do, and ends when it is loaded.
  const args = [...RECEIVER_NODE_OPTIONS, RECEIVER_FILE];
  await new Promise<void>((done) => execFile(process.execPath, args, options, () => done()));
}
