import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { connect, createServer, type Server, type Socket } from "node:net";
import { expect } from "chai";
import { withReadBuffer } from "../../../src/dimse/read-buffer.ts";
import { encodeAssociateRq } from "../../../src/dimse/upper-layer/associate-pdu.ts";
import { encodePData } from "../../../src/dimse/upper-layer/pdu.ts";
import { UpperLayer } from "../../../src/dimse/upper-layer/upper-layer.ts";

const limits = {
  maxPduBytes: 65_536,
  artimSeconds: 5,
  idleSeconds: 5,
  messageSeconds: 5,
  writeSeconds: 5,
};
const request = {
  calledAeTitle: "US",
  callingAeTitle: "THEM",
  applicationContext: "1.2.840.10008.3.1.1.1",
  protocolVersion: 1,
  contexts: [{ id: 1, abstractSyntax: "1.2.3", transferSyntaxes: ["1.2.840.10008.1.2"] }],
  user: {
    maximumLength: 16_384,
    implementationClassUid: "1.2.3.4",
    implementationVersionName: "TEST",
  },
};
const answer = {
  ...request,
  contexts: [{ id: 1, result: 0 as const, transferSyntax: "1.2.840.10008.1.2" }],
};
const fragment = (data: Buffer) =>
  encodePData({ contextId: 1, isCommand: false, isLast: true, data });
const later = () => new Promise<void>((resolve) => setTimeout(resolve, 5));

describe("chunks that are lent to the upper layer", () => {
  let server: Server;
  let peer: Socket;
  let socket: Socket;
  beforeEach(async () => {
    server = createServer({ pauseOnConnect: true });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const { port } = server.address() as { port: number };
    peer = connect({ port, host: "127.0.0.1" });
    peer.on("error", () => undefined);
    const [accepted] = (await once(server, "connection")) as [Socket];
    socket = withReadBuffer(accepted);
  });
  afterEach(() => {
    peer.destroy();
    socket.destroy();
    server.close();
  });

  /** @param wait - how long the user takes for a fragment */
  function serve(wait: () => Promise<void> | undefined): { got: Buffer[]; most: () => number } {
    const got: Buffer[] = [];
    let [open, most] = [0, 0];
    const layer = new UpperLayer({
      socket,
      role: "acceptor",
      limits,
      user: {
        associateIndicated: async () => ({ accept: answer as never }),
        dataIndicated({ data }) {
          most = Math.max(most, ++open);
          const pending = wait();
          const take = () => {
            open--;
            // Only now: the bytes must still be there.
            got.push(Buffer.from(data));
          };
          if (pending !== undefined) return pending.then(take);
          take();
          return undefined;
        },
        releaseIndicated: async () => undefined,
        awaiting: () => "next message",
        ended: () => undefined,
      },
    });
    void layer.run();
    return { got, most: () => most };
  }

  let turn = 0;
  const waits: readonly (readonly [string, () => Promise<void> | undefined])[] = [
    ["takes no time", () => undefined],
    ["takes a promise that is settled", () => Promise.resolve()],
    [
      "takes a chain of promises that are settled",
      async () => {
        for (let i = 0; i < 50; i++) await undefined;
      },
    ],
    ["takes time", later],
    ["takes these in turn", () => [undefined, Promise.resolve(), later()][turn++ % 3]],
  ];
  for (const [name, wait] of waits) {
    it(`are as they came until the user is done, who ${name}`, async () => {
      const { got, most } = serve(wait);
      peer.write(encodeAssociateRq(request as never));
      await once(peer, "data");
      const sent = Array.from({ length: 60 }, (_, index) =>
        randomBytes(1 + ((index * 7919) % 60_000)),
      );
      for (const one of sent) peer.write(fragment(one));
      const length = sent.reduce((sum, one) => sum + one.length, 0);
      while (got.reduce((sum, one) => sum + one.length, 0) < length) await later();
      expect(Buffer.concat(got).equals(Buffer.concat(sent))).to.equal(true);
      expect(most(), "calls at a time").to.equal(1);
    });
  }

  it("may come two at once before the first is handled: the later are copied, and wait in order", async () => {
    const { got, most } = serve(later);
    peer.write(encodeAssociateRq(request as never));
    await once(peer, "data");
    const sent = [randomBytes(100), randomBytes(200), randomBytes(300)];
    socket.emit("data", fragment(sent[0]!));
    const lent = Buffer.concat([fragment(sent[1]!), fragment(sent[2]!)]);
    const half = Buffer.from(lent.subarray(0, 150));
    socket.emit("data", half);
    half.fill(0);
    expect(socket.isPaused()).to.equal(true);
    socket.emit("data", lent.subarray(150));
    while (Buffer.concat(got).length < 600) await later();
    expect(Buffer.concat(got).equals(Buffer.concat(sent))).to.equal(true);
    expect(most()).to.equal(1);
    expect(socket.isPaused()).to.equal(false);
  });
});
