/**
 * Digests of bundle files that were computed before: a bundle of a gigabyte is not read whole at every start. What is
 * remembered lies in the data folder and never in the bundle's, so that a copied bundle brings no judgement of itself.
 */
import { createHash } from "node:crypto";
import type { BigIntStats } from "node:fs";
import { type FileHandle, open, readFile, realpath, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";

const ENTRIES_MAX = 1_000;
const REMEMBERED_BYTES_MAX = 1_048_576;
/** Age of the last change below which a second change could have the same time stamp: FAT counts in 2 s. */
const SETTLED_MILLISECONDS = 3_000;
const CHUNK_BYTES = 4_194_304;

export interface VerifiedFiles {
  /**
   * SHA-256 of the file, hex: of its bytes, or remembered while path, size, times, inode and device are the same.
   *
   * @throws what opening and reading throw
   */
  sha256Of(path: string): Promise<string>;
  /** Writes down what was computed. A folder that cannot be written costs the next start its time, and no more. */
  save(): Promise<void>;
}

const remembered = z.record(
  z.string(),
  z.strictObject({ identity: z.string(), sha256: z.string().regex(/^[0-9a-f]{64}$/) }),
);

/**
 * @param dataDir - where `verified-models.json` lies; null: nothing is remembered
 * @param now - milliseconds since 1970
 */
export async function openVerifiedFiles(
  dataDir: string | null,
  now: () => number = Date.now,
): Promise<VerifiedFiles> {
  const file = dataDir === null ? null : join(dataDir, "verified-models.json");
  const known = new Map(file === null ? [] : await load(file));
  let isChanged = false;

  return {
    async sha256Of(path) {
      const name = await realpath(path);
      const handle = await open(name, "r");
      try {
        const before = await handle.stat({ bigint: true });
        const identity = identityOf(before);
        const found = known.get(name);
        if (found?.identity === identity) return found.sha256;
        const sha256 = await digestOf(handle);
        const after = await handle.stat({ bigint: true });
        const isSettled = now() - Number(after.ctimeMs) > SETTLED_MILLISECONDS;
        if (isSettled && identityOf(after) === identity) {
          known.delete(name);
          known.set(name, { identity, sha256 });
          isChanged = true;
        }
        return sha256;
      } finally {
        await handle.close();
      }
    },
    async save() {
      if (file === null || !isChanged) return;
      isChanged = false;
      const part = `${file}.${process.pid}.part`;
      const kept = Object.fromEntries([...known].slice(-ENTRIES_MAX));
      await writeFile(part, JSON.stringify(kept), { mode: 0o600 })
        .then(() => rename(part, file))
        .catch(() => rm(part, { force: true }))
        .catch(() => undefined);
    },
  };
}

/** Anybody who writes to the file moves its ctime, which no program can set. */
function identityOf(stats: BigIntStats): string {
  return [stats.dev, stats.ino, stats.size, stats.mtimeNs, stats.ctimeNs].join(" ");
}

async function digestOf(handle: FileHandle): Promise<string> {
  const hash = createHash("sha256");
  const chunk = Buffer.allocUnsafe(CHUNK_BYTES);
  for (let at = 0; ; ) {
    const { bytesRead } = await handle.read(chunk, 0, chunk.length, at);
    if (bytesRead === 0) return hash.digest("hex");
    hash.update(chunk.subarray(0, bytesRead));
    at += bytesRead;
  }
}

/** A file that is not as `save` writes it is passed over: everything is computed again. */
async function load(file: string): Promise<[string, { identity: string; sha256: string }][]> {
  const text = await readFile(file, "utf8").catch(() => "{}");
  if (text.length > REMEMBERED_BYTES_MAX) return [];
  try {
    return Object.entries(remembered.parse(JSON.parse(text)));
  } catch {
    return [];
  }
}
