/** `kindred migrate`: brings the database to this version's schema and ends. */
import { resolve } from "node:path";
import { openDatabase } from "../db/database.ts";
import { lockDataDir } from "../db/lock.ts";
import { migrate as runMigrations } from "../db/migrate.ts";
import { silentLogger } from "../kernel/log.ts";
import type { Command } from "./commands.ts";
import { parseCommand } from "./options.ts";

export const migrate: Command = {
  name: "migrate",
  usage: "migrate",
  summary: "bring the database schema up to date (serve does it too)",
  async run(argv) {
    const config = parseCommand(argv, this.usage).config();
    const dataDir = resolve(config.dataDir);
    const lock = await lockDataDir(dataDir);
    try {
      const database = await openDatabase({
        config: config.database,
        dataDir,
        log: silentLogger(),
      });
      try {
        await runMigrations(database);
        console.log(`schema is up to date (${database.engine} ${database.serverVersion})`);
      } finally {
        await database.close();
      }
    } finally {
      await lock.release();
    }
    return 0;
  },
};
