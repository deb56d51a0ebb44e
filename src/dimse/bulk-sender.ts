/**
 * Sends many instances over one association, bytes as they are kept: sub-operations of C-MOVE, the demo, import.
 * PS3.4 Annex B.
 */
import { KindredError } from "../kernel/errors.ts";
import { encodeStoreRequest } from "./command-set.ts";
import type { Responder } from "./message-exchange.ts";
import type { DataSetSource } from "./ports.ts";
import { classifyStoreStatus, type SendOutcome } from "./requestor/store-outcome.ts";
import { requestAssociation, type Target } from "./requestor-association.ts";

/** One instance: its data-set bytes (without preamble and file meta). */
export interface BulkInstance<Source extends DataSetSource = Buffer> {
  readonly sopClassUid: string;
  readonly sopInstanceUid: string;
  readonly transferSyntaxUid: string;
  readonly dataSet: Source;
}

export interface BulkSyntax {
  readonly sopClassUid: string;
  readonly transferSyntaxUid: string;
}

/**
 * Sends the instances one after the other.
 *
 * @param syntaxes - every (SOP class, transfer syntax) pair that will come: one presentation context each
 * @param onSent - called after each answer
 * @throws KindredError `PEER_…` when the association fails; statuses of single instances are outcomes
 */
export async function sendBulk(
  target: Target,
  syntaxes: readonly BulkSyntax[],
  instances: Iterable<BulkInstance<DataSetSource>> | AsyncIterable<BulkInstance<DataSetSource>>,
  onSent: (outcome: SendOutcome, index: number) => void = () => undefined,
): Promise<SendOutcome[]> {
  const association = await requestAssociation(
    target,
    syntaxes.map((one) => ({
      abstractSyntax: one.sopClassUid,
      transferSyntaxes: [one.transferSyntaxUid],
    })),
  );
  try {
    const outcomes: SendOutcome[] = [];
    for await (const instance of instances) {
      const outcome = classifyStoreStatus(await storeInstance(association.responder, instance));
      outcomes.push(outcome);
      onSent(outcome, outcomes.length - 1);
    }
    await association.release();
    return outcomes;
  } catch (error) {
    association.abort();
    throw error;
  }
}

/**
 * C-STORE of one instance on an open association.
 *
 * @returns the peer's status; undefined when no presentation context takes the instance
 * @throws KindredError `PEER_…` when the association fails
 */
export async function storeInstance(
  responder: Responder,
  instance: BulkInstance<DataSetSource>,
  moveOriginator?: { readonly aeTitle: string; readonly messageId: number },
): Promise<number | undefined> {
  const { sopClassUid, sopInstanceUid } = instance;
  const context = responder.contextFor(sopClassUid, instance.transferSyntaxUid);
  if (context === undefined) return undefined;
  const response = await responder.request(
    context.id,
    (messageId) => encodeStoreRequest({ messageId, sopClassUid, sopInstanceUid, moveOriginator }),
    instance.dataSet,
  );
  if (response.status === undefined)
    throw new KindredError("PEER_REFUSED", "The peer's response has no status");
  return response.status;
}
