/** From a C-MOVE-RQ or C-GET-RQ to what it asks for: kept instances, and where a move sends them. */
import type { Config } from "../../config/schema.ts";
import { decodeDataSet } from "../../dicom/decode.ts";
import { SOP_CLASS } from "../../dicom/uids.ts";
import { KindredError } from "../../kernel/errors.ts";
import { COMMAND, type CommandSet } from "../command-set.ts";
import type { AcceptedContext } from "../message-exchange.ts";
import type { RetrieveSource, StoredInstance } from "../ports.ts";
import type { Target } from "../requestor-association.ts";
import { retrieveKeysOf } from "./retrieve-keys.ts";

const PATIENT_ROOT: readonly string[] = [SOP_CLASS.patientRootMove, SOP_CLASS.patientRootGet];

export interface RetrievePlanOptions {
  readonly config: Config["dimse"];
  readonly source: RetrieveSource;
  /** Where a move destination is called; undefined when no peer that can be called has this AE title. */
  destinationOf(aeTitle: string): Target | undefined;
}

export interface RetrievePlan {
  readonly instances: readonly StoredInstance[];
  /** Of a C-MOVE. */
  readonly target: Target | undefined;
}

/**
 * @param identifier - its bytes; empty when it is missing or too long
 * @throws KindredError whose code gives the status
 */
export async function planRetrieve(
  options: RetrievePlanOptions,
  command: CommandSet,
  context: AcceptedContext,
  identifier: Buffer,
): Promise<RetrievePlan> {
  if (identifier.length === 0) {
    throw new KindredError("QUERY_INVALID", "The identifier is missing or longer than 65536 bytes");
  }
  const keys = retrieveKeysOf(
    decodeDataSet(identifier, { transferSyntaxUid: context.transferSyntax }),
    PATIENT_ROOT.includes(context.abstractSyntax) ? "PATIENT_ROOT" : "STUDY_ROOT",
    context.information[0] === 1,
  );
  const isMove = command.commandField === COMMAND.move;
  const target = isMove ? options.destinationOf(command.moveDestination) : undefined;
  if (isMove && target === undefined) {
    throw new KindredError(
      "DESTINATION_UNKNOWN",
      "Move destination is no peer with a host and port here",
    );
  }
  const instances = await options.source.find(keys, options.config.retrieveInstancesMax);
  return { instances, target };
}
