/**
 * How Node runs a receiver process: small. What every receiver would do for itself at its start is done once, by a
 * process that ends again; its memory would stay with a receiver for good.
 */
import { besides, compileCacheEnvironment, fillCompileCache } from "../kernel/own-process.ts";

const RECEIVER_MODULE = besides(import.meta.url, "receiver-process");
export const RECEIVER_FILE = RECEIVER_MODULE.pathname;

/**
 * A small young generation is collected often and cheaply. What outlives it, the state of the instance that waits for its row, is
 * garbage soon after: V8 would let it grow to twice what lives before it collects the old generation, which is 10 MB of a process
 * this small; so it may grow by 60 %.
 */
export const RECEIVER_NODE_OPTIONS: readonly string[] = [
  "--max-semi-space-size=1",
  "--heap-growing-percent=60",
];

/** Settings of the environment that a receiver process gets beside our own. */
export function receiverEnvironment(dataDir: string) {
  return {
    ...compileCacheEnvironment(dataDir),
    // glibc: V8's compiling threads would each keep memory of their own that no other thread uses again.
    MALLOC_ARENA_MAX: "1",
  };
}

/** Fills the compile cache of the data folder: 30 MB that no receiver needs. Never rejects. */
export async function compileReceiver(dataDir: string): Promise<void> {
  await fillCompileCache(RECEIVER_MODULE, receiverEnvironment(dataDir), RECEIVER_NODE_OPTIONS);
}
