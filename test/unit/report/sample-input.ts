/** A whole report input, every part of it replaceable: `sampleInput({ study: { patientName: "" } })`. */
import type {
  ReportInput,
  ReportModel,
  ReportSeries,
  ReportStudy,
} from "../../../src/report/input.ts";
import type { VolumeVerdict } from "../../../src/volume/types.ts";

type Changes = Partial<Omit<ReportInput, "study" | "series" | "verdict" | "model">> & {
  readonly study?: Partial<ReportStudy>;
  readonly series?: Partial<ReportSeries>;
  readonly verdict?: Partial<VolumeVerdict>;
  readonly model?: Partial<ReportModel> | null;
};

const CT = "1.2.840.10008.5.1.4.1.1.2";

export function sampleInput(changes: Changes = {}): ReportInput {
  const { study, series, verdict, model, ...others } = changes;
  return {
    study: {
      patientId: "KD-0001",
      patientIdIssuer: "HOSPITAL",
      patientName: "Phantom^Petra",
      patientBirthDate: "19500131",
      patientSex: "F",
      studyInstanceUid: "2.25.1001",
      studyDate: "20260310",
      studyTime: "101500",
      studyId: "S1",
      accessionNumber: "A-77",
      studyDescription: "CT thorax",
      referringPhysicianName: "Referrer^Rita",
      ...study,
    },
    series: {
      seriesInstanceUid: "2.25.2001",
      seriesNumber: "2",
      seriesDescription: "Thorax 5.0 B40f",
      modality: "CT",
      bodyPartExamined: "CHEST",
      frameOfReferenceUid: "2.25.3001",
      manufacturer: "Scanner Works",
      modelName: "Tube 64",
      revision: 1,
      instanceCount: 30,
      ...series,
    },
    keyImage: { sopClassUid: CT, sopInstanceUid: "2.25.4015", rows: 512, columns: 512 },
    evidence: Array.from({ length: 30 }, (_, index) => ({
      sopClassUid: CT,
      sopInstanceUid: `2.25.${4_000 + index}`,
    })),
    verdict: {
      outcome: "corrected",
      findings: [
        {
          code: "GANTRY_TILT",
          value: 18.5,
          unit: "deg",
          message: "The gantry was tilted; the volume was sheared back.",
        },
      ],
      spacingMm: [5, 0.646484375, 0.646484375],
      sizeVoxels: [30, 512, 512],
      tiltDegrees: 18.5,
      ...verdict,
    },
    label: "",
    usedInstanceCount: 30,
    otherVolumes: [],
    model:
      model === null
        ? null
        : {
            id: "layout-fingerprint",
            version: "1.0.0",
            title: "Layout and density fingerprint",
            bundleDigest: "b5bb9d8014a0f9b1d61e21e796d78dccdf1352f23cd32812f4850b878ae4944c",
            profile: "ct-64",
            provider: "cpu",
            intendedUse: "Finds volumes of alike layout and density. It knows no diseases.",
            limits: "Not trained on patients; no claim about findings of any kind is made.",
            ...model,
          },
    measurements: [
      { code: "AIR", meaning: "Air-like voxels", value: 41.25, ucum: "%" },
      { code: "BODY", meaning: "Body volume", value: 22_345.678, ucum: "cm3" },
    ],
    findings: [],
    similar: {
      compared: 1_204,
      scores: [0.96312, 0.94121, 0.93377, 0.9301, 0.92654],
      metric: "cosine similarity",
    },
    node: {
      aeTitle: "KINDRED",
      version: "0.1.0",
      deviceUid: "2.25.5001",
      installationId: "installation-1",
    },
    observedAt: new Date("2026-03-10T10:20:00Z"),
    createdAt: new Date("2026-03-10T10:21:30Z"),
    utcOffsetMinutes: 60,
    seriesNumber: 9_001,
    ...others,
  };
}
