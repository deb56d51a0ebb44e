/** Stage 1: slices → volume + verdict → one tensor file a model profile. */
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { instancesOfSeries } from "../db/instances.ts";
import { findSeries, moveSeries, type SeriesRevision } from "../db/series.ts";
import { saveVolumes } from "../db/volumes.ts";
import { uidFromName } from "../dicom/uids.ts";
import type { StageOptions } from "./pipeline.ts";
import type { ReconstructResult } from "./reconstruct-task.ts";
import { refuseSeries } from "./refuse.ts";

/** Where the input tensors of one series revision and model profile lie between two stages, see `tensorFile`. */
export function tensorPrefix(
  dataDir: string,
  at: SeriesRevision,
  digest: string,
  profileId: string,
): string {
  const name = uidFromName(`${at.seriesInstanceUid}/${at.revision}/${digest}/${profileId}`);
  return join(dataDir, "work", name.slice(5));
}

/** Names the work on a series revision that was done while it arrived. */
export function earlyKey({ seriesInstanceUid, revision }: SeriesRevision): string {
  return `${seriesInstanceUid}/${revision}`;
}

export async function reconstructSeries(stage: StageOptions, at: SeriesRevision): Promise<void> {
  const { database, store, encoder, config, clock } = stage;
  const series = await findSeries(database, at.seriesInstanceUid);
  if (series?.revision !== at.revision || series.state !== "complete") return;
  const instances = await instancesOfSeries(database, at.seriesInstanceUid, at.revision);
  await mkdir(join(stage.dataDir, "work"), { recursive: true, mode: 0o700 });
  const result = await stage.reconstructor.run({
    paths: instances.map((instance) => store.pathOf(instance.file_key)),
    rules: { slicesMin: config.series.slicesMin, ...config.volume },
    outputs: encoder.profiles().map((one) => ({
      profile: one.profile,
      tensorPrefix: tensorPrefix(stage.dataDir, at, one.bundleDigest, one.profile.id),
    })),
    views: { picture: true },
    earlyKey: earlyKey(at),
  });
  stage.log.debug(
    { event: "series.early", series: at.seriesInstanceUid, slices: result.earlySlices },
    "slices that were reduced while the series arrived",
  );
  const classes = new Map(instances.map((one) => [one.sop_instance_uid, one.sop_class_uid]));
  const volumes = result.volumes.map(({ keySlice, ...volume }) => ({
    ...volume,
    keyInstance: keySlice && {
      ...keySlice,
      sopClassUid: classes.get(keySlice.sopInstanceUid)!,
    },
  }));
  const isRefused = volumes.every(({ verdict }) => verdict.outcome === "refused");
  await database.transaction(async (tx) => {
    await saveVolumes(tx, at, volumes, clock.now());
    if (isRefused) {
      await refuseSeries(tx, stage, at, ["complete"], reasonOf(result));
    } else if (await moveSeries(tx, at, ["complete"], "reconstructed")) {
      stage.metrics.seriesTotal.inc({ state: "reconstructed" });
      await stage.next.embed(tx, at);
    }
  });
}

/** Of a series of which nothing is a volume: each finding once. */
function reasonOf({ volumes }: ReconstructResult): string {
  const findings = volumes.flatMap(({ verdict }) => verdict.findings);
  const sentences = findings.map((finding) => `${finding.code}: ${finding.message}`);
  return [...new Set(sentences)].join(" ");
}
