/**
 * Sub-operations of C-GET: C-STORE on the association that asked, on the contexts for which the peer took the SCP role.
 * PS3.4 C.4.3.3, PS3.7 D.3.3.4. A failure in the middle of a message ends the association: nothing else can follow it.
 */
import { storeInstance } from "../bulk-sender.ts";
import type { Responder } from "../message-exchange.ts";
import type { SubOperationSender } from "./sub-operations.ts";

export function associationSender(responder: Responder): SubOperationSender {
  return {
    async prepare({ sopClassUid, transferSyntaxUid }) {
      return responder.contextFor(sopClassUid, transferSyntaxUid) === undefined
        ? "SOP class or transfer syntax not accepted"
        : undefined;
    },
    async send({ sopClassUid, sopInstanceUid, transferSyntaxUid }, dataSet) {
      const instance = { sopClassUid, sopInstanceUid, transferSyntaxUid, dataSet };
      const status = await storeInstance(responder, instance);
      return status ?? "SOP class or transfer syntax not accepted";
    },
    close: async () => undefined,
  };
}
