/** C-ECHO to a peer. PS3.4 Annex A. */
import { SOP_CLASS, UID } from "../../dicom/uids.ts";
import { KindredError } from "../../kernel/errors.ts";
import { COMMAND } from "../command-set.ts";
import { exchange, type Target } from "./exchange.ts";
import { library } from "./library.ts";
import { codeOfStatus, statusText } from "./peer-status.ts";

/** @throws KindredError `PEER_…` with what went wrong */
export async function echo(target: Target): Promise<void> {
  const [answer] = await exchange(target, [
    {
      abstractSyntax: SOP_CLASS.verification,
      proposals: [[UID.implicitVrLittleEndian, UID.explicitVrLittleEndian]],
      responseField: COMMAND.echo | COMMAND.response,
      hasPending: false,
      make: () => new library.requests.CEchoRequest(),
    },
  ]);
  if (answer!.kind === "broken") throw answer!.error;
  if (answer!.kind === "refusedContext") throw new KindredError("PEER_REFUSED", answer!.message);
  const { status } = answer!.final;
  if (status !== 0)
    throw new KindredError(
      codeOfStatus(status),
      `The peer answered C-ECHO with ${statusText(status)}`,
      {
        details: { status },
      },
    );
}
