/** Where a move destination is called: configured peers only, by their exact AE title. PS3.4 C.4.2.1.5 (A801H else). */
import type { Config } from "../../config/schema.ts";
import type { Target } from "../requestor-association.ts";
import { hostToCall, targetOf } from "../target.ts";
import type { TlsCredentials } from "../tls.ts";

/**
 * Undefined for an AE title that is no peer with a host and port to call; that includes our own.
 *
 * @throws KindredError `PEER_UNREACHABLE` when the peer is called by TLS and no certificate is loaded
 */
export function moveDestination(
  config: Config,
  aeTitle: string,
  credentials: TlsCredentials | undefined,
): Target | undefined {
  const { aeTitle: own, similarAeTitle, textAeTitle } = config.dimse;
  // A peer of our own title would send to ourselves what we hold.
  if ([own, similarAeTitle, textAeTitle].includes(aeTitle)) return undefined;
  const peer = config.peers.find((one) => one.aeTitle === aeTitle);
  if (peer === undefined || peer.port === undefined || hostToCall(peer) === undefined)
    return undefined;
  return targetOf(config, peer, credentials);
}
