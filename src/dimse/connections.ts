/**
 * Connections before their association: both ports, the PROXY header of a balancer, the TLS handshake, and how many may
 * wait at once. What comes out is a socket of which is known who called and by which certificate.
 */

import type { X509Certificate } from "node:crypto";
import { createServer, type Server, type Socket } from "node:net";
import { createServer as createTlsServer, type TLSSocket } from "node:tls";
import type { Config } from "../config/schema.ts";
import { KindredError } from "../kernel/errors.ts";
import { WAITING_CONNECTIONS_MAX, WAITING_CONNECTIONS_PER_ADDRESS_MAX } from "../kernel/limits.ts";
import type { Metrics } from "../kernel/metrics.ts";
import { isInRanges, plainAddress } from "./address-ranges.ts";
import { add } from "./association-counts.ts";
import { readProxyHeader } from "./proxy-protocol.ts";
import { perMinute, RateLimits } from "./rate-limit.ts";
import { withReadBuffer } from "./read-buffer.ts";
import type { RefusalLog } from "./refusal-log.ts";
import { serverOptions } from "./tls.ts";
import type { TlsFiles } from "./tls-files.ts";
import { certificateFailure, type HandshakeFailure, handshakeFailure } from "./tls-handshake.ts";
import { ABORT_REASON, ABORT_SOURCE, encodeAbort } from "./upper-layer/pdu.ts";

/** A connection that may ask for an association. */
export interface Connection {
  readonly socket: Socket;
  /** The peer's address: the socket's, or the one that a trusted balancer told. */
  readonly remoteAddress: string;
  /** Set on the TLS port: with the caller's certificate, if it showed one that our CA signed. */
  readonly tls: { readonly certificate: X509Certificate | undefined } | undefined;
}

export interface ListenerAddress {
  readonly host: string;
  /** The port without TLS; where that is off, the one with TLS. */
  readonly port: number;
  /** Port without TLS, unless it is off. */
  readonly plainPort: number | undefined;
  /** Port with TLS, unless it is off. */
  readonly tlsPort: number | undefined;
}

export interface ConnectionsOptions {
  readonly config: Config["dimse"];
  /** Needed where `tls.port` is set. */
  readonly tlsFiles: TlsFiles | undefined;
  readonly refusals: RefusalLog;
  readonly metrics: Metrics;
  /** Monotonic, milliseconds. */
  readonly nowMs: () => number;
  onConnection(connection: Connection): void;
}

export interface Connections {
  /** @throws KindredError `UNAVAILABLE` when a port is taken, `CONFIG_INVALID` without the TLS files */
  listen(): Promise<ListenerAddress>;
  /** Closes the ports and every connection that has no association yet; resolves when all sockets are closed. */
  close(): Promise<void>;
}

export function createConnections(options: ConnectionsOptions): Connections {
  const { config, refusals, metrics } = options;
  const servers: Server[] = [];
  /** Sockets by address, with and without association. */
  const fromAddress = new Map<string, number>();
  // Twice the rate of associations: who exceeds that is rejected first, and closed unread only when it goes on.
  const rates = new RateLimits();
  const connectionRate = perMinute(config.associationsPerMinute * 2);
  /** Sockets that are not handed on yet. */
  const early = new Set<Socket>();
  const tls = config.tls.port === null ? undefined : createHandshakes(options);

  async function take(socket: Socket, isTls: boolean): Promise<void> {
    socket.on("error", () => undefined);
    early.add(socket);
    socket.once("close", () => early.delete(socket));
    const remoteAddress = await addressOf(socket, isTls);
    if (remoteAddress === undefined || socket.destroyed) return;
    if (!rates.take(remoteAddress, connectionRate, options.nowMs())) {
      refuse("rate-of-address", remoteAddress);
      socket.destroy();
      return;
    }
    const open = fromAddress.get(remoteAddress) ?? 0;
    if (open >= config.associationsPerPeerMax + WAITING_CONNECTIONS_PER_ADDRESS_MAX) {
      refuse("connections-from-address", remoteAddress);
      socket.destroy();
      return;
    }
    add(fromAddress, remoteAddress, 1);
    socket.once("close", () => add(fromAddress, remoteAddress, -1));
    if (!isTls) {
      early.delete(socket);
      options.onConnection({ socket: withReadBuffer(socket), remoteAddress, tls: undefined });
      return;
    }
    tls!.begin(socket, remoteAddress, (secure) => {
      early.delete(socket);
      options.onConnection(secure);
    });
  }

  /** Undefined when the connection ends here. */
  async function addressOf(socket: Socket, isTls: boolean): Promise<string | undefined> {
    const direct = plainAddress(socket.remoteAddress ?? "");
    if (!isInRanges(direct, config.proxyFrom)) return direct;
    try {
      const { sourceAddress } = await readProxyHeader(socket, config.artimSeconds);
      return sourceAddress === undefined ? direct : plainAddress(sourceAddress);
    } catch (error) {
      // A balancer looks whether we are there by connecting and closing.
      if (socket.bytesRead > 0 || !socket.readableEnded)
        refuse("proxy-header", direct, (error as Error).message);
      const { provider } = ABORT_SOURCE;
      if (!isTls && socket.writable)
        socket.end(encodeAbort(provider, ABORT_REASON.unrecognizedPdu));
      setTimeout(() => socket.destroy(), 1000).unref();
      return undefined;
    }
  }

  function refuse(reason: string, remote: string, why?: string): void {
    metrics.connectionRefusalsTotal.inc({ reason });
    refusals.warn(
      `connection.refused ${reason}`,
      { event: "connection.refused", reason, remote, why },
      "connection closed",
    );
  }

  async function listen(port: number, setting: string, isTls: boolean): Promise<number> {
    const server = createServer({ allowHalfOpen: false, pauseOnConnect: !isTls }, (socket) => {
      void take(socket, isTls);
    });
    server.maxConnections = config.associationsMax + WAITING_CONNECTIONS_MAX;
    // In a receiver process too: closed there, not handed round (not in the types yet).
    Object.assign(server, { dropMaxConnection: true });
    server.on("drop", (dropped) => refuse("connections-max", dropped?.remoteAddress ?? ""));
    servers.push(server);
    await new Promise<void>((resolve, reject) => {
      server.once("error", (error: NodeJS.ErrnoException) =>
        reject(
          new KindredError(
            "UNAVAILABLE",
            `DICOM cannot listen on ${config.host}:${port} (${error.code}): set ${setting} to a free one`,
            { cause: error },
          ),
        ),
      );
      server.listen(port, config.host, resolve);
    });
    const address = server.address();
    return typeof address === "object" && address !== null ? address.port : port;
  }

  return {
    async listen() {
      // One after the other: receivers that share ports must ask for them in the same order.
      const plainPort =
        config.port === null ? undefined : await listen(config.port, "dimse.port", false);
      const tlsPort =
        config.tls.port === null
          ? undefined
          : await listen(config.tls.port, "dimse.tls.port", true);
      return { host: config.host, port: (plainPort ?? tlsPort)!, plainPort, tlsPort };
    },
    async close() {
      for (const socket of early) socket.destroy();
      tls?.close();
      await Promise.all(
        servers
          .filter((server) => server.listening)
          .map((server) => new Promise<void>((resolve) => server.close(() => resolve()))),
      );
    },
  };
}

interface Handshake {
  readonly key: string;
  readonly raw: Socket;
  readonly remoteAddress: string;
  done(connection: Connection): void;
}

/**
 * TLS over connections that were accepted already: a TLS server that listens nowhere gets them one by one, and its files
 * may change while it runs.
 */
function createHandshakes(options: ConnectionsOptions) {
  const { config, tlsFiles, refusals, metrics } = options;
  if (tlsFiles === undefined)
    throw new KindredError("CONFIG_INVALID", "dimse.tls.port needs dimse.tls.keyFile and certFile");
  const { requireClientCertificate } = config.tls;
  const settings = (credentials = tlsFiles.current()) =>
    serverOptions(credentials, config.artimSeconds);
  const server = createTlsServer(settings());
  tlsFiles.onChange((credentials) => server.setSecureContext(settings(credentials)));
  /** Handshakes under way, by the far end of their connection: no two open ones share it. */
  const pending = new Map<string, Handshake>();
  const keyOf = (socket: Socket) => `${socket.remoteAddress} ${socket.remotePort}`;

  server.on("secureConnection", (socket) => {
    const one = pending.get(keyOf(socket));
    pending.delete(keyOf(socket));
    if (one === undefined) {
      socket.destroy();
      return;
    }
    // Authorized: signed by our CA, in its dates, not revoked. Anything else shown is as if nothing had been.
    const certificate = socket.authorized ? socket.getPeerX509Certificate() : undefined;
    if (certificate === undefined && requireClientCertificate) {
      const isShown = socket.getPeerX509Certificate() !== undefined;
      refuse(socket, one.remoteAddress, certificateFailure(isShown, socket.authorizationError));
      return;
    }
    metrics.tlsHandshakesTotal.inc({ outcome: "ok" });
    one.done({ socket, remoteAddress: one.remoteAddress, tls: { certificate } });
  });
  server.on("tlsClientError", (error, socket: TLSSocket) => {
    // A socket that is gone tells no address any more: then it is that of a connection that has just ended.
    const one =
      pending.get(keyOf(socket)) ?? [...pending.values()].find(({ raw }) => raw.destroyed);
    if (one !== undefined) pending.delete(one.key);
    const failure = handshakeFailure(error);
    // Somebody looked whether the port is open: counted, and no matter for a log.
    if (failure.outcome === "closed" && one?.raw.bytesRead === 0)
      metrics.tlsHandshakesTotal.inc({ outcome: failure.outcome });
    else refuse(socket, one?.remoteAddress, failure);
  });

  function refuse(
    socket: TLSSocket,
    remote: string | undefined,
    { outcome, hint }: HandshakeFailure,
  ): void {
    socket.on("error", () => undefined);
    socket.destroy();
    metrics.tlsHandshakesTotal.inc({ outcome });
    const facts = { event: "tls.refused", outcome, remote, why: hint };
    refusals.warn(`tls.refused ${outcome}`, facts, "TLS handshake failed");
  }

  return {
    begin(socket: Socket, remoteAddress: string, done: (connection: Connection) => void): void {
      const key = keyOf(socket);
      const one = { key, raw: socket, remoteAddress, done };
      pending.set(key, one);
      socket.once("close", () => {
        setImmediate(() => {
          if (pending.get(key) === one) pending.delete(key);
        });
      });
      server.emit("connection", socket);
    },
    close: () => void server.close(),
  };
}
