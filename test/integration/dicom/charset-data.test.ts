import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect } from "chai";
import type { DataSet } from "../../../src/dicom/data-set.ts";
import { decodeDataSet } from "../../../src/dicom/decode.ts";
import { decodeFileMeta } from "../../../src/dicom/part10.ts";
import { TAG } from "../../../src/dicom/tags.ts";

const FOLDER = join(
  process.env.KINDRED_TEST_DATA ??
    fileURLToPath(new URL("../../../../shared/data/", import.meta.url)),
  "charset-01",
);
const NAMES = {
  "chrFrenMulti.dcm": "Buc^Jérôme",
  "chrGerm.dcm": "Äneas^Rüdiger",
  "chrH31.dcm": "Yamada^Tarou=山田^太郎=やまだ^たろう",
  "chrI2.dcm": "Hong^Gildong=洪^吉洞=홍^길동",
  "chrJapMulti.dcm": "やまだ^たろう",
  "chrX1.dcm": "Wang^XiaoDong=王^小東=",
};

function read(name: string): DataSet {
  const file = readFileSync(join(FOLDER, name));
  const { dataSetOffset, transferSyntaxUid } = decodeFileMeta(file);
  return decodeDataSet(file.subarray(dataSetOffset), { transferSyntaxUid });
}

describe("character sets in files of others", () => {
  before(function () {
    if (existsSync(FOLDER)) return;
    console.log("      SKIPPED: the shared test data is not there (KINDRED_TEST_DATA)");
    this.skip();
  });

  for (const [name, text] of Object.entries(NAMES)) {
    it(`${name} names ${text}`, () => {
      expect(read(name).string(TAG.PatientName)).to.equal(text);
    });
  }

  it("chrSQEncoding.dcm has another character set in the items of a sequence", () => {
    const outer = read("chrSQEncoding.dcm");
    const sequence = [...outer.elements.values()].find((one) => one.items !== undefined)!;
    const [item] = sequence.items!;
    expect(outer.characterSets()).to.deep.equal(["ISO_IR 192"]);
    expect(item!.characterSets()).not.to.deep.equal(outer.characterSets());
    expect(item!.string(TAG.PatientName)).to.equal("ﾔﾏﾀﾞ^ﾀﾛｳ=山田^太郎=やまだ^たろう");
  });
});
