import { setTimeout as sleep } from "node:timers/promises";
import { expect } from "chai";
import type { StoreSink } from "../../../src/dimse/ports.ts";
import { type Random, randomFrom } from "../../../src/phantom/random.ts";
import {
  associate,
  COMMAND_LAST,
  COMMAND_PART,
  CONTEXT,
  command,
  DATA_LAST,
  DATA_PART,
  echoFields,
  echoPdu,
  pData,
  pdv,
  RELEASE_RQ,
  storeFields,
} from "../../support/hostile/wire.ts";
import { type ListenerUnderTest, listenerUnderTest } from "../../support/listener-under-test.ts";
import { waitFor } from "../../support/node-under-test.ts";
import { type RawPeer, rawPeer } from "../../support/raw-peer.ts";

/** A timer that is not the matter of a test. */
const NEVER_SECONDS = 3_600;
const SHORT_SECONDS = 1.5;
/** Far below the message timer, and so many that together they last far longer. */
const PAUSE_MS = 500;
const PIECES = 10;
const PIECE_BYTES = 16_384;
const PDV_HEAD_BYTES = 6;
/** A-ABORT by the service user; the reason is not significant then. PS3.8 9.3.8. */
const ABORT_BY_USER = [0, 0];

describe("a peer that sends in slow pieces", function () {
  this.timeout(60_000);
  let under: ListenerUnderTest;
  let peer: RawPeer;
  const kept = new Map<string, Buffer>();
  let abandoned = 0;
  const store: StoreSink = {
    async begin({ sopInstanceUid }) {
      const parts: Buffer[] = [];
      return {
        async write(fragment) {
          parts.push(Buffer.from(fragment));
        },
        complete: async () => void kept.set(sopInstanceUid, Buffer.concat(parts)),
        abort: async () => void abandoned++,
      };
    },
  };

  async function start(timers: { messageSeconds: number; idleSeconds: number }): Promise<void> {
    under = await listenerUnderTest(
      {
        dimse: timers,
        peers: [{ aeTitle: "HOSTILE", host: "127.0.0.1", allow: ["store", "query"] }],
      },
      { store },
    );
    kept.clear();
    abandoned = 0;
    peer = await rawPeer(under.port);
    peer.send(associate());
    expect((await peer.next())!.type).to.equal(2);
  }
  const withMessageTimer = () =>
    start({ messageSeconds: SHORT_SECONDS, idleSeconds: NEVER_SECONDS });
  const withIdleTimer = () => start({ messageSeconds: NEVER_SECONDS, idleSeconds: SHORT_SECONDS });

  afterEach(async () => {
    peer.end();
    await under.stop();
  });

  const dataSetOf = (random: Random, bytes: number) =>
    Buffer.from(Array.from({ length: bytes }, () => random.integer(256)));
  const storeCommand = (uid: string) => command(storeFields(uid));

  /** The status of the next response, which is not a Pending one. */
  async function status(): Promise<number> {
    const answer = await peer.next();
    expect(answer?.type, "P-DATA-TF").to.equal(4);
    const set = answer!.body.subarray(PDV_HEAD_BYTES);
    return set.readUInt16LE(set.indexOf(Buffer.of(0, 0, 0, 9, 2, 0, 0, 0)) + 8);
  }
  async function release(): Promise<void> {
    peer.send(RELEASE_RQ);
    expect((await peer.next())!.type).to.equal(6);
    await peer.closed();
  }
  async function expectAbort(): Promise<void> {
    const answer = await peer.next();
    expect([answer?.type, ...(answer?.body.subarray(2) ?? [])]).to.deep.equal([
      7,
      ...ABORT_BY_USER,
    ]);
  }

  it("is served when the pauses together are longer than the message timer", async () => {
    await withMessageTimer();
    const random = randomFrom("slow pieces");
    const room = PIECE_BYTES - PDV_HEAD_BYTES;
    const dataSet = dataSetOf(random, room * PIECES);
    const whole = storeCommand("1.2.3.1");
    peer.send(pData(pdv(CONTEXT.storeExplicit, COMMAND_PART, whole.subarray(0, 20))));
    await sleep(PAUSE_MS);
    peer.send(pData(pdv(CONTEXT.storeExplicit, COMMAND_LAST, whole.subarray(20))));
    for (let piece = 0; piece < PIECES; piece++) {
      await sleep(PAUSE_MS);
      const header = piece === PIECES - 1 ? DATA_LAST : DATA_PART;
      const part = dataSet.subarray(piece * room, (piece + 1) * room);
      const bytes = pData(pdv(CONTEXT.storeExplicit, header, part));
      expect(bytes.length - 6).to.equal(PIECE_BYTES);
      // Each cut in the TCP stream too: inside the heads, and inside the data.
      const cut = random.pick([1, 5, 6, 9, 11, 12, 13, 8_000]);
      peer.send(bytes.subarray(0, cut));
      await sleep(20);
      peer.send(bytes.subarray(cut));
    }
    expect(await status()).to.equal(0);
    expect(kept.get("1.2.3.1")!.equals(dataSet)).to.equal(true);
    await release();
  });

  it("is served byte by byte", async () => {
    await withMessageTimer();
    for (const byte of echoPdu()) {
      peer.send(Buffer.of(byte));
      await sleep(3);
    }
    expect(await status()).to.equal(0);
    await release();
  });

  it("is served while it is silent between messages for less than the idle time", async () => {
    await withIdleTimer();
    for (let message = 1; message <= 4; message++) {
      await sleep(PAUSE_MS);
      peer.send(echoPdu(message));
      expect(await status()).to.equal(0);
    }
    await release();
  });

  it("has the message time for a message that it began when its idle time was nearly over", async () => {
    await withIdleTimer();
    await sleep(SHORT_SECONDS * 600);
    const bytes = echoPdu();
    const set = command(echoFields());
    for (const part of [
      pData(pdv(CONTEXT.echo, COMMAND_PART, set.subarray(0, 20))),
      pData(pdv(CONTEXT.echo, COMMAND_LAST, set.subarray(20))),
      bytes.subarray(0, 40),
      bytes.subarray(40),
    ]) {
      peer.send(part);
      await sleep(SHORT_SECONDS * 600);
    }
    for (const _ of [1, 2]) expect(await status()).to.equal(0);
    await release();
  });

  it("is stored right however PDUs and PDVs are split", async () => {
    await withMessageTimer();
    const random = randomFrom("split at random");
    for (let instance = 0; instance < 20; instance++) {
      const uid = `1.2.4.${instance}`;
      const dataSet = dataSetOf(random, 2 * random.integer(60_000) + 2);
      await sendSplit(random, storeCommand(uid), dataSet);
      expect(await status()).to.equal(0);
      expect(kept.get(uid)!.equals(dataSet), uid).to.equal(true);
    }
    await release();
    expect(abandoned).to.equal(0);
  });

  for (const { name, send } of [
    {
      name: "a command set",
      send: () =>
        pData(pdv(CONTEXT.storeExplicit, COMMAND_PART, storeCommand("1.2.5").subarray(0, 30))),
    },
    {
      name: "a PDU",
      send: () =>
        pData(pdv(CONTEXT.storeExplicit, COMMAND_LAST, storeCommand("1.2.5"))).subarray(0, 50),
    },
    {
      name: "the head of a PDU",
      send: () => echoPdu().subarray(0, 3),
    },
  ])
    it(`is aborted when it pauses for longer than the message timer inside ${name}`, async () => {
      await withMessageTimer();
      peer.send(send());
      await expectAbort();
    });

  it("is aborted when it pauses for longer than the message timer inside a data set, which is given up", async () => {
    await withMessageTimer();
    peer.send(pData(pdv(CONTEXT.storeExplicit, COMMAND_LAST, storeCommand("1.2.6"))));
    peer.send(pData(pdv(CONTEXT.storeExplicit, DATA_PART, Buffer.alloc(PIECE_BYTES - 6))));
    await expectAbort();
    await waitFor(
      async () => abandoned,
      (count) => count === 1,
    );
    expect(kept.size).to.equal(0);
  });

  it("is aborted when it is silent between messages for longer than the idle time", async () => {
    await withIdleTimer();
    peer.send(echoPdu());
    expect(await status()).to.equal(0);
    await expectAbort();
  });

  /** The message in PDVs and PDUs of random size, several of a kind in one PDU, written in random pieces. */
  async function sendSplit(random: Random, commandSet: Buffer, dataSet: Buffer): Promise<void> {
    const pdvs = [
      ...pieces(random, commandSet, 40, COMMAND_PART, COMMAND_LAST),
      ...pieces(random, dataSet, PIECE_BYTES - 12, DATA_PART, DATA_LAST),
    ];
    const pdus: Buffer[] = [];
    for (let from = 0; from < pdvs.length; ) {
      let to = from + 1;
      const size = () => pdvs.slice(from, to + 1).reduce((sum, one) => sum + one.length, 0);
      while (to < pdvs.length && size() <= PIECE_BYTES && random.integer(4) > 0) to++;
      pdus.push(pData(...pdvs.slice(from, to)));
      from = to;
    }
    const stream = Buffer.concat(pdus);
    for (let at = 0; at < stream.length; ) {
      const to = at + 1 + random.integer(random.pick([10, 1_000, 40_000]));
      peer.send(stream.subarray(at, to));
      if (random.integer(3) === 0) await sleep(random.integer(4));
      at = to;
    }
  }
});

function pieces(random: Random, bytes: Buffer, max: number, part: number, last: number): Buffer[] {
  const found: Buffer[] = [];
  for (let at = 0; at < bytes.length; ) {
    const to = Math.min(bytes.length, at + 2 * random.integer(max / 2) + 2);
    found.push(
      pdv(CONTEXT.storeExplicit, to === bytes.length ? last : part, bytes.subarray(at, to)),
    );
    at = to;
  }
  return found;
}
