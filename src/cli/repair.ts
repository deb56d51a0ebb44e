/** `kindred doctor --repair`: files and rows of the archive brought to agree, each finding explained. */
import { resolve } from "node:path";
import { openInstanceStore } from "../archive/instance-store.ts";
import { type ArchiveFinding, type FindingKind, mendFully } from "../archive/mend.ts";
import type { Config } from "../config/schema.ts";
import { type Database, openDatabase } from "../db/database.ts";
import { lockDataDir } from "../db/lock.ts";
import { migrate } from "../db/migrate.ts";
import { claimNode, REPAIR } from "../db/node-claim.ts";
import { silentLogger } from "../kernel/log.ts";

const MEANING: Readonly<Record<FindingKind, string>> = {
  "file-without-row":
    "a file that the database does not know (an instance that was on its way when the node ended)",
  "row-without-file": "an instance that was kept and whose file is missing",
  "wrong-size": "an instance that was kept and whose file has another size",
  "replaced-file": "the earlier file of an instance that was replaced (archive.duplicates)",
};

/** One finding in words. */
export function describeFinding(finding: ArchiveFinding): string {
  return `${finding.name}: ${MEANING[finding.kind]}; ${finding.done}`;
}

/**
 * Looks through the whole archive and mends it. No node may use it, on any machine.
 *
 * @returns how many findings there were
 * @throws KindredError `DATA_DIR_IN_USE`, `DB_UNAVAILABLE`
 */
export async function repairArchive(
  config: Config,
  onFinding: (finding: ArchiveFinding) => void,
): Promise<number> {
  const dataDir = resolve(config.dataDir);
  const lock = await lockDataDir(dataDir);
  try {
    const log = silentLogger();
    const database = await openDatabase({ config: config.database, dataDir, log });
    try {
      await migrate(database);
      const waitSeconds = 0;
      const claim = await claimNode({
        database,
        dataDir,
        node: REPAIR,
        role: REPAIR,
        log,
        waitSeconds,
      });
      try {
        return await repairClaimed(database, dataDir, onFinding);
      } finally {
        await claim.release();
      }
    } finally {
      await database.close();
    }
  } finally {
    await lock.release();
  }
}

async function repairClaimed(
  database: Database,
  dataDir: string,
  onFinding: (finding: ArchiveFinding) => void,
): Promise<number> {
  const store = await openInstanceStore(dataDir);
  let count = 0;
  const note = (finding: ArchiveFinding) => {
    count++;
    onFinding(finding);
  };
  await mendFully({ store, database, onFinding: note }, silentLogger());
  return count;
}
