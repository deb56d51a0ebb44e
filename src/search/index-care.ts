/** Keeps each space's index as configured: none (exact), or HNSW once exact search would become slow. */
import type { Config } from "../config/schema.ts";
import type { Database } from "../db/database.ts";
import { allSpaces, countEmbeddings } from "../db/embeddings.ts";
import { dropHnsw, ensureHnsw, hasHnsw, indexKindOf } from "../db/nearest.ts";
import type { Logger } from "../kernel/log.ts";

/** @returns what a clock calls: makes and drops HNSW indexes so that they agree with `search.index`; cheap when nothing is to do */
export function createIndexCare(
  database: Database,
  config: Config["search"],
  log: Logger,
): () => Promise<void> {
  /** Spaces without an index of which that was said. */
  const told = new Set<number>();
  return async () => {
    for (const space of await allSpaces(database)) {
      const stands = await hasHnsw(database, space);
      const wanted =
        config.index === "hnsw" ||
        (config.index === "auto" && (await countEmbeddings(database, space)) > config.exactRowsMax);
      if (wanted === stands) continue;
      const { modelId: model, dimension } = space;
      const kind = indexKindOf(database, space);
      if (wanted && kind === undefined) {
        if (!told.has(space.spaceId))
          log.warn(
            { event: "search.no_index", model, dimension },
            "this database cannot index so many dimensions: the model is searched exactly; with PostgreSQL it is indexed",
          );
        told.add(space.spaceId);
        continue;
      }
      if (wanted) await ensureHnsw(database, space, kind!);
      else await dropHnsw(database, space);
      log.info({ event: "search.index", model, hnsw: wanted }, "index changed");
    }
  };
}
