import { expect } from "chai";
import type { DataSet } from "../../../src/dicom/data-set.ts";
import { decodeDataSet } from "../../../src/dicom/decode.ts";
import { decodeFileMeta } from "../../../src/dicom/part10.ts";
import { TAG } from "../../../src/dicom/tags.ts";
import { KindredError } from "../../../src/kernel/errors.ts";
import { buildReports } from "../../../src/report/build-reports.ts";
import { assertViewerSafe, viewerFaults } from "../../../src/report/viewer-safety.ts";
import { sampleInput } from "./sample-input.ts";

const CONTENT = 0x0040a730;
const CONCEPT = 0x0040a043;
const VALUE = 0x00080100;

/** A fresh document, for one fault each. */
function document(kind: "measurement" | "text"): DataSet {
  const { bytes } = buildReports(sampleInput()).find((one) => one.kind === kind)!;
  const { dataSetOffset, transferSyntaxUid } = decodeFileMeta(bytes);
  return decodeDataSet(bytes.subarray(dataSetOffset), { transferSyntaxUid });
}

/** Every item, parents first. */
function items(dataSet: DataSet): DataSet[] {
  return [dataSet, ...dataSet.items(CONTENT).flatMap(items)];
}

/** The items of a concept, by code value. */
function named(dataSet: DataSet, value: string): DataSet[] {
  return items(dataSet).filter((item) => item.items(CONCEPT)[0]?.string(VALUE) === value);
}

function without(parent: DataSet, ...unwanted: readonly DataSet[]): void {
  parent.setItems(
    CONTENT,
    parent.items(CONTENT).filter((item) => !unwanted.includes(item)),
  );
}

const groups = (dataSet: DataSet): DataSet[] => named(dataSet, "125007");
const child = (dataSet: DataSet, value: string): DataSet =>
  dataSet.items(CONTENT).find((item) => item.items(CONCEPT)[0]?.string(VALUE) === value)!;

/** One deliberate fault and the words that must tell of it. */
const FAULTS: readonly [string, "measurement" | "text", RegExp, (dataSet: DataSet) => void][] = [
  [
    "an item without concept name",
    "text",
    /no whole concept name/,
    (d) => void named(d, "121077")[0]!.delete(CONCEPT),
  ],
  [
    "an image without concept name",
    "measurement",
    /no whole concept name/,
    (d) => void named(d, "111040")[0]!.delete(CONCEPT),
  ],
  [
    "a group without a region",
    "measurement",
    /0 regions/,
    (d) => without(groups(d)[1]!, child(groups(d)[1]!, "111030")),
  ],
  [
    "groups of which one alone has a region",
    "measurement",
    /0 regions/,
    (d) => {
      for (const group of groups(d).slice(1)) without(group, child(group, "111030"));
    },
  ],
  [
    "a group without tracking UID",
    "measurement",
    /no tracking UID/,
    (d) => without(groups(d)[0]!, child(groups(d)[0]!, "112040")),
  ],
  [
    "a group without tracking identifier",
    "measurement",
    /no tracking identifier/,
    (d) => without(groups(d)[0]!, child(groups(d)[0]!, "112039")),
  ],
  [
    "two groups of one tracking UID",
    "measurement",
    /share a tracking UID/,
    (d) => {
      const [first, second] = groups(d).map((group) => child(group, "112040"));
      second!.setString(0x0040a124, "UI", first!.string(0x0040a124)!);
    },
  ],
  [
    "a group without algorithm",
    "measurement",
    /does not name its algorithm/,
    (d) => without(groups(d)[0]!, child(groups(d)[0]!, "111001")),
  ],
  [
    "a group without numbers",
    "measurement",
    /has no number/,
    (d) => {
      const group = groups(d)[2]!;
      without(group, ...group.items(CONTENT).filter((item) => item.string(0x0040a040) === "NUM"));
    },
  ],
  [
    "a region of three numbers",
    "measurement",
    /wrong count of coordinates/,
    (d) => void named(d, "111030")[0]!.setBytes(0x00700022, "FL", new Uint8Array(12)),
  ],
  [
    "a region without its image",
    "measurement",
    /wrong count of coordinates|without its image/,
    (d) => void named(d, "111030")[0]!.delete(CONTENT),
  ],
  [
    "no Procedure reported",
    "measurement",
    /Procedure reported/,
    (d) => without(d, child(d, "121058")),
  ],
  [
    "a Procedure reported outside its context group",
    "measurement",
    /Procedure reported/,
    (d) => void child(d, "121058").items(0x0040a168)[0]!.setString(VALUE, "SH", "24627-2"),
  ],
  [
    "an image that is not in the evidence",
    "measurement",
    /not in the evidence/,
    (d) => void d.delete(0x0040a375),
  ],
  [
    "an image of another study in the evidence",
    "text",
    /not of this study/,
    (d) => void d.items(0x0040a375)[0]!.setString(TAG.StudyInstanceUID, "UI", "2.25.666"),
  ],
  [
    "a number without unit",
    "measurement",
    /without value or unit/,
    (d) => void named(d, "112226")[0]!.items(0x0040a300)[0]!.delete(0x004008ea),
  ],
  [
    "an empty number",
    "measurement",
    /without value or unit/,
    (d) => void named(d, "112226")[0]!.items(0x0040a300)[0]!.setString(0x0040a30a, "DS", ""),
  ],
  [
    "a decimal string that is too long",
    "measurement",
    /\(0040,A30A\) DS/,
    (d) =>
      void named(d, "112226")[0]!
        .items(0x0040a300)[0]!
        .setString(0x0040a30a, "DS", "1.23456789012345678"),
  ],
  [
    "an empty container",
    "text",
    /empty container/,
    (d) => void named(d, "121076")[0]!.delete(CONTENT),
  ],
  [
    "a container without continuity",
    "text",
    /without continuity/,
    (d) => void named(d, "121070")[0]!.delete(0x0040a050),
  ],
  [
    "an empty text",
    "text",
    /empty text/,
    (d) => void named(d, "121071")[0]!.setString(0x0040a160, "UT", ""),
  ],
  [
    "an image in the text document",
    "text",
    /cannot be shown/,
    (d) => void named(d, "121071")[0]!.setString(0x0040a040, "CS", "IMAGE"),
  ],
  [
    "a conclusion without the warning",
    "text",
    /conclusion does not begin/,
    (d) => void named(d, "121077")[0]!.setString(0x0040a160, "UT", "All is well"),
  ],
  [
    "a series description without the warning",
    "text",
    /series description/,
    (d) => void d.setString(TAG.SeriesDescription, "LO", "Report"),
  ],
  [
    "a verified document",
    "text",
    /Verification Flag/,
    (d) => void d.setString(0x0040a493, "CS", "VERIFIED"),
  ],
  [
    "a final document",
    "text",
    /Preliminary Flag/,
    (d) => void d.setString(0x0040a496, "CS", "FINAL"),
  ],
  ["a verifying observer", "text", /verifying observer/, (d) => void d.setItems(0x0040a073, [])],
  ["no template", "text", /names no template/, (d) => void d.delete(0x0040a504)],
  [
    "a private code whose scheme is not declared",
    "measurement",
    /99KINDRED is not declared/,
    (d) => void d.delete(0x00080110),
  ],
  [
    "another character set",
    "text",
    /Specific Character Set/,
    (d) => void d.setString(TAG.SpecificCharacterSet, "CS", "ISO_IR 100"),
  ],
  [
    "a backslash in one value",
    "text",
    /\(0010,0010\) PN/,
    (d) => void d.setString(TAG.PatientName, "PN", "A\\B"),
  ],
  [
    "a control character",
    "text",
    /\(0008,1030\) LO/,
    (d) => void d.setString(TAG.StudyDescription, "LO", "A\u0007B"),
  ],
  [
    "a broken UID",
    "text",
    /\(0020,000E\) UI/,
    (d) => void d.setString(TAG.SeriesInstanceUID, "UI", "2.025"),
  ],
];

describe("the viewer-safety check", () => {
  it("finds nothing in the documents we build", () => {
    expect(viewerFaults(document("measurement"))).to.deep.equal([]);
    expect(viewerFaults(document("text"))).to.deep.equal([]);
  });

  for (const [name, kind, words, spoil] of FAULTS) {
    it(`finds ${name}`, () => {
      const dataSet = document(kind);
      spoil(dataSet);
      expect(viewerFaults(dataSet).join("\n")).to.match(words);
    });
  }

  it("throws INTERNAL with what is wrong and without patient data", () => {
    const dataSet = document("text").setString(TAG.PatientName, "PN", "Secret\\Name");
    expect(() => assertViewerSafe(dataSet))
      .to.throw(KindredError, /\(0010,0010\) PN/)
      .and.satisfies(
        (error: KindredError) => error.code === "INTERNAL" && !error.message.includes("Secret"),
      );
  });
});
