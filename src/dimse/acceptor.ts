/**
 * One accepted connection: the upper layer below, messages above, and between them the decision who may associate and
 * with which presentation contexts.
 */
import { randomBytes } from "node:crypto";
import type { Socket } from "node:net";
import { UID } from "../dicom/uids.ts";
import type { Logger } from "../kernel/log.ts";
import { IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME } from "../kernel/version.ts";
import type { CommandSet } from "./command-set.ts";
import {
  type AcceptedContext,
  MessageExchange,
  type RequestHandler,
  type Responder,
} from "./message-exchange.ts";
import type { Acceptance, Decision } from "./policy.ts";
import type { AssociationInfo } from "./ports.ts";
import type { RefusalLog } from "./refusal-log.ts";
import type { Rejection } from "./rejections.ts";
import type { AssociateAc, AssociateRq } from "./upper-layer/associate-pdu.ts";
import {
  type Outcome,
  outcomeOf,
  UpperLayer,
  type UpperLayerLimits,
} from "./upper-layer/upper-layer.ts";

export interface AcceptorOptions {
  readonly socket: Socket;
  /** Address of the peer: the socket's, or the one a proxy told. */
  readonly remoteAddress: string;
  readonly limits: UpperLayerLimits;
  readonly log: Logger;
  readonly refusals: RefusalLog;
  decide(request: AssociateRq): Promise<Decision>;
  dispatch(
    command: CommandSet,
    context: AcceptedContext,
    responder: Responder,
  ): Promise<RequestHandler>;
}

/** An association that this node accepted, or a connection on its way to one. */
export interface AcceptedAssociation {
  /** Resolves when the connection is closed and everything that worked for it has ended. */
  readonly done: Promise<{
    readonly outcome: string;
    readonly info: AssociationInfo | undefined;
    /** Why an association was rejected. */
    readonly rejection: string | undefined;
  }>;
  /** Once it is established: what services may do on it beyond answering. */
  responder(): Responder | undefined;
  /** Ends the association when its running message is answered; by A-ABORT. */
  endSoon(): void;
  abort(): void;
}

const STOPPED: Outcome = { kind: "aborted", detail: "stopped" };

export function acceptAssociation(options: AcceptorOptions): AcceptedAssociation {
  const { limits } = options;
  let exchange: MessageExchange | undefined;
  let isEndingSoon = false;
  let outcome: Outcome = { kind: "closed" };
  let rejection: string | undefined;
  let ending: Promise<void> | undefined;

  const layer: UpperLayer = new UpperLayer({
    socket: options.socket,
    role: "acceptor",
    limits,
    user: {
      async associateIndicated(request) {
        const decision = await options.decide(request);
        if ("reject" in decision) {
          rejection = decision.reject.why;
          logRejection(options, request, decision.reject);
          return { reject: decision.reject };
        }
        exchange = openExchange(request, decision.accept);
        return { accept: answerTo(request, decision.accept, limits.maxPduBytes) };
      },
      dataIndicated: (pdv) => exchange!.take(pdv),
      releaseIndicated: async () => exchange!.settled(),
      awaiting: () => exchange?.awaiting() ?? "next message",
      ended(how) {
        outcome = how;
        logOutcome(options, exchange?.info, how);
        ending = exchange?.end();
      },
    },
  });

  function openExchange(request: AssociateRq, accept: Acceptance): MessageExchange {
    return new MessageExchange({
      info: {
        id: randomBytes(6).toString("hex"),
        callingAeTitle: request.callingAeTitle,
        calledAeTitle: request.calledAeTitle,
        remoteAddress: options.remoteAddress,
        isKnownPeer: accept.isKnownPeer,
        permissions: accept.permissions,
        ...(accept.userName === undefined ? {} : { userName: accept.userName }),
      },
      contexts: acceptedContexts(request, accept),
      responseSeconds: limits.messageSeconds,
      dataBytesMax: () => layer.dataBytesMax,
      sendData: (pdv) => layer.sendData(pdv),
      dispatch: options.dispatch,
      onChange() {
        if (isEndingSoon && exchange?.isQuiet !== false) layer.abort(STOPPED);
        else layer.awaitingChanged();
      },
      onFault: (error) => layer.abort(outcomeOf(error)),
    });
  }

  const done = layer.run().then(async () => {
    await ending;
    return { outcome: outcome.kind, info: exchange?.info, rejection };
  });
  return {
    done,
    responder: () => (layer.isEstablished ? exchange : undefined),
    endSoon() {
      isEndingSoon = true;
      if (exchange?.isQuiet !== false) layer.abort(STOPPED);
    },
    abort: () => layer.abort(STOPPED),
  };
}

/** Accepted contexts with the roles that were agreed: without negotiation the requestor is SCU. PS3.7 D.3.3.4. */
function acceptedContexts(request: AssociateRq, accept: Acceptance): AcceptedContext[] {
  return accept.contexts.flatMap((answer) => {
    const proposed = request.contexts.find((context) => context.id === answer.id);
    if (answer.result !== 0 || proposed === undefined) return [];
    const { abstractSyntax } = proposed;
    const role = accept.roles.find((one) => one.sopClassUid === abstractSyntax);
    return [
      {
        id: answer.id,
        abstractSyntax,
        transferSyntax: answer.transferSyntax,
        isOursToUse: role?.scpRole === true,
        isOursToServe: role?.scuRole !== false,
        information:
          accept.extended.find((one) => one.sopClassUid === abstractSyntax)?.information ??
          Buffer.alloc(0),
      },
    ];
  });
}

function answerTo(request: AssociateRq, accept: Acceptance, maxPduBytes: number): AssociateAc {
  return {
    protocolVersion: 1,
    calledAeTitle: request.calledAeTitle,
    callingAeTitle: request.callingAeTitle,
    applicationContext: UID.applicationContext,
    contexts: accept.contexts,
    user: {
      // Our own limit, whatever the peer proposes: the two directions are independent.
      maximumLength: maxPduBytes,
      implementationClassUid: IMPLEMENTATION_CLASS_UID,
      implementationVersionName: IMPLEMENTATION_VERSION_NAME,
      ...(request.user.asyncWindow === undefined
        ? {}
        : { asyncWindow: { invoked: 1, performed: 1 } }),
      roles: accept.roles,
      extended: accept.extended,
      ...(accept.userIdentityResponse === undefined
        ? {}
        : { userIdentityResponse: accept.userIdentityResponse }),
    },
  };
}

function logRejection(options: AcceptorOptions, request: AssociateRq, rejection: Rejection): void {
  const { result, source, reason, why } = rejection;
  options.refusals.warn(
    `association.rejected ${why}`,
    {
      event: "association.rejected",
      peer_ae: printable(request.callingAeTitle),
      local_ae: printable(request.calledAeTitle),
      remote: options.remoteAddress,
      why,
      answer: `${result}/${source}/${reason}`,
    },
    "association rejected",
  );
}

function logOutcome(
  options: AcceptorOptions,
  info: AssociationInfo | undefined,
  outcome: Outcome,
): void {
  const facts = { assoc: info?.id, remote: options.remoteAddress, why: outcome.detail };
  if (outcome.kind === "fault") {
    options.log.error(
      { event: "association.fault", ...facts, err: outcome.cause },
      "a fault while serving an association",
    );
  } else if (outcome.kind === "protocol error") {
    const event = "association.protocol_error";
    options.refusals.warn(event, { event, ...facts }, "A-ABORT sent");
  }
}

/** AE titles from outside, harmless in a log. */
export function printable(aeTitle: string): string {
  return aeTitle.replace(/[^\x20-\x7e]/g, "?").slice(0, 16);
}
