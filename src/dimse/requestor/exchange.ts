/**
 * One association as requestor with an outcome that is always known: each request is answered, has no presentation
 * context, or broke off with an error whose code gives its retry class. dcmjs-dimse writes, our screen reads.
 * PS3.8 7.1 to 7.5, PS3.7 9.3.
 */
import { KindredError, messageOf } from "../../kernel/errors.ts";
import { PEER_PDU_BYTES_MIN } from "../../kernel/limits.ts";
import { IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME } from "../../kernel/version.ts";
import type { Target } from "../requestor-association.ts";
import { decodeAssociateAc } from "../upper-layer/associate-pdu.ts";
import {
  ABORT_REASON,
  decodeAssociateRj,
  encodePdu,
  invalidParameter,
  PDU,
  ProtocolError,
} from "../upper-layer/pdu.ts";
import type { PduPart } from "../upper-layer/pdu-reader.ts";
import { type LibraryNetwork, type LibraryRequest, LibrarySocket, library } from "./library.ts";
import { DATA_PDU_BYTES_MAX, PeerLink } from "./peer-link.ts";
import { abortText, isPending, refusedContextText, rejectionError } from "./peer-status.ts";

import { type PeerResponse, ResponseScreen } from "./response-screen.ts";

export type { Target } from "../requestor-association.ts";

/** A request before its transfer syntax is known. */
export interface PlannedRequest {
  readonly abstractSyntax: string;
  /** One presentation context for each entry; the peer picks one of the entry's transfer syntaxes. */
  readonly proposals: readonly (readonly string[])[];
  /** Command Field of its response. PS3.7 E.1. */
  readonly responseField: number;
  readonly hasPending: boolean;
  /** Called when the peer accepted a context, with the transfer syntax of the first one it did. */
  make(transferSyntaxUid: string): LibraryRequest;
}

/** What came of one request. */
export type Answer =
  | {
      readonly kind: "answered";
      readonly final: PeerResponse;
      readonly pending: readonly PeerResponse[];
      readonly transferSyntaxUid: string;
    }
  | { readonly kind: "refusedContext"; readonly message: string }
  | { readonly kind: "broken"; readonly error: KindredError };

const CONTEXTS_MAX = 128;
const PENDING_MAX = 10_000;
const PENDING_BYTES_MAX = 33_554_432;
/** A peer that goes on sending pending responses must come to an end within so many response times. */
const PENDING_RESPONSE_TIMES_MAX = 20;
const RELEASE_MS_MAX = 2_000;

/**
 * Sends the requests one after the other over one association.
 *
 * Nothing waits longer than `responseSeconds` for one step of the peer; the socket is closed when this settles.
 *
 * @returns for each request what came of it; after one that broke off, the rest break off unsent
 * @throws KindredError when there was no association: `PEER_UNREACHABLE`, `PEER_BUSY` (transient rejection),
 *   `PEER_REFUSED`; the peer cannot have taken anything
 */
export async function exchange(
  target: Target,
  requests: readonly PlannedRequest[],
): Promise<Answer[]> {
  const link = await PeerLink.open(target);
  const wire = new LibrarySocket((bytes) => link.write(bytes));
  let cause: unknown;
  try {
    const association = await associate({ link, wire, target }, requests);
    const answers: Answer[] = [];
    for (const [index, request] of requests.entries()) {
      const answer =
        cause === undefined
          ? await perform(association, request, index).catch((error: unknown): Answer => {
              cause = error;
              return { kind: "broken", error: asPeerError(link, error) };
            })
          : unsent();
      answers.push(answer);
    }
    if (cause === undefined) await release(association);
    return answers;
  } catch (error) {
    cause = error;
    throw asPeerError(link, error);
  } finally {
    wire.close();
    await link.close(cause);
  }
}

interface Wires {
  readonly link: PeerLink;
  readonly wire: LibrarySocket;
  readonly target: Target;
}

interface Association extends Wires {
  readonly network: LibraryNetwork;
  /** What the library could not do, if anything. */
  readonly fault: () => Error | undefined;
  /** For each request its context, or why there is none. */
  readonly contexts: readonly (Context | { readonly refused: string })[];
}

interface Context {
  readonly id: number;
  readonly transferSyntaxUid: string;
}

async function associate(wires: Wires, requests: readonly PlannedRequest[]): Promise<Association> {
  const { link, wire, target } = wires;
  const network = new library.Scp(wire, {});
  let fault: Error | undefined;
  network.on("networkError", (error) => {
    fault = error;
  });
  const association = new library.association.Association(
    target.callingAeTitle,
    target.calledAeTitle,
  );
  association.setMaxPduLength(DATA_PDU_BYTES_MAX);
  association.setImplementationClassUid(IMPLEMENTATION_CLASS_UID);
  association.setImplementationVersion(IMPLEMENTATION_VERSION_NAME);
  const proposed = new Map<string, { id: number; syntaxes: readonly string[] }>();
  for (const { abstractSyntax, proposals } of requests) {
    for (const syntaxes of proposals) {
      const key = contextKey(abstractSyntax, syntaxes);
      if (proposed.has(key)) continue;
      if (proposed.size === CONTEXTS_MAX)
        throw new KindredError("USAGE", "More than 128 presentation contexts: send in parts");
      const id = association.addPresentationContext(abstractSyntax);
      for (const one of syntaxes) association.addTransferSyntaxToPresentationContext(id, one);
      proposed.set(key, { id, syntaxes });
    }
  }
  network.sendAssociationRequest(association);
  link.startClock();
  if (fault !== undefined) throw fault;
  const answer = await link.next(target.responseSeconds * 1000);
  if (answer.kind === "pdu" && answer.type === PDU.associateRj)
    throw rejectionError(decodeAssociateRj(answer.body));
  if (answer.kind !== "pdu" || answer.type !== PDU.associateAc) throw unexpected(link, answer);
  const accepted = readAccept(answer.body, [...proposed.values()]);
  wire.hand(encodePdu(PDU.associateAc, answer.body));
  if (fault !== undefined)
    throw invalidParameter(`an A-ASSOCIATE-AC that cannot be read (${messageOf(fault)})`);
  const contexts = requests.map(({ abstractSyntax, proposals }) => {
    const ids = proposals.map((one) => proposed.get(contextKey(abstractSyntax, one))!.id);
    const id = ids.find((one) => accepted.get(one)?.result === 0);
    if (id !== undefined) return { id, transferSyntaxUid: accepted.get(id)!.transferSyntax };
    return { refused: refusedContextText(ids.flatMap((one) => accepted.get(one)?.result ?? [])) };
  });
  return { ...wires, network, fault: () => fault, contexts };
}

function contextKey(abstractSyntax: string, syntaxes: readonly string[]): string {
  return [abstractSyntax, ...syntaxes].join(" ");
}

/** @throws ProtocolError for an answer to what was not proposed, or a maximum length nobody can work with */
function readAccept(
  body: Buffer,
  proposed: readonly { id: number; syntaxes: readonly string[] }[],
): Map<number, { result: number; transferSyntax: string }> {
  const { contexts, user } = decodeAssociateAc(body);
  if (user.maximumLength > 0 && user.maximumLength < PEER_PDU_BYTES_MIN)
    throw invalidParameter(`a Maximum Length of ${user.maximumLength} bytes`);
  const accepted = new Map<number, { result: number; transferSyntax: string }>();
  for (const { id, result, transferSyntax } of contexts) {
    const syntaxes = proposed.find((one) => one.id === id)?.syntaxes;
    if (syntaxes === undefined || accepted.has(id))
      throw invalidParameter("an answer to a presentation context that was not proposed");
    if (result === 0 && !syntaxes.includes(transferSyntax))
      throw invalidParameter("a transfer syntax that was not proposed");
    accepted.set(id, { result, transferSyntax });
  }
  return accepted;
}

async function perform(
  association: Association,
  planned: PlannedRequest,
  index: number,
): Promise<Answer> {
  const { link, network, target } = association;
  const context = association.contexts[index]!;
  if ("refused" in context) return { kind: "refusedContext", message: context.refused };
  const request = planned.make(context.transferSyntaxUid);
  link.requestBegins();
  link.startClock();
  network.sendRequests(request);
  const fault = association.fault();
  if (fault !== undefined || !(request.getMessageId() > 0))
    throw new KindredError("INTERNAL", "The request could not be encoded", { cause: fault });
  await link.handedOver();
  const screen = new ResponseScreen({
    contextId: context.id,
    responseField: planned.responseField,
    messageId: request.getMessageId(),
    hasPending: planned.hasPending,
  });
  const pending: PeerResponse[] = [];
  let pendingBytes = 0;
  const responseMs = target.responseSeconds * 1000;
  const endMs = performance.now() + responseMs * PENDING_RESPONSE_TIMES_MAX;
  for (;;) {
    const part = await link.next(responseMs);
    if (part.kind !== "pdv") throw unexpected(link, part);
    const response = screen.take(part);
    if (response === undefined) {
      link.checkClock(responseMs);
      continue;
    }
    if (!isPending(response.status)) {
      if (response.status === 0 && link.isSending)
        throw invalidParameter("success for a request that it had not read");
      const { transferSyntaxUid } = context;
      return { kind: "answered", final: response, pending, transferSyntaxUid };
    }
    link.startClock();
    pending.push(response);
    pendingBytes += response.dataSet?.length ?? 0;
    const isTooMuch = pending.length > PENDING_MAX || pendingBytes > PENDING_BYTES_MAX;
    if (isTooMuch || performance.now() > endMs)
      throw new KindredError(
        "PEER_REFUSED",
        `The peer sent ${pending.length} matches and did not come to an end: ask for less`,
      );
  }
}

/** Asks for the release and waits a little; whatever comes, the outcomes stand. */
async function release({ link, network, target }: Association): Promise<void> {
  const releaseMs = Math.min(RELEASE_MS_MAX, target.responseSeconds * 1000);
  network.sendAssociationReleaseRequest();
  link.startClock();
  try {
    // PS3.8 Sta7: data may still arrive before the A-RELEASE-RP.
    while ((await link.next(releaseMs)).kind === "pdv") link.checkClock(releaseMs);
  } catch {
    // Closed, aborted or silent: every answer is here already.
  }
}

/** A PDU that ends the association, or one that may not come now. */
function unexpected(link: PeerLink, part: PduPart): Error {
  const type = part.kind === "pdv" ? PDU.pData : part.type;
  if (part.kind === "pdu" && type === PDU.abort)
    return link.endError(abortText(part.body[2] ?? 0, part.body[3] ?? 0));
  if (type === PDU.releaseRq) return link.endError("The peer released the association");
  return new ProtocolError(ABORT_REASON.unexpectedPdu, `a PDU of type ${type} where none may come`);
}

function asPeerError(link: PeerLink, error: unknown): KindredError {
  if (error instanceof KindredError) return error;
  if (error instanceof ProtocolError)
    return link.endError(`The peer broke the protocol (${error.message})`, error);
  return new KindredError("INTERNAL", `The association failed: ${messageOf(error)}`, {
    cause: error,
  });
}

function unsent(): Answer {
  const text = "The association had ended before this was sent";
  return { kind: "broken", error: new KindredError("PEER_UNREACHABLE", text) };
}
