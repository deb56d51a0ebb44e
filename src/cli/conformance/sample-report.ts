/** An input that uses every part of the documents, so that the statement can list what stands in them. Nobody's data. */
import { SOP_CLASS, uidFromName } from "../../dicom/uids.ts";
import { VERSION } from "../../kernel/version.ts";
import type { ReportInput } from "../../report/input.ts";

const uid = (name: string) => uidFromName(`conformance statement/${name}`);
const AT = new Date("2026-01-01T00:00:00Z");
const IMAGE = { sopClassUid: SOP_CLASS.ctImageStorage, sopInstanceUid: uid("instance") };

export function sampleReport(): ReportInput {
  return {
    study: {
      patientId: "0",
      patientIdIssuer: "ISSUER",
      patientName: "Name",
      patientBirthDate: "20000101",
      patientSex: "O",
      studyInstanceUid: uid("study"),
      studyDate: "20260101",
      studyTime: "000000",
      studyId: "1",
      accessionNumber: "1",
      studyDescription: "Study",
      referringPhysicianName: "Name",
    },
    series: {
      seriesInstanceUid: uid("series"),
      seriesNumber: "1",
      seriesDescription: "Series",
      modality: "CT",
      bodyPartExamined: "CHEST",
      frameOfReferenceUid: uid("frame of reference"),
      manufacturer: "Manufacturer",
      modelName: "Model",
      revision: 1,
      instanceCount: 1,
    },
    keyImage: { ...IMAGE, rows: 512, columns: 512 },
    evidence: [IMAGE],
    verdict: {
      outcome: "corrected",
      findings: [{ code: "GANTRY_TILT", value: 1, unit: "deg", message: "Tilted." }],
      spacingMm: [1, 1, 1],
      sizeVoxels: [1, 1, 1],
      tiltDegrees: 1,
    },
    label: "kernel A",
    usedInstanceCount: 1,
    otherVolumes: [
      {
        ordinal: 2,
        label: "kernel B",
        verdict: {
          outcome: "refused",
          findings: [],
          spacingMm: null,
          sizeVoxels: null,
          tiltDegrees: null,
        },
        usedInstanceCount: 0,
      },
    ],
    model: {
      id: "model",
      version: "1",
      title: "Model",
      bundleDigest: "00",
      profile: "profile",
      provider: "cpu",
      intendedUse: "None.",
      limits: "None.",
    },
    findings: [
      {
        modelId: "model",
        modelVersion: "1",
        bundleDigest: "00",
        guard: null,
        statement: "None.",
        problems: [],
        likelihoods: [],
      },
    ],
    measurements: [{ code: "ONE", meaning: "A measurement of the model", value: 1, ucum: "1" }],
    similar: { compared: 1, scores: [1], metric: "metric", counts: [{ meaning: "", count: 1 }] },
    node: { aeTitle: "KINDRED", version: VERSION, deviceUid: uid("device"), installationId: "1" },
    observedAt: AT,
    createdAt: AT,
    seriesNumber: 9_001,
  };
}
