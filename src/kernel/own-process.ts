/** What everybody needs who starts a process or a thread: our modules by name, Node's compile cache, an environment. */
import { execFile } from "node:child_process";
import { mkdir } from "node:fs/promises";
import { join, resolve } from "node:path";

const COMPILE_MS_MAX = 30_000;

/**
 * A module beside another one, with the same extension: `.ts` from source, `.js` from dist.
 *
 * @param from - `import.meta.url` of the other
 */
export function besides(from: string, name: string): URL {
  return new URL(`./${name}${from.endsWith(".ts") ? ".ts" : ".js"}`, from);
}

/** The environment of whoever is to use Node's compile cache in the data folder. */
export function compileCacheEnvironment(dataDir: string): { readonly NODE_COMPILE_CACHE: string } {
  return { NODE_COMPILE_CACHE: join(resolve(dataDir), "cache") };
}

/**
 * Has a process of its own load a module, so that its types are stripped and its code compiled once: without it whoever
 * loads it does that for himself, and keeps the memory that it took. The options of Node are part of the cache's key. Never
 * rejects: a module that is not found in the cache is loaded all the same.
 *
 * @param module - without a parent to listen to it must have nothing to do, and end when it is loaded
 * @param environment - with {@link compileCacheEnvironment}
 */
export async function fillCompileCache(
  module: URL,
  environment: { readonly NODE_COMPILE_CACHE: string },
  nodeOptions: readonly string[] = [],
): Promise<void> {
  const folder = environment.NODE_COMPILE_CACHE;
  await mkdir(folder, { recursive: true, mode: 0o700 }).catch(() => undefined);
  const options = {
    env: { ...process.env, ...environment },
    timeout: COMPILE_MS_MAX,
    killSignal: "SIGKILL" as const,
  };
  const args = [...nodeOptions, module.pathname];
  await new Promise<void>((done) => execFile(process.execPath, args, options, () => done()));
}

/** Our environment without the node's settings: a process that runs what others wrote needs no password of ours. */
export function environmentWithoutSettings(): NodeJS.ProcessEnv {
  return Object.fromEntries(
    Object.entries(process.env).filter(([name]) => !/^(KINDRED_|PG|DATABASE_URL)/.test(name)),
  );
}
