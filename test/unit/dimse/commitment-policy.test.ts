import { expect } from "chai";
import { configSchema } from "../../../src/config/schema.ts";
import { SOP_CLASS, UID } from "../../../src/dicom/uids.ts";
import { decide } from "../../../src/dimse/policy.ts";

const sopClassUid = SOP_CLASS.storageCommitmentPush;
const config = configSchema.parse({
  peers: [
    { aeTitle: "ASKS", host: "127.0.0.1", allow: ["commit"] },
    { aeTitle: "ASKED", host: "127.0.0.1", port: 104, allow: [], sendReports: true, commit: true },
    { aeTitle: "NEITHER", host: "127.0.0.1", allow: ["store"] },
  ],
});

function negotiate(callingAeTitle: string, role?: { scuRole: boolean; scpRole: boolean }) {
  const decision = decide(config.dimse, config.peers, {
    request: {
      calledAeTitle: "KINDRED",
      callingAeTitle,
      applicationContext: UID.applicationContext,
      protocolVersion: 1,
      contexts: [
        { id: 1, abstractSyntax: sopClassUid, transferSyntaxes: [UID.implicitVrLittleEndian] },
      ],
      user: {
        maximumLength: 16384,
        implementationClassUid: "1.2",
        implementationVersionName: "X",
        ...(role === undefined ? {} : { roles: [{ sopClassUid, ...role }] }),
      },
    },
    remoteAddress: "127.0.0.1",
    openInAll: 0,
    openFromAddress: 0,
    isStopping: false,
  });
  if (!("accept" in decision)) throw new Error("rejected");
  const [answer] = decision.accept.roles;
  return {
    result: decision.accept.contexts[0]!.result,
    ...(answer === undefined ? {} : { scu: answer.scuRole, scp: answer.scpRole }),
  };
}

describe("who may take which role in storage commitment", () => {
  const scp = { scuRole: false, scpRole: true };
  const scu = { scuRole: true, scpRole: false };
  const both = { scuRole: true, scpRole: true };
  const cases: [string, ReturnType<typeof negotiate>, ReturnType<typeof negotiate>][] = [
    ["a peer allowed `commit` asks", negotiate("ASKS"), { result: 0 }],
    ["and says so", negotiate("ASKS", scu), { result: 0, scu: true, scp: false }],
    ["but is not SCP of ours", negotiate("ASKS", both), { result: 0, scu: true, scp: false }],
    ["a peer that we ask reports", negotiate("ASKED", scp), { result: 0, scu: false, scp: true }],
    ["but does not ask", negotiate("ASKED"), { result: 1 }],
    ["nor under both roles", negotiate("ASKED", both), { result: 0, scu: false, scp: true }],
    ["another peer does neither", negotiate("NEITHER", scp), { result: 1, scu: false, scp: false }],
  ];
  for (const [title, answer, expected] of cases)
    it(title, () => expect(answer).to.deep.equal(expected));
});
