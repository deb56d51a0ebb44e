/** Stage 3: rows → SR documents, their files, and one delivery a peer that wants reports. */
import { documentsOf, saveDocument } from "../db/documents.ts";
import { modelsOf } from "../db/embeddings.ts";
import { findingsOf } from "../db/findings.ts";
import { instancesOfSeries } from "../db/instances.ts";
import { findSeries, moveSeries, type SeriesRevision, type SeriesRow } from "../db/series.ts";
import { findStudy, type StudyRow } from "../db/studies.ts";
import { type KeyInstance, usedInstances, type VolumeRow, volumesOf } from "../db/volumes.ts";
import { uidFromName } from "../dicom/uids.ts";
import { KindredError } from "../kernel/errors.ts";
import { VERSION } from "../kernel/version.ts";
import { buildReports } from "../report/build-reports.ts";
import type { ReportInput } from "../report/input.ts";
import { findSimilar } from "../search/similar.ts";
import type { VolumeVerdict } from "../volume/types.ts";
import type { StageOptions } from "./pipeline.ts";

export async function reportSeries(stage: StageOptions, at: SeriesRevision): Promise<void> {
  const { database, store, config, clock } = stage;
  const series = await findSeries(database, at.seriesInstanceUid);
  if (series?.revision !== at.revision || series.state !== "embedded") return;
  const study = (await findStudy(database, series.study_instance_uid))!;
  const [volume, ...others] = await volumesOf<VolumeVerdict>(database, at);
  if (volume?.key_instance == null)
    throw new KindredError("INTERNAL", "An embedded series has no volume row");
  const documents = buildReports(
    await reportInput(stage, at, series, study, { volume, key: volume.key_instance, others }),
  );
  const earlier = new Set((await documentsOf(database, at)).map((one) => one.sop_instance_uid));
  const files: { fileKey: string; document: (typeof documents)[number] }[] = [];
  // Files first, synced; then their rows and deliveries in one transaction. A crash between leaves only a stray file.
  for (const document of documents) {
    if (!earlier.has(document.sopInstanceUid))
      files.push({ fileKey: await store.put(document.bytes), document });
  }
  const peers = config.peers.filter((peer) => peer.sendReports).map((peer) => peer.aeTitle);
  await database.transaction(async (tx) => {
    if (!(await moveSeries(tx, at, ["embedded"], "reported"))) return;
    for (const { fileKey, document } of files) {
      await saveDocument(
        tx,
        at,
        { ...document, fileKey, sizeBytes: document.bytes.length, createdAt: clock.now() },
        peers,
      );
      for (const peer of peers)
        await stage.next.send(tx, { sopInstanceUid: document.sopInstanceUid, peer });
    }
    stage.metrics.seriesTotal.inc({ state: "reported" });
  });
}

async function reportInput(
  stage: StageOptions,
  at: SeriesRevision,
  series: SeriesRow,
  study: StudyRow,
  {
    volume,
    key,
    others,
  }: {
    volume: VolumeRow<VolumeVerdict>;
    key: KeyInstance;
    others: readonly VolumeRow<VolumeVerdict>[];
  },
): Promise<ReportInput> {
  const { database, config, encoder } = stage;
  const models = await modelsOf(database, at);
  const used = models.find((one) => one.id === config.encoder.models[0]) ?? models[0];
  // Also of a model that proves itself no more: the vectors that it made are as true as before.
  const model = encoder.bundles().find((one) => one.manifest.id === used?.id);
  if (used === undefined || model === undefined)
    throw new KindredError("MODEL_NOT_READY", "The model of this series is not loaded");
  const similar = await findSimilar(database, config.search, config.encoder.models[0]!, {
    example: { series: at.seriesInstanceUid },
    level: "PATIENT",
    k: config.report.similar,
    samePatient: "exclude",
  });
  const instances = await instancesOfSeries(database, at.seriesInstanceUid, at.revision);
  const classes = new Map(instances.map((one) => [one.sop_instance_uid, one.sop_class_uid]));
  return {
    study: {
      patientId: study.patient_id,
      patientIdIssuer: study.patient_id_issuer,
      patientName: study.patient_name,
      patientBirthDate: study.patient_birth_date,
      patientSex: study.patient_sex,
      studyInstanceUid: study.study_instance_uid,
      studyDate: study.study_date,
      studyTime: study.study_time,
      studyId: study.study_id,
      accessionNumber: study.accession_number,
      studyDescription: study.study_description,
      referringPhysicianName: study.referring_physician_name,
    },
    series: {
      seriesInstanceUid: series.series_instance_uid,
      seriesNumber: series.series_number,
      seriesDescription: series.series_description,
      modality: series.modality,
      bodyPartExamined: series.body_part_examined,
      frameOfReferenceUid: series.frame_of_reference_uid,
      manufacturer: series.manufacturer,
      modelName: series.model_name,
      revision: at.revision,
      instanceCount: instances.length,
    },
    keyImage: key,
    evidence: (await usedInstances(database, at)).flatMap((sopInstanceUid) => {
      const sopClassUid = classes.get(sopInstanceUid);
      return sopClassUid === undefined ? [] : [{ sopClassUid, sopInstanceUid }];
    }),
    verdict: volume.verdict,
    label: volume.label,
    usedInstanceCount: volume.instance_count,
    otherVolumes: others.map((one) => ({
      ordinal: one.ordinal,
      label: one.label,
      verdict: one.verdict,
      usedInstanceCount: one.instance_count,
    })),
    model: {
      id: model.manifest.id,
      version: model.manifest.version,
      title: model.manifest.title,
      bundleDigest: model.digest,
      profile: used.profile,
      provider: used.provider,
      limits: model.manifest.limits,
      intendedUse: model.manifest.intendedUse,
    },
    measurements: [],
    findings: (await findingsOf(database, at))
      .filter((one) => one.ordinal === volume.ordinal)
      .map((one) => ({
        modelId: one.modelId,
        modelVersion: one.modelVersion,
        bundleDigest: one.bundleDigest,
        guard: one.guard,
        statement: one.statement,
        problems: one.problems,
        likelihoods: one.findings.map(({ label, ...each }) => ({ ...each, name: label.name })),
      })),
    similar:
      similar.answers.length === 0
        ? null
        : {
            compared: similar.compared,
            scores: similar.answers.map((one) => one.score),
            metric: "cosine similarity",
          },
    node: {
      aeTitle: config.dimse.aeTitle,
      version: VERSION,
      deviceUid: uidFromName(`kindred/device/${model.digest}`),
      installationId: uidFromName(`kindred/installation/${stage.dataDir}`).slice(-16),
    },
    // From rows, so that a run after a crash makes the very same bytes.
    observedAt: series.last_received_at,
    createdAt: series.last_received_at,
    // Two documents a series: its own pair of numbers, above every scanner's.
    seriesNumber: 9000 + 2 * (Number.parseInt(series.series_number, 10) % 400 || 0),
  };
}
