import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { buildReports } from "../../../src/report/build-reports.ts";
import type { ReportInput } from "../../../src/report/input.ts";
import { findings, likelihood } from "../../unit/report/sample-findings.ts";
import { sampleInput } from "../../unit/report/sample-input.ts";
import { errorsOf, missingValidators } from "./sr-validators.ts";

const NO_STUDY_ATTRIBUTES = {
  patientId: "",
  patientIdIssuer: "",
  patientName: "",
  patientBirthDate: "",
  patientSex: "",
  studyDate: "",
  studyTime: "",
  studyId: "",
  accessionNumber: "",
  studyDescription: "",
  referringPhysicianName: "",
};

const HOSTILE = "\\ two\\values \u0007\u001b$B \ud800 <b>&amp;</b> \u202egnorw ".repeat(20);

const finding = (index: number) => ({
  code: `FINDING_WITH_A_LONG_NAME_${index}`,
  value: index / 3,
  unit: "mm",
  message:
    `Gap ${index} between two slices is larger than the others; it was filled by interpolation. `.repeat(
      8,
    ),
});

/** Every input that must make documents without an error of any validator. */
const INPUTS: Readonly<Record<string, ReportInput>> = {
  "a chest with everything": sampleInput(),
  "an abdomen without findings": sampleInput({
    series: { bodyPartExamined: "ABDOMEN" },
    verdict: { outcome: "ok", findings: [], tiltDegrees: 0 },
  }),
  "a head of an unknown body part term": sampleInput({
    series: { bodyPartExamined: "KOPF NATIV" },
  }),
  "a head with a Japanese name": sampleInput({
    study: { patientName: "Yamada^Tarou=山田^太郎=やまだ^たろう", studyDescription: "頭部CT" },
    series: { bodyPartExamined: "HEAD", seriesDescription: "頭部 5mm", modelName: "" },
  }),
  "a description of 40 Japanese characters": sampleInput({
    study: { studyDescription: "頭部".repeat(20) },
  }),
  "a Latin name with accents and five components": sampleInput({
    study: {
      patientName: "Müller-Lüdenscheidt^Zoë^Ö^Dr.^d.Ä.",
      referringPhysicianName: "Łukasiewicz^Ana",
    },
  }),
  "a series of several volumes": sampleInput({
    label: "kernel B40f",
    usedInstanceCount: 20,
    otherVolumes: Array.from({ length: 30 }, (_, index) => ({
      ordinal: index + 2,
      label: index === 0 ? HOSTILE : `kernel ${index}`,
      verdict: {
        outcome: index % 2 === 0 ? ("refused" as const) : ("corrected" as const),
        findings: Array.from({ length: 8 }, (_, i) => finding(i)),
        spacingMm: index % 2 === 0 ? null : ([5, 0.7, 0.7] as const),
        sizeVoxels: index % 2 === 0 ? null : ([30, 512, 512] as const),
        tiltDegrees: null,
      },
      usedInstanceCount: 30,
    })),
  }),
  "no similar patients": sampleInput({ similar: null }),
  "the first patient of a node": sampleInput({
    similar: { compared: 0, scores: [], metric: "cosine similarity" },
  }),
  "likelihoods of two models, one that withholds them": sampleInput({
    findings: [
      findings({
        likelihoods: Array.from({ length: 40 }, (_, i) =>
          likelihood({ name: `label ${i}`, value: i / 40 }),
        ),
      }),
      findings({
        statement: "This scan is unlike what the model was trained on.",
        likelihoods: [],
      }),
    ],
  }),
  "nothing but the geometry": sampleInput({ similar: null, measurements: [], evidence: [] }),
  "a refused volume": sampleInput({
    model: null,
    similar: null,
    measurements: [],
    verdict: { outcome: "refused", spacingMm: null, sizeVoxels: null, tiltDegrees: null },
  }),
  "many findings, scores and counts": sampleInput({
    verdict: { findings: Array.from({ length: 120 }, (_, index) => finding(index)) },
    similar: {
      compared: 1_000_000,
      scores: Array.from({ length: 80 }, (_, index) => 1 - index / 7_000),
      metric: "cosine similarity",
      counts: [{ meaning: "Patients above 0.9", count: 12 }],
    },
  }),
  "awkward numbers": sampleInput({
    measurements: [1.234567890123e-10, -1 / 3, 1e21, 123_456_789.123_456_78, 0].map(
      (value, index) => ({
        code: `N${index}`,
        meaning: `Number ${index}`,
        value,
        ucum: ["1", "%", "mm3", "[hnsf'U]", "{unknown}"][index]!,
      }),
    ),
  }),
  "no optional attribute at all": sampleInput({
    study: NO_STUDY_ATTRIBUTES,
    series: {
      seriesNumber: "",
      seriesDescription: "",
      bodyPartExamined: "",
      frameOfReferenceUid: "",
      manufacturer: "",
      modelName: "",
    },
  }),
  "hostile text in every text": sampleInput({
    study: {
      patientName: HOSTILE,
      patientBirthDate: HOSTILE,
      patientSex: HOSTILE,
      studyDate: "20261399",
      studyTime: "25:61",
      studyId: HOSTILE,
      accessionNumber: HOSTILE,
      studyDescription: HOSTILE,
      referringPhysicianName: HOSTILE,
    },
    series: {
      seriesNumber: HOSTILE,
      seriesDescription: HOSTILE,
      bodyPartExamined: HOSTILE,
      frameOfReferenceUid: HOSTILE,
      manufacturer: HOSTILE,
      modelName: HOSTILE,
    },
    verdict: { findings: [{ code: HOSTILE, value: 1, unit: HOSTILE, message: HOSTILE }] },
    model: {
      title: HOSTILE,
      profile: HOSTILE,
      provider: HOSTILE,
      limits: HOSTILE,
      intendedUse: HOSTILE,
    },
    measurements: [{ code: HOSTILE, meaning: HOSTILE, value: 1, ucum: HOSTILE }],
  }),
  "a frame of a multi-frame image": sampleInput({
    keyImage: {
      sopClassUid: "1.2.840.10008.5.1.4.1.1.2.1",
      sopInstanceUid: "2.25.7001",
      rows: 64,
      columns: 64,
      frameNumber: 12,
    },
    evidence: [],
  }),
};

describe("report documents in the validators of others", function () {
  this.timeout(300_000);
  let folder = "";
  let errors = new Map<string, string[]>();
  const fileOf = (name: string, kind: string): string =>
    join(folder, `${name.replace(/\W+/g, "-")}-${kind}.dcm`);

  before(async function () {
    const missing = missingValidators();
    if (missing.length > 0) {
      console.log(`      skipped: not on this machine: ${missing.join(", ")}`);
      this.skip();
    }
    folder = mkdtempSync(join(tmpdir(), "kindred-sr-"));
    const files: string[] = [];
    for (const [name, input] of Object.entries(INPUTS)) {
      for (const document of buildReports(input)) {
        const file = fileOf(name, document.kind);
        writeFileSync(file, document.bytes);
        files.push(file);
      }
    }
    errors = await errorsOf(files, folder);
  });

  after(() => {
    if (folder !== "") rmSync(folder, { recursive: true, force: true });
  });

  for (const name of Object.keys(INPUTS)) {
    for (const kind of ["measurement", "text"]) {
      it(`has no error in the ${kind} document of ${name}`, () => {
        expect(errors.get(fileOf(name, kind)) ?? []).to.deep.equal([]);
      });
    }
  }
});
