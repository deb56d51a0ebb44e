/** Stage 2: tensor files → vectors, one row a space and volume. */
import { access, rm } from "node:fs/promises";
import { ensureSpace, forgetEmbeddings, saveEmbedding } from "../db/embeddings.ts";
import { findSeries, moveSeries, type SeriesRevision } from "../db/series.ts";
import { findStudy } from "../db/studies.ts";
import { volumesOf } from "../db/volumes.ts";
import type { EncoderProfile } from "../encoder/encoder.ts";
import { KindredError } from "../kernel/errors.ts";
import { patientKeyOf } from "../search/similar.ts";
import type { VolumeVerdict } from "../volume/types.ts";
import type { StageOptions } from "./pipeline.ts";
import { tensorPrefix } from "./reconstruct-series.ts";
import { tensorFile } from "./reconstruct-task.ts";

interface Embedded {
  readonly one: EncoderProfile;
  readonly ordinal: number;
  readonly vector: Float32Array;
  readonly provider: string;
}

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
  const volumes = await volumesOf<VolumeVerdict>(database, at);
  const ordinals = volumes
    .filter(({ verdict }) => verdict.outcome !== "refused")
    .map(({ ordinal }) => ordinal);
  const inputs = wanted.flatMap((one) => {
    const prefix = tensorPrefix(stage.dataDir, at, one.bundleDigest, one.profile.id);
    return ordinals.map((ordinal) => ({ one, ordinal, file: tensorFile(prefix, ordinal) }));
  });
  if (inputs.length === 0 || !(await allExist(inputs.map(({ file }) => file)))) {
    // The work folder was cleared or a model was added since: build the volume again.
    await database.transaction(async (tx) => {
      if (await moveSeries(tx, at, ["reconstructed"], "complete"))
        await stage.next.reconstruct(tx, at);
    });
    return;
  }
  const embedded: Embedded[] = [];
  for (const { one, ordinal, file } of inputs) {
    const answer = await encoder.embedFile(one.modelId, one.profile.id, file);
    stage.metrics.encoderSeconds.observe({ model: one.modelId }, answer.milliseconds / 1000);
    embedded.push({ one, ordinal, vector: answer.vectors[0]!.vector, provider: answer.provider });
  }
  await database.transaction(async (tx) => {
    if (!(await moveSeries(tx, at, ["reconstructed"], "embedded"))) return;
    // An earlier revision may have made more volumes.
    await forgetEmbeddings(tx, at.seriesInstanceUid, ordinals);
    for (const { one, ordinal, vector, provider } of embedded) {
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
        ordinal,
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
  for (const { file } of inputs) await rm(file, { force: true });
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
