/** Command field and presentation context → service. PS3.7 9.3; unknown operations get 0211H. */
import { isStorageSopClass, SOP_CLASS } from "../../dicom/uids.ts";
import type { Logger } from "../../kernel/log.ts";
import type { Metrics } from "../../kernel/metrics.ts";
import { DIMSE, statusHex } from "../../kernel/statuses.ts";
import { COMMAND, type CommandSet, encodeResponse } from "../command-set.ts";
import type { AcceptedContext, RequestHandler, Responder } from "../message-exchange.ts";
import type { FindSource, StoreSink } from "../ports.ts";
import { ABORT_REASON, ProtocolError } from "../upper-layer/pdu.ts";
import type { CommitmentService } from "./commitment.ts";
import { findHandler } from "./find.ts";
import type { RetrieveService } from "./retrieve.ts";
import { storeHandler } from "./store.ts";

export interface ServiceOptions {
  readonly store: StoreSink;
  readonly find: FindSource;
  /** Without it storage commitment is answered 0211H. */
  readonly commitment?: CommitmentService | undefined;
  /** Without it C-MOVE and C-GET are answered 0211H. */
  readonly retrieve?: RetrieveService;
  readonly log: Logger;
  readonly metrics: Metrics;
}

export async function dispatch(
  options: ServiceOptions,
  command: CommandSet,
  context: AcceptedContext,
  responder: Responder,
): Promise<RequestHandler> {
  if ((command.commandField & COMMAND.response) !== 0) {
    throw new ProtocolError(ABORT_REASON.invalidParameter, "a response that answers nothing");
  }
  const isFind =
    context.abstractSyntax === SOP_CLASS.studyRootFind ||
    context.abstractSyntax === SOP_CLASS.patientRootFind;
  const isEcho = context.abstractSyntax === SOP_CLASS.verification;
  if (command.commandField === COMMAND.echo && isEcho) {
    return drain(async () => {
      options.metrics.dimseRequestsTotal.inc({
        command: "C-ECHO",
        status: statusHex(DIMSE.success),
      });
      await responder.send(context.id, encodeResponse(command, { status: DIMSE.success }));
    });
  }
  if (options.retrieve?.serves(command, context) === true)
    return options.retrieve.handler(command, context, responder);
  if (command.commandField === COMMAND.store && isStorageSopClass(context.abstractSyntax))
    return storeHandler(options, command, context, responder);
  if (command.commandField === COMMAND.find && isFind)
    return findHandler(options, command, context, responder);
  const isNormalized =
    command.commandField === COMMAND.action || command.commandField === COMMAND.eventReport;
  if (isNormalized && context.abstractSyntax === SOP_CLASS.storageCommitmentPush) {
    const handler = options.commitment?.handler(
      command,
      context,
      responder,
      responder.info.callingAeTitle,
    );
    if (handler !== undefined) return handler;
  }
  return drain(async () => {
    const status = DIMSE.unrecognizedOperation;
    options.metrics.dimseRequestsTotal.inc({ command: "other", status: statusHex(status) });
    await responder.send(
      context.id,
      encodeResponse(command, { status, comment: "operation is not offered on this context" }),
    );
  });
}

/** A handler that reads a data set, if there is one, and throws it away. */
function drain(answer: () => Promise<void>): RequestHandler {
  return { data: () => undefined, end: answer, abort: async () => undefined };
}
