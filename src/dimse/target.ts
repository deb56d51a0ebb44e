/** Where and how a configured peer is called: the one place that makes a target of a peer, for every service we use. */
import type { Config, Peer } from "../config/schema.ts";
import { KindredError } from "../kernel/errors.ts";
import type { Target } from "./requestor-association.ts";
import { clientOptions, type TlsCredentials } from "./tls.ts";

/** The host we call a peer at: its first address that is not a range. */
export function hostToCall(peer: Peer): string | undefined {
  const hosts = typeof peer.host === "string" ? [peer.host] : peer.host;
  return hosts.find((host) => !host.includes("/"));
}

/**
 * The target of a peer, by TLS where the peer says `tls`.
 *
 * @param credentials - `tlsFiles.current()` of now, so that a renewed certificate is used at the next call; needed for peers with `tls`
 * @throws KindredError `PEER_UNREACHABLE` when no host and port to call are configured, or no credentials are given
 */
export function targetOf(
  config: Pick<Config, "dimse" | "outbound">,
  peer: Peer,
  credentials: TlsCredentials | undefined,
): Target {
  const host = hostToCall(peer);
  if (host === undefined || peer.port === undefined) {
    throw new KindredError(
      "PEER_UNREACHABLE",
      "The peer is not configured with a host and port to call",
    );
  }
  return {
    host,
    port: peer.port,
    callingAeTitle: config.dimse.aeTitle,
    calledAeTitle: peer.aeTitle,
    responseSeconds: config.outbound.responseSeconds,
    ...(peer.tls ? { tls: tlsOf(host, peer, credentials) } : {}),
  };
}

function tlsOf(host: string, peer: Peer, credentials: TlsCredentials | undefined) {
  if (credentials === undefined) {
    throw new KindredError(
      "PEER_UNREACHABLE",
      "The peer is called by TLS, and no certificate is loaded: set dimse.tls.keyFile, certFile and caFile",
    );
  }
  return clientOptions(credentials, host, peer.certificateName);
}
