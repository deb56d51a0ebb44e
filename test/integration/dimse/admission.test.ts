import { connect, type Socket } from "node:net";
import { expect } from "chai";
import { SOP_CLASS, UID } from "../../../src/dicom/uids.ts";
import { createAssociationCounts } from "../../../src/dimse/association-counts.ts";
import { encodeEchoRequest, encodeStoreRequest } from "../../../src/dimse/command-set.ts";
import { echo } from "../../../src/dimse/requestor/echo.ts";
import { targetOf } from "../../../src/dimse/target.ts";
import { readTlsFiles } from "../../../src/dimse/tls-files.ts";
import {
  decodeAssociateAc,
  encodeAssociateRq,
} from "../../../src/dimse/upper-layer/associate-pdu.ts";
import { encodePData, encodeReleaseRq, PDU } from "../../../src/dimse/upper-layer/pdu.ts";
import type { UserIdentity } from "../../../src/dimse/upper-layer/user-information.ts";
import { hashPasscode } from "../../../src/kernel/passcode.ts";
import { authority } from "../../support/certificates.ts";
import { type ListenerUnderTest, listenerUnderTest } from "../../support/listener-under-test.ts";
import { waitFor } from "../../support/node-under-test.ts";
import { proxyHeader } from "../../support/proxy-header.ts";
import { type RawPeer, rawPeer } from "../../support/raw-peer.ts";
import { requireTool } from "../../support/tools.ts";

const CONTEXTS = [
  SOP_CLASS.verification,
  SOP_CLASS.ctImageStorage,
  SOP_CLASS.studyRootFind,
  "1.2.3.4",
].map((abstractSyntax, index) => ({
  id: index * 2 + 1,
  abstractSyntax,
  transferSyntaxes: [UID.implicitVrLittleEndian],
}));

function associateRq(
  callingAeTitle = "RAW",
  userIdentity?: UserIdentity,
  calledAeTitle = "KINDRED",
) {
  return encodeAssociateRq({
    protocolVersion: 1,
    calledAeTitle,
    callingAeTitle,
    applicationContext: UID.applicationContext,
    contexts: CONTEXTS,
    user: {
      maximumLength: 16_384,
      implementationClassUid: "1.2",
      implementationVersionName: "RAW",
      ...(userIdentity === undefined ? {} : { userIdentity }),
    },
  });
}

/** Accepted: the A-ASSOCIATE-AC; rejected: result, source, reason; else the type of the PDU, or "closed". */
async function answerTo(peer: RawPeer, bytes: Buffer) {
  peer.send(bytes);
  const pdu = await peer.next();
  if (pdu?.type === PDU.associateAc) return decodeAssociateAc(pdu.body);
  if (pdu?.type === PDU.associateRj) return [...pdu.body.subarray(1)].join("/");
  return pdu?.type ?? "closed";
}

describe("who may associate", () => {
  let under: ListenerUnderTest;
  const peers: RawPeer[] = [];

  afterEach(async () => {
    for (const one of peers.splice(0)) one.end();
    await under.stop();
  });

  async function open() {
    const peer = await rawPeer(under.port);
    peers.push(peer);
    return peer;
  }
  const ask = async (...rq: Parameters<typeof associateRq>) =>
    answerTo(await open(), associateRq(...rq));
  const results = (answer: Awaited<ReturnType<typeof ask>>) =>
    typeof answer === "object" ? answer.contexts.map((one) => one.result) : answer;

  it("gives each presentation context its result, with a count and a line for what was refused", async () => {
    under = await listenerUnderTest({
      peers: [{ aeTitle: "RAW", host: "127.0.0.1", allow: ["query"] }],
    });
    expect(results(await ask())).to.deep.equal([0, 1, 0, 3]);
    for (const reason of ["permission", "abstract-syntax"])
      expect(await under.count("kindred_presentation_context_refusals_total", { reason })).to.equal(
        1,
      );
    expect(under.lines("contexts.refused")[0]).to.deep.include({
      refused: { permission: 1, "abstract-syntax": 1 },
    });
  });

  it("allows echo to a peer that does not list it, and takes it away with echo: false", async () => {
    under = await listenerUnderTest({
      peers: [
        {
          aeTitle: "RAW",
          host: "127.0.0.1",
          allow: ["store", "query", "retrieve", "similar", "commit"],
        },
        { aeTitle: "MUTE", host: "127.0.0.1", allow: ["store"], echo: false },
      ],
    });
    expect(results(await ask("RAW"))).to.deep.equal([0, 0, 0, 3]);
    expect(results(await ask("MUTE"))).to.deep.equal([1, 0, 1, 3]);
  });

  it("lets a peer call only the titles it is given", async () => {
    under = await listenerUnderTest({
      peers: [
        { aeTitle: "RAW", host: "127.0.0.1", allow: ["similar"], calledAeTitles: ["SIMILAR"] },
      ],
    });
    expect(await ask("RAW", undefined, "KINDRED")).to.equal("1/1/7");
    expect(results(await ask("RAW", undefined, "SIMILAR"))).to.deep.equal([0, 3, 0, 3]);
  });

  it("rejects above each limit on associations, for now, and says which; idle connections do not count", async () => {
    under = await listenerUnderTest({
      dimse: { associationsMax: 4, associationsPerPeerMax: 3, artimSeconds: 30 },
      peers: [
        { aeTitle: "RAW", host: "127.0.0.1", associationsMax: 2 },
        { aeTitle: "TWO", host: "127.0.0.1" },
      ],
    });
    await Promise.all(Array.from({ length: 20 }, open));
    const first = await open();
    expect(await answerTo(first, associateRq("RAW"))).to.be.an("object");
    expect(await ask("RAW")).to.be.an("object");
    expect(await ask("RAW")).to.equal("2/3/2");
    expect(await ask("TWO")).to.be.an("object");
    expect(await ask("TWO")).to.equal("2/3/2");
    await waitFor(
      async () => under.lines("association.rejected").map((one) => one.why),
      (whys) => whys.join() === "associations-of-peer,associations-from-address",
      5,
    );
    first.send(encodeReleaseRq());
    await first.closed();
    expect(await ask("RAW")).to.be.an("object");
    for (const reason of ["associations-of-peer", "associations-from-address"])
      await waitFor(
        () => under.count("kindred_association_rejects_total", { reason }),
        (count) => count === 1,
        5,
      );
  });

  it("counts with what it is given, for receivers that count together", async () => {
    const counts = createAssociationCounts();
    under = await listenerUnderTest(
      { dimse: { associationsMax: 1 }, peers: [{ aeTitle: "RAW", host: "127.0.0.1" }] },
      { counts },
    );
    const elsewhere = await counts.open({ address: "10.0.0.1", aeTitle: "OTHER" });
    expect(await ask()).to.equal("2/3/2");
    elsewhere.close();
    expect(await ask()).to.be.an("object");
  });

  it("rejects above the rate of an address and of a peer, for now", async () => {
    under = await listenerUnderTest({
      dimse: { associationsPerMinute: 30 },
      peers: [
        { aeTitle: "RAW", host: "127.0.0.1" },
        { aeTitle: "SLOW", host: "127.0.0.1", associationsPerMinute: 1 },
      ],
    });
    expect(await ask("SLOW")).to.be.an("object");
    expect(await ask("SLOW")).to.equal("2/3/1");
    expect(await ask("RAW")).to.be.an("object");
    expect(await ask("RAW")).to.equal("2/3/1");
    await waitFor(
      async () => under.lines("association.rejected").map((one) => one.why),
      (whys) => whys.join() === "rate-of-peer,rate-of-address",
      5,
    );
    // Who goes on at twice the rate is not even read.
    expect(await ask("RAW")).to.equal("2/3/1");
    expect(await ask("RAW")).to.equal("2/3/1");
    expect(await ask("RAW")).to.equal("closed");
    const reason = "rate-of-address";
    expect(await under.count("kindred_connection_refusals_total", { reason })).to.equal(1);
  });

  it("serves a peer's requests no faster than its rate, and an association that ends does not wait for its turn", async () => {
    under = await listenerUnderTest({
      peers: [{ aeTitle: "RAW", host: "127.0.0.1", requestsPerSecond: 4 }],
    });
    const peer = await open();
    await answerTo(peer, associateRq());
    const request = (messageId: number) =>
      encodePData({
        contextId: 1,
        isCommand: true,
        isLast: true,
        data: encodeEchoRequest({ messageId, sopClassUid: SOP_CLASS.verification }),
      });
    peer.send(Buffer.concat([1, 2, 3, 4, 5, 6].map(request)));
    for (let i = 0; i < 6; i++) expect((await peer.next())?.type).to.equal(PDU.pData);
    peer.send(Buffer.concat(Array.from({ length: 40 }, (_, index) => request(index + 7))));
    await peer.next();
    peer.end();
    await waitFor(
      async () => under.listener.openAssociations(),
      (count) => count === 0,
      2,
    );
    expect(await under.count("kindred_dimse_requests_total", { command: "C-ECHO" })).to.be.lessThan(
      46,
    );
    expect(under.lines("association.fault")).to.have.length(0);
  });

  it("ends what was begun for a request when its association is gone before it is dispatched", async () => {
    const { promise: mayBegin, resolve: letBegin } = Promise.withResolvers<void>();
    let begun = 0;
    let aborted = 0;
    under = await listenerUnderTest(
      { peers: [{ aeTitle: "RAW", host: "127.0.0.1" }] },
      {
        store: {
          async begin() {
            begun++;
            await mayBegin;
            return {
              write: async () => undefined,
              complete: async () => undefined,
              abort: async () => void aborted++,
            };
          },
        },
      },
    );
    const peer = await open();
    await answerTo(peer, associateRq());
    const { ctImageStorage: sopClassUid } = SOP_CLASS;
    const data = encodeStoreRequest({ messageId: 1, sopClassUid, sopInstanceUid: "1.2.3" });
    peer.send(encodePData({ contextId: 3, isCommand: true, isLast: true, data }));
    await waitFor(
      async () => begun,
      (count) => count === 1,
      5,
    );
    peer.end();
    // Aborted by us, as at a stop: the answer of the archive comes after the end.
    const stopped = under.listener.stop();
    await waitFor(
      async () => peer.socket.closed,
      (is) => is,
      5,
    );
    setTimeout(letBegin, 700);
    await stopped;
    await waitFor(
      async () => aborted,
      (count) => count === 1,
      5,
    );
  });

  it("closes connections above the limit in all, unread, and serves again when there is room", async function () {
    // Only Linux gives a process every address of 127.0.0.0/8.
    if (process.platform !== "linux") this.skip();
    under = await listenerUnderTest({
      dimse: { associationsMax: 1, artimSeconds: 30 },
      peers: [{ aeTitle: "RAW", host: "127.0.0.0/8" }],
    });
    const from = (localAddress: string) =>
      new Promise<Socket>((resolve) => {
        const socket = connect({ host: "127.0.0.1", port: under.port, localAddress });
        socket.on("error", () => undefined);
        socket.once("connect", () => resolve(socket));
      });
    const sockets = await Promise.all(
      Array.from({ length: 300 }, (_, index) => from(`127.0.1.${1 + (index % 10)}`)),
    );
    const refused = () =>
      under.count("kindred_connection_refusals_total", { reason: "connections-max" });
    await waitFor(refused, (count) => count === 300 - 257, 10);
    for (const socket of sockets) socket.destroy();
    await waitFor(
      async () => under.listener.openAssociations(),
      (count) => count === 0,
      5,
    );
    expect(await ask()).to.be.an("object");
  });

  it("writes a bounded log of a flood, and counts all of it", async () => {
    under = await listenerUnderTest({ dimse: { associationsPerMinute: 1_000_000 } });
    for (let i = 0; i < 200; i++) expect(await ask("STRANGER")).to.equal("1/1/3");
    await waitFor(
      () => under.count("kindred_association_rejects_total", { reason: "calling-ae-title" }),
      (count) => count === 200,
      10,
    );
    expect(under.allLines().length).to.be.lessThan(80);
  });

  describe("by its user (PS3.7 D.3.3.7)", () => {
    const identity = (
      type: number,
      primary: string,
      secondary = "",
      isResponseRequested = true,
    ) => ({
      type,
      isResponseRequested,
      primary: Buffer.from(primary),
      secondary: Buffer.from(secondary),
    });

    async function start(dimse: object = {}) {
      const passcodeHash = await hashPasscode(Buffer.from("hunter2"));
      under = await listenerUnderTest(
        {
          dimse: { users: [{ name: "ada", passcodeHash }], ...dimse },
          peers: [
            { aeTitle: "RAW", host: "127.0.0.1" },
            { aeTitle: "NAMED", host: "127.0.0.1", requireUser: true },
          ],
        },
        {
          verifyToken: async (token) => {
            if (token === "slow") await new Promise(() => undefined);
            return token === "good" ? "ada" : undefined;
          },
        },
      );
    }
    const answered = async (aeTitle: string, user?: UserIdentity) => {
      const answer = await ask(aeTitle, user);
      return typeof answer === "object"
        ? (answer.user.userIdentityResponse?.length ?? "none")
        : answer;
    };

    it("accepts a proven user and answers only when asked; rejects a wrong one", async () => {
      await start();
      for (const title of ["RAW", "NAMED"]) {
        expect(await answered(title, identity(2, "ada", "hunter2"))).to.equal(0);
        expect(await answered(title, identity(2, "ada", "hunter2", false))).to.equal("none");
        expect(await answered(title, identity(2, "ada", "wrong"))).to.equal("1/1/1");
        expect(await answered(title, identity(2, "eve", "hunter2"))).to.equal("1/1/1");
        expect(await answered(title, identity(5, "good"))).to.equal(0);
        expect(await answered(title, identity(5, "bad"))).to.equal("1/1/1");
      }
    });

    it("accepts what it does not support without a response, unless the peer must prove a user", async () => {
      await start();
      for (const user of [
        undefined,
        identity(1, "ada"),
        identity(3, "ticket"),
        identity(4, "<saml/>"),
      ]) {
        expect(await answered("RAW", user)).to.equal("none");
        expect(await answered("NAMED", user)).to.equal("1/1/1");
      }
    });

    it("rejects for now when the check takes too long", async () => {
      await start({ userSeconds: 0.2 });
      expect(await answered("RAW", identity(5, "slow"))).to.equal("2/3/1");
      await waitFor(
        async () => under.lines("association.rejected"),
        (lines) => lines.length === 1,
        5,
      );
      expect(under.lines("association.rejected")[0]).to.include({ why: "user-undecided" });
    });

    it("logs neither name, passcode nor token", async () => {
      await start();
      await answered("RAW", identity(2, "ada", "hunter2"));
      await answered("RAW", identity(2, "ada", "wr0ng-one"));
      await answered("RAW", identity(5, "bad-t0ken"));
      expect(JSON.stringify(under.allLines())).not.to.match(/hunter2|wr0ng-one|bad-t0ken|"ada"/);
    });
  });

  describe("behind a TCP balancer", () => {
    const dimse = { proxyFrom: ["127.0.0.0/8"] };
    const inside = [{ aeTitle: "RAW", host: "10.1.0.0/16" }];

    it("takes the address in the PROXY header for the peer's, in one piece or byte by byte", async () => {
      under = await listenerUnderTest({ dimse, peers: inside });
      const header = proxyHeader("10.1.2.3", Buffer.alloc(40, 4));
      expect(await answerTo(await open(), Buffer.concat([header, associateRq()]))).to.be.an(
        "object",
      );
      const slow = await open();
      for (const byte of header) slow.send(Buffer.of(byte));
      expect(await answerTo(slow, associateRq())).to.be.an("object");
      const elsewhere = Buffer.concat([proxyHeader("10.2.2.3"), associateRq()]);
      expect(await answerTo(await open(), elsewhere)).to.equal("1/1/3");
      await waitFor(
        async () => under.lines("association.rejected"),
        (lines) => lines.length === 1,
        5,
      );
      expect(under.lines("association.rejected")[0]).to.include({
        why: "calling-address",
        remote: "10.2.2.3",
      });
    });

    it("counts by that address", async () => {
      under = await listenerUnderTest({
        dimse: { ...dimse, associationsPerPeerMax: 1 },
        peers: [...inside, { aeTitle: "SIX", host: "2001:db8::/32" }],
      });
      const from = async (address: string, title = "RAW") =>
        answerTo(await open(), Buffer.concat([proxyHeader(address), associateRq(title)]));
      expect(await from("10.1.0.1")).to.be.an("object");
      expect(await from("10.1.0.1", "SIX")).to.equal("2/3/2");
      expect(await from("2001:db8::1", "SIX")).to.be.an("object");
    });

    it("takes the balancer's own connections as its own", async () => {
      under = await listenerUnderTest({ dimse, peers: [{ aeTitle: "RAW", host: "127.0.0.1" }] });
      const own = Buffer.concat([proxyHeader(undefined), associateRq()]);
      expect(await answerTo(await open(), own)).to.be.an("object");
    });

    it("aborts a connection without a header, with a wrong one, or with none in time", async () => {
      under = await listenerUnderTest({ dimse: { ...dimse, artimSeconds: 0.3 }, peers: inside });
      const broken = proxyHeader("10.1.2.3");
      broken.writeUInt8(0x11, 12);
      for (const bytes of [
        associateRq(),
        broken,
        Buffer.alloc(0),
        proxyHeader("10.1.2.3").subarray(0, 20),
      ])
        expect(await answerTo(await open(), bytes)).to.equal(PDU.abort);
      expect(
        await under.count("kindred_connection_refusals_total", { reason: "proxy-header" }),
      ).to.equal(4);
      expect(under.lines("connection.refused").map((one) => one.why)).to.deep.equal([
        "no signature",
        "another version or command",
        "no header in time",
        "no header in time",
      ]);
    });

    it("writes nothing of a balancer that only looks whether the port is open", async () => {
      under = await listenerUnderTest({ dimse, peers: inside });
      for (let i = 0; i < 3; i++) {
        const probe = await open();
        probe.socket.end();
        await probe.closed();
      }
      const header = Buffer.concat([proxyHeader("10.1.2.3"), associateRq()]);
      expect(await answerTo(await open(), header)).to.be.an("object");
      expect(under.lines("connection.refused")).to.have.length(0);
    });

    it("takes no header from anywhere else", async () => {
      under = await listenerUnderTest({
        dimse: { proxyFrom: ["10.9.9.9"] },
        peers: [{ aeTitle: "RAW", host: ["10.1.0.0/16", "127.0.0.1"] }],
      });
      const spoofed = Buffer.concat([proxyHeader("10.1.2.3"), associateRq()]);
      expect(await answerTo(await open(), spoofed)).to.equal(PDU.abort);
      await waitFor(
        async () => under.lines("association.protocol_error"),
        (lines) => lines.length === 1,
        5,
      );
      expect(under.lines("association.protocol_error")[0]!.why).to.include("dimse.proxyFrom");
    });

    it("stands before TLS", async function () {
      requireTool(this, "openssl");
      const ca = authority("Site CA");
      const pair = ca.sign("kindred", ["IP:127.0.0.1"]);
      under = await listenerUnderTest({
        dimse: { ...dimse, tls: { port: 0, ...pair, caFile: ca.caFile } },
        peers: [{ aeTitle: "RAW", host: "10.1.0.0/16", tls: true, certificateName: "kindred" }],
      });
      const peer = {
        ...under.config.peers[0]!,
        aeTitle: "KINDRED",
        host: "127.0.0.1",
        port: under.tlsPort!,
      };
      const target = targetOf(under.config, peer, await readTlsFiles(under.config.dimse.tls));
      // The balancer's part: a connection that has sent its header before the handshake begins.
      const through = async (address: string) => {
        const socket = connect({ host: "127.0.0.1", port: under.tlsPort! });
        await new Promise((resolve) => socket.once("connect", resolve));
        socket.write(proxyHeader(address));
        return echo({ ...target, callingAeTitle: "RAW", tls: { ...target.tls, socket } }).then(
          () => "served",
          () => "refused",
        );
      };
      expect(await through("10.1.2.3")).to.equal("served");
      expect(await through("10.2.2.3")).to.equal("refused");
      expect(under.lines("association.rejected")[0]).to.include({ remote: "10.2.2.3" });
    });
  });
});
