/** The target of a peer that is known by its AE title only: rows and jobs name peers so. */
import type { Config } from "../config/schema.ts";
import type { Target } from "../dimse/requestor-association.ts";
import { targetOf } from "../dimse/target.ts";
import type { TlsFiles } from "../dimse/tls-files.ts";
import { KindredError } from "../kernel/errors.ts";

/** @throws KindredError `PEER_UNREACHABLE` when the configuration does not say where, or how, the peer is called */
export function peerTarget(config: Config, aeTitle: string, tls: TlsFiles | undefined): Target {
  const peer = config.peers.find((one) => one.aeTitle === aeTitle);
  if (peer === undefined)
    throw new KindredError("PEER_UNREACHABLE", "The peer is not configured any more");
  return targetOf(config, peer, tls?.current());
}
