/** `archive.json` in the data folder: how the last run ended, and which epoch of the database it belongs to. */
import { join } from "node:path";
import type { InstanceStore } from "./instance-store.ts";

export interface ArchiveState {
  /** The database never counts below it: one that does is older than these files. */
  readonly epoch: number;
  /** The last run ended in order, and all rows had their files when they were last looked at. */
  readonly isClean: boolean;
  /** The database of this archive has it too. Undefined before there were several nodes. */
  readonly name: string | undefined;
}

const NAME = "archive.json";

type StateFiles = Pick<InstanceStore, "dataDir" | "fs">;

/** Undefined before the first run, and when the file cannot be read. */
export async function readArchiveState(store: StateFiles): Promise<ArchiveState | undefined> {
  try {
    const text = await store.fs.readFile(join(store.dataDir, NAME), "utf8");
    const { epoch, isClean, name } = JSON.parse(text) as Partial<ArchiveState>;
    return typeof epoch === "number" && typeof isClean === "boolean"
      ? { epoch, isClean, name: typeof name === "string" ? name : undefined }
      : undefined;
  } catch {
    return undefined;
  }
}

export async function writeArchiveState(store: StateFiles, state: ArchiveState): Promise<void> {
  const path = join(store.dataDir, NAME);
  await store.fs.writeFile(`${path}.new`, JSON.stringify(state), { mode: 0o600, flush: true });
  await store.fs.rename(`${path}.new`, path);
}
