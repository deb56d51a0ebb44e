/** Stage 1: slices → volume + verdict → one tensor file a model profile. */
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { instancesOfSeries } from "../db/instances.ts";
import { findSeries, moveSeries, type SeriesRevision } from "../db/series.ts";
import { saveVolume } from "../db/volumes.ts";
import { uidFromName } from "../dicom/uids.ts";
import type { StageOptions } from "./pipeline.ts";
import { refuseSeries } from "./refuse.ts";

/** Where the input tensor of one series revision and model profile lies between two stages. */
export function tensorPath(
  dataDir: string,
  at: SeriesRevision,
  digest: string,
  profileId: string,
): string {
  const name = uidFromName(`${at.seriesInstanceUid}/${at.revision}/${digest}/${profileId}`);
  return join(dataDir, "work", `${name.slice(5)}.f32`);
}

export async function reconstructSeries(stage: StageOptions, at: SeriesRevision): Promise<void> {
  const { database, store, encoder, config, clock } = stage;
  const series = await findSeries(database, at.seriesInstanceUid);
  if (series?.revision !== at.revision || series.state !== "complete") return;
  const instances = await instancesOfSeries(database, at.seriesInstanceUid, at.revision);
  await mkdir(join(stage.dataDir, "work"), { recursive: true, mode: 0o700 });
  const result = await stage.reconstructor.run({
    paths: instances.map((instance) => store.pathOf(instance.file_key)),
    slicesMin: config.series.slicesMin,
    outputs: encoder.profiles().map((one) => ({
      profile: one.profile,
      tensorPath: tensorPath(stage.dataDir, at, one.bundleDigest, one.profile.id),
    })),
  });
  const { verdict, keySlice } = result;
  const keyInstance = keySlice && {
    ...keySlice,
    sopClassUid: instances.find((one) => one.sop_instance_uid === keySlice.sopInstanceUid)!
      .sop_class_uid,
  };
  await database.transaction(async (tx) => {
    await saveVolume(tx, at, {
      ordinal: 1,
      verdict,
      instanceCount: result.usedCount,
      keyInstance,
      createdAt: clock.now(),
    });
    if (verdict.outcome === "refused") {
      const reason = verdict.findings
        .map((finding) => `${finding.code}: ${finding.message}`)
        .join(" ");
      await refuseSeries(tx, stage, at, ["complete"], reason);
    } else if (await moveSeries(tx, at, ["complete"], "reconstructed")) {
      stage.metrics.seriesTotal.inc({ state: "reconstructed" });
      await stage.next.embed(tx, at);
    }
  });
}
