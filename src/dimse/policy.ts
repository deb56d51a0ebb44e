/**
 * Who may do what: a pure function of proposal and configuration. PS3.8 9.3.4 (rejection), 9.3.3.2 (context results).
 * An AE title identifies, it does not authenticate: it counts only together with the address the peer may call from, and
 * with the certificate it must show. What depends on time (rates, proving a user) is decided in `admission.ts`.
 */
import type { X509Certificate } from "node:crypto";
import type { Config, Peer, Permission } from "../config/schema.ts";
import { isStorageSopClass, isValidUid, SOP_CLASS, UID } from "../dicom/uids.ts";
import { PEER_PDU_BYTES_MIN } from "../kernel/limits.ts";
import { isInRanges } from "./address-ranges.ts";
import { type Rejection, type RejectionWhy, reject } from "./rejections.ts";
import { certificateCarries } from "./tls.ts";
import type {
  AssociateRq,
  PresentationContextAnswer,
  PresentationContextProposal,
} from "./upper-layer/associate-pdu.ts";
import type { ExtendedNegotiation, RoleSelection } from "./upper-layer/user-information.ts";

export interface Acceptance {
  readonly contexts: readonly PresentationContextAnswer[];
  readonly isKnownPeer: boolean;
  /** The configured peer. */
  readonly peer?: Peer | undefined;
  /** What the peer may ask of us. */
  readonly permissions: readonly Permission[];
  /** Answers to the role selections proposed. PS3.7 D.3.3.4. */
  readonly roles: readonly RoleSelection[];
  /** Answers to the SOP class extended negotiations proposed. PS3.7 D.3.3.5. */
  readonly extended: readonly ExtendedNegotiation[];
  /** The proven user behind the requestor. */
  readonly userName?: string;
  /** Asked for by the requestor's user identity; empty for usernames. PS3.7 D.3.3.7.2. */
  readonly userIdentityResponse?: Buffer;
}

export type Decision = { readonly accept: Acceptance } | { readonly reject: Rejection };

export interface PolicyInput {
  readonly request: AssociateRq;
  readonly remoteAddress: string;
  /** Other associations that are open now. */
  readonly openInAll: number;
  readonly openFromAddress: number;
  readonly openFromPeer?: number;
  readonly isStopping: boolean;
  /** Set when the connection is TLS; with the caller's certificate, if it showed one that our CA signed. */
  readonly tls?: { readonly certificate: X509Certificate | undefined } | undefined;
}

const FIND_CLASSES: readonly string[] = [SOP_CLASS.studyRootFind, SOP_CLASS.patientRootFind];

const UNKNOWN_PEER_MAY: readonly Permission[] = ["echo", "store", "query"];

/** What a peer must be allowed for each service; storage SOP classes need `store`. */
const PERMISSION_OF: Readonly<Record<string, Permission>> = {
  [SOP_CLASS.verification]: "echo",
  [SOP_CLASS.patientRootFind]: "query",
  [SOP_CLASS.studyRootFind]: "query",
  [SOP_CLASS.patientRootMove]: "retrieve",
  [SOP_CLASS.studyRootMove]: "retrieve",
  [SOP_CLASS.patientRootGet]: "retrieve",
  [SOP_CLASS.studyRootGet]: "retrieve",
  [SOP_CLASS.storageCommitmentPush]: "commit",
};

/** What is answered at the AE titles of similarity search. */
const AT_SIMILARITY: readonly Permission[] = ["echo", "query", "retrieve"];

/** PS3.8 Table 9-21: who refuses (source) and why (reason), permanently (1) or for now (2). */
export function decide(
  config: Config["dimse"],
  peers: readonly Peer[],
  input: PolicyInput,
): Decision {
  const { request } = input;
  if ((request.protocolVersion & 1) === 0) return reject("protocol-version");
  if (request.applicationContext !== UID.applicationContext) return reject("application-context");
  if (input.isStopping) return reject("stopping");
  if (input.openInAll >= config.associationsMax) return reject("associations-max");
  const perPeerMax = config.associationsPerPeerMax;
  if (input.openFromAddress >= perPeerMax) return reject("associations-from-address");
  const { maximumLength } = request.user;
  if (maximumLength !== 0 && maximumLength < PEER_PDU_BYTES_MIN)
    return reject("peer-pdu-too-small");
  const ours = [config.aeTitle, config.similarAeTitle, config.textAeTitle];
  if (!ours.includes(request.calledAeTitle)) return reject("called-ae-title");
  const found = findPeer(peers, input);
  if (typeof found === "string") return reject(found);
  if (found === undefined && !config.allowUnknownPeers) return reject("calling-ae-title");
  if (found?.calledAeTitles?.includes(request.calledAeTitle) === false)
    return reject("called-ae-title-not-allowed");
  if ((input.openFromPeer ?? 0) >= Math.min(found?.associationsMax ?? perPeerMax, perPeerMax))
    return reject("associations-of-peer");
  return acceptAs(config, found, request);
}

function acceptAs(config: Config["dimse"], peer: Peer | undefined, request: AssociateRq): Decision {
  const allowed = permissionsOf(peer);
  const isSimilarity = request.calledAeTitle !== config.aeTitle;
  if (isSimilarity && !(peer !== undefined && allowed.includes("similar")))
    return reject("similar-not-allowed");
  const roles = answerRoles(request, allowed, peer?.commit === true);
  const contexts = request.contexts.map((context) =>
    answerContext(
      context,
      allowed,
      isSimilarity,
      roles.some((role) => role.sopClassUid === context.abstractSyntax && role.scpRole),
    ),
  );
  return {
    accept: {
      contexts,
      isKnownPeer: peer !== undefined,
      peer,
      permissions: allowed,
      roles,
      extended: answerExtended(request),
    },
  };
}

/** What the peer may ask of us: its list, and echo unless that was taken away. */
export function permissionsOf(peer: Peer | undefined): readonly Permission[] {
  if (peer === undefined) return UNKNOWN_PEER_MAY;
  return peer.echo && !peer.allow.includes("echo") ? ["echo", ...peer.allow] : peer.allow;
}

/** The configured peer that calls; undefined for an unknown one; or what a title of ours lacks to be that peer. */
function findPeer(peers: readonly Peer[], input: PolicyInput): Peer | RejectionWhy | undefined {
  const peer = peers.find((one) => one.aeTitle === input.request.callingAeTitle);
  // A title of the list counts for nothing from elsewhere, not even as an unknown peer.
  if (peer === undefined) return undefined;
  if (!mayCallFrom(peer, input.remoteAddress)) return "calling-address";
  if (!peer.tls) return peer;
  if (input.tls === undefined) return "calling-without-tls";
  if (peer.certificateName === undefined) return peer;
  const { certificate } = input.tls;
  return certificate !== undefined && certificateCarries(certificate, peer.certificateName)
    ? peer
    : "certificate-name";
}

/**
 * The SCP role is granted for storage, to peers that may retrieve (sub-operations of C-GET, PS3.4 C.5.3), and for
 * storage commitment to peers that we ask for it (their reports, PS3.4 J.3.3).
 */
function answerRoles(
  request: AssociateRq,
  allowed: readonly Permission[],
  isAskedToCommit: boolean,
): RoleSelection[] {
  return (request.user.roles ?? []).map(({ sopClassUid, scuRole, scpRole }) => {
    if (sopClassUid === SOP_CLASS.storageCommitmentPush) {
      return {
        sopClassUid,
        scuRole: scuRole && allowed.includes("commit"),
        scpRole: scpRole && isAskedToCommit,
      };
    }
    const isStore = isStorageSopClass(sopClassUid);
    return {
      sopClassUid,
      // Where the peer may not store, it is no SCU of storage either.
      scuRole: scuRole && (!isStore || allowed.includes("store")),
      scpRole: scpRole && isStore && allowed.includes("retrieve"),
    };
  });
}

/**
 * Relational queries, combined date-time matching and fuzzy names, as proposed; time zones not (PS3.4 C.5.1.1). Of a
 * retrieve: relational only; no conversion of multi-frame images (PS3.4 C.5.2.1, C.5.3.1).
 */
function answerExtended(request: AssociateRq): ExtendedNegotiation[] {
  return (request.user.extended ?? [])
    .filter((one) => FIND_CLASSES.includes(one.sopClassUid) || isRetrieve(one.sopClassUid))
    .map((one) => ({
      sopClassUid: one.sopClassUid,
      information: Buffer.from(
        [...one.information].map((byte, index) =>
          index < (isRetrieve(one.sopClassUid) ? 1 : 3) ? byte & 1 : 0,
        ),
      ),
    }));
}

function isRetrieve(sopClassUid: string): boolean {
  return PERMISSION_OF[sopClassUid] === "retrieve";
}

/** True when the address is one of the peer's hosts or inside one of its CIDR ranges. */
export function mayCallFrom(peer: Peer, remoteAddress: string): boolean {
  return isInRanges(remoteAddress, typeof peer.host === "string" ? [peer.host] : peer.host);
}

function answerContext(
  context: PresentationContextProposal,
  allowed: readonly Permission[],
  isSimilarity: boolean,
  isPeerScp: boolean,
): PresentationContextAnswer {
  const refuse = (result: 1 | 3 | 4): PresentationContextAnswer => ({
    id: context.id,
    result,
    // Not significant (PS3.8 9.3.3.2), so nothing of the proposal is sent back.
    transferSyntax: UID.implicitVrLittleEndian,
  });
  const { abstractSyntax } = context;
  const isStore = isStorageSopClass(abstractSyntax);
  const permission = isStore ? "store" : PERMISSION_OF[abstractSyntax];
  if (permission === undefined) return refuse(3);
  // For C-GET the same context serves the sub-operations: the peer is then SCP and needs no permission to store.
  const isForGet = isStore && isPeerScp && allowed.includes("retrieve");
  // A peer that reports on what we sent it is SCP, and needs no permission to ask us.
  const isForReport = abstractSyntax === SOP_CLASS.storageCommitmentPush && isPeerScp;
  // At the AE titles of similarity search one may ask, and fetch what was found: workstations retrieve where they asked.
  if (isSimilarity && !AT_SIMILARITY.includes(permission) && !isForGet) return refuse(3);
  const needed = isSimilarity && permission === "query" ? "similar" : permission;
  if (!isForGet && !isForReport && !allowed.includes(needed)) return refuse(1);
  const chosen = chooseTransferSyntax(context.transferSyntaxes, isStore);
  return chosen === undefined ? refuse(4) : { id: context.id, result: 0, transferSyntax: chosen };
}

/** Taken first, in this order, whatever the order of the proposal. */
export const PREFERRED_TRANSFER_SYNTAXES: readonly string[] = [
  UID.explicitVrLittleEndian,
  UID.implicitVrLittleEndian,
];

/** Explicit little endian first; for storage anything the sender offers is kept as sent. */
function chooseTransferSyntax(offered: readonly string[], isStore: boolean): string | undefined {
  const preferred = PREFERRED_TRANSFER_SYNTAXES.find((one) => offered.includes(one));
  return preferred ?? (isStore ? offered.find(isValidUid) : undefined);
}
