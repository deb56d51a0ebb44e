import { expect } from "chai";
import fc from "fast-check";
import {
  type AssociateAc,
  type AssociateRq,
  decodeAssociateAc,
  decodeAssociateRq,
  encodeAssociateAc,
  encodeAssociateRq,
} from "../../../src/dimse/upper-layer/associate-pdu.ts";
import * as pdu from "../../../src/dimse/upper-layer/pdu.ts";
import { type PduPart, PduReader } from "../../../src/dimse/upper-layer/pdu-reader.ts";

const rq: AssociateRq = {
  protocolVersion: 1,
  calledAeTitle: "CALLED",
  callingAeTitle: "CALLING",
  applicationContext: "1.2.840.10008.3.1.1.1",
  contexts: [
    {
      id: 3,
      abstractSyntax: "1.2.3",
      transferSyntaxes: ["1.2.840.10008.1.2", "1.2.840.10008.1.2.1"],
    },
    { id: 1, abstractSyntax: "1.2.4", transferSyntaxes: ["1.2.840.10008.1.2"] },
  ],
  user: {
    maximumLength: 16384,
    implementationClassUid: "1.9",
    implementationVersionName: "V1",
    asyncWindow: { invoked: 0, performed: 0 },
    roles: [{ sopClassUid: "1.2.3", scuRole: true, scpRole: false }],
    extended: [{ sopClassUid: "1.2.4", information: Buffer.of(1, 0, 1) }],
    commonExtended: [
      {
        sopClassUid: "1.2.3",
        serviceClassUid: "1.2.840.10008.4.2",
        relatedGeneralSopClassUids: ["1.5", "1.6"],
      },
    ],
    userIdentity: {
      type: 2,
      isResponseRequested: true,
      primary: Buffer.from("bob"),
      secondary: Buffer.from("pässword"),
    },
  },
};

describe("PDU codec", () => {
  it("reads back an A-ASSOCIATE-RQ it wrote, with all user information and contexts in their order", () => {
    expect(decodeAssociateRq(encodeAssociateRq(rq).subarray(6))).to.deep.equal(rq);
  });

  it("reads back an A-ASSOCIATE-AC it wrote", () => {
    const ac: AssociateAc = {
      ...rq,
      contexts: [
        { id: 3, result: 0, transferSyntax: "1.2.840.10008.1.2.1" },
        { id: 1, result: 4, transferSyntax: "" },
      ],
      user: {
        maximumLength: 0,
        implementationClassUid: "1.9",
        implementationVersionName: "V1",
        roles: [],
        extended: [],
        commonExtended: [],
        userIdentityResponse: Buffer.alloc(0),
      },
    };
    expect(decodeAssociateAc(encodeAssociateAc(ac).subarray(6))).to.deep.equal(ac);
  });

  /** What a stream holds, with the pieces of each PDV joined. */
  function read(stream: Buffer, steps: readonly number[]) {
    const reader = new PduReader(16384);
    const found: (
      | number
      | { contextId: number; isCommand: boolean; data: string; last: boolean }
    )[] = [];
    let open: Buffer[] = [];
    const take = (part: PduPart) => {
      if (part.kind === "pdu") return found.push(part.type);
      open.push(part.data);
      const { contextId, isCommand, isLast: last } = part;
      if (!last) return undefined;
      found.push({ contextId, isCommand, data: Buffer.concat(open).toString("hex"), last });
      open = [];
      return undefined;
    };
    for (let at = 0, i = 0; at < stream.length; i++) {
      const step = steps[i % steps.length]!;
      reader.push(stream.subarray(at, at + step));
      at += step;
      for (let part = reader.next(); part !== undefined; part = reader.next()) take(part);
    }
    return { found, isPartial: reader.isPartial };
  }

  it("cuts a stream into the same PDUs and PDVs for every chunking", () => {
    const pdvs = [
      { contextId: 1, isCommand: true, isLast: true, data: Buffer.alloc(99, 1) },
      { contextId: 1, isCommand: false, isLast: false, data: Buffer.alloc(0) },
      { contextId: 1, isCommand: false, isLast: true, data: Buffer.alloc(7, 2) },
    ];
    const stream = Buffer.concat([
      encodeAssociateRq(rq),
      // Three PDVs in one P-DATA-TF.
      pdu.encodePdu(pdu.PDU.pData, ...pdvs.map((pdv) => pdu.encodePData(pdv).subarray(6))),
      pdu.encodeReleaseRq(),
    ]);
    const whole = read(stream, [stream.length]);
    expect(whole.found).to.deep.equal([
      1,
      { contextId: 1, isCommand: true, data: "01".repeat(99), last: true },
      { contextId: 1, isCommand: false, data: "02".repeat(7), last: true },
      5,
    ]);
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 60 }), { minLength: 1 }), (steps) => {
        expect(read(stream, steps)).to.deep.equal(whole);
      }),
    );
  });

  it("hands data on as views of the chunk it came in", () => {
    const stream = pdu.encodePData({
      contextId: 1,
      isCommand: false,
      isLast: true,
      data: Buffer.alloc(50),
    });
    const reader = new PduReader(16384);
    reader.push(stream.subarray(0, 40));
    const first = reader.next();
    expect(first).to.include({ kind: "pdv", isLast: false });
    expect((first as { data: Buffer }).data.buffer).to.equal(stream.buffer);
    expect(reader.next()).to.equal(undefined);
    reader.push(stream.subarray(40));
    expect(reader.next()).to.include({ kind: "pdv", isLast: true });
  });

  for (const [what, bytes] of [
    ["a P-DATA-TF without PDV", [4, 0, 0, 0, 0, 0]],
    ["a PDV of length 0", [4, 0, 0, 0, 0, 6, 0, 0, 0, 0, 1, 3]],
    ["a PDV longer than its PDU", [4, 0, 0, 0, 0, 8, 0, 0, 0, 9, 1, 3]],
    ["a PDU with bytes left after its last PDV", [4, 0, 0, 0, 0, 9, 0, 0, 0, 2, 1, 3, 0, 0, 0]],
  ] as const) {
    it(`refuses ${what}`, () => {
      const reader = new PduReader(4096);
      reader.push(Buffer.from(bytes));
      expect(() => {
        while (reader.next() !== undefined);
      })
        .to.throw(pdu.ProtocolError)
        .with.property("reason", 6);
    });
  }

  it("refuses a length over the limit and an unknown type from the first bytes", () => {
    const reader = new PduReader(4096);
    reader.push(Buffer.from([4, 0, 0xff, 0xff, 0xff, 0xff]));
    expect(() => reader.next()).to.throw(pdu.ProtocolError);
    const other = new PduReader(4096);
    other.push(Buffer.from("G"));
    expect(() => other.next())
      .to.throw(pdu.ProtocolError)
      .with.property("reason", 1);
  });

  it("decodes or refuses mutated A-ASSOCIATE-RQ bodies, and never fails otherwise", () => {
    const body = encodeAssociateRq(rq).subarray(6);
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat(body.length - 1), fc.nat(255)), { minLength: 1, maxLength: 6 }),
        fc.nat(body.length),
        (edits, end) => {
          const mutated = Buffer.from(body.subarray(0, end));
          for (const [at, value] of edits) if (at < mutated.length) mutated[at] = value;
          try {
            decodeAssociateRq(mutated);
          } catch (error) {
            expect(error).to.be.instanceOf(pdu.ProtocolError);
          }
        },
      ),
      { numRuns: 1000 },
    );
  });
});
