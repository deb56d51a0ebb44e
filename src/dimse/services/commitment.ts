/**
 * Storage Commitment Push Model, both ways. PS3.4 Annex J; PS3.7 10.1.1, 10.1.4. As SCP: an N-ACTION is taken durably,
 * answered, and its result reported on the same association if the peer leaves it open. As SCU: the peer's
 * N-EVENT-REPORT on what we sent.
 */
import { setTimeout as sleep } from "node:timers/promises";
import type { Config } from "../../config/schema.ts";
import { isValidUid, SOP_CLASS } from "../../dicom/uids.ts";
import { codeOf, KindredError, messageOf } from "../../kernel/errors.ts";
import type { Logger } from "../../kernel/log.ts";
import type { Metrics } from "../../kernel/metrics.ts";
import { DIMSE, normalizedStatusOf, statusHex } from "../../kernel/statuses.ts";
import { COMMAND, COMMAND_NAME, type CommandSet, encodeResponse } from "../command-set.ts";
import {
  COMMITMENT_INSTANCE_UID,
  decodeActionInformation,
  decodeEventInformation,
  EVENT_TYPE,
  informationBytesMax,
  REQUEST_ACTION_TYPE,
} from "../commitment-information.ts";
import { reportOn } from "../commitment-requestor.ts";
import type { AcceptedContext, RequestHandler, Responder } from "../message-exchange.ts";
import { type CommitmentSink, HOLD_SECONDS, type TakenCommitment } from "../ports.ts";

export interface CommitmentServiceOptions {
  readonly config: Config;
  readonly sink: CommitmentSink;
  readonly log: Logger;
  readonly metrics: Metrics;
}

export interface CommitmentService {
  /**
   * Makes the handler of an N-ACTION or N-EVENT-REPORT on a context of storage commitment.
   *
   * @param peerAeTitle - who is at the other end: the calling AE title where the peer opened the association
   */
  handler(
    command: CommandSet,
    context: AcceptedContext,
    responder: Responder,
    peerAeTitle: string,
  ): RequestHandler;
  /** Resolves when no result is being reported on an association any more. */
  settled(): Promise<void>;
}

/** Time a busy association has to become quiet before the peer is called instead. */
const QUIET_SECONDS_MAX = 5;
const QUIET_CHECK_MS = 50;

export function createCommitmentService(options: CommitmentServiceOptions): CommitmentService {
  const { log, metrics, sink } = options;
  const { referencesMax, sameAssociationSeconds } = options.config.commitment;
  const reporting = new Set<Promise<void>>();

  return {
    handler: (command, context, responder, peerAeTitle) => {
      const parts: Buffer[] = [];
      let bytes = 0;
      const bytesMax = informationBytesMax(referencesMax);
      return {
        async data(piece) {
          bytes += piece.length;
          if (bytes <= bytesMax) parts.push(Buffer.from(piece));
        },
        async end(signal) {
          let taken: TakenCommitment | undefined;
          let answer: Answer;
          try {
            const fault = faultOf(command);
            if (fault === undefined) {
              checkSize(command, bytes, bytesMax);
              const information = Buffer.concat(parts);
              if (command.commandField === COMMAND.action)
                taken = await takeRequest(information, context, responder);
              else
                await sink.result(peerAeTitle, decodeEventInformation(information, read(context)));
            }
            answer = fault ?? { status: DIMSE.success };
          } catch (error) {
            answer = refusal(error, command, responder.info.id, peerAeTitle);
          }
          metrics.dimseRequestsTotal.inc({
            command: COMMAND_NAME[command.commandField] ?? "other",
            status: statusHex(answer.status),
          });
          // Even when the response cannot be sent the request was taken: the peer gets its result.
          const sent = responder.send(context.id, encodeResponse(command, answer));
          if (taken !== undefined) track(reportLater(taken, sent, context, responder, signal));
          await sent;
        },
        abort: async () => undefined,
      };
    },
    async settled() {
      await Promise.all(reporting);
    },
  };

  function read(context: AcceptedContext) {
    return { transferSyntaxUid: context.transferSyntax, referencesMax };
  }

  async function takeRequest(
    information: Buffer,
    context: AcceptedContext,
    { info }: Responder,
  ): Promise<TakenCommitment> {
    // Asked again: a context may also be there for the peer's own reports only.
    if (!info.permissions.includes("commit"))
      throw new KindredError("NOT_AUTHORIZED", "Storage commitment is not allowed to this peer");
    const request = decodeActionInformation(information, read(context));
    const taken = await sink.request({ association: info, ...request });
    log.info(
      {
        event: "commitment.taken",
        assoc: info.id,
        peer_ae: info.callingAeTitle,
        transaction: request.transactionUid,
        references: request.references.length,
      },
      "storage commitment request taken",
    );
    return taken;
  }

  function refusal(
    error: unknown,
    command: CommandSet,
    association: string,
    peerAeTitle: string,
  ): Answer {
    const code = codeOf(error);
    const status = normalizedStatusOf(code);
    const facts = {
      event: "commitment.refused",
      assoc: association,
      peer_ae: peerAeTitle,
      command: COMMAND_NAME[command.commandField],
      code,
      status: statusHex(status),
    };
    if (code === "INTERNAL") log.error({ ...facts, err: error }, "storage commitment failed");
    else log.warn({ ...facts, why: messageOf(error) }, "storage commitment was refused");
    return { status, comment: code === "INTERNAL" ? code : messageOf(error) };
  }

  function track(work: Promise<void>): void {
    reporting.add(work);
    void work.finally(() => reporting.delete(work));
  }

  /** Reports on the asking association when it is left open and quiet; else hands over. Never rejects. */
  async function reportLater(
    taken: TakenCommitment,
    answered: Promise<void>,
    context: AcceptedContext,
    responder: Responder,
    signal: AbortSignal,
  ): Promise<void> {
    const peer = responder.info.callingAeTitle;
    // A renewal that fails lets the hold run out: then the queue reports as well, and the peer hears it twice.
    const renewal = setInterval(
      () => void taken.renew().catch(() => undefined),
      (HOLD_SECONDS * 1000) / 3,
    );
    try {
      const isTold = await answered
        .then(async () => {
          if (sameAssociationSeconds === 0) return false;
          const result = await taken.judge();
          await sleep(sameAssociationSeconds * 1000, undefined, { signal });
          if (!(await becomesQuiet(responder, signal))) return false;
          await reportOn(responder, context, result, options.config.dimse.aeTitle);
          return true;
        })
        .catch((error: unknown) => {
          if (!signal.aborted) {
            log.warn(
              {
                event: "commitment.not_reported_here",
                assoc: responder.info.id,
                why: messageOf(error),
              },
              "the result could not be reported on the asking association; the peer is called",
            );
          }
          return false;
        });
      if (!isTold) return await taken.handOver();
      await taken.reported();
      metrics.commitmentReportsTotal.inc({ peer, way: "same association", outcome: "reported" });
    } catch (error) {
      // The hold runs out and the queue reports: nothing is lost, only later.
      log.error(
        { event: "commitment.hold_left", assoc: responder.info.id, err: messageOf(error) },
        "what became of a storage commitment report could not be recorded",
      );
    } finally {
      clearInterval(renewal);
    }
  }
}

interface Answer {
  readonly status: number;
  readonly comment?: string;
}

async function becomesQuiet(responder: Responder, signal: AbortSignal): Promise<boolean> {
  const deadline = performance.now() + QUIET_SECONDS_MAX * 1000;
  while (!responder.isQuiet) {
    if (performance.now() > deadline) return false;
    await sleep(QUIET_CHECK_MS, undefined, { signal });
  }
  return true;
}

function checkSize(command: CommandSet, bytes: number, bytesMax: number): void {
  if (!command.hasDataSet || bytes === 0)
    throw new KindredError("BAD_REQUEST", "The message has no data set");
  if (bytes > bytesMax)
    throw new KindredError("INSTANCE_TOO_LARGE", "Too many references: ask in several requests");
}

/** What a command itself is refused for, in this order. PS3.7 10.1.1.1.8, 10.1.4.1.10. */
export const COMMITMENT_FAULTS = {
  sopClass: { status: DIMSE.noSuchClass, comment: "SOP Class is not that of the context" },
  sopInstanceUid: { status: DIMSE.invalidInstance, comment: "SOP Instance UID is not a UID" },
  sopInstance: {
    status: DIMSE.noSuchInstance,
    comment: `SOP Instance is not ${COMMITMENT_INSTANCE_UID}`,
  },
  actionType: { status: DIMSE.noSuchAction, comment: "Action Type ID must be 1" },
  eventType: { status: DIMSE.noSuchEventType, comment: "Event Type ID must be 1 or 2" },
} as const satisfies Record<string, Answer>;

function faultOf(command: CommandSet): Answer | undefined {
  const isAction = command.commandField === COMMAND.action;
  const sopClassUid = isAction ? command.requestedSopClassUid : command.affectedSopClassUid;
  const instanceUid = isAction ? command.requestedSopInstanceUid : command.affectedSopInstanceUid;
  if (sopClassUid !== SOP_CLASS.storageCommitmentPush) return COMMITMENT_FAULTS.sopClass;
  if (!isValidUid(instanceUid)) return COMMITMENT_FAULTS.sopInstanceUid;
  if (instanceUid !== COMMITMENT_INSTANCE_UID) return COMMITMENT_FAULTS.sopInstance;
  if (isAction && command.actionTypeId !== REQUEST_ACTION_TYPE) return COMMITMENT_FAULTS.actionType;
  const isEvent = Object.values<number | undefined>(EVENT_TYPE).includes(command.eventTypeId);
  return isAction || isEvent ? undefined : COMMITMENT_FAULTS.eventType;
}
