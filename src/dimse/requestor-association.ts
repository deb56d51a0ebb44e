/**
 * An association that this node requests through its own upper layer: bulk sending of kept bytes, and event reports in
 * the reversed role, which the library behind `requestor/` cannot do. PS3.8 7.1, PS3.7 D.3.3.4.
 */
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { type ConnectionOptions, connect as connectTls } from "node:tls";
import { UID } from "../dicom/uids.ts";
import { KindredError } from "../kernel/errors.ts";
import { IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME } from "../kernel/version.ts";
import {
  type AcceptedContext,
  MessageExchange,
  type MessageExchangeOptions,
  type Responder,
} from "./message-exchange.ts";
import type { AssociateAc, PresentationContextProposal } from "./upper-layer/associate-pdu.ts";
import type { AssociateRj } from "./upper-layer/pdu.ts";
import { type Outcome, outcomeOf, UpperLayer } from "./upper-layer/upper-layer.ts";
import type { RoleSelection } from "./upper-layer/user-information.ts";

/** Where to call, and as whom. */
export interface Target {
  readonly host: string;
  readonly port: number;
  readonly callingAeTitle: string;
  readonly calledAeTitle: string;
  /** Time the peer has for each answer, seconds. */
  readonly responseSeconds: number;
  /** Options of node:tls for a peer that is called by TLS. */
  readonly tls?: ConnectionOptions | undefined;
}

export interface Proposal {
  readonly abstractSyntax: string;
  readonly transferSyntaxes: readonly string[];
  /** We take the SCP role only: the peer is asked to be SCU of the SOP class. */
  readonly isReversed?: boolean;
}

export interface RequestedAssociation {
  readonly responder: Responder;
  /** Contexts that the peer accepted. */
  readonly contexts: readonly AcceptedContext[];
  /** Resolves when the association is over, however it ended. */
  readonly ended: Promise<void>;
  /** A-RELEASE; resolves when the connection is closed. */
  release(): Promise<void>;
  abort(): void;
}

const CONNECT_MS = 10_000;
const MAX_PDU_BYTES = 131_072;
const CONTEXTS_MAX = 128;

/**
 * Connects and associates.
 *
 * @param dispatch - makes the handlers of requests that the peer may send us: event reports. Without it none may come
 * @throws KindredError `PEER_UNREACHABLE`, `PEER_BUSY` (transient rejection), `PEER_REFUSED`, `PEER_TIMEOUT`, `PEER_CLOSED`
 */
export async function requestAssociation(
  target: Target,
  proposals: readonly Proposal[],
  dispatch: MessageExchangeOptions["dispatch"] = refuseRequest,
): Promise<RequestedAssociation> {
  if (proposals.length > CONTEXTS_MAX) {
    throw new KindredError(
      "USAGE",
      "More than 128 presentation contexts are needed: send in parts",
    );
  }
  const socket = await openSocket(target);
  const contexts = proposals.map((one, index) => ({ ...one, id: index * 2 + 1 }));
  const roles: RoleSelection[] = proposals
    .filter((one) => one.isReversed === true)
    .map((one) => ({ sopClassUid: one.abstractSyntax, scuRole: false, scpRole: true }));
  const { promise, resolve, reject } = Promise.withResolvers<RequestedAssociation>();
  const ended = Promise.withResolvers<void>();
  let exchange: MessageExchange | undefined;

  const layer: UpperLayer = new UpperLayer({
    socket,
    role: "requestor",
    limits: {
      maxPduBytes: MAX_PDU_BYTES,
      artimSeconds: target.responseSeconds,
      idleSeconds: target.responseSeconds,
      messageSeconds: target.responseSeconds,
      writeSeconds: target.responseSeconds,
    },
    user: {
      associateConfirmed(answer) {
        const accepted = acceptedContexts(contexts, answer);
        exchange = openExchange(accepted);
        resolve({
          responder: exchange,
          contexts: accepted,
          ended: ended.promise,
          release: () => layer.release(),
          abort: () => layer.abort({ kind: "aborted" }),
        });
      },
      associateRejected: (answer) => reject(rejected(answer)),
      dataIndicated: (pdv) => exchange!.take(pdv),
      releaseIndicated: async () => exchange?.settled(),
      // Each request has its own clock; between them the association is ours to keep.
      awaiting: () => (exchange?.awaiting() === "rest of message" ? "rest of message" : "nothing"),
      ended(outcome) {
        reject(endedEarly(outcome));
        ended.resolve();
        void exchange?.end();
      },
    },
  });

  function openExchange(accepted: readonly AcceptedContext[]): MessageExchange {
    return new MessageExchange({
      info: {
        id: randomBytes(6).toString("hex"),
        callingAeTitle: target.callingAeTitle,
        calledAeTitle: target.calledAeTitle,
        remoteAddress: target.host,
        isKnownPeer: true,
        permissions: [],
      },
      contexts: accepted,
      responseSeconds: target.responseSeconds,
      dataBytesMax: () => layer.dataBytesMax,
      sendData: (pdv) => layer.sendData(pdv),
      dispatch,
      onChange: () => layer.awaitingChanged(),
      onFault: (error) => layer.abort(outcomeOf(error)),
    });
  }

  void layer.run({
    protocolVersion: 1,
    calledAeTitle: target.calledAeTitle,
    callingAeTitle: target.callingAeTitle,
    applicationContext: UID.applicationContext,
    contexts,
    user: {
      maximumLength: MAX_PDU_BYTES,
      implementationClassUid: IMPLEMENTATION_CLASS_UID,
      implementationVersionName: IMPLEMENTATION_VERSION_NAME,
      roles,
    },
  });
  return promise;
}

async function refuseRequest(): Promise<never> {
  throw new KindredError("PEER_REFUSED", "The peer sent a request where it owed a response");
}

async function openSocket(target: Target): Promise<Socket> {
  const { host, port } = target;
  const isTls = target.tls !== undefined;
  const socket = isTls ? connectTls({ host, port, ...target.tls }) : connect({ host, port });
  try {
    await once(socket, isTls ? "secureConnect" : "connect", {
      signal: AbortSignal.timeout(CONNECT_MS),
    });
    return socket;
  } catch (error) {
    socket.on("error", () => undefined);
    socket.destroy();
    const why = (error as Error).name === "AbortError" ? "no answer" : (error as Error).message;
    throw new KindredError("PEER_UNREACHABLE", `The peer cannot be reached: ${why}`, {
      cause: error,
    });
  }
}

/** Contexts as the acceptor answered them; its role selection says whether it took the role we offered. */
function acceptedContexts(
  proposed: readonly (PresentationContextProposal & { isReversed?: boolean })[],
  answer: AssociateAc,
): AcceptedContext[] {
  return proposed.flatMap((context) => {
    const found = answer.contexts.find((one) => one.id === context.id && one.result === 0);
    if (found === undefined || !context.transferSyntaxes.includes(found.transferSyntax)) return [];
    const isReversed = context.isReversed === true;
    const role = answer.user.roles?.find((one) => one.sopClassUid === context.abstractSyntax);
    // An acceptor that says nothing of roles leaves us the SCU's, whatever we proposed. PS3.7 D.3.3.4.
    if (isReversed && role?.scpRole !== true) return [];
    return [
      {
        id: context.id,
        abstractSyntax: context.abstractSyntax,
        transferSyntax: found.transferSyntax,
        isOursToUse: !isReversed,
        isOursToServe: isReversed,
        information: Buffer.alloc(0),
      },
    ];
  });
}

function rejected({ result, source, reason }: AssociateRj): KindredError {
  const text = `The peer rejected the association (result ${result}, source ${source}, reason ${reason})`;
  return result === 2
    ? new KindredError("PEER_BUSY", text)
    : new KindredError("PEER_REFUSED", `${text}: check both AE titles`);
}

function endedEarly(outcome: Outcome): KindredError {
  if (outcome.kind === "timed out")
    return new KindredError("PEER_TIMEOUT", "The peer did not answer in time");
  return new KindredError("PEER_CLOSED", `The association ended: ${outcome.kind}`);
}
