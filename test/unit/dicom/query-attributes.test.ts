import { expect } from "chai";
import fc from "fast-check";
import { DataSet } from "../../../src/dicom/data-set.ts";
import { foldName, foldNameGroups } from "../../../src/dicom/person-name.ts";
import { mergeDocuments, readQueryDocument } from "../../../src/dicom/query-attributes.ts";
import { TAG } from "../../../src/dicom/tags.ts";
import { dataSetOf } from "../../support/data-sets.ts";

describe("folded person names", () => {
  for (const [name, folded] of [
    ["Müller^Jörg", "muller^jorg"],
    ["MU\u0308LLER^JO\u0308RG^^", "muller^jorg"],
    ["Straße^İlker^ΝΙΚΟΣ", "strasse^ilker^νικοσ"],
    ["Иванов^Пётр", "иванов^петр"],
    ["Yamada^Tarou=山田^太郎=やまだ^たろう", "yamada^tarou=山田^太郎=やまだ^たろう"],
    ["ﾔﾏﾀﾞ^ﾀﾛｳ=山田^太郎", "ヤマダ^タロウ=山田^太郎"],
    ["Ｙａｍａｄａ^Ｔａｒｏｕ", "yamada^tarou"],
    ["Hong^Gildong=洪^吉洞=홍^길동", "hong^gildong=洪^吉洞=홍^길동"],
    ["=山田==", "=山田"],
    ["de  la\tCruz ^ María", "de la cruz^maria"],
    ["Øst^Łukasz", "øst^łukasz"],
    ["a＾b＝c", "a b c"],
    ["", ""],
  ] as const) {
    it(`${JSON.stringify(name)} is ${JSON.stringify(folded)}`, () =>
      expect(foldName(name)).to.equal(folded));
  }

  it("are the same folded twice, and fit an index", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary", maxLength: 324 }), (name) => {
        const folded = foldName(name.toWellFormed());
        expect(foldName(folded)).to.equal(folded);
        for (const group of foldNameGroups(name.toWellFormed()))
          expect(Buffer.byteLength(group)).to.be.lessThan(2000);
      }),
    );
  });
});

const documentsOf = (dataSet: DataSet) => ({
  patient: readQueryDocument(dataSet, "patient"),
  study: readQueryDocument(dataSet, "study"),
  series: readQueryDocument(dataSet, "series"),
  instance: readQueryDocument(dataSet, "instance"),
});

describe("the documents of a header", () => {
  it("hold values, items, and what is searched", () => {
    const { patient, study, series, instance } = documentsOf(
      dataSetOf({
        PatientName: "Müller^Jörg",
        OtherPatientIDs: "A\\B",
        StudyTime: "1011",
        SeriesDate: "20240102",
        BitsAllocated: 16,
        ImageType: "ORIGINAL\\PRIMARY",
        RequestAttributesSequence: [
          { RequestedProcedureID: "RP", ScheduledProtocolCodeSequence: [{ CodeValue: "C" }] },
        ],
      }),
    );
    expect(mergeDocuments(patient, study)).to.deep.equal({
      "00101000": ["A", "B"],
      search: { "00100010": ["muller^jorg"], "00080030": ["101100.000000"] },
    });
    expect(series).to.deep.equal({
      "00080021": ["20240102"],
      "00400275": [{ "00401001": ["RP"], "00400008": [{ "00080100": ["C"] }] }],
      search: { "00080021": ["20240102"] },
    });
    expect(instance).to.deep.equal({ "00080008": ["ORIGINAL", "PRIMARY"], "00280100": ["16"] });
  });

  it("stay small and storable whatever comes", () => {
    const long = "\u{1F600}\u0000\ud800".repeat(5000);
    const item = new DataSet();
    for (const tag of [TAG.CodeValue, TAG.CodeMeaning]) item.setString(tag, "LO", long);
    const dataSet = new DataSet().setString(TAG.SpecificCharacterSet, "CS", "ISO_IR 192");
    for (const tag of [TAG.PatientComments, TAG.OtherPatientIDs, TAG.PatientName])
      dataSet.setString(tag, "LT", long);
    dataSet
      .setString(TAG.OtherPatientNames, "PN", Array(100).fill(long))
      .setItems(TAG.ProcedureCodeSequence, Array(100).fill(item));
    const documents = documentsOf(dataSet);
    const text = JSON.stringify(documents);
    expect(Buffer.byteLength(text)).to.be.lessThan(100_000);
    expect(text).to.not.match(/\\u0000|\\ud800/);
    expect(text.isWellFormed()).to.equal(true);
  });

  it("never throw on bytes that are no text", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
        const dataSet = new DataSet();
        for (const tag of Object.values(TAG)) dataSet.setBytes(tag, "UN", bytes);
        JSON.stringify(documentsOf(dataSet));
      }),
    );
  });
});
