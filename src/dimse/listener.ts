/** The DICOM listener: takes connections, decides about their associations, and ends them in order. */
import { lookup } from "node:dns/promises";
import { isIP } from "node:net";
import type { Config, Peer } from "../config/schema.ts";
import type { Logger } from "../kernel/log.ts";
import type { Metrics } from "../kernel/metrics.ts";
import { type AcceptedAssociation, acceptAssociation, printable } from "./acceptor.ts";
import { createAdmission } from "./admission.ts";
import { type AssociationCounts, createAssociationCounts } from "./association-counts.ts";
import { type Connection, createConnections, type ListenerAddress } from "./connections.ts";
import type { Decision } from "./policy.ts";
import type { FindSource, StoreSink } from "./ports.ts";
import { RefusalLog } from "./refusal-log.ts";
import type { CommitmentService } from "./services/commitment.ts";
import { dispatch } from "./services/dispatch.ts";
import type { RetrieveService } from "./services/retrieve.ts";
import type { TlsFiles } from "./tls-files.ts";
import { createUserCheck, type TokenVerifier } from "./user-identity.ts";

export interface DimseListenerOptions {
  readonly config: Config["dimse"];
  readonly peers: readonly Peer[];
  readonly store: StoreSink;
  readonly find: FindSource;
  /** Without it storage commitment is answered 0211H. */
  readonly commitment?: CommitmentService | undefined;
  /** Without it C-MOVE and C-GET are answered 0211H. */
  readonly retrieve?: RetrieveService;
  /** Needed where `config.tls.port` is set. */
  readonly tls?: TlsFiles | undefined;
  /** Proves tokens of user identities; without it they prove nothing. */
  readonly verifyToken?: TokenVerifier | undefined;
  /** Without it this process counts its own associations. */
  readonly counts?: AssociationCounts | undefined;
  readonly log: Logger;
  readonly metrics: Metrics;
}

export interface DimseListener {
  /** @throws KindredError `UNAVAILABLE` when a port is taken */
  start(): Promise<ListenerAddress>;
  /** Stops accepting, lets running messages end within `releaseSeconds`, then aborts the rest. */
  stop(): Promise<void>;
  /** Connections that have an association or may still ask for one. */
  openAssociations(): number;
}

/** Label of a refused presentation context, by its result. PS3.8 Table 9-18. */
const REFUSED_CONTEXT: Readonly<Record<number, string>> = {
  1: "permission",
  3: "abstract-syntax",
  4: "transfer-syntaxes",
};

export function createDimseListener(options: DimseListenerOptions): DimseListener {
  const { config, log, metrics } = options;
  const nowMs = () => performance.now();
  const refusals = new RefusalLog(log, nowMs);
  const open = new Set<AcceptedAssociation>();
  let peers = options.peers;
  let isStopping = false;
  const admission = createAdmission({
    config,
    counts: options.counts ?? createAssociationCounts(),
    checkUser: createUserCheck({ config, verifyToken: options.verifyToken, refusals }),
    nowMs,
    isStopping: () => isStopping,
  });
  const connections = createConnections({
    config,
    tlsFiles: options.tls,
    refusals,
    metrics,
    nowMs,
    onConnection: accept,
  });

  function accept(connection: Connection): void {
    const { socket, remoteAddress } = connection;
    const startedAt = nowMs();
    const closed = new AbortController();
    socket.once("close", () => closed.abort());
    let peer: Peer | undefined;
    let leave: () => void = () => undefined;
    const association = acceptAssociation({
      socket,
      remoteAddress,
      limits: config,
      log,
      refusals,
      async decide(request) {
        const { decision, close } = await admission.admit(connection, request, peers);
        leave = close;
        if ("accept" in decision) peer = decision.accept.peer;
        countContexts(decision, request.callingAeTitle);
        return decision;
      },
      async dispatch(command, context, responder) {
        await admission.turn(peer, closed.signal);
        return dispatch(options, command, context, responder);
      },
    });
    open.add(association);
    metrics.associationsOpen.set(open.size);
    void association.done.then((end) => {
      leave();
      open.delete(association);
      metrics.associationsOpen.set(open.size);
      logEnd(remoteAddress, nowMs() - startedAt, end);
    });
  }

  /** One line and one count for the presentation contexts that were refused; each has its result in the answer. */
  function countContexts(decision: Decision, callingAeTitle: string): void {
    if (!("accept" in decision)) return;
    const refused: Record<string, number> = {};
    for (const { result } of decision.accept.contexts) {
      const reason = REFUSED_CONTEXT[result];
      if (reason === undefined) continue;
      refused[reason] = (refused[reason] ?? 0) + 1;
      metrics.contextRefusalsTotal.inc({ reason });
    }
    if (Object.keys(refused).length === 0) return;
    const facts = { event: "contexts.refused", peer_ae: printable(callingAeTitle), refused };
    refusals.warn("contexts.refused", facts, "presentation contexts refused");
  }

  function logEnd(
    remote: string,
    durationMs: number,
    { outcome, info, rejection }: Awaited<AcceptedAssociation["done"]>,
  ): void {
    metrics.associationsTotal.inc({ outcome });
    if (rejection !== undefined) {
      // Its line was written when it was rejected.
      metrics.associationRejectsTotal.inc({ reason: rejection });
      return;
    }
    const facts = {
      event: "association.ended",
      assoc: info?.id,
      peer_ae: info?.callingAeTitle,
      local_ae: info?.calledAeTitle,
      user: info?.userName === undefined ? undefined : "proven",
      remote,
      outcome,
      duration_ms: Math.round(durationMs),
    };
    if (info !== undefined) log.info(facts, "association ended");
    else refusals.info("connection.ended", facts, "connection ended without an association");
  }

  return {
    openAssociations: () => open.size,
    async start() {
      peers = await Promise.all(options.peers.map((one) => resolveNames(one, log)));
      return connections.listen();
    },
    async stop() {
      isStopping = true;
      const closed = connections.close();
      const all = [...open];
      for (const association of all) association.endSoon();
      const timer = setTimeout(() => {
        for (const association of open) association.abort();
      }, config.releaseSeconds * 1000);
      // A peer that does not close after A-ABORT is destroyed by ARTIM; do not wait for it that long.
      await Promise.race([
        Promise.all(all.map((one) => one.done)),
        sleep(config.releaseSeconds * 1000 + 1000),
      ]);
      clearTimeout(timer);
      // What could not be reported on them is handed over while the database is still open.
      await Promise.race([options.commitment?.settled(), sleep(1000)]);
      await Promise.race([closed, sleep(1000)]);
    },
  };
}

function sleep(milliseconds: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, milliseconds).unref();
  });
}

/** Host names become addresses once, at start; ranges and addresses stay as they are. */
async function resolveNames(peer: Peer, log: Logger): Promise<Peer> {
  const hosts = typeof peer.host === "string" ? [peer.host] : peer.host;
  const resolved: string[] = [];
  for (const host of hosts) {
    if (host === "localhost" || isIP(host.split("/")[0]!) !== 0) {
      resolved.push(host);
      continue;
    }
    const addresses = await lookup(host, { all: true }).catch(() => {
      log.warn(
        { event: "peer.unresolved", peer_ae: peer.aeTitle },
        "a peer's host name cannot be resolved; it cannot call until restart",
      );
      return [];
    });
    resolved.push(...addresses.map((one) => one.address));
  }
  return { ...peer, host: resolved.length > 0 ? resolved : peer.host };
}
