/**
 * Tells the reconstruction thread of slices as they arrive, whichever process received them: the rows say what is there.
 * A series that is closed is forgotten here; the thread hears of it by its reconstruction.
 */
import { statfs } from "node:fs/promises";
import { join } from "node:path";
import { instancesOfSeries } from "../db/instances.ts";
import { receivingSeries } from "../db/series.ts";
import { EARLY_BYTES_MAX, EARLY_SERIES_MAX } from "./early-planes.ts";
import type { StageOptions } from "./pipeline.ts";
import { earlyKey } from "./reconstruct-series.ts";

/** Planes of all series in work; further series wait for their completion. */
const ROOM_BYTES = EARLY_SERIES_MAX * EARLY_BYTES_MAX;

/** @returns what a clock calls */
export function createEarlyStart(stage: StageOptions): () => Promise<void> {
  const { database, store, encoder, config, reconstructor } = stage;
  /** By key: paths that the thread knows. */
  const told = new Map<string, Set<string>>();
  return async () => {
    if (!config.series.reduceWhileReceiving) return;
    const receiving = await receivingSeries(database, EARLY_SERIES_MAX);
    const keys = new Set(receiving.map(earlyKey));
    for (const key of told.keys()) if (!keys.has(key)) told.delete(key);
    // Planes must never take the room that slices need.
    if (receiving.length > 0 && !(await hasRoom(stage))) return;
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

async function hasRoom({ dataDir, config }: StageOptions): Promise<boolean> {
  const { bavail, bsize } = await statfs(dataDir);
  return bavail * bsize > config.archive.freeBytesMin + ROOM_BYTES;
}
