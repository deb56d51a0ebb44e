/** C-STORE as SCP. PS3.4 B.2, PS3.7 9.1.1. Success is sent only after the sink kept the instance. */
import { isValidUid } from "../../dicom/uids.ts";
import { codeOf, KindredError, messageOf } from "../../kernel/errors.ts";
import { DIMSE, STATUSES, statusHex } from "../../kernel/statuses.ts";
import { type CommandSet, encodeResponse } from "../command-set.ts";
import type { AcceptedContext, RequestHandler, Responder } from "../message-exchange.ts";
import type { StoreReceiver } from "../ports.ts";
import type { ServiceOptions } from "./dispatch.ts";

const SUCCESS = statusHex(DIMSE.success);

export async function storeHandler(
  options: ServiceOptions,
  command: CommandSet,
  context: AcceptedContext,
  responder: Responder,
): Promise<RequestHandler> {
  const { metrics, log } = options;
  const startedAtMs = performance.now();
  let receiver: StoreReceiver | undefined;
  // After a failure the rest of the data set is read and dropped, then the failure is answered.
  let failure: unknown;
  try {
    checkRequest(command, context);
    receiver = await options.store.begin({
      association: responder.info,
      messageId: command.messageId,
      sopClassUid: command.affectedSopClassUid,
      sopInstanceUid: command.affectedSopInstanceUid,
      transferSyntaxUid: context.transferSyntax,
    });
  } catch (error) {
    failure = error;
  }
  const fail = async (error: unknown) => {
    failure = error;
    const failed = receiver;
    receiver = undefined;
    await failed?.abort().catch(() => undefined);
  };
  return {
    data(fragment) {
      try {
        return receiver?.write(fragment)?.catch(fail);
      } catch (error) {
        return fail(error);
      }
    },
    async end() {
      if (receiver !== undefined) {
        const one = receiver;
        receiver = undefined;
        await one.complete().catch((error: unknown) => {
          failure = error;
        });
      }
      metrics.instanceReceiveSeconds.observe((performance.now() - startedAtMs) / 1000);
      await answer();
    },
    async abort() {
      await fail(new KindredError("UNAVAILABLE", "the association ended"));
    },
  };

  async function answer(): Promise<void> {
    if (failure === undefined) {
      metrics.instancesReceivedTotal.inc(SUCCESS);
      return responder.send(context.id, encodeResponse(command, { status: DIMSE.success }));
    }
    const code = codeOf(failure);
    const status = STATUSES[code].store;
    metrics.instancesReceivedTotal.inc(statusHex(status));
    const facts = {
      event: "instance.refused",
      assoc: responder.info.id,
      code,
      status: statusHex(status),
    };
    if (code === "INTERNAL") log.error({ ...facts, err: failure }, "an instance was not kept");
    else log.warn({ ...facts, why: messageOf(failure) }, "an instance was not kept");
    const comment = code === "INTERNAL" ? code : `${code}: ${messageOf(failure)}`;
    return responder.send(context.id, encodeResponse(command, { status, comment }));
  }
}

function checkRequest(command: CommandSet, context: AcceptedContext): void {
  if (!command.hasDataSet)
    throw new KindredError("DATASET_INCOMPLETE", "C-STORE without a data set");
  if (command.affectedSopClassUid !== context.abstractSyntax) {
    throw new KindredError(
      "SOP_MISMATCH",
      "Affected SOP Class is not that of the presentation context",
    );
  }
  if (!isValidUid(command.affectedSopInstanceUid)) {
    throw new KindredError("SOP_MISMATCH", "Affected SOP Instance UID is not a UID");
  }
}
