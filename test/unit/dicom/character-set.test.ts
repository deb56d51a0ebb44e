import { expect } from "chai";
import { knownCharacterSets } from "../../../src/dicom/character-set.ts";
import { DataSet } from "../../../src/dicom/data-set.ts";
import { decodeDataSet } from "../../../src/dicom/decode.ts";
import { encodeDataSet } from "../../../src/dicom/encode.ts";
import { TAG } from "../../../src/dicom/tags.ts";
import { UID } from "../../../src/dicom/uids.ts";

const CHARSET = TAG.SpecificCharacterSet;
const NAME = TAG.PatientName;
const ITEMS = 0x00081111;

/** A data set whose name has these bytes, in these character sets. */
function named(bytes: Uint8Array, ...characterSets: string[]): DataSet {
  const one = new DataSet().setBytes(NAME, "PN", bytes);
  if (characterSets.length > 0) one.setString(CHARSET, "CS", characterSets);
  return one;
}
const bytes = (text: string) => Buffer.from(text, "latin1");

/** PS3.5 Annexes H, I, J, K and PS3.3 C.12.1.1.2. */
const NAMES: readonly (readonly [
  what: string,
  bytes: string,
  sets: readonly string[],
  text: string,
])[] = [
  ["nothing named: the default repertoire", "Doe^Jane", [], "Doe^Jane"],
  ["Latin-1", "\xc4neas^R\xfcdiger", ["ISO_IR 100"], "Äneas^Rüdiger"],
  ["Latin-2", "\xa3\xf3d\xbc", ["ISO_IR 101"], "Łódź"],
  ["Cyrillic", "\xbb\xee\xda", ["ISO_IR 144"], "Люк"],
  ["Greek", "\xc4\xe9\xef\xed\xf5\xf3\xe9\xef\xf2", ["ISO_IR 126"], "Διονυσιος"],
  ["Hebrew", "\xf9\xf8\xe5\xef", ["ISO_IR 138"], "שרון"],
  [
    "UTF-8",
    "Wang^XiaoDong=\xe7\x8e\x8b^\xe5\xb0\x8f\xe6\x9d\xb1",
    ["ISO_IR 192"],
    "Wang^XiaoDong=王^小東",
  ],
  [
    "GB18030, whose second bytes may be ASCII",
    "Wang=\xcd\xf5^\xd0\xa1\x96|",
    ["GB18030"],
    "Wang=王^小東",
  ],
  [
    "Japanese by escapes",
    "Yamada^Tarou=\x1b$B;3ED\x1b(B^\x1b$BB@O:\x1b(B=\x1b$B$d$^$@\x1b(B^\x1b$B$?$m$&\x1b(B",
    ["", "ISO 2022 IR 87"],
    "Yamada^Tarou=山田^太郎=やまだ^たろう",
  ],
  [
    "Japanese half-width beside escapes",
    "\xd4\xcf\xc0\xde^\xc0\xdb\xb3=\x1b$B;3ED\x1b(J^\x1b$BB@O:\x1b(J",
    ["ISO 2022 IR 13", "ISO 2022 IR 87"],
    "ﾔﾏﾀﾞ^ﾀﾛｳ=山田^太郎",
  ],
  [
    "Korean by escapes",
    "Hong^Gildong=\x1b$)C\xfb\xf3^\x1b$)C\xd1\xce\xd4\xd7=\x1b$)C\xc8\xab^\x1b$)C\xb1\xe6\xb5\xbf",
    ["", "ISO 2022 IR 149"],
    "Hong^Gildong=洪^吉洞=홍^길동",
  ],
  ["a term with a misspelt extension", "\xfc", ["ISO 2022 IR 100"], "ü"],
];

describe("text of a data set", () => {
  for (const [what, raw, sets, text] of NAMES) {
    it(`is read: ${what}`, () => {
      expect(named(bytes(raw), ...sets).string(NAME)).to.equal(text);
    });
  }

  it("never throws, whatever the bytes are", () => {
    const all = Buffer.from(Array.from({ length: 256 }, (_, value) => value));
    for (const set of ["", "ISO_IR 6", "ISO_IR 13", "ISO_IR 192", "GBK", "NO SUCH SET"])
      expect(named(Buffer.concat([bytes("\x1b$B"), all]), set).string(NAME)).to.be.a("string");
  });

  it("leaves codes and UIDs alone in any character set", () => {
    const one = new DataSet()
      .setString(CHARSET, "CS", "ISO_IR 192")
      .setBytes(TAG.Modality, "CS", bytes("CT"))
      .setBytes(TAG.StudyInstanceUID, "UI", bytes("1.2.3\0"));
    expect(one.string(TAG.Modality)).to.equal("CT");
    expect(one.string(TAG.StudyInstanceUID)).to.equal("1.2.3");
  });
});

describe("the character set of a sequence item", () => {
  const utf8 = Buffer.from("é", "utf8");
  const latin = bytes("\xe9 ");

  for (const syntax of [
    UID.explicitVrLittleEndian,
    UID.implicitVrLittleEndian,
    UID.deflatedExplicitVrLittleEndian,
  ]) {
    it(`is the enclosing one unless the item names its own, through every level (${syntax})`, () => {
      const innermost = named(utf8);
      const own = named(latin, "ISO_IR 100").setItems(ITEMS, [named(latin)]);
      const inherits = named(utf8).setItems(ITEMS, [innermost]);
      const outer = named(utf8, "ISO_IR 192").setItems(ITEMS, [inherits, own]);
      const [first, second] = decodeDataSet(encodeDataSet(outer, syntax), {
        transferSyntaxUid: syntax,
      }).items(ITEMS);
      expect(first!.string(NAME)).to.equal("é");
      expect(first!.items(ITEMS)[0]!.string(NAME)).to.equal("é");
      expect(second!.string(NAME)).to.equal("é");
      expect(second!.items(ITEMS)[0]!.string(NAME)).to.equal("é");
      expect(second!.characterSets()).to.deep.equal(["ISO_IR 100"]);
    });
  }

  it("is inherited although the attribute comes after the sequence was read", () => {
    const outer = new DataSet().setItems(ITEMS, [named(utf8)]);
    outer.setString(CHARSET, "CS", "ISO_IR 192");
    expect(outer.items(ITEMS)[0]!.string(NAME)).to.equal("é");
  });
});

describe("plain ASCII", () => {
  const ascii = Array.from({ length: 0x5f }, (_, index) => String.fromCharCode(0x20 + index))
    .filter((character) => character !== "\\")
    .join("");

  for (const term of knownCharacterSets().plain) {
    it(`is the same in ${term} beside other bytes, and alone`, () => {
      expect(named(bytes(`${ascii}\xc4`), term).string(NAME)).to.include(ascii.trim());
      expect(named(bytes(ascii), term).string(NAME)).to.equal(ascii.trim());
    });
  }
});
