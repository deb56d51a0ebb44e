import { createHash } from "node:crypto";
import { expect } from "chai";
import { SOP_CLASS, UID } from "../../../src/dicom/uids.ts";
import { COMMAND, encodeResponse } from "../../../src/dimse/command-set.ts";
import type { StoreSink } from "../../../src/dimse/ports.ts";
import type { Node } from "../../../src/main.ts";
import { type Authority, authority, type Pair } from "../../support/certificates.ts";
import { databaseChildren } from "../../support/children.ts";
import { ctSeries, ctUids } from "../../support/ct-series.ts";
import {
  associatePeer,
  encodeRetrieveRequest,
  retrieveIdentifier,
} from "../../support/dimse-peer.ts";
import { type ListenerUnderTest, listenerUnderTest } from "../../support/listener-under-test.ts";
import { push, startTestNode, waitFor } from "../../support/node-under-test.ts";
import { requireTool } from "../../support/tools.ts";

const SLICES = 6;
const PENDING = 0xff00;

/** A C-MOVE, or without a destination a C-GET, of a study: the final response, and how many instances C-GET sent. */
async function retrieve(node: Node, study: string, destination?: string) {
  const sopClassUid = destination === undefined ? SOP_CLASS.studyRootGet : SOP_CLASS.studyRootMove;
  const transferSyntaxes = [UID.explicitVrLittleEndian];
  const peer = await associatePeer({
    port: node.dicom.port,
    callingAeTitle: "READER",
    contexts: [
      { id: 1, abstractSyntax: sopClassUid, transferSyntaxes },
      { id: 3, abstractSyntax: SOP_CLASS.ctImageStorage, transferSyntaxes },
    ],
    user: { roles: [{ sopClassUid: SOP_CLASS.ctImageStorage, scuRole: false, scpRole: true }] },
  });
  const request = { sopClassUid, messageId: 7, ...(destination && { destination }) };
  await peer.send(1, encodeRetrieveRequest(request), retrieveIdentifier("STUDY", { study }));
  for (let received = 0; ; ) {
    const message = await peer.next();
    if (message === undefined) throw new Error("the association ended before the final response");
    const { command, contextId, counts } = message;
    if (command.commandField === COMMAND.store) {
      received++;
      await peer.send(contextId, encodeResponse(command, { status: 0 }));
    } else if (command.status !== PENDING) {
      await peer.release();
      return { status: command.status, comment: command.errorComment, counts, received };
    }
  }
}

/** No sub-operation was begun. */
const NOTHING = {
  remaining: undefined,
  completed: undefined,
  failed: undefined,
  warning: undefined,
};
const READER = { aeTitle: "READER", host: "127.0.0.1", allow: ["query", "retrieve"] };
const SENDER = { aeTitle: "SENDER", host: "127.0.0.1" };

describe("a retrieve in trouble", function () {
  this.timeout(120_000);
  const series = ctSeries({ name: "trouble", slices: SLICES });
  const { study } = ctUids("trouble");
  let node: Node;

  async function start(extra: Record<string, unknown>): Promise<void> {
    ({ node } = await startTestNode({ quietSeconds: 3600, extra }));
    await push(node.dicom, series);
  }
  afterEach(() => node.stop());

  it("that names more instances than one may ends with A702H, and nothing is sent", async () => {
    await start({
      dimse: { port: 0, receivers: 0, retrieveInstancesMax: SLICES - 1 },
      peers: [SENDER, READER, { aeTitle: "FAR", host: "127.0.0.1", port: 1, allow: [] }],
    });
    for (const destination of ["FAR", undefined])
      expect(await retrieve(node, study, destination)).to.deep.equal({
        status: 0xa702,
        comment: "More instances than allowed at once: ask for less",
        counts: NOTHING,
        received: 0,
      });
  });

  it("while the database hangs ends with A701H, and goes well when it answers again", async () => {
    await start({
      database: { connectSeconds: 1, statementSeconds: 1 },
      peers: [SENDER, READER, { aeTitle: "FAR", host: "127.0.0.1", port: 1, allow: [] }],
    });
    const [database] = databaseChildren();
    process.kill(database!, "SIGSTOP");
    try {
      for (const destination of ["FAR", undefined]) {
        const final = await retrieve(node, study, destination);
        expect(final).to.include({ status: 0xa701, received: 0 });
        expect(final.counts).to.deep.equal(NOTHING);
        expect(final.comment).to.match(/^The database is away/);
      }
    } finally {
      process.kill(database!, "SIGCONT");
    }
    const again = await waitFor(
      () => retrieve(node, study),
      (final) => final.status === 0,
    );
    expect(again.received).to.equal(SLICES);
  });

  describe("to a destination that is called by TLS", () => {
    let ca: Authority;
    let own: Pair;
    let theirs: Pair;
    let destination: ListenerUnderTest | undefined;
    const kept: string[] = [];
    const digest = (bytes: Buffer) => createHash("sha256").update(bytes).digest("hex");
    const store: StoreSink = {
      async begin() {
        const parts: Buffer[] = [];
        return {
          async write(fragment) {
            parts.push(Buffer.from(fragment));
          },
          complete: async () => void kept.push(digest(Buffer.concat(parts))),
          abort: async () => undefined,
        };
      },
    };

    before(function () {
      requireTool(this, "openssl");
      ca = authority("Site CA");
      own = ca.sign("kindred", ["DNS:kindred.test", "IP:127.0.0.1"]);
      theirs = ca.sign("VAULT", ["DNS:vault.test", "IP:127.0.0.1"]);
    });
    beforeEach(() => void kept.splice(0));
    afterEach(() => destination?.stop());

    async function startBoth(options: { theirs: Pair; peer: object }): Promise<void> {
      destination = await listenerUnderTest(
        {
          dimse: {
            aeTitle: "VAULT",
            tls: { port: 0, ...options.theirs, caFile: ca.caFile },
          },
          peers: [{ aeTitle: "KINDRED", host: "127.0.0.1", tls: true, allow: ["store"] }],
        },
        { store },
      );
      const { tlsPort, plainPort } = destination;
      const peer = { aeTitle: "VAULT", host: "127.0.0.1", port: tlsPort, tls: true, allow: [] };
      const changed = { ...peer, ...options.peer };
      await start({
        dimse: { port: 0, receivers: 0, tls: { ...own, caFile: ca.caFile } },
        outbound: { responseSeconds: 5 },
        peers: [SENDER, READER, changed.tls ? changed : { ...changed, port: plainPort }],
      });
    }

    it("sends the bytes that came in", async () => {
      await startBoth({ theirs, peer: { certificateName: "vault.test" } });
      expect((await retrieve(node, study, "VAULT")).counts).to.include({ completed: SLICES });
      expect(kept).to.deep.equal(series.map((one) => digest(one.dataSet)));
    });

    for (const { what, options } of [
      {
        what: "whose certificate is of another authority",
        options: () => ({
          theirs: authority("Another CA").sign("VAULT", ["DNS:vault.test", "IP:127.0.0.1"]),
          peer: {},
        }),
      },
      {
        what: "whose certificate carries another name",
        options: () => ({ theirs, peer: { certificateName: "somebody.test" } }),
      },
      {
        what: "but is configured without it",
        options: () => ({ theirs, peer: { tls: false } }),
      },
    ])
      it(`${what}: A702H, every instance failed, nothing sent`, async () => {
        await startBoth(options());
        const final = await retrieve(node, study, "VAULT");
        expect(final.status).to.equal(0xa702);
        expect(final.counts).to.include({ completed: 0, failed: SLICES });
        expect(final.comment).to.match(
          /^6 failed: destination (?:cannot be reached|rejected the association)$/,
        );
        expect(kept).to.deep.equal([]);
      });
  });
});
