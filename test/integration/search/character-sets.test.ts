/** Keys in the character set of their identifier find names that came in another; answers are in UTF-8. */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import type { Database } from "../../../src/db/database.ts";
import { DataSet } from "../../../src/dicom/data-set.ts";
import { decodeDataSet } from "../../../src/dicom/decode.ts";
import { encodeDataSet } from "../../../src/dicom/encode.ts";
import { decodeFileMeta } from "../../../src/dicom/part10.ts";
import { TAG } from "../../../src/dicom/tags.ts";
import { UID } from "../../../src/dicom/uids.ts";
import { ask, ENGINES, keep, openQueryDatabase } from "../../support/query-database.ts";

const DATA = join(
  process.env.KINDRED_TEST_DATA ?? new URL("../../../../shared/data/", import.meta.url).pathname,
  "charset-01",
);

/** Patient ID → character set and bytes of a key that must find it. */
const KEYS: readonly (readonly [id: string, characterSet: string, key: Buffer])[] = [
  ["H31EXAMPLE", "\\ISO 2022 IR 87", Buffer.from("\x1b$B;3ED\x1b(B*", "latin1")],
  [
    "H31EXAMPLE",
    "\\ISO 2022 IR 87",
    Buffer.from("*=*=\x1b$B$d$^$@\x1b(B^\x1b$B$?$m$&\x1b(B", "latin1"),
  ],
  ["H31EXAMPLE", "ISO_IR 192", Buffer.from("山田^太郎")],
  ["H31EXAMPLE", "GB18030", Buffer.from([0xc9, 0xbd, 0xcc, 0xef, 0x2a])],
  ["H31EXAMPLE", "", Buffer.from("yamada*")],
  ["I2EXAMPLE", "\\ISO 2022 IR 149", Buffer.from("\x1b$)C\xfb\xf3*", "latin1")],
  [
    "I2EXAMPLE",
    "\\ISO 2022 IR 149",
    Buffer.from("\x1b$)C\xc8\xab^\x1b$)C\xb1\xe6\xb5\xbf", "latin1"),
  ],
  ["I2EXAMPLE", "ISO_IR 192", Buffer.from("*=*=홍*")],
  ["X1EXAMPLE", "ISO_IR 192", Buffer.from("王*")],
  ["X1EXAMPLE", "GBK", Buffer.from([0xcd, 0xf5, 0x2a])],
  ["SCSGERM", "ISO_IR 100", Buffer.from("\xc4neas^R\xfcdiger", "latin1")],
  ["SCSGERM", "ISO_IR 100", Buffer.from("\xe4NEAS^r\xdcdiger", "latin1")],
  ["SCSGERM", "ISO_IR 192", Buffer.from("Äneas^R*")],
  ["SCSGERM", "", Buffer.from("aneas^rudiger")],
  ["SCSFREN", "ISO_IR 100", Buffer.from("Buc^J\xe9r\xf4me", "latin1")],
  ["SCSFREN", "ISO_IR 203", Buffer.from("*^J\xe9r*", "latin1")],
];

for (const engine of ENGINES) {
  describe(`character sets on the ${engine} database`, () => {
    let database: Database;
    let close = async () => {};
    const names = new Map<string, string>();

    before(async function () {
      if (!existsSync(DATA)) {
        console.log("      SKIPPED: the shared test data is not there (KINDRED_TEST_DATA)");
        return this.skip();
      }
      const opened = await openQueryDatabase(engine);
      if (opened === undefined) return this.skip();
      ({ database, close } = opened);
      for (const file of ["chrH31", "chrI2", "chrX1", "chrGerm", "chrFrenMulti", "chrJapMulti"]) {
        const bytes = readFileSync(join(DATA, `${file}.dcm`));
        const { dataSetOffset, transferSyntaxUid } = decodeFileMeta(bytes);
        const dataSet = decodeDataSet(bytes.subarray(dataSetOffset), { transferSyntaxUid });
        names.set(dataSet.string(TAG.PatientID)!, dataSet.string(TAG.PatientName)!);
        await keep(database, dataSet);
      }
    });
    after(() => close());

    for (const [id, characterSet, key] of KEYS) {
      it(`${key.toString("latin1").replaceAll("\x1b", "␛")} in ${characterSet || "the default repertoire"} finds ${id}`, async () => {
        const sent = new DataSet()
          .setString(TAG.QueryRetrieveLevel, "CS", "STUDY")
          .setString(TAG.PatientID, "LO", "")
          .setBytes(TAG.PatientName, "PN", key);
        if (characterSet !== "") sent.setString(TAG.SpecificCharacterSet, "CS", characterSet);
        const syntax = UID.explicitVrLittleEndian;
        const identifier = decodeDataSet(encodeDataSet(sent, syntax), {
          transferSyntaxUid: syntax,
        });
        const { matches, error } = await ask(database, { identifier });
        expect(error).to.equal(undefined);
        expect(matches.map((match) => match.string(TAG.PatientID))).to.deep.equal([id]);
        const answered = decodeDataSet(encodeDataSet(matches[0]!, syntax), {
          transferSyntaxUid: syntax,
        });
        expect(answered.string(TAG.SpecificCharacterSet)).to.equal("ISO_IR 192");
        expect(answered.string(TAG.PatientName)).to.equal(names.get(id));
      });
    }
  });
}
