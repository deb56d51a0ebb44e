import { expect } from "chai";
import { DataSet } from "../../../src/dicom/data-set.ts";
import { decodeDataSet } from "../../../src/dicom/decode.ts";
import { encodeDataSet } from "../../../src/dicom/encode.ts";
import {
  INSTANCE_HEADER_TAGS,
  type InstanceHeader,
  readInstanceHeader,
} from "../../../src/dicom/instance-header.ts";
import { TAG, vrOf } from "../../../src/dicom/tags.ts";
import { UID } from "../../../src/dicom/uids.ts";

const UIDS = [TAG.SOPClassUID, TAG.SOPInstanceUID, TAG.StudyInstanceUID, TAG.SeriesInstanceUID];

const VALUE_OF_VR: Readonly<Record<string, string>> = {
  DA: "20240102",
  TM: "101112",
  DT: "20240102101112",
  DS: "1.5",
  IS: "7",
  AS: "054Y",
  UI: "1.2.9",
};
const FIELDS = [
  ...["patientId", "patientIdIssuer", "patientName", "patientBirthDate", "patientSex"],
  ...["studyInstanceUid", "studyDate", "studyTime", "accessionNumber", "studyId"],
  ...["studyDescription", "referringPhysicianName", "seriesInstanceUid", "modality"],
  ...["seriesNumber", "seriesDescription", "bodyPartExamined", "frameOfReferenceUid"],
  ...["manufacturer", "modelName", "sopInstanceUid", "sopClassUid", "instanceNumber"],
  ...["numberOfFrames", "rows", "columns"],
] as (keyof InstanceHeader)[];

function header(): DataSet {
  const dataSet = new DataSet();
  for (const [index, tag] of UIDS.entries()) dataSet.setString(tag, "UI", `1.2.${index + 3}`);
  return dataSet;
}

describe("the header of an instance", () => {
  it("names its study, series and instance", () => {
    expect(readInstanceHeader(header())).to.include({
      studyInstanceUid: "1.2.5",
      seriesInstanceUid: "1.2.6",
      sopInstanceUid: "1.2.4",
    });
  });
  it("reads the data set again for what an instance of a known series does not need, and only then", () => {
    const all = header()
      .setString(TAG.PatientID, "LO", "P")
      .setString(TAG.PatientName, "PN", "A^B")
      .setString(TAG.InstanceNumber, "IS", "7")
      .setString(TAG.ImageType, "CS", "ORIGINAL")
      .setString(TAG.StationName, "SH", "CT1");
    let readAgain = 0;
    const one = readInstanceHeader(all, () => {
      readAgain++;
      return all;
    });
    const { patientId, seriesInstanceUid, instanceNumber, rows, queryAttributes } = one;
    expect({ patientId, seriesInstanceUid, instanceNumber, rows }).to.deep.equal({
      patientId: "P",
      seriesInstanceUid: "1.2.6",
      instanceNumber: "7",
      rows: 0,
    });
    expect(queryAttributes.instance).to.deep.equal({ "00080008": ["ORIGINAL"] });
    expect(readAgain).to.equal(0);
    expect(one.patientName).to.equal("A^B");
    expect(one.queryAttributes.series).to.deep.equal({ "00081010": ["CT1"] });
    expect(readAgain).to.equal(1);
  });
  for (const tag of UIDS) {
    for (const value of ["", "../../x", ["1.2.3", "4.5.6"], "1".repeat(65)])
      it(`is refused with ${JSON.stringify(value)} in ${tag.toString(16)}`, () => {
        expect(() => readInstanceHeader(header().setString(tag, "UI", value))).to.throw(
          /not a UID/,
        );
      });
  }

  it("is the same when nothing but its tags was decoded", () => {
    const whole = header();
    for (const tag of Object.values(TAG)) {
      const vr = vrOf(tag);
      if (UIDS.includes(tag as never) || tag >>> 16 < 8 || tag >>> 16 > 0x7fdf) continue;
      if (vr === "SQ") whole.setItems(tag, [new DataSet().setString(TAG.CodeValue, "SH", "C")]);
      else if (vr === "US") whole.setBytes(tag, vr, Uint8Array.of(1, 2));
      else whole.setString(tag, vr, VALUE_OF_VR[vr] ?? `value of ${tag.toString(16)}`);
    }
    whole.setString(TAG.SpecificCharacterSet, "CS", "ISO_IR 192");
    whole.setString(TAG.TimezoneOffsetFromUTC, "SH", "+0200");
    const bytes = encodeDataSet(whole, UID.explicitVrLittleEndian);
    const read = (tags?: ReadonlySet<number>) => {
      const transferSyntaxUid = UID.explicitVrLittleEndian;
      const one = readInstanceHeader(
        decodeDataSet(bytes, { transferSyntaxUid, ...(tags && { tags }) }),
      );
      const { patient, study, series, instance } = one.queryAttributes;
      return JSON.stringify([FIELDS.map((field) => one[field]), patient, study, series, instance]);
    };
    expect(read(INSTANCE_HEADER_TAGS)).to.equal(read());
    expect(read(INSTANCE_HEADER_TAGS)).to.include("20240102081112.000000");
  });

  it("reads no values but those that were asked for, and checks the others all the same", () => {
    const options = { transferSyntaxUid: UID.explicitVrLittleEndian, tags: INSTANCE_HEADER_TAGS };
    const bytes = encodeDataSet(
      header().setString(0x00291001, "LO", "PRIVATE"),
      options.transferSyntaxUid,
    );
    expect([...decodeDataSet(bytes, options).elements.keys()]).to.have.members(UIDS);
    expect(() => decodeDataSet(bytes.subarray(0, -1), options)).to.throw(
      /longer than what is left/,
    );
  });
});
