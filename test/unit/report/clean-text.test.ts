import { expect } from "chai";
import fc from "fast-check";
import {
  cleanDate,
  cleanLine,
  cleanParagraph,
  cleanPersonName,
  cleanTime,
  isPlainLine,
} from "../../../src/report/clean-text.ts";

const anyText = fc.string({ unit: "binary", maxLength: 400 });

describe("cleaning text for a value representation", () => {
  it("makes one line without control characters and backslashes out of anything, within the length", () => {
    fc.assert(
      fc.property(anyText, fc.integer({ min: 1, max: 64 }), (text, charactersMax) => {
        const clean = cleanLine(text, charactersMax);
        expect(isPlainLine(clean, charactersMax)).to.equal(true);
        expect(clean).to.equal(clean.trim());
      }),
    );
  });

  it("is done after one time", () => {
    fc.assert(
      fc.property(anyText, (text) => {
        expect(cleanLine(cleanLine(text, 64), 64)).to.equal(cleanLine(text, 64));
      }),
    );
  });

  it("leaves ordinary text as it is, in any script", () => {
    for (const text of ["CT thorax", "頭部CT 5mm", "Größe Ø", "ct/abd (venös)"]) {
      expect(cleanLine(text, 64)).to.equal(text);
    }
  });

  it("counts characters, not UTF-16 units, and never halves one", () => {
    expect(cleanLine("𠮷".repeat(20), 16)).to.equal("𠮷".repeat(16));
  });

  it("joins lines with CR LF and keeps their indent", () => {
    expect(cleanParagraph(["one", "  two\u0007 ", ""], 100)).to.equal("one\r\n  two");
  });

  it("keeps the three representations of a name", () => {
    const name = "Yamada^Tarou=山田^太郎=やまだ^たろう";
    expect(cleanPersonName(name)).to.equal(name);
  });

  it("gives a name that PN holds out of anything", () => {
    fc.assert(
      fc.property(anyText, (text) => {
        const groups = cleanPersonName(text).split("=");
        expect(groups.length).to.be.at.most(3);
        for (const group of groups) {
          expect(isPlainLine(group, 64)).to.equal(true);
          expect(group.split("^").length).to.be.at.most(5);
        }
      }),
    );
  });

  it("takes dates of the calendar and times of the day only", () => {
    expect(cleanDate("20240229")).to.equal("20240229");
    expect(cleanDate("20230229")).to.equal("");
    expect(cleanDate("2024.02.29")).to.equal("");
    expect(cleanDate("00000000")).to.equal("");
    expect(cleanTime("101500.123456")).to.equal("101500.123456");
    expect(cleanTime("2561")).to.equal("");
  });

  it("knows the values that may be written unchanged", () => {
    expect(isPlainLine("AB  12 ", 64)).to.equal(true);
    expect(isPlainLine("A\\B", 64)).to.equal(false);
    expect(isPlainLine("A\nB", 64)).to.equal(false);
    expect(isPlainLine("x".repeat(65), 64)).to.equal(false);
    expect(isPlainLine("\ud800", 64)).to.equal(false);
  });
});
