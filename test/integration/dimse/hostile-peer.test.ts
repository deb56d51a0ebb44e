import { expect } from "chai";
import { configSchema } from "../../../src/config/schema.ts";
import { SOP_CLASS, UID } from "../../../src/dicom/uids.ts";
import { encodeStoreRequest } from "../../../src/dimse/command-set.ts";
import { createDimseListener, type DimseListener } from "../../../src/dimse/listener.ts";
import { echo } from "../../../src/dimse/requestor/echo.ts";
import {
  type AssociateRq,
  decodeAssociateAc,
  encodeAssociateRq,
} from "../../../src/dimse/upper-layer/associate-pdu.ts";
import * as pdu from "../../../src/dimse/upper-layer/pdu.ts";
import { silentLogger } from "../../../src/kernel/log.ts";
import { createMetrics } from "../../../src/kernel/metrics.ts";
import { rawPeer } from "../../support/raw-peer.ts";

const PEER = "RAW";
const us = (value: number) => [value & 0xff, value >>> 8];
/** C-ECHO-RQ, message 7. */
const ECHO_RQ = (() => {
  const element = (n: number, bytes: number[]) =>
    Buffer.from([0, 0, ...us(n), bytes.length, 0, 0, 0, ...bytes]);
  const uid = [...Buffer.from(`${SOP_CLASS.verification}\0`)];
  const body = Buffer.concat([
    element(2, uid),
    element(0x100, us(0x30)),
    element(0x110, us(7)),
    element(0x800, us(0x101)),
  ]);
  return Buffer.concat([element(0, [body.length, 0, 0, 0]), body]);
})();
const echoPdu = (contextId = 1) =>
  pdu.encodePData({ contextId, isCommand: true, isLast: true, data: ECHO_RQ });

function associate(change: Partial<AssociateRq> = {}, maximumLength = 16384): Buffer {
  const syntaxes = [UID.implicitVrLittleEndian];
  return encodeAssociateRq({
    protocolVersion: 1,
    calledAeTitle: "KINDRED",
    callingAeTitle: PEER,
    applicationContext: UID.applicationContext,
    contexts: [
      { id: 1, abstractSyntax: SOP_CLASS.verification, transferSyntaxes: syntaxes },
      { id: 3, abstractSyntax: "1.2.3.4", transferSyntaxes: syntaxes },
      { id: 5, abstractSyntax: SOP_CLASS.ctImageStorage, transferSyntaxes: syntaxes },
    ],
    user: {
      maximumLength,
      implementationClassUid: "1.2",
      implementationVersionName: "RAW",
      roles: [],
    },
    ...change,
  });
}

describe("a hostile or broken peer", () => {
  let listener: DimseListener;
  let port: number;
  let begun = 0;
  let aborted = 0;

  before(async () => {
    const config = configSchema.parse({
      dimse: { port: 0, artimSeconds: 0.6, idleSeconds: 2, messageSeconds: 0.8, releaseSeconds: 1 },
      peers: [{ aeTitle: PEER, host: "127.0.0.1" }],
    });
    listener = createDimseListener({
      config: config.dimse,
      peers: config.peers,
      log: silentLogger(),
      metrics: createMetrics(),
      store: {
        async begin() {
          begun++;
          return {
            write: async () => undefined,
            complete: async () => undefined,
            abort: async () => void aborted++,
          };
        },
      },
      find: {
        // biome-ignore lint/correctness/useYield: nothing to find here
        async *find() {
          return {};
        },
      },
    });
    ({ port } = await listener.start());
  });
  after(() => listener.stop());
  afterEach("another peer is still served", async () => {
    await echo({
      host: "127.0.0.1",
      port,
      callingAeTitle: PEER,
      calledAeTitle: "KINDRED",
      responseSeconds: 1,
    });
  });

  const abortOf = async (bytes: Buffer) => {
    const peer = await rawPeer(port);
    peer.send(bytes);
    const answer = await peer.next();
    peer.end();
    return answer;
  };

  it("non-DICOM bytes get an A-ABORT", async () => {
    expect(await abortOf(Buffer.from("GET / HTTP/1.1\r\n\r\n"))).to.include({
      type: pdu.PDU.abort,
    });
  });
  it("a PDU that claims 4 GB gets an A-ABORT before it is kept", async () => {
    expect(await abortOf(Buffer.from([1, 0, 0xff, 0xff, 0xff, 0xff, 0, 1]))).to.include({
      type: pdu.PDU.abort,
    });
  });
  it("P-DATA before an association gets an A-ABORT", async () => {
    expect(await abortOf(echoPdu())).to.include({ type: pdu.PDU.abort });
  });
  it("a rejected association is never served", async () => {
    const peer = await rawPeer(port);
    peer.send(associate({ callingAeTitle: "STRANGER" }));
    const answer = await peer.next();
    expect([answer!.type, ...answer!.body.subarray(1)]).to.deep.equal([3, 1, 1, 3]);
    peer.send(echoPdu());
    expect(await peer.next()).to.equal(undefined);
  });
  it("a presentation context that was not accepted is never served", async () => {
    for (const context of [3, 9]) {
      const peer = await rawPeer(port);
      peer.send(associate());
      expect((await peer.next())!.type).to.equal(pdu.PDU.associateAc);
      peer.send(echoPdu(context));
      expect((await peer.next())!.type).to.equal(pdu.PDU.abort);
      peer.end();
    }
  });
  for (const maximumLength of [1, 2, 5, 6, 7, 1023]) {
    it(`a peer's maximum length of ${maximumLength} is rejected`, async () => {
      expect(await abortOf(associate({}, maximumLength))).to.include({ type: pdu.PDU.associateRj });
    });
  }
  it("announces its own maximum length whatever the peer proposes", async () => {
    const peer = await rawPeer(port);
    peer.send(associate({}, 0));
    const ac = decodeAssociateAc((await peer.next())!.body);
    expect(ac.user.maximumLength).to.equal(131_072);
    expect(ac.contexts.map((one) => one.result)).to.deep.equal([0, 3, 0]);
    peer.end();
  });
  it("serves several messages in one chunk, and one byte at a time", async () => {
    const peer = await rawPeer(port);
    peer.send(Buffer.concat([associate(), echoPdu(), echoPdu(), echoPdu()]));
    for (const type of [2, 4, 4, 4]) expect((await peer.next())!.type).to.equal(type);
    for (const byte of echoPdu()) peer.send(Buffer.of(byte));
    expect((await peer.next())!.type).to.equal(pdu.PDU.pData);
    peer.send(pdu.encodeReleaseRq());
    expect((await peer.next())!.type).to.equal(pdu.PDU.releaseRp);
    await peer.closed();
  });
  it("a connection that says nothing is closed by ARTIM", async () => {
    const peer = await rawPeer(port);
    const started = Date.now();
    await peer.closed();
    expect(Date.now() - started).to.be.within(300, 5000);
  });
  it("a peer that drips a PDU is aborted", async () => {
    const peer = await rawPeer(port);
    peer.send(associate());
    await peer.next();
    const drip = setInterval(() => peer.send(Buffer.of(4)), 100);
    const answer = await peer.next();
    clearInterval(drip);
    expect(answer!.type).to.equal(pdu.PDU.abort);
    peer.end();
  });
  it("an association cut in the middle of a data set leaves nothing behind", async () => {
    const peer = await rawPeer(port);
    peer.send(associate());
    await peer.next();
    const command = encodeStoreRequest({
      messageId: 1,
      sopClassUid: SOP_CLASS.ctImageStorage,
      sopInstanceUid: "1.2.3",
    });
    peer.send(pdu.encodePData({ contextId: 5, isCommand: true, isLast: true, data: command }));
    peer.send(
      pdu.encodePData({ contextId: 5, isCommand: false, isLast: false, data: Buffer.alloc(1000) }),
    );
    await new Promise((resolve) => setTimeout(resolve, 100));
    peer.end();
    await new Promise((resolve) => setTimeout(resolve, 200));
    expect(begun).to.equal(1);
    expect(aborted).to.equal(1);
  });

  it("300 mutated streams: no crash, no hang, no open association left", async () => {
    const valid = Buffer.concat([associate(), echoPdu(), pdu.encodeReleaseRq()]);
    let state = 20_261_124;
    const random = (below: number) => {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
      return state % below;
    };
    for (let round = 0; round < 300; round++) {
      const bytes = Buffer.from(valid);
      for (let edits = 1 + random(6); edits > 0; edits--) bytes[random(bytes.length)] = random(256);
      const peer = await rawPeer(port);
      peer.send(bytes.subarray(0, 1 + random(bytes.length)));
      if (random(2) === 0)
        await Promise.race([peer.next(), new Promise((resolve) => setTimeout(resolve, 20))]);
      peer.end();
    }
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(listener.openAssociations()).to.equal(0);
  });
});
