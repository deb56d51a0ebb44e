import { expect } from "chai";
import fc from "fast-check";
import { DataSet } from "../../../src/dicom/data-set.ts";
import { encodeDataSet } from "../../../src/dicom/encode.ts";
import { TAG } from "../../../src/dicom/tags.ts";
import { UID } from "../../../src/dicom/uids.ts";
import {
  decodeActionInformation,
  decodeEventInformation,
  encodeActionInformation,
  encodeEventInformation,
  eventTypeOf,
  informationBytesMax,
} from "../../../src/dimse/commitment-information.ts";
import { KindredError } from "../../../src/kernel/errors.ts";

const uid = fc
  .array(fc.nat(99_999), { minLength: 2, maxLength: 10 })
  .map((parts) => parts.join("."));
const reference = fc.record({ sopClassUid: uid, sopInstanceUid: uid });
const syntax = fc.constantFrom(UID.explicitVrLittleEndian, UID.implicitVrLittleEndian);
const read = (transferSyntaxUid: string, referencesMax = 50) => ({
  transferSyntaxUid,
  referencesMax,
});
const codeOf = (work: () => unknown): string => {
  try {
    work();
  } catch (error) {
    return error instanceof KindredError ? error.code : String(error);
  }
  return "nothing thrown";
};

describe("information of storage commitment", () => {
  it("a request is read as it was written, each reference once", () => {
    fc.assert(
      fc.property(
        uid,
        fc.uniqueArray(reference, {
          minLength: 1,
          maxLength: 20,
          selector: (one) => `${one.sopClassUid} ${one.sopInstanceUid}`,
        }),
        syntax,
        (transactionUid, references, transferSyntax) => {
          const twice = [...references, references[0]!];
          const bytes = encodeActionInformation(
            { transactionUid, references: twice },
            transferSyntax,
          );
          expect(decodeActionInformation(bytes, read(transferSyntax))).to.deep.equal({
            transactionUid,
            references,
          });
        },
      ),
    );
  });

  it("a report is read as it was written, and its type says whether failures exist", () => {
    const failed = fc.record({
      sopClassUid: uid,
      sopInstanceUid: uid,
      reason: fc.constantFrom(0x0110, 0x0112, 0x0119),
    });
    fc.assert(
      fc.property(
        uid,
        fc.array(reference, { minLength: 1, maxLength: 9 }),
        fc.array(failed, { maxLength: 9 }),
        syntax,
        (transactionUid, committed, failures, transferSyntax) => {
          const result = { transactionUid, committed, failed: failures };
          const bytes = encodeEventInformation(result, "KINDRED", transferSyntax);
          expect(decodeEventInformation(bytes, read(transferSyntax))).to.deep.equal(result);
          expect(eventTypeOf(result)).to.equal(failures.length === 0 ? 1 : 2);
        },
      ),
    );
  });

  it("a report of failures alone has no Referenced SOP Sequence", () => {
    const bytes = encodeEventInformation(
      {
        transactionUid: "1.2",
        committed: [],
        failed: [{ sopClassUid: "1.3", sopInstanceUid: "1.4", reason: 0x0112 }],
      },
      "KINDRED",
      UID.explicitVrLittleEndian,
    );
    const tags = [0x54, 0x00, 0x95, 0x11, 0x98, 0x11, 0x97, 0x11];
    for (let at = 0; at < tags.length; at += 2)
      expect(bytes.includes(Buffer.of(8, 0, tags[at]!, tags[at + 1]!))).to.equal(true);
    expect(bytes.includes(Buffer.of(8, 0, 0x99, 0x11))).to.equal(false);
  });

  it("the limit in bytes holds the longest references", () => {
    const long = `1.${"2".repeat(62)}`;
    const references = Array.from({ length: 100 }, () => ({
      sopClassUid: long,
      sopInstanceUid: long,
    }));
    const result = {
      transactionUid: long,
      committed: [],
      failed: references.map((one) => ({ ...one, reason: 0x0112 })),
    };
    const bytes = encodeEventInformation(result, "KINDRED", UID.explicitVrLittleEndian);
    expect(bytes.length).to.be.at.most(informationBytesMax(100));
  });

  describe("hostile requests", () => {
    const item = (classUid: string, instanceUid: string) =>
      new DataSet()
        .setString(TAG.ReferencedSOPClassUID, "UI", classUid)
        .setString(TAG.ReferencedSOPInstanceUID, "UI", instanceUid);
    const made = (transaction: string | undefined, items: DataSet[] | undefined) => {
      const set = new DataSet();
      if (transaction !== undefined) set.setString(TAG.TransactionUID, "UI", transaction);
      if (items !== undefined) set.setItems(TAG.ReferencedSOPSequence, items);
      return encodeDataSet(set, UID.explicitVrLittleEndian);
    };
    const cases: [string, Buffer, string][] = [
      ["no Transaction UID", made(undefined, [item("1.2", "1.3")]), "BAD_REQUEST"],
      ["a Transaction UID of letters", made("hello", [item("1.2", "1.3")]), "BAD_REQUEST"],
      ["two Transaction UIDs of 65", made("1".repeat(65), [item("1.2", "1.3")]), "BAD_REQUEST"],
      ["no sequence", made("1.2", undefined), "BAD_REQUEST"],
      ["an empty sequence", made("1.2", []), "BAD_REQUEST"],
      ["an empty item", made("1.2", [new DataSet()]), "BAD_REQUEST"],
      ["a reference with a path in it", made("1.2", [item("1.2", "../../etc")]), "BAD_REQUEST"],
      ["a reference of 65 digits", made("1.2", [item("1.2", "1".repeat(65))]), "BAD_REQUEST"],
      [
        "more references than allowed",
        made(
          "1.2",
          Array.from({ length: 51 }, (_, index) => item("1.2", `1.${index}`)),
        ),
        "INSTANCE_TOO_LARGE",
      ],
      [
        "many empty items",
        made(
          "1.2",
          Array.from({ length: 2_000 }, () => new DataSet()),
        ),
        "DATASET_UNREADABLE",
      ],
      ["a cut data set", made("1.2", [item("1.2", "1.3")]).subarray(0, 40), "DATASET_UNREADABLE"],
    ];
    for (const [title, bytes, code] of cases) {
      it(`${title}: ${code}`, () => {
        expect(
          codeOf(() => decodeActionInformation(bytes, read(UID.explicitVrLittleEndian))),
        ).to.equal(code);
      });
    }

    it("any bytes at all are refused with a code of ours", () => {
      fc.assert(
        fc.property(fc.uint8Array({ maxLength: 400 }), syntax, (bytes, transferSyntax) => {
          for (const decode of [decodeActionInformation, decodeEventInformation]) {
            const code = codeOf(() => decode(Buffer.from(bytes), read(transferSyntax)));
            expect(code).to.be.oneOf(["DATASET_UNREADABLE", "BAD_REQUEST", "INSTANCE_TOO_LARGE"]);
          }
        }),
      );
    });
  });
});
