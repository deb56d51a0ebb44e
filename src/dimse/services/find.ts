/** C-FIND as SCP. PS3.4 C.4.1, PS3.7 9.1.2: one Pending response a match, then the final status. */
import { decodeDataSet } from "../../dicom/decode.ts";
import { encodeDataSet } from "../../dicom/encode.ts";
import { SOP_CLASS } from "../../dicom/uids.ts";
import { codeOf, KindredError, messageOf } from "../../kernel/errors.ts";
import { IDENTIFIER_BYTES_MAX, IDENTIFIER_DEPTH_MAX } from "../../kernel/limits.ts";
import { DIMSE, STATUSES, statusHex } from "../../kernel/statuses.ts";
import { type CommandSet, encodeResponse } from "../command-set.ts";
import type { AcceptedContext, RequestHandler, Responder } from "../message-exchange.ts";
import type { QueryNegotiation } from "../ports.ts";
import type { ServiceOptions } from "./dispatch.ts";

export async function findHandler(
  options: ServiceOptions,
  command: CommandSet,
  context: AcceptedContext,
  responder: Responder,
): Promise<RequestHandler> {
  const parts: Buffer[] = [];
  let bytes = 0;
  return {
    async data(fragment) {
      bytes += fragment.length;
      if (bytes <= IDENTIFIER_BYTES_MAX) parts.push(Buffer.from(fragment));
    },
    async end(signal) {
      const final = await answerMatches(signal).catch((error: unknown) => failed(error, signal));
      options.metrics.dimseRequestsTotal.inc({
        command: "C-FIND",
        status: statusHex(final.status),
      });
      await responder.send(context.id, encodeResponse(command, final));
    },
    abort: async () => undefined,
  };

  async function answerMatches(signal: AbortSignal): Promise<{ status: number; comment?: string }> {
    if (!command.hasDataSet || bytes > IDENTIFIER_BYTES_MAX) {
      throw new KindredError("QUERY_INVALID", "The identifier is missing or too long");
    }
    const identifier = decodeDataSet(Buffer.concat(parts), {
      transferSyntaxUid: context.transferSyntax,
      depthMax: IDENTIFIER_DEPTH_MAX,
    });
    const matches = options.find.find(
      {
        association: responder.info,
        model: context.abstractSyntax === SOP_CLASS.patientRootFind ? "PATIENT_ROOT" : "STUDY_ROOT",
        identifier,
        negotiated: negotiatedOf(context.information),
      },
      signal,
    );
    for (;;) {
      const step = await matches.next();
      if (step.done) return { status: DIMSE.success, ...step.value };
      if (signal.aborted) {
        await matches.return({});
        return { status: DIMSE.cancel };
      }
      const { identifier: match, isWarning } = step.value;
      const status = isWarning ? DIMSE.pendingWarning : DIMSE.pending;
      await responder.send(
        context.id,
        encodeResponse(command, { status, hasDataSet: true }),
        encodeDataSet(match, context.transferSyntax),
      );
      // Gives a C-CANCEL that has arrived the chance to be read.
      await new Promise((resolve) => setImmediate(resolve));
    }
  }

  function failed(error: unknown, signal: AbortSignal): { status: number; comment?: string } {
    if (signal.aborted) return { status: DIMSE.cancel };
    const code = codeOf(error);
    if (code === "PEER_CLOSED") throw error;
    if (code === "INTERNAL")
      options.log.error(
        { event: "find.failed", assoc: responder.info.id, err: error },
        "a query failed",
      );
    else
      options.log.warn(
        { event: "find.refused", assoc: responder.info.id, code },
        "a query was refused",
      );
    return { status: STATUSES[code].find, comment: code === "INTERNAL" ? code : messageOf(error) };
  }
}

/** Service-class application information of Query/Retrieve. PS3.4 C.5.1.1. */
function negotiatedOf(information: Buffer): QueryNegotiation {
  return {
    relational: information[0] === 1,
    dateTime: information[1] === 1,
    fuzzyNames: information[2] === 1,
  };
}
