/** Keeps each space's index as configured: none (exact), or HNSW once exact search would become slow. */
import type { Config } from "../config/schema.ts";
import type { Database } from "../db/database.ts";
import { allSpaces, countEmbeddings } from "../db/embeddings.ts";
import { dropHnsw, ensureHnsw, hasHnsw } from "../db/nearest.ts";
import type { Logger } from "../kernel/log.ts";

/** Makes and drops HNSW indexes so that they agree with `search.index`; cheap when nothing is to do. */
export async function careForIndexes(
  database: Database,
  config: Config["search"],
  log: Logger,
): Promise<void> {
  for (const space of await allSpaces(database)) {
    const stands = await hasHnsw(database, space);
    const wanted =
      config.index === "hnsw" ||
      (config.index === "auto" && (await countEmbeddings(database, space)) > config.exactRowsMax);
    if (wanted === stands) continue;
    if (wanted)
      await ensureHnsw(database, space, database.engine === "postgresql" ? "halfvec" : "vector");
    else await dropHnsw(database, space);
    log.info({ event: "search.index", model: space.modelId, hnsw: wanted }, "index changed");
  }
}
