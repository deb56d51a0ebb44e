/** A receiver node joins an archive that another node owns: it waits for schema and archive, and refuses another folder. */
import { setTimeout as sleep } from "node:timers/promises";
import { archiveName } from "../db/archive-files.ts";
import type { Database } from "../db/database.ts";
import { pendingMigrations } from "../db/migrate.ts";
import { KindredError } from "../kernel/errors.ts";
import type { Logger } from "../kernel/log.ts";
import { createArchiveFs } from "./archive-fs.ts";
import { readArchiveState } from "./archive-state.ts";
import { createDiskPace } from "./disk-pace.ts";

export interface JoinOptions {
  readonly database: Database;
  readonly dataDir: string;
  readonly log: Logger;
  readonly waitSeconds: number;
}

const LOOK_MS = 500;

/**
 * Resolves when the schema is this version's and the data folder is the one that the database belongs to.
 *
 * @throws KindredError `UNAVAILABLE` when that is not so in time, at once when the folder is another archive's; `DB_UNAVAILABLE` when the
 *   schema is newer than this program
 */
export async function joinArchive(options: JoinOptions): Promise<void> {
  const deadline = performance.now() + options.waitSeconds * 1000;
  for (let told: string | undefined; ; ) {
    const reason = await reasonToWait(options);
    if (reason === undefined) return;
    if (performance.now() >= deadline) throw new KindredError("UNAVAILABLE", reason);
    if (told !== reason) options.log.warn({ event: "archive.not_joined" }, reason);
    told = reason;
    await sleep(LOOK_MS);
  }
}

async function reasonToWait({ database, dataDir }: JoinOptions): Promise<string | undefined> {
  const pending = await pendingMigrations(database);
  if (pending.length > 0)
    return `The database schema lacks ${pending.length} migrations: start the node with role all or worker of this version, which runs them`;
  const fs = createArchiveFs(createDiskPace());
  const ofDatabase = await archiveName(database);
  const ofFolder = (await readArchiveState({ fs, dataDir }))?.name;
  if (ofDatabase === undefined)
    return "No node with role all or worker has opened this archive yet: start one";
  if (ofFolder === ofDatabase) return undefined;
  const remedy = "mount the folder that the node with role all or worker has, or set dataDir to it";
  if (ofFolder === undefined) return `There is no archive in the data folder ${dataDir}: ${remedy}`;
  throw new KindredError(
    "UNAVAILABLE",
    `The data folder ${dataDir} is of another archive than the database: ${remedy}`,
  );
}
