import { expect } from "chai";
import { configSchema } from "../../../src/config/schema.ts";
import { SOP_CLASS, UID } from "../../../src/dicom/uids.ts";
import { decide, mayCallFrom, type PolicyInput } from "../../../src/dimse/policy.ts";

const config = configSchema.parse({
  peers: [
    { aeTitle: "PACS", host: ["10.0.0.0/8", "127.0.0.1"], allow: ["store", "query"] },
    { aeTitle: "READER", host: "127.0.0.1", allow: ["similar"] },
    { aeTitle: "SECURE", host: "127.0.0.1", tls: true },
    { aeTitle: "NAMED", host: "127.0.0.1", tls: true, certificateName: "pacs.test" },
    { aeTitle: "FEW", host: "127.0.0.1", associationsMax: 2 },
    { aeTitle: "ONE", host: "127.0.0.1", allow: ["similar"], calledAeTitles: ["SIMILAR"] },
  ],
  dimse: { tls: { keyFile: "key", certFile: "cert", caFile: "ca" } },
});
const noCertificate = { tls: { certificate: undefined } };

function ask(
  change: Partial<PolicyInput["request"]> = {},
  input: Partial<PolicyInput> = {},
  dimse = config.dimse,
) {
  const contexts = [
    {
      id: 1,
      abstractSyntax: SOP_CLASS.verification,
      transferSyntaxes: [UID.implicitVrLittleEndian],
    },
  ];
  const user = {
    maximumLength: 16384,
    implementationClassUid: "1.2",
    implementationVersionName: "X",
  };
  const request = {
    calledAeTitle: "KINDRED",
    callingAeTitle: "PACS",
    applicationContext: UID.applicationContext,
    protocolVersion: 1,
    contexts,
    user,
    ...change,
  };
  return decide(dimse, config.peers, {
    request,
    remoteAddress: "127.0.0.1",
    openInAll: 0,
    openFromAddress: 0,
    isStopping: false,
    ...input,
  });
}

describe("association policy", () => {
  const rejections: [string, ReturnType<typeof ask>, number[]][] = [
    ["unknown calling AE title", ask({ callingAeTitle: "WHO" }), [1, 1, 3]],
    ["known title from a foreign address", ask({}, { remoteAddress: "192.168.0.9" }), [1, 1, 3]],
    ["unknown called AE title", ask({ calledAeTitle: "OTHER" }), [1, 1, 7]],
    ["SIMILAR without the permission", ask({ calledAeTitle: "SIMILAR" }), [1, 1, 7]],
    ["another application context", ask({ applicationContext: "1.2.3" }), [1, 1, 2]],
    ["another protocol version", ask({ protocolVersion: 2 }), [1, 2, 2]],
    ["too many in all", ask({}, { openInAll: 64 }), [2, 3, 2]],
    ["too many from one address", ask({}, { openFromAddress: 16 }), [2, 3, 2]],
    ["too many of one peer", ask({}, { openFromPeer: 16 }), [2, 3, 2]],
    [
      "too many of a peer that may have fewer",
      ask({ callingAeTitle: "FEW" }, { openFromPeer: 2 }),
      [2, 3, 2],
    ],
    ["a peer that must call by TLS and does not", ask({ callingAeTitle: "SECURE" }), [1, 1, 3]],
    [
      "a peer that must show a name and shows no certificate",
      ask({ callingAeTitle: "NAMED" }, noCertificate),
      [1, 1, 3],
    ],
    [
      "a known title from a foreign address, even where strangers may call",
      ask({}, { remoteAddress: "192.168.0.9" }, { ...config.dimse, allowUnknownPeers: true }),
      [1, 1, 3],
    ],
    ["a title of ours that the peer may not call", ask({ callingAeTitle: "ONE" }), [1, 1, 7]],
    ["a node that is stopping", ask({}, { isStopping: true }), [2, 3, 1]],
    ...[1, 2, 3, 4, 5, 6, 7, 1023].map(
      (maximumLength): [string, ReturnType<typeof ask>, number[]] => [
        `a peer's maximum length of ${maximumLength}`,
        ask({
          user: {
            maximumLength,
            implementationClassUid: "",
            implementationVersionName: "",
          },
        }),
        [1, 1, 1],
      ],
    ),
  ];
  for (const [title, decision, expected] of rejections) {
    it(`rejects ${title} with ${expected.join("/")}`, () => {
      if (!("reject" in decision)) throw new Error("accepted");
      expect([
        decision.reject.result,
        decision.reject.source,
        decision.reject.reason,
      ]).to.deep.equal(expected);
    });
  }

  const contexts: [string, string, string, string[], number][] = [
    ["PACS", "KINDRED", SOP_CLASS.verification, [UID.implicitVrLittleEndian], 0],
    ["PACS", "KINDRED", SOP_CLASS.ctImageStorage, ["1.2.840.10008.1.2.4.70"], 0],
    ["PACS", "KINDRED", SOP_CLASS.studyRootFind, [UID.implicitVrLittleEndian], 0],
    ["PACS", "KINDRED", SOP_CLASS.studyRootFind, ["1.2.840.10008.1.2.4.70"], 4],
    ["PACS", "KINDRED", "1.2.3.4", [UID.implicitVrLittleEndian], 3],
    ["READER", "KINDRED", SOP_CLASS.ctImageStorage, [UID.implicitVrLittleEndian], 1],
    ["READER", "KINDRED", SOP_CLASS.studyRootFind, [UID.implicitVrLittleEndian], 1],
    ["READER", "SIMILAR", SOP_CLASS.studyRootFind, [UID.implicitVrLittleEndian], 0],
    ["READER", "SIMILAR", SOP_CLASS.ctImageStorage, [UID.implicitVrLittleEndian], 3],
  ];
  for (const [
    callingAeTitle,
    calledAeTitle,
    abstractSyntax,
    transferSyntaxes,
    result,
  ] of contexts) {
    it(`${callingAeTitle} → ${calledAeTitle} ${abstractSyntax} gets result ${result}`, () => {
      const decision = ask({
        callingAeTitle,
        calledAeTitle,
        contexts: [{ id: 5, abstractSyntax, transferSyntaxes }],
      });
      if (!("accept" in decision)) throw new Error("rejected");
      expect(decision.accept.contexts[0]).to.include({ id: 5, result });
    });
  }

  it("prefers explicit little endian", () => {
    const transferSyntaxes = [UID.implicitVrLittleEndian, UID.explicitVrLittleEndian];
    const decision = ask({
      contexts: [{ id: 1, abstractSyntax: SOP_CLASS.ctImageStorage, transferSyntaxes }],
    });
    expect("accept" in decision && decision.accept.contexts[0]!.transferSyntax).to.equal(
      UID.explicitVrLittleEndian,
    );
  });

  it("opens store and query, never similar, to strangers when told so", () => {
    const open = { ...config.dimse, allowUnknownPeers: true };
    expect("accept" in ask({ callingAeTitle: "WHO" }, {}, open)).to.equal(true);
    expect("accept" in ask({ callingAeTitle: "WHO", calledAeTitle: "SIMILAR" }, {}, open)).to.equal(
      false,
    );
  });

  it("takes a peer by TLS where it asks for no name, and below its own limit", () => {
    expect("accept" in ask({ callingAeTitle: "SECURE" }, noCertificate)).to.equal(true);
    expect("accept" in ask({ callingAeTitle: "FEW" }, { openFromPeer: 1 })).to.equal(true);
    expect("accept" in ask({ callingAeTitle: "ONE", calledAeTitle: "SIMILAR" })).to.equal(true);
  });

  it("reads ranges and mapped addresses", () => {
    const [pacs] = config.peers;
    expect(mayCallFrom(pacs!, "10.200.3.4")).to.equal(true);
    expect(mayCallFrom(pacs!, "::ffff:127.0.0.1")).to.equal(true);
    expect(mayCallFrom(pacs!, "11.0.0.1")).to.equal(false);
  });
});
