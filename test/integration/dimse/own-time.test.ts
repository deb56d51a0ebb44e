import { setTimeout as sleep } from "node:timers/promises";
import { expect } from "chai";
import { storeInstance } from "../../../src/dimse/bulk-sender.ts";
import type { StoreSink } from "../../../src/dimse/ports.ts";
import { echo } from "../../../src/dimse/requestor/echo.ts";
import { requestAssociation } from "../../../src/dimse/requestor-association.ts";
import { ctSeries } from "../../support/ct-series.ts";
import {
  associate,
  COMMAND_LAST,
  CONTEXT,
  command,
  DATA_LAST,
  DATA_PART,
  echoPdu,
  pData,
  pdv,
  storeFields,
} from "../../support/hostile/wire.ts";
import { type ListenerUnderTest, listenerUnderTest } from "../../support/listener-under-test.ts";
import { proxyHeader } from "../../support/proxy-header.ts";
import { type RawPeer, rawPeer } from "../../support/raw-peer.ts";
import { response, scriptedPeer } from "../../support/scripted-peer.ts";

const SHORT_SECONDS = 0.5;
const NEVER_SECONDS = 3_600;
const ASSOCIATE_AC = 2;
const P_DATA = 4;

/**
 * Does something and then keeps the event loop from running for longer than any short timer: what was written lies in a
 * socket meanwhile. After the callbacks of setImmediate come timers, and only then sockets.
 */
async function block(first: () => void): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve));
  first();
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, SHORT_SECONDS * 3_000);
}
const stall = () => sleep(SHORT_SECONDS * 3_000);

describe("time that is ours and not the peer's", function () {
  this.timeout(30_000);
  let under: ListenerUnderTest;
  let peer: RawPeer;

  async function start(timers: object, sink: Partial<StoreSink> = {}): Promise<void> {
    under = await listenerUnderTest(
      {
        dimse: { artimSeconds: 30, messageSeconds: 30, idleSeconds: NEVER_SECONDS, ...timers },
        peers: [{ aeTitle: "HOSTILE", host: "127.0.0.1", allow: ["store", "query"] }],
      },
      sink.begin === undefined ? {} : { store: { begin: sink.begin } },
    );
    peer = await rawPeer(under.port);
  }
  async function established(...given: Parameters<typeof start>): Promise<void> {
    await start(...given);
    peer.send(associate());
    expect((await peer.next())!.type).to.equal(ASSOCIATE_AC);
  }
  afterEach(async () => {
    peer.end();
    await under.stop();
  });
  const answerType = async () => (await peer.next())?.type;

  describe("because the event loop did not run", () => {
    it("does not end an association whose request waits in the socket", async () => {
      await start({ artimSeconds: SHORT_SECONDS });
      // The connection is taken, and its timer runs.
      await sleep(100);
      await block(() => peer.send(associate()));
      expect(await answerType()).to.equal(ASSOCIATE_AC);
    });
    it("does not end a connection whose PROXY header waits in the socket", async () => {
      await start({ artimSeconds: SHORT_SECONDS, proxyFrom: ["127.0.0.1"] });
      await sleep(100);
      await block(() => peer.send(Buffer.concat([proxyHeader("127.0.0.1"), associate()])));
      expect(await answerType()).to.equal(ASSOCIATE_AC);
    });
    it("does not end an association by the idle timer while a message waits in the socket", async () => {
      await established({ idleSeconds: SHORT_SECONDS });
      await block(() => peer.send(echoPdu()));
      expect(await answerType()).to.equal(P_DATA);
    });
    it("does not end an association by the message timer while the rest waits in the socket", async () => {
      await established({ messageSeconds: SHORT_SECONDS });
      const bytes = echoPdu();
      peer.send(bytes.subarray(0, 30));
      await sleep(100);
      await block(() => peer.send(bytes.subarray(30)));
      expect(await answerType()).to.equal(P_DATA);
    });
    it("still ends an association that says nothing", async () => {
      await established({ idleSeconds: SHORT_SECONDS });
      await block(() => undefined);
      expect(await answerType()).to.equal(7);
    });
    it("does not miss the response to a request of ours that waits in the socket", async () => {
      await start({});
      const [instance] = ctSeries({ name: "own-time", slices: 1, rows: 16 });
      const other = await scriptedPeer(async (visitor) => {
        await visitor.accept();
        const answer = response(await visitor.request(), { status: 0 });
        await block(() => visitor.send(answer));
        await visitor.release();
      });
      const association = await requestAssociation(
        {
          host: "127.0.0.1",
          port: other.port,
          callingAeTitle: "KINDRED",
          calledAeTitle: "OTHER",
          responseSeconds: SHORT_SECONDS,
        },
        [
          {
            abstractSyntax: instance!.sopClassUid,
            transferSyntaxes: [instance!.transferSyntaxUid],
          },
        ],
      );
      expect(await storeInstance(association.responder, instance!)).to.equal(0);
      await association.release();
      await other.stop();
    });
  });

  describe("because the disk did not answer", () => {
    const begun = pData(pdv(CONTEXT.storeExplicit, COMMAND_LAST, command(storeFields("1.2.3"))));
    const data = (header: number) => pData(pdv(CONTEXT.storeExplicit, header, Buffer.alloc(8_000)));
    const receiver = (write: () => Promise<void>) => ({
      write,
      complete: async () => undefined,
      abort: async () => undefined,
    });

    it("does not end an association by the idle timer while an instance is being begun", async () => {
      await established(
        { idleSeconds: SHORT_SECONDS },
        {
          async begin() {
            await stall();
            return receiver(async () => undefined);
          },
        },
      );
      peer.send(Buffer.concat([begun, data(DATA_LAST)]));
      expect(await answerType()).to.equal(P_DATA);
    });
    it("does not end an association by the message timer while a fragment is being written", async () => {
      let writes = 0;
      await established(
        { messageSeconds: SHORT_SECONDS },
        { begin: async () => receiver(async () => (++writes === 3 ? stall() : undefined)) },
      );
      const bytes = Buffer.concat([begun, data(DATA_PART), data(DATA_PART), data(DATA_LAST)]);
      // The timer runs for a PDU that is not whole when the write begins that does not come back.
      const cut = begun.length + data(DATA_PART).length + 1_000;
      peer.send(bytes.subarray(0, cut - 500));
      await sleep(50);
      peer.send(bytes.subarray(cut - 500));
      expect(await answerType()).to.equal(P_DATA);
      await echo({
        host: "127.0.0.1",
        port: under.port,
        callingAeTitle: "HOSTILE",
        calledAeTitle: "KINDRED",
        responseSeconds: 5,
      });
    });
  });
});
