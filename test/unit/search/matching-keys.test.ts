import { expect } from "chai";
import fc from "fast-check";
import { DataSet } from "../../../src/dicom/data-set.ts";
import { keywordOf, TAG } from "../../../src/dicom/tags.ts";
import { attributeRows, QUERY_ATTRIBUTES } from "../../../src/search/attributes.ts";
import { bind } from "../../../src/search/condition.ts";
import { attributeOf, matchingCondition } from "../../../src/search/matching-keys.ts";
import { groupPattern } from "../../../src/search/name-keys.ts";
import { likePattern } from "../../../src/search/text-keys.ts";
import { PLAIN } from "../../support/data-sets.ts";

const condition = (tag: number, vr: string, value: string) =>
  matchingCondition(attributeOf(tag)!, new DataSet().setString(tag, vr, value), PLAIN);

describe("the table of query attributes", () => {
  it("names each attribute once, with its keyword and its VR", () => {
    const rows = attributeRows();
    expect(new Set(rows.map((row) => row.tag)).size).to.equal(rows.length);
    for (const row of rows) expect(TAG).to.have.property(row.keyword, row.tag);
    for (const row of rows)
      expect(row.vr)
        .to.match(/^[A-Z]{2}$/)
        .and.not.equal("UN");
  });

  it("holds every unique and required key of PS3.4 C.6.1.1 and C.6.2.1", () => {
    const keys = attributeRows().filter((row) => row.key !== "optional");
    expect(keys.map((row) => `${row.level} ${row.keyword} ${row.key}`)).to.have.members([
      "PATIENT PatientName required",
      "PATIENT PatientID unique",
      "STUDY StudyDate required",
      "STUDY StudyTime required",
      "STUDY AccessionNumber required",
      "STUDY StudyID required",
      "STUDY StudyInstanceUID unique",
      "SERIES Modality required",
      "SERIES SeriesNumber required",
      "SERIES SeriesInstanceUID unique",
      "IMAGE InstanceNumber required",
      "IMAGE SOPInstanceUID unique",
    ]);
    for (const row of keys) expect(row.matching, row.keyword).to.not.be.empty;
  });

  it("matches no attribute that is only counted", () => {
    for (const { tag } of QUERY_ATTRIBUTES.filter((one) => one.source.kind === "computed"))
      expect(condition(tag, "IS", "3"), keywordOf(tag)).to.equal(undefined);
  });

  it("uses no question mark in SQL but for values", () => {
    for (const attribute of QUERY_ATTRIBUTES.filter((one) => one.source.kind !== "computed")) {
      const value = { UI: "1.2", DA: "20240101", TM: "10", DT: "2024", IS: "1", US: "1" };
      const key = value[attribute.vr as keyof typeof value] ?? "A*";
      const found = condition(attribute.tag, attribute.vr === "US" ? "IS" : attribute.vr, key);
      const places = (found?.sql.match(/\?/g) ?? []).length;
      expect(places, keywordOf(attribute.tag)).to.equal(found?.values.length ?? 0);
    }
  });
});

describe("matching keys", () => {
  it("take an empty value and a lone star as universal", () => {
    expect(condition(TAG.PatientID, "LO", "")).to.equal(undefined);
    expect(condition(TAG.PatientName, "PN", "*")).to.equal(undefined);
    expect(condition(TAG.StudyDate, "DA", "*")).to.equal(undefined);
  });

  it("send values only as parameters", () => {
    expect(condition(TAG.PatientID, "LO", "x' or 1=1 --")).to.deep.equal({
      sql: "s.patient_id = ?",
      values: ["x' or 1=1 --"],
    });
    fc.assert(
      fc.property(fc.string({ minLength: 1, maxLength: 60 }), (value) => {
        const found = condition(TAG.StudyDescription, "LO", value.replace(/[\\\0*]/g, "x"));
        if (found === undefined) return;
        expect(found.sql).to.be.oneOf(["s.study_description = ?", "s.study_description like ?"]);
        expect(found.values).to.have.length(1);
      }),
    );
  });

  it("use the index on the whole value and on a prefix", () => {
    expect(condition(TAG.AccessionNumber, "SH", "A1*")).to.deep.equal({
      sql: "s.accession_number like ?",
      values: ["A1%"],
    });
    expect(condition(TAG.PatientName, "PN", "Doe^J*")?.values).to.deep.equal(
      Array(3).fill("^doe\\^j.*$"),
    );
    expect(condition(TAG.PatientName, "PN", "Doe^John")?.values).to.deep.equal(
      Array(3).fill("doe^john"),
    );
  });

  it("turn wildcards into LIKE and escape what LIKE would read", () => {
    expect(likePattern("a**b?c%_\\")).to.equal("a%b_c\\%\\_\\\\");
  });

  it("escape in a name what a regular expression would read", () => {
    expect(groupPattern("O'(x|y).[a]{2}$+?*")).to.equal(
      "^o\\'\\(x\\|y\\)\\.\\[a\\]\\{2\\}\\$\\+[^^].*$",
    );
  });

  for (const [value, sql, values] of [
    ["20240101-", "s.study_date >= ?", ["20240101"]],
    ["-20241231", "s.study_date <> '' and s.study_date <= ?", ["20241231"]],
    ["20240101-20241231", "s.study_date >= ? and s.study_date <= ?", ["20240101", "20241231"]],
    ["20240101", "s.study_date = ?", ["20240101"]],
  ] as const) {
    it(`range ${value}`, () =>
      expect(condition(TAG.StudyDate, "DA", value)).to.deep.equal({ sql, values: [...values] }));
  }

  it("number their values after those that stand already", () => {
    const values: unknown[] = ["first"];
    const found = condition(TAG.StudyDate, "DA", "20240101-20241231")!;
    expect(bind(found, values)).to.equal("s.study_date >= $2 and s.study_date <= $3");
    expect(values).to.deep.equal(["first", "20240101", "20241231"]);
  });
});
