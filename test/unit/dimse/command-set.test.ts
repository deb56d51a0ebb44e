import { expect } from "chai";
import { DataSet } from "../../../src/dicom/data-set.ts";
import { decodeDataSet } from "../../../src/dicom/decode.ts";
import { encodeDataSet } from "../../../src/dicom/encode.ts";
import { UID } from "../../../src/dicom/uids.ts";
import {
  COMMAND,
  decodeCommandSet,
  encodeActionRequest,
  encodeEchoRequest,
  encodeEventReportRequest,
  encodeResponse,
  encodeStoreRequest,
} from "../../../src/dimse/command-set.ts";

const sopClassUid = "1.2.840.10008.5.1.4.1.1.2";
const sopInstanceUid = "1.2.3.45";
const about = { messageId: 7, sopClassUid, sopInstanceUid };
const moveOriginator = { aeTitle: "ODD", messageId: 0x1234 };

/** A command set by way of a data set: what the reader of any data set makes of it. */
function viaDataSet(elements: readonly (readonly [number, string, string | number])[]): Buffer {
  const set = new DataSet();
  for (const [tag, vr, value] of elements) {
    if (typeof value === "string") set.setString(tag, vr, value);
    else set.setBytes(tag, vr, Uint8Array.of(value & 0xff, value >>> 8));
  }
  const body = encodeDataSet(set, UID.implicitVrLittleEndian);
  const head = Buffer.alloc(12);
  head.writeUInt32LE(4, 4);
  head.writeUInt32LE(body.length, 8);
  return Buffer.concat([head, body]);
}

const class_ = [0x0002, "UI", sopClassUid] as const;
const instance = [0x1000, "UI", sopInstanceUid] as const;

describe("command sets", () => {
  const cases: readonly (readonly [string, Buffer, Buffer])[] = [
    [
      "C-ECHO-RQ",
      encodeEchoRequest(about),
      viaDataSet([class_, [0x0100, "US", 0x30], [0x0110, "US", 7], [0x0800, "US", 0x0101]]),
    ],
    [
      "C-STORE-RQ of a C-MOVE",
      encodeStoreRequest({ ...about, moveOriginator }),
      viaDataSet([
        class_,
        [0x0100, "US", 1],
        [0x0110, "US", 7],
        [0x0700, "US", 0],
        [0x0800, "US", 0x0102],
        instance,
        [0x1030, "AE", "ODD"],
        [0x1031, "US", 0x1234],
      ]),
    ],
    [
      "N-EVENT-REPORT-RQ",
      encodeEventReportRequest({ ...about, eventTypeId: 2 }),
      viaDataSet([
        class_,
        [0x0100, "US", 0x0100],
        [0x0110, "US", 7],
        [0x0800, "US", 0x0102],
        instance,
        [0x1002, "US", 2],
      ]),
    ],
    [
      "N-ACTION-RQ",
      encodeActionRequest({ ...about, actionTypeId: 1 }),
      viaDataSet([
        [0x0003, "UI", sopClassUid],
        [0x0100, "US", 0x0130],
        [0x0110, "US", 7],
        [0x0800, "US", 0x0102],
        [0x1001, "UI", sopInstanceUid],
        [0x1008, "US", 1],
      ]),
    ],
    [
      "C-STORE-RSP with a comment",
      encodeResponse(decodeCommandSet(encodeStoreRequest(about)), {
        status: 0xa700,
        comment: "é\\full!",
      }),
      viaDataSet([
        class_,
        [0x0100, "US", 0x8001],
        [0x0120, "US", 7],
        [0x0800, "US", 0x0101],
        [0x0900, "US", 0xa700],
        [0x0902, "LO", "??full!"],
        instance,
      ]),
    ],
    [
      "N-ACTION-RSP, which says Affected for what was Requested",
      encodeResponse(decodeCommandSet(encodeActionRequest({ ...about, actionTypeId: 1 })), {
        status: 0,
      }),
      viaDataSet([
        class_,
        [0x0100, "US", 0x8130],
        [0x0120, "US", 7],
        [0x0800, "US", 0x0101],
        [0x0900, "US", 0],
        instance,
        [0x1008, "US", 1],
      ]),
    ],
    [
      "C-MOVE-RSP, whose numbers are cut to 16 bits",
      encodeResponse(
        { ...decodeCommandSet(encodeEchoRequest(about)), commandField: COMMAND.move },
        {
          status: 0xff00,
          subOperations: { warning: 1, remaining: 70_000, completed: 2, failed: 0 },
        },
      ),
      viaDataSet([
        class_,
        [0x0100, "US", 0x8021],
        [0x0120, "US", 7],
        [0x0800, "US", 0x0101],
        [0x0900, "US", 0xff00],
        [0x1020, "US", 0xffff],
        [0x1021, "US", 2],
        [0x1022, "US", 0],
        [0x1023, "US", 1],
      ]),
    ],
  ];
  for (const [name, bytes, expected] of cases) {
    it(`are written as any data set is: ${name}`, () => {
      expect(bytes.toString("hex")).to.equal(expected.toString("hex"));
    });
    it(`are read back: ${name}`, () => {
      const set = decodeDataSet(bytes, { transferSyntaxUid: UID.implicitVrLittleEndian });
      const read = decodeCommandSet(bytes);
      expect(read.commandField).to.equal(set.number(0x0100));
      expect(read.messageId).to.equal(set.number(0x0110) ?? 0);
      expect(read.messageIdBeingRespondedTo).to.equal(set.number(0x0120) ?? 0);
      expect(read.affectedSopClassUid).to.equal(set.string(0x0002) ?? "");
      expect(read.requestedSopClassUid).to.equal(set.string(0x0003) ?? "");
      expect(read.affectedSopInstanceUid).to.equal(set.string(0x1000) ?? "");
      expect(read.requestedSopInstanceUid).to.equal(set.string(0x1001) ?? "");
      expect(read.status).to.equal(set.number(0x0900));
      expect(read.errorComment).to.equal(set.string(0x0902) ?? "");
      expect(read.hasDataSet).to.equal(set.number(0x0800) !== 0x0101);
      const originator = set.string(0x1030);
      expect(read.moveOriginator).to.deep.equal(
        originator === undefined
          ? undefined
          : { aeTitle: originator, messageId: set.number(0x1031) },
      );
    });
  }

  const echo = encodeEchoRequest(about);
  const element = (tag: number, length: number, value = "") => {
    const head = Buffer.alloc(8);
    head.writeUInt16LE(tag >>> 16, 0);
    head.writeUInt16LE(tag & 0xffff, 2);
    head.writeUInt32LE(length, 4);
    return Buffer.concat([head, Buffer.from(value, "latin1")]);
  };
  const lies: readonly (readonly [string, Buffer])[] = [
    ["nothing", Buffer.alloc(0)],
    ["no Command Field", echo.subarray(0, 12)],
    ["a value longer than what is left", Buffer.concat([echo, element(0x0902, 5, "1234")])],
    ["an undefined length", Buffer.concat([echo, element(0x0902, 0xffffffff)])],
    ["an element of another group", Buffer.concat([echo, element(0x00080018, 2, "1.")])],
    ["an item", Buffer.concat([echo, element(0xfffee000, 0)])],
    ["half an element", Buffer.concat([echo, element(0x0902, 0).subarray(0, 7)])],
  ];
  for (const [name, bytes] of lies) {
    it(`are refused with ${name}`, () => {
      expect(() => decodeCommandSet(bytes))
        .to.throw()
        .with.property("code", "DATASET_UNREADABLE");
    });
  }

  it("that are cut anywhere are refused, or lack only what was cut", () => {
    const whole = encodeStoreRequest({ ...about, moveOriginator });
    for (let end = 0; end < whole.length; end++) {
      try {
        expect(decodeCommandSet(whole.subarray(0, end)).commandField).to.equal(COMMAND.store);
      } catch (error) {
        expect(error).to.have.property("code", "DATASET_UNREADABLE");
      }
    }
  });

  it("count an element that comes twice where it came first, and an empty number as none", () => {
    const twice = Buffer.concat([echo, element(0x0110, 2, "\x09\x00"), element(0x0900, 0)]);
    expect(decodeCommandSet(twice)).to.include({ messageId: 7, status: undefined });
  });
});
