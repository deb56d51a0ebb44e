import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { connect, createServer, type Server, type Socket } from "node:net";
import { expect } from "chai";
import { withReadBuffer } from "../../../src/dimse/read-buffer.ts";

/** A peer, and the connection as our side of it reads it. */
async function connected(server: Server): Promise<{ peer: Socket; accepted: Socket }> {
  const { port } = server.address() as { port: number };
  const peer = connect({ port, host: "127.0.0.1" });
  peer.on("error", () => undefined);
  const [accepted] = (await once(server, "connection")) as [Socket];
  return { peer, accepted };
}

const countOf = (server: Server) =>
  new Promise<number>((resolve, reject) =>
    server.getConnections((error, count) => (error === null ? resolve(count) : reject(error))),
  );

describe("a connection with a read buffer of its own", () => {
  let server: Server;
  beforeEach(async () => {
    server = createServer({ pauseOnConnect: true });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
  });
  afterEach(() => void server.close());

  it("is another socket: this version of Node lets a handle move", async () => {
    const { peer, accepted } = await connected(server);
    const socket = withReadBuffer(accepted);
    expect(socket).not.to.equal(accepted);
    expect(socket.remotePort).to.equal(peer.localPort);
    peer.destroy();
    await once(socket.resume(), "close");
  });

  it("brings every byte in order, in one buffer that stays as it is while reading is paused", async () => {
    const { peer, accepted } = await connected(server);
    const socket = withReadBuffer(accepted);
    const sent = randomBytes(3_000_000);
    const got: Buffer[] = [];
    const memory = new Set<ArrayBufferLike>();
    socket.on("data", (chunk: Buffer) => {
      const copy = Buffer.from(chunk);
      got.push(copy);
      memory.add(chunk.buffer);
      socket.pause();
      setImmediate(() => {
        expect(chunk.equals(copy), "overwritten while paused").to.equal(true);
        socket.resume();
      });
    });
    socket.resume();
    peer.end(sent);
    await once(socket, "end");
    expect(Buffer.concat(got).equals(sent)).to.equal(true);
    expect(memory.size).to.equal(1);
  });

  it("stops reading while it is paused, so that the peer must wait", async () => {
    const { peer, accepted } = await connected(server);
    const socket = withReadBuffer(accepted);
    let bytes = 0;
    socket.on("data", (chunk: Buffer) => {
      bytes += chunk.length;
      socket.pause();
    });
    socket.resume();
    const large = Buffer.alloc(64_000_000);
    peer.write(large);
    for (let turn = 0; turn < 200; turn++) await new Promise(setImmediate);
    expect(bytes).to.be.within(1, 131_072);
    expect(peer.writableLength).to.be.greaterThan(0);
    peer.destroy();
    await once(socket.destroy(), "close");
  });

  it("writes, and is counted by the server until it is closed", async () => {
    const { peer, accepted } = await connected(server);
    const socket = withReadBuffer(accepted);
    socket.write("answer");
    const [answer] = (await once(peer, "data")) as [Buffer];
    expect(answer.toString()).to.equal("answer");
    expect(await countOf(server)).to.equal(1);
    const closed = once(accepted, "close");
    socket.destroy();
    await closed;
    expect(await countOf(server)).to.equal(0);
  });

  for (const [what, end] of [
    ["closes", (peer: Socket) => peer.end()],
    ["resets it", (peer: Socket) => peer.resetAndDestroy()],
  ] as const) {
    it(`ends when the peer ${what}`, async () => {
      const { peer, accepted } = await connected(server);
      const socket = withReadBuffer(accepted);
      socket.on("error", () => undefined);
      socket.on("data", () => undefined);
      const closed = new Promise((resolve) => socket.once("close", resolve));
      end(peer);
      await closed;
      expect(socket.destroyed).to.equal(true);
    });
  }

  it("stays what it was when something was read from it", async () => {
    const { peer, accepted } = await connected(server);
    peer.write("PROXY");
    await once(accepted, "readable");
    expect(withReadBuffer(accepted)).to.equal(accepted);
    expect((accepted.read() as Buffer).toString()).to.equal("PROXY");
    accepted.destroy();
    peer.destroy();
  });
});
