/** Stage 2: tensor files → vectors, one row a space. */
import { access, rm } from "node:fs/promises";
import { ensureSpace, saveEmbedding } from "../db/embeddings.ts";
import { findSeries, moveSeries, type SeriesRevision } from "../db/series.ts";
import { findStudy } from "../db/studies.ts";
import type { EncoderProfile } from "../encoder/encoder.ts";
import { KindredError } from "../kernel/errors.ts";
import { patientKeyOf } from "../search/similar.ts";
import type { StageOptions } from "./pipeline.ts";
import { tensorPath } from "./reconstruct-series.ts";

export async function embedSeries(stage: StageOptions, at: SeriesRevision): Promise<void> {
  const { database, encoder, clock } = stage;
  const series = await findSeries(database, at.seriesInstanceUid);
  if (series?.revision !== at.revision || series.state !== "reconstructed") return;
  const study = (await findStudy(database, series.study_instance_uid))!;
  const wanted = encoder.profiles();
  if (wanted.length === 0)
    throw new KindredError(
      "MODEL_NOT_READY",
      "No model bundle could be loaded: see kindred doctor",
    );
  const files = wanted.map((one) =>
    tensorPath(stage.dataDir, at, one.bundleDigest, one.profile.id),
  );
  if (!(await allExist(files))) {
    // The work folder was cleared or a model was added since: build the volume again.
    await database.transaction(async (tx) => {
      if (await moveSeries(tx, at, ["reconstructed"], "complete"))
        await stage.next.reconstruct(tx, at);
    });
    return;
  }
  const embedded: { one: EncoderProfile; vector: Float32Array; provider: string }[] = [];
  for (const [index, one] of wanted.entries()) {
    const answer = await encoder.embedFile(one.modelId, one.profile.id, files[index]!);
    stage.metrics.encoderSeconds.observe({ model: one.modelId }, answer.milliseconds / 1000);
    embedded.push({ one, vector: answer.vector, provider: answer.provider });
  }
  await database.transaction(async (tx) => {
    if (!(await moveSeries(tx, at, ["reconstructed"], "embedded"))) return;
    for (const { one, vector, provider } of embedded) {
      const space = await ensureSpace(
        tx,
        {
          modelId: one.modelId,
          modelVersion: one.version,
          bundleDigest: one.bundleDigest,
          profile: one.profile.id,
          dimension: vector.length,
        },
        clock.now(),
      );
      await saveEmbedding(tx, space, {
        ...at,
        ordinal: 1,
        studyInstanceUid: series.study_instance_uid,
        patientKey: patientKeyOf(study),
        vector,
        provider,
        now: clock.now(),
      });
    }
    stage.metrics.seriesTotal.inc({ state: "embedded" });
    await stage.next.report(tx, at);
  });
  for (const file of files) await rm(file, { force: true });
}

async function allExist(files: readonly string[]): Promise<boolean> {
  for (const file of files) {
    try {
      await access(file);
    } catch {
      return false;
    }
  }
  return true;
}
