/**
 * Storage commitment over associations of our own: the report of a result to a peer that asked (we are SCP, the role is
 * reversed, PS3.7 D.3.3.4), and our request to a peer that took what we sent. PS3.4 J.3.2, J.3.3.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { SOP_CLASS, UID } from "../dicom/uids.ts";
import { KindredError } from "../kernel/errors.ts";
import { DIMSE, statusHex } from "../kernel/statuses.ts";
import { encodeActionRequest, encodeEventReportRequest } from "./command-set.ts";
import {
  COMMITMENT_INSTANCE_UID,
  encodeActionInformation,
  encodeEventInformation,
  eventTypeOf,
  REQUEST_ACTION_TYPE,
} from "./commitment-information.ts";
import type { AcceptedContext, MessageExchangeOptions, Responder } from "./message-exchange.ts";
import type { CommitmentResult, InstanceReference } from "./ports.ts";
import {
  type RequestedAssociation,
  requestAssociation,
  type Target,
} from "./requestor-association.ts";

const SOP = {
  sopClassUid: SOP_CLASS.storageCommitmentPush,
  sopInstanceUid: COMMITMENT_INSTANCE_UID,
} as const;
const PROPOSAL = {
  abstractSyntax: SOP_CLASS.storageCommitmentPush,
  transferSyntaxes: [UID.explicitVrLittleEndian, UID.implicitVrLittleEndian],
} as const;

/**
 * Sends the N-EVENT-REPORT on an open association.
 *
 * @throws KindredError `PEER_TIMEOUT`, `PEER_CLOSED`, `PEER_BUSY` when the peer answered anything but success
 */
export async function reportOn(
  responder: Responder,
  context: AcceptedContext,
  result: CommitmentResult,
  retrieveAeTitle: string,
): Promise<void> {
  const { status } = await responder.request(
    context.id,
    (messageId) =>
      encodeEventReportRequest({ messageId, ...SOP, eventTypeId: eventTypeOf(result) }),
    encodeEventInformation(result, retrieveAeTitle, context.transferSyntax),
  );
  if (status === DIMSE.success) return;
  // Whatever it said, it may take the report another time; the queue bounds how often.
  throw new KindredError("PEER_BUSY", `The peer did not take the report (${shown(status)})`);
}

/**
 * Reports on a new association, on which we are SCP.
 *
 * @throws KindredError `PEER_…`; `PEER_REFUSED` when the peer does not take the SCU role
 */
export async function reportToPeer(
  target: Target,
  result: CommitmentResult,
  retrieveAeTitle: string,
): Promise<void> {
  const association = await requestAssociation(target, [{ ...PROPOSAL, isReversed: true }]);
  await use(association, async (context) => {
    if (context === undefined) {
      throw new KindredError(
        "PEER_REFUSED",
        "The peer takes no storage commitment reports: it must accept the class with us as SCP",
      );
    }
    await reportOn(association.responder, context, result, retrieveAeTitle);
  });
}

/**
 * Asks a peer for storage commitment and keeps the association open for its report.
 *
 * @param waiting.reported - resolves when the report came, on whatever association
 * @param dispatch - makes the handler of the report
 * @throws KindredError `PEER_…`; `PEER_BUSY` for a status that another time may be another
 */
export async function requestCommitment(
  target: Target,
  request: { readonly transactionUid: string; readonly references: readonly InstanceReference[] },
  dispatch: MessageExchangeOptions["dispatch"],
  waiting: { readonly seconds: number; onTaken(): Promise<void>; readonly reported: Promise<void> },
): Promise<void> {
  const association = await requestAssociation(target, [PROPOSAL], dispatch);
  await use(association, async (context) => {
    if (context === undefined)
      throw new KindredError("PEER_REFUSED", "The peer does not offer storage commitment");
    const { status } = await association.responder.request(
      context.id,
      (messageId) => encodeActionRequest({ messageId, ...SOP, actionTypeId: REQUEST_ACTION_TYPE }),
      encodeActionInformation(request, context.transferSyntax),
    );
    if (status !== DIMSE.success) throw refused(status);
    await waiting.onTaken();
    const cut = new AbortController();
    const timeout = sleep(waiting.seconds * 1000, undefined, { signal: cut.signal });
    await Promise.race([waiting.reported, association.ended, timeout.catch(() => undefined)]);
    cut.abort();
  });
}

async function use(
  association: RequestedAssociation,
  work: (context: AcceptedContext | undefined) => Promise<void>,
): Promise<void> {
  try {
    await work(association.contexts[0]);
  } finally {
    // Where the association is over already, this does nothing.
    await association.release();
  }
}

/** Statuses that speak of now, not of the request. PS3.7 Annex C. */
const PASSING: readonly (number | undefined)[] = [
  DIMSE.processingFailure,
  DIMSE.resourceLimitation,
];

function refused(status: number | undefined): KindredError {
  const text = `The peer refused storage commitment (${shown(status)})`;
  return new KindredError(PASSING.includes(status) ? "PEER_BUSY" : "PEER_REFUSED", text);
}

function shown(status: number | undefined): string {
  return status === undefined ? "no status" : statusHex(status);
}
