import { expect } from "chai";
import fc from "fast-check";
import { encodeResponse } from "../../../src/dimse/command-set.ts";
import { ResponseScreen } from "../../../src/dimse/requestor/response-screen.ts";
import { ProtocolError } from "../../../src/dimse/upper-layer/pdu.ts";

const outstanding = { contextId: 1, responseField: 0x8020, messageId: 7, hasPending: true };
const request = {
  commandField: 0x0020,
  messageId: 7,
  affectedSopClassUid: "1.2.840.10008.5.1.4.1.2.2.1",
  affectedSopInstanceUid: "",
  requestedSopClassUid: "",
  requestedSopInstanceUid: "",
} as Parameters<typeof encodeResponse>[0];

describe("the screen before a response", () => {
  it("joins a response that is cut anywhere, and copies what it keeps", () => {
    const command = encodeResponse(request, { status: 0xff01, hasDataSet: true });
    const dataSet = Buffer.from("an identifier");
    fc.assert(
      fc.property(fc.nat(command.length), fc.nat(dataSet.length), (atCommand, atData) => {
        const screen = new ResponseScreen(outstanding);
        const give = (isCommand: boolean, isLast: boolean, data: Buffer) => {
          const bytes = Buffer.from(data);
          const whole = screen.take({ contextId: 1, isCommand, isLast, data: bytes });
          bytes.fill(0);
          return whole;
        };
        expect(give(true, false, command.subarray(0, atCommand))).to.equal(undefined);
        expect(give(true, true, command.subarray(atCommand))).to.equal(undefined);
        expect(give(false, false, dataSet.subarray(0, atData))).to.equal(undefined);
        const whole = give(false, true, dataSet.subarray(atData));
        expect(whole?.status).to.equal(0xff01);
        expect(whole?.dataSet?.equals(dataSet)).to.equal(true);
      }),
    );
  });

  it("throws nothing but a protocol error, whatever the bytes", () => {
    const piece = fc.record({
      contextId: fc.constantFrom(1, 1, 1, 3),
      isCommand: fc.boolean(),
      isLast: fc.boolean(),
      data: fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes)),
    });
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 12 }), (pieces) => {
        const screen = new ResponseScreen(outstanding);
        try {
          for (const one of pieces) screen.take(one);
        } catch (error) {
          expect(error).to.be.instanceOf(ProtocolError);
        }
      }),
      { numRuns: 1_000 },
    );
  });

  it("keeps no more of a message than its limit", () => {
    const screen = new ResponseScreen(outstanding);
    const data = Buffer.alloc(1_000);
    expect(() => {
      for (let count = 0; count < 1_000; count++)
        screen.take({ contextId: 1, isCommand: true, isLast: false, data });
    }).to.throw(ProtocolError, /longer than 16384/);
  });
});
