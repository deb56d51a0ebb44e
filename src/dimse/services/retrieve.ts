/**
 * C-MOVE and C-GET as SCP. PS3.4 C.4.2, C.4.3; PS3.7 9.1.3, 9.1.4. An identifier becomes a list of kept instances; each
 * goes out by a C-STORE sub-operation, the bytes as they are kept; what became of them is counted and answered.
 */
import { DataSet } from "../../dicom/data-set.ts";
import { encodeDataSet } from "../../dicom/encode.ts";
import { TAG } from "../../dicom/tags.ts";
import { SOP_CLASS } from "../../dicom/uids.ts";
import { codeOf, messageOf } from "../../kernel/errors.ts";
import { IDENTIFIER_BYTES_MAX } from "../../kernel/limits.ts";
import type { Logger } from "../../kernel/log.ts";
import { retrieveStatusOf, statusHex } from "../../kernel/statuses.ts";
import { COMMAND, COMMAND_NAME, type CommandSet, encodeResponse } from "../command-set.ts";
import type { AcceptedContext, RequestHandler, Responder } from "../message-exchange.ts";
import { type PerformOptions, performRetrieve } from "./perform-retrieve.ts";
import { planRetrieve, type RetrievePlan, type RetrievePlanOptions } from "./retrieve-plan.ts";
import { createTally, type FinalAnswer, type Tally } from "./tally.ts";

const COMMAND_OF_CLASS: Readonly<Record<string, number>> = {
  [SOP_CLASS.patientRootMove]: COMMAND.move,
  [SOP_CLASS.studyRootMove]: COMMAND.move,
  [SOP_CLASS.patientRootGet]: COMMAND.get,
  [SOP_CLASS.studyRootGet]: COMMAND.get,
};

export type RetrieveOptions = RetrievePlanOptions & PerformOptions;

export interface RetrieveService {
  /** True for a C-MOVE-RQ or C-GET-RQ on a context of its SOP class. */
  serves(command: CommandSet, context: AcceptedContext): boolean;
  handler(command: CommandSet, context: AcceptedContext, responder: Responder): RequestHandler;
}

export function createRetrieveService(options: RetrieveOptions): RetrieveService {
  return {
    serves: (command, context) => COMMAND_OF_CLASS[context.abstractSyntax] === command.commandField,
    handler: (command, context, responder) => retrieveHandler(options, command, context, responder),
  };
}

function retrieveHandler(
  options: RetrieveOptions,
  command: CommandSet,
  context: AcceptedContext,
  responder: Responder,
): RequestHandler {
  const name = COMMAND_NAME[command.commandField]!;
  const startedAt = performance.now();
  const parts: Buffer[] = [];
  let bytes = 0;

  return {
    isRequesting: command.commandField === COMMAND.get,
    async data(piece) {
      bytes += piece.length;
      if (bytes <= IDENTIFIER_BYTES_MAX) parts.push(Buffer.from(piece));
    },
    async end(signal) {
      let plan: RetrievePlan;
      try {
        const identifier = Buffer.concat(bytes <= IDENTIFIER_BYTES_MAX ? parts : []);
        plan = await planRetrieve(options, command, context, identifier);
      } catch (error) {
        return answer(refusal(options.log, name, responder, error));
      }
      const tally = createTally(plan.instances.length);
      const isCancelled = await performRetrieve(
        options,
        { command, context, responder, plan, tally },
        signal,
      ).catch((error: unknown) => {
        logEnd(tally, "association ended");
        throw error;
      });
      const final = tally.final(isCancelled);
      logEnd(tally, isEnded(signal) ? "association ended" : statusHex(final.status));
      await answer(final);
    },
    abort: async () => undefined,
  };

  async function answer(final: FinalAnswer): Promise<void> {
    const { failedUids, ...fields } = final;
    options.metrics.dimseRequestsTotal.inc({ command: name, status: statusHex(final.status) });
    const response = encodeResponse(command, { ...fields, hasDataSet: failedUids.length > 0 });
    if (failedUids.length === 0) return responder.send(context.id, response);
    const list = new DataSet().setString(TAG.FailedSOPInstanceUIDList, "UI", failedUids);
    return responder.send(context.id, response, encodeDataSet(list, context.transferSyntax));
  }

  function logEnd(tally: Tally, outcome: string): void {
    options.log.info(
      {
        event: "retrieve.ended",
        assoc: responder.info.id,
        command: name,
        peer_ae: responder.info.callingAeTitle,
        // Of a configured peer: another one was refused before.
        ...(command.commandField === COMMAND.move ? { destination: command.moveDestination } : {}),
        outcome,
        ...tally.counts(),
        failures: tally.failures(),
        duration_ms: Math.round(performance.now() - startedAt),
      },
      "a retrieve ended",
    );
  }
}

/** The association that asked is over. */
function isEnded(signal: AbortSignal): boolean {
  return signal.aborted && codeOf(signal.reason) === "PEER_CLOSED";
}

function refusal(log: Logger, name: string, responder: Responder, error: unknown): FinalAnswer {
  const code = codeOf(error);
  const facts = { assoc: responder.info.id, peer_ae: responder.info.callingAeTitle, command: name };
  if (code === "INTERNAL")
    log.error({ event: "retrieve.failed", ...facts, err: error }, "a retrieve failed");
  else
    log.warn(
      { event: "retrieve.refused", ...facts, code, why: messageOf(error) },
      "a retrieve was refused",
    );
  return {
    status: retrieveStatusOf(code),
    comment: code === "INTERNAL" ? code : messageOf(error),
    subOperations: {},
    failedUids: [],
  };
}
