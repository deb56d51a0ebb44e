/**
 * Files of a series in the configured archive. A running node is asked for their keys, and the files are read where they
 * lie: it goes on undisturbed. Without one its database is opened.
 */
import { existsSync } from "node:fs";
import { join, resolve } from "node:path";
import { pathOfKey } from "../../archive/instance-folders.ts";
import type { Config } from "../../config/schema.ts";
import { openDatabase } from "../../db/database.ts";
import { instancesOfSeries } from "../../db/instances.ts";
import { lockDataDir } from "../../db/lock.ts";
import { findSeries } from "../../db/series.ts";
import { codeOf, KindredError } from "../../kernel/errors.ts";
import { silentLogger } from "../../kernel/log.ts";
import { callNode } from "../api.ts";

/** @throws KindredError `NOT_FOUND` when the archive has no such series, `UNAVAILABLE` when there is no archive */
export async function archiveFiles(config: Config, seriesInstanceUid: string): Promise<string[]> {
  const dataDir = resolve(config.dataDir);
  const keys = await askNode(config, seriesInstanceUid).catch((error: unknown) => {
    if (codeOf(error) !== "UNAVAILABLE" || !existsSync(join(dataDir, "instances"))) throw error;
    return askDatabase(config, dataDir, seriesInstanceUid);
  });
  return keys.map((key) => pathOfKey(join(dataDir, "instances"), key));
}

async function askNode(config: Config, seriesInstanceUid: string): Promise<string[]> {
  const path = `/api/v1/series/${encodeURIComponent(seriesInstanceUid)}/instances`;
  const answer = await callNode<{ instances: { fileKey: string }[] }>(config, path);
  return answer.instances.map((one) => one.fileKey);
}

async function askDatabase(
  config: Config,
  dataDir: string,
  seriesInstanceUid: string,
): Promise<string[]> {
  const isEmbedded = config.database.url === undefined && config.database.urlFile === undefined;
  // The embedded database has one owner; a PostgreSQL takes a reader beside any node.
  const lock = isEmbedded ? await lockDataDir(dataDir) : undefined;
  try {
    const database = await openDatabase({ config: config.database, dataDir, log: silentLogger() });
    try {
      const series = await findSeries(database, seriesInstanceUid);
      if (series === undefined) throw new KindredError("NOT_FOUND", "No such series here");
      const rows = await instancesOfSeries(database, seriesInstanceUid, series.revision);
      return rows.map((row) => row.file_key);
    } finally {
      await database.close();
    }
  } finally {
    await lock?.release();
  }
}
