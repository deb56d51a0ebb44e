/** A storage SCP that does as the test says: refuse contexts or associations, answer statuses, stall, abort. */
import { createServer, type Server, type Socket } from "node:net";
import { acceptAssociation } from "../../src/dimse/acceptor.ts";
import { type CommandSet, encodeResponse } from "../../src/dimse/command-set.ts";
import { RefusalLog } from "../../src/dimse/refusal-log.ts";
import type { AssociateRq } from "../../src/dimse/upper-layer/associate-pdu.ts";
import { silentLogger } from "../../src/kernel/log.ts";

export interface Received {
  readonly command: CommandSet;
  readonly transferSyntaxUid: string;
  readonly dataSet: Buffer;
  /** Counted from 0 over all associations. */
  readonly association: number;
}

/** What becomes of the C-STORE with this index (from 0): a status, or no answer. */
export type Act = number | "stall" | "abort";

export interface Script {
  /** Awaited before the answer. */
  act?(index: number, received: Received): Act | Promise<Act>;
  accepts?(sopClassUid: string, transferSyntaxUid: string): boolean;
  /** Reject the association with this index: result and reason of A-ASSOCIATE-RJ. */
  rejects?(index: number): { result: 1 | 2; reason: number } | undefined;
  /** Leave the bytes of the data set unread. */
  readsNothing?: boolean;
}

export interface ScriptedDestination {
  readonly port: number;
  readonly received: Received[];
  readonly requests: AssociateRq[];
  script: Script;
  reset(): void;
  stop(): Promise<void>;
}

export async function startScriptedDestination(): Promise<ScriptedDestination> {
  const sockets = new Set<Socket>();
  const destination = {
    received: [] as Received[],
    requests: [] as AssociateRq[],
    script: {} as Script,
    reset() {
      destination.received.length = 0;
      destination.requests.length = 0;
      destination.script = {};
    },
  };
  const server: Server = createServer((socket) => {
    const index = destination.requests.length;
    sockets.add(socket);
    const { script } = destination;
    const association = acceptAssociation({
      socket,
      remoteAddress: "127.0.0.1",
      limits: {
        maxPduBytes: 16_384,
        artimSeconds: 1,
        idleSeconds: 60,
        messageSeconds: 60,
        writeSeconds: 60,
      },
      log: silentLogger(),
      refusals: new RefusalLog(silentLogger(), () => Date.now()),
      async decide(request) {
        destination.requests.push(request);
        const rejection = script.rejects?.(index);
        if (rejection !== undefined) return { reject: { ...rejection, source: 1, why: "script" } };
        const contexts = request.contexts.map(({ id, abstractSyntax, transferSyntaxes }) => {
          const transferSyntax = transferSyntaxes[0]!;
          const isTaken = script.accepts?.(abstractSyntax, transferSyntax) !== false;
          return { id, transferSyntax, result: isTaken ? (0 as const) : (4 as const) };
        });
        return {
          accept: { contexts, isKnownPeer: true, permissions: [], roles: [], extended: [] },
        };
      },
      async dispatch(command, context, responder) {
        const parts: Buffer[] = [];
        return {
          data(piece) {
            parts.push(Buffer.from(piece));
            return script.readsNothing === true ? new Promise(() => undefined) : Promise.resolve();
          },
          async end() {
            const one = {
              command,
              transferSyntaxUid: context.transferSyntax,
              dataSet: Buffer.concat(parts),
              association: index,
            };
            const at = destination.received.push(one) - 1;
            const act = (await script.act?.(at, one)) ?? 0;
            if (act === "abort") association.abort();
            else if (act !== "stall")
              await responder.send(context.id, encodeResponse(command, { status: act }));
          },
          abort: async () => undefined,
        };
      },
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return Object.assign(destination, {
    port: (server.address() as { port: number }).port,
    async stop() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  });
}
