/**
 * Tells the reconstruction thread of slices as they arrive, whichever process received them: the rows say what is there.
 * A series that is closed is forgotten here; the thread hears of it by its reconstruction.
 */
import { join } from "node:path";
import { instancesOfSeries } from "../db/instances.ts";
import { receivingSeries } from "../db/series.ts";
import type { StageOptions } from "./pipeline.ts";
import { earlyKey } from "./reconstruct-series.ts";

/** Series begun with at a time; others wait for their completion. */
const SERIES_MAX = 4;

/** @returns what a clock calls */
export function createEarlyStart(stage: StageOptions): () => Promise<void> {
  const { database, store, encoder, config, reconstructor } = stage;
  /** By key: paths that the thread knows. */
  const told = new Map<string, Set<string>>();
  return async () => {
    if (!config.series.reduceWhileReceiving) return;
    const receiving = await receivingSeries(database, SERIES_MAX);
    const keys = new Set(receiving.map(earlyKey));
    for (const key of told.keys()) if (!keys.has(key)) told.delete(key);
    for (const series of receiving) {
      const key = earlyKey(series);
      const known = told.get(key) ?? new Set();
      if (series.instanceCount === known.size) continue;
      const instances = await instancesOfSeries(
        database,
        series.seriesInstanceUid,
        series.revision,
      );
      const paths = instances.map((one) => store.pathOf(one.file_key));
      const fresh = paths.filter((path) => !known.has(path));
      if (fresh.length === 0) continue;
      told.set(key, new Set(paths));
      reconstructor.beginEarly({
        key,
        paths: fresh,
        profiles: encoder.profiles().map(({ profile }) => profile),
        picture: true,
        folder: join(stage.dataDir, "work"),
      });
    }
  };
}
