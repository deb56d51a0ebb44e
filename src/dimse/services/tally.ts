/** Counts of the sub-operations of one retrieve, and the final response that they make. PS3.4 C.4.2.1.5 to C.4.2.3.1. */
import { DIMSE } from "../../kernel/statuses.ts";
import type { SubOperations } from "../command-set.ts";

/** Why a sub-operation failed: for Error Comment, log and metric; no data from outside. */
export type Failure =
  | "SOP class or transfer syntax not accepted"
  | "destination out of resources"
  | "destination refused the instance"
  | "destination cannot be reached"
  | "destination is busy"
  | "destination rejected the association"
  | "destination did not answer in time"
  | "destination closed the association"
  | "stored file cannot be read"
  | "interrupted by cancel";

/** How one sub-operation ended. A warning means stored, with a remark of the destination. */
export type SubOutcome = "completed" | "warning" | { readonly failed: Failure };

export interface FinalAnswer {
  readonly status: number;
  readonly comment: string | undefined;
  readonly subOperations: Partial<SubOperations>;
  /** For Failed SOP Instance UID List (0008,0058); empty means no identifier (PS3.4 C.4.2.1.4.2). */
  readonly failedUids: readonly string[];
}

export interface Tally {
  count(sopInstanceUid: string, outcome: SubOutcome): void;
  counts(): SubOperations;
  /** Failed sub-operations by cause. */
  failures(): Readonly<Record<string, number>>;
  /** @param isCancelled - C-CANCEL ended it: what was not begun remains */
  final(isCancelled: boolean): FinalAnswer;
}

/**
 * Longest value of a UI element in explicit VR: the length field has 16 bits (PS3.5 7.1.2). A longer list of failed
 * instances is cut; the counts stay exact.
 */
const UID_LIST_BYTES_MAX = 0xfffe;

export function createTally(total: number): Tally {
  let completed = 0;
  let warning = 0;
  let failed = 0;
  let listBytes = 0;
  const failedUids: string[] = [];
  const failures = new Map<Failure, number>();
  const counts = () => ({
    remaining: total - completed - failed - warning,
    completed,
    failed,
    warning,
  });
  return {
    counts,
    failures: () => Object.fromEntries(failures),
    count(sopInstanceUid, outcome) {
      if (outcome === "completed") completed++;
      else if (outcome === "warning") warning++;
      else {
        failed++;
        failures.set(outcome.failed, (failures.get(outcome.failed) ?? 0) + 1);
        listBytes += sopInstanceUid.length + 1;
        if (listBytes <= UID_LIST_BYTES_MAX) failedUids.push(sopInstanceUid);
      }
    },
    final(isCancelled) {
      const { remaining, ...done } = counts();
      return {
        status: isCancelled ? DIMSE.cancel : statusOf(done, total),
        comment: commentOf(failures),
        // Remaining may stand in Pending and Cancel only (PS3.4 C.4.2.1.6).
        subOperations: isCancelled ? { remaining, ...done } : done,
        failedUids,
      };
    },
  };
}

function statusOf(done: Omit<SubOperations, "remaining">, total: number): number {
  if (done.failed + done.warning === 0) return DIMSE.success;
  return done.failed === total ? DIMSE.subOperationsFailed : DIMSE.subOperationsWarning;
}

/** `12 failed: destination cannot be reached`: the most frequent cause, in the 64 characters of an Error Comment. */
function commentOf(failures: ReadonlyMap<Failure, number>): string | undefined {
  const [most] = [...failures].sort((a, b) => b[1] - a[1]);
  return most === undefined ? undefined : `${most[1]} failed: ${most[0]}`;
}
