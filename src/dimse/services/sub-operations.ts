/**
 * The C-STORE sub-operations of one retrieve, one after the other. The next file is opened while the destination works on
 * the one before, so that neither waits for the other's disk; no more than that one is read ahead.
 */
import { codeOf, messageOf } from "../../kernel/errors.ts";
import type { Logger } from "../../kernel/log.ts";
import type { OpenDataSet, StoredInstance } from "../ports.ts";
import { classifyStoreStatus } from "../requestor/store-outcome.ts";
import type { Failure, SubOutcome, Tally } from "./tally.ts";

/** Where the sub-operations go: another association (C-MOVE) or the same one (C-GET). */
export interface SubOperationSender {
  /** Makes ready for the instance; says why it cannot be sent at all. */
  prepare(instance: StoredInstance): Promise<Failure | undefined>;
  /**
   * C-STORE of one instance that was prepared for.
   *
   * @returns the status answered, or why there is none
   * @throws whatever ends the whole retrieve without an answer
   */
  send(instance: StoredInstance, dataSet: OpenDataSet): Promise<number | Failure>;
  close(): Promise<void>;
}

export interface SubOperationsOptions {
  readonly sender: SubOperationSender;
  readonly tally: Tally;
  readonly log: Logger;
  /** Called after each sub-operation. */
  onCounted(outcome: SubOutcome): Promise<void>;
}

/** @returns true when the signal ended it before its time */
export async function runSubOperations(
  options: SubOperationsOptions,
  instances: readonly StoredInstance[],
  signal: AbortSignal,
): Promise<boolean> {
  let ahead: Promise<OpenDataSet> | undefined;
  let isInterrupted = false;
  try {
    for (const [index, instance] of instances.entries()) {
      if (signal.aborted) return true;
      const opened = ahead;
      ahead = undefined;
      const next = instances[index + 1];
      const outcome = await subOperation(options, instance, opened, () => {
        // A next instance of the same kind will be sent surely; of another kind it may be refused unread.
        if (next !== undefined && isSameKind(next, instance)) ahead = open(next);
      });
      options.tally.count(instance.sopInstanceUid, outcome);
      isInterrupted = isFailure(outcome, "interrupted by cancel");
      await options.onCounted(outcome);
    }
    return isInterrupted;
  } finally {
    await ahead?.then((dataSet) => dataSet.close()).catch(() => undefined);
  }
}

async function subOperation(
  { sender, log }: SubOperationsOptions,
  instance: StoredInstance,
  opened: Promise<OpenDataSet> | undefined,
  onSending: () => void,
): Promise<SubOutcome> {
  let dataSet: OpenDataSet | undefined;
  let isDelivered = false;
  try {
    const refusal = await sender.prepare(instance);
    if (refusal !== undefined) return { failed: refusal };
    const opening = opened ?? open(instance);
    dataSet = await opening.catch((error: unknown) => unreadable(log, instance, error));
    if (dataSet === undefined) return { failed: "stored file cannot be read" };
    onSending();
    const answer = await sender.send(instance, dataSet);
    if (typeof answer !== "number") return { failed: answer };
    isDelivered = true;
    return outcomeOf(answer);
  } finally {
    await dataSet?.close(isDelivered);
    // What was opened ahead and not needed.
    if (dataSet === undefined) await opened?.then((one) => one.close()).catch(() => undefined);
  }
}

function open(instance: StoredInstance): Promise<OpenDataSet> {
  const opening = instance.open();
  // It is looked at later: until then nobody handles its rejection.
  opening.catch(() => undefined);
  return opening;
}

function unreadable(log: Logger, instance: StoredInstance, error: unknown): undefined {
  log.error(
    {
      event: "retrieve.file_unreadable",
      instance: instance.sopInstanceUid,
      code: codeOf(error),
      err: messageOf(error),
    },
    "the file of a kept instance cannot be read",
  );
  return undefined;
}

function outcomeOf(status: number): SubOutcome {
  const { kind } = classifyStoreStatus(status);
  if (kind === "stored") return "completed";
  if (kind === "warning") return "warning";
  return {
    failed:
      status >>> 8 === 0xa7 ? "destination out of resources" : "destination refused the instance",
  };
}

function isSameKind(one: StoredInstance, other: StoredInstance): boolean {
  return one.sopClassUid === other.sopClassUid && one.transferSyntaxUid === other.transferSyntaxUid;
}

function isFailure(outcome: SubOutcome, failure: Failure): boolean {
  return typeof outcome === "object" && outcome.failed === failure;
}
