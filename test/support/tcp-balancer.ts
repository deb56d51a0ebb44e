/** A TCP balancer as it stands before several nodes: connections in turn, those that no node takes to the next, PROXY v2. */
import { connect, createServer, type Server, type Socket } from "node:net";
import { proxyHeader } from "./proxy-header.ts";

export interface TcpBalancer {
  readonly port: number;
  /** Connections that were given to each port. */
  readonly given: ReadonlyMap<number, number>;
  stop(): Promise<void>;
}

export async function startTcpBalancer(ports: readonly number[]): Promise<TcpBalancer> {
  const given = new Map(ports.map((port) => [port, 0]));
  const open = new Set<Socket>();
  let turn = 0;
  const server: Server = createServer({ allowHalfOpen: true }, (client) => {
    track(open, client);
    client.pause();
    void dial(ports, turn++).then((node) => {
      if (node === undefined) return client.destroy();
      track(open, node);
      const port = node.remotePort!;
      given.set(port, given.get(port)! + 1);
      node.write(proxyHeader(client.remoteAddress!.replace(/^::ffff:/, "")));
      join(client, node);
      join(node, client);
      return client.resume();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    port: (server.address() as { port: number }).port,
    given,
    async stop() {
      for (const socket of open) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

function track(open: Set<Socket>, socket: Socket): void {
  open.add(socket);
  socket.once("close", () => open.delete(socket));
}

/** What one side sends and how it ends, the other gets. */
function join(from: Socket, to: Socket): void {
  from.pipe(to);
  from.on("error", () => to.resetAndDestroy());
}

/** The first node in turn that takes the connection. */
async function dial(ports: readonly number[], first: number): Promise<Socket | undefined> {
  for (let at = 0; at < ports.length; at++) {
    const socket = await new Promise<Socket | undefined>((resolve) => {
      const one = connect({
        host: "127.0.0.1",
        port: ports[(first + at) % ports.length]!,
        allowHalfOpen: true,
      });
      one.once("connect", () => resolve(one));
      one.once("error", () => resolve(undefined));
    });
    if (socket !== undefined) return socket;
  }
  return undefined;
}
