/** One retrieve from its turn at the destination to its last sub-operation, with Pending responses on the way. */
import type { Config } from "../../config/schema.ts";
import type { Logger } from "../../kernel/log.ts";
import type { Metrics } from "../../kernel/metrics.ts";
import { DIMSE } from "../../kernel/statuses.ts";
import { COMMAND_NAME, type CommandSet, encodeResponse } from "../command-set.ts";
import type { AcceptedContext, Responder } from "../message-exchange.ts";
import type { StoredInstance } from "../ports.ts";
import type { Target } from "../requestor-association.ts";
import { associationSender } from "./association-sender.ts";
import { destinationSender, groupBySyntax } from "./destination-sender.ts";
import { createPendingReports } from "./pending-reports.ts";
import type { RetrievePlan } from "./retrieve-plan.ts";
import { runSubOperations, type SubOperationSender } from "./sub-operations.ts";
import type { SubOutcome, Tally } from "./tally.ts";
import type { Turns } from "./turns.ts";

export interface PerformOptions {
  readonly config: Config["dimse"];
  /** At each destination, by its AE title; C-MOVE only. */
  readonly turns: Turns;
  readonly log: Logger;
  readonly metrics: Metrics;
}

export interface Retrieve {
  readonly command: CommandSet;
  readonly context: AcceptedContext;
  readonly responder: Responder;
  readonly plan: RetrievePlan;
  readonly tally: Tally;
}

/**
 * Runs the sub-operations.
 *
 * @returns true when it was cancelled
 * @throws when the association that asked cannot go on
 */
export async function performRetrieve(
  options: PerformOptions,
  retrieve: Retrieve,
  signal: AbortSignal,
): Promise<boolean> {
  const { command, context, responder, plan, tally } = retrieve;
  if (plan.instances.length === 0) return false;
  const name = COMMAND_NAME[command.commandField]!;
  const reports = createPendingReports({
    periodSeconds: options.config.retrievePendingSeconds,
    // In C-GET each sub-operation itself is a sign of life.
    hasHeartbeat: plan.target !== undefined,
    send: () =>
      responder.send(
        context.id,
        encodeResponse(command, { status: DIMSE.pending, subOperations: tally.counts() }),
      ),
  });
  const onCounted = (outcome: SubOutcome) => {
    const label = typeof outcome === "string" ? outcome : "failed";
    options.metrics.subOperationsTotal.inc({ command: name, outcome: label });
    return reports.counted();
  };
  const log = options.log.child({ assoc: responder.info.id });
  const run = async (sender: SubOperationSender, instances: readonly StoredInstance[]) => {
    try {
      return await runSubOperations({ sender, tally, log, onCounted }, instances, signal);
    } finally {
      await sender.close();
    }
  };
  try {
    if (plan.target === undefined) return await run(associationSender(responder), plan.instances);
    const giveBack = await options.turns.take(command.moveDestination, signal);
    if (giveBack === undefined) return true;
    try {
      const { groups, ordered } = groupBySyntax(plan.instances);
      return await run(senderOf(plan.target, groups, retrieve, signal), ordered);
    } finally {
      giveBack();
    }
  } finally {
    await reports.end();
  }
}

function senderOf(
  target: Target,
  groups: ReturnType<typeof groupBySyntax>["groups"],
  { command, responder }: Retrieve,
  signal: AbortSignal,
): SubOperationSender {
  const moveOriginator = {
    aeTitle: responder.info.callingAeTitle,
    messageId: command.messageId,
  };
  return destinationSender({ target, groups, signal, moveOriginator });
}
