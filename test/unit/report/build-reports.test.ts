import { expect } from "chai";
import type { DataSet } from "../../../src/dicom/data-set.ts";
import { decodeDataSet } from "../../../src/dicom/decode.ts";
import { decodeFileMeta } from "../../../src/dicom/part10.ts";
import { TAG } from "../../../src/dicom/tags.ts";
import { codeOf, type ErrorCode } from "../../../src/kernel/errors.ts";
import { regionOf } from "../../../src/report/body-region.ts";
import { buildReports } from "../../../src/report/build-reports.ts";
import type { ReportDocument, ReportInput } from "../../../src/report/input.ts";
import { sampleInput } from "./sample-input.ts";

const COMPREHENSIVE_3D_SR = "1.2.840.10008.5.1.4.1.1.88.34";
const BASIC_TEXT_SR = "1.2.840.10008.5.1.4.1.1.88.11";
const WARNING = "AI result, not verified. Not for diagnostic use.";

function dataSetOf(document: ReportDocument): DataSet {
  const { dataSetOffset, transferSyntaxUid } = decodeFileMeta(document.bytes);
  return decodeDataSet(document.bytes.subarray(dataSetOffset), { transferSyntaxUid });
}

function codeThrown(input: ReportInput): ErrorCode | "nothing" {
  try {
    buildReports(input);
    return "nothing";
  } catch (error) {
    return codeOf(error);
  }
}

describe("building the report documents", () => {
  it("makes a measurement and a text document, each in a series of its own", () => {
    const [measurement, text, ...others] = buildReports(sampleInput());
    expect(others).to.deep.equal([]);
    expect([measurement!.kind, measurement!.sopClassUid]).to.deep.equal([
      "measurement",
      COMPREHENSIVE_3D_SR,
    ]);
    expect([text!.kind, text!.sopClassUid]).to.deep.equal(["text", BASIC_TEXT_SR]);
    expect(measurement!.seriesInstanceUid).not.to.equal(text!.seriesInstanceUid);
    const numbers = [measurement!, text!].map((document) =>
      dataSetOf(document).string(TAG.SeriesNumber),
    );
    expect(numbers).to.deep.equal(["9001", "9002"]);
  });

  it("makes the same bytes of the same input", () => {
    const bytes = (input: ReportInput) =>
      buildReports(input).map((document) => document.bytes.toString("hex"));
    expect(bytes(sampleInput())).to.deep.equal(bytes(structuredClone(sampleInput())));
  });

  it("makes other UIDs for another series, revision, model or profile, and for nothing else", () => {
    const uids = (input: ReportInput) =>
      buildReports(input).flatMap((document) => [
        document.sopInstanceUid,
        document.seriesInstanceUid,
      ]);
    const inputs = [
      sampleInput(),
      sampleInput({ series: { revision: 2 } }),
      sampleInput({ series: { seriesInstanceUid: "2.25.9" } }),
      sampleInput({ model: { bundleDigest: "00" } }),
      sampleInput({ model: { profile: "ct-128" } }),
    ];
    const all = inputs.flatMap(uids);
    expect(new Set(all).size).to.equal(all.length);
    expect(uids(sampleInput({ similar: null, createdAt: new Date(0) }))).to.deep.equal(
      uids(sampleInput()),
    );
  });

  it("stays in the patient and study of the source, text in UTF-8", () => {
    const patientName = "Yamada^Tarou=山田^太郎=やまだ^たろう";
    for (const document of buildReports(sampleInput({ study: { patientName } }))) {
      const dataSet = dataSetOf(document);
      expect(dataSet.string(TAG.PatientName)).to.equal(patientName);
      expect(dataSet.string(TAG.PatientID)).to.equal("KD-0001");
      expect(dataSet.string(TAG.IssuerOfPatientID)).to.equal("HOSPITAL");
      expect(dataSet.string(TAG.StudyInstanceUID)).to.equal("2.25.1001");
      expect(dataSet.string(TAG.AccessionNumber)).to.equal("A-77");
      expect(dataSet.string(TAG.SpecificCharacterSet)).to.equal("ISO_IR 192");
    }
  });

  it("begins conclusion, series description and readable text with the warning", () => {
    for (const document of buildReports(sampleInput())) {
      expect(document.textLines[0]).to.equal(WARNING);
      expect(dataSetOf(document).string(TAG.SeriesDescription)).to.match(
        /^AI result, not verified\. Not for/,
      );
      expect(document.bytes.includes(`${WARNING}\r\n`)).to.equal(true);
    }
  });

  it("says the verdict with its numbers in both documents", () => {
    for (const document of buildReports(sampleInput())) {
      expect(document.bytes.includes("GANTRY_TILT = 18.5 degrees: The gantry was tilted")).to.equal(
        true,
      );
      expect(document.textLines.join("\n")).to.include("GANTRY_TILT = 18.5 degrees");
    }
  });

  it("lists the other volumes of the series with verdict, size and findings, the label cleaned", () => {
    const otherVolumes: ReportInput["otherVolumes"] = [
      {
        ordinal: 2,
        label: "kernel B70f\u0000\u202e",
        verdict: {
          outcome: "ok",
          findings: [],
          spacingMm: [5, 0.7, 0.7],
          sizeVoxels: [29, 512, 512],
          tiltDegrees: 0,
        },
        usedInstanceCount: 29,
      },
      {
        ordinal: 3,
        label: "",
        verdict: {
          outcome: "refused",
          findings: [{ code: "MISSING_SLICES", value: 3, unit: "1", message: "3 are missing." }],
          spacingMm: null,
          sizeVoxels: null,
          tiltDegrees: null,
        },
        usedInstanceCount: 0,
      },
    ];
    const input = sampleInput({ label: "kernel B40f", usedInstanceCount: 28, otherVolumes });
    for (const document of buildReports(input)) {
      const lines = document.textLines.map((line) => line.trim());
      for (const line of [
        "The series makes 3 volumes; this report is about the first (kernel B40f).",
        "Volume 2 (kernel B70f): usable as received, 29 × 512 × 512 voxels of 5 × 0.7 × 0.7 mm, 29 images",
        "Volume 3: not usable, nothing was computed",
        "MISSING_SLICES = 3: 3 are missing.",
      ]) {
        expect(lines).to.include(line);
        expect(document.bytes.includes(line), line).to.equal(true);
      }
      expect(lines).to.include("Images:    30 received, 28 used");
    }
    const many = Array.from({ length: 500 }, (_, index) => ({
      ...otherVolumes[0]!,
      ordinal: index + 2,
    }));
    for (const { textLines } of buildReports(sampleInput({ otherVolumes: many })))
      expect(textLines.join("\n")).to.include("480 further volumes not listed.");
  });

  it("says in the conclusion what was corrected, with the number", () => {
    for (const { textLines } of buildReports(sampleInput()))
      expect(textLines).to.include(
        "Geometry: usable after correction (1 finding: GANTRY_TILT = 18.5 degrees).",
      );
  });

  it("names the model, its version, digest, profile and provider in both documents", () => {
    for (const { bytes } of buildReports(sampleInput())) {
      for (const part of [
        "Layout and density fingerprint",
        "1.0.0",
        "b5bb9d8014a0f9b1",
        "ct-64",
        "cpu",
      ]) {
        expect(bytes.includes(part), part).to.equal(true);
      }
    }
  });

  it("puts no patient data into the readable text", () => {
    const text = buildReports(sampleInput())
      .flatMap((document) => document.textLines)
      .join("\n");
    for (const part of ["Phantom", "KD-0001", "19500131", "A-77", "Referrer"])
      expect(text).not.to.include(part);
  });

  it("writes times in the offset it was given", () => {
    const dataSet = dataSetOf(buildReports(sampleInput({ utcOffsetMinutes: -210 }))[0]!);
    expect([dataSet.string(0x00080023), dataSet.string(0x00080033)]).to.deep.equal([
      "20260310",
      "065130",
    ]);
    expect(dataSet.string(0x0040a032)).to.equal("20260310065000-0330");
  });

  it("empties an accession number that it would have to change", () => {
    const study = { accessionNumber: "12345678901234567" };
    expect(
      dataSetOf(buildReports(sampleInput({ study }))[0]!).string(TAG.AccessionNumber),
    ).to.equal("");
  });

  it("takes a study without any optional attribute", () => {
    const study = {
      patientId: "",
      patientIdIssuer: "",
      patientName: "",
      studyDate: "",
      accessionNumber: "",
    };
    expect(codeThrown(sampleInput({ study }))).to.equal("nothing");
  });

  it("refuses a patient identifier that it would have to change", () => {
    for (const patientId of ["A\\B", "A\nB", "x".repeat(65)]) {
      expect(codeThrown(sampleInput({ study: { patientId } }))).to.equal("DATASET_INCOMPLETE");
    }
    expect(codeThrown(sampleInput({ study: { patientIdIssuer: "A\\B" } }))).to.equal(
      "DATASET_INCOMPLETE",
    );
  });

  it("refuses UIDs that are none, naming the attribute and not the value", () => {
    expect(codeThrown(sampleInput({ study: { studyInstanceUid: "" } }))).to.equal(
      "DATASET_INCOMPLETE",
    );
    expect(() => buildReports(sampleInput({ series: { seriesInstanceUid: "1.02.SMITH" } })))
      .to.throw(/Series Instance UID/)
      .and.satisfies((error: Error) => !error.message.includes("SMITH"));
  });

  it("refuses what is no CT, and an incomplete input of our own", () => {
    expect(codeThrown(sampleInput({ series: { modality: "MR" } }))).to.equal("NOT_A_VOLUME");
    const { node } = sampleInput();
    expect(codeThrown(sampleInput({ node: { ...node, installationId: "" } }))).to.equal("INTERNAL");
    expect(codeThrown(sampleInput({ createdAt: new Date(Number.NaN) }))).to.equal("INTERNAL");
    expect(codeThrown(sampleInput({ seriesNumber: 1.5 }))).to.equal("INTERNAL");
    expect(
      codeThrown(
        sampleInput({ measurements: [{ code: "X", meaning: "X", value: Number.NaN, ucum: "1" }] }),
      ),
    ).to.equal("INTERNAL");
  });

  it("knows the regions that scanners write, whatever their spelling", () => {
    const meanings = [
      "CHEST",
      "Thorax",
      "ABDOMEN^PELVIS",
      "head",
      "C-SPINE",
      "KOPF",
      "",
      "constructor",
    ].map((term) => regionOf(term)?.meaning);
    expect(meanings).to.deep.equal([
      "Chest",
      "Chest",
      "Abdomen and Pelvis",
      "Head",
      "Cervical spine",
      undefined,
      undefined,
      undefined,
    ]);
  });
});
