/** What became of one C-STORE. It stands apart from the library, which receivers that only send kept bytes never load. */
import type { ErrorCode } from "../../kernel/errors.ts";
import type { RetryClass } from "../../kernel/statuses.ts";
import { codeOfStatus, meaningOfStatus, statusText } from "./peer-status.ts";

export interface SendOutcome {
  /** `warning`: stored, or already there, and the peer said something about it. */
  readonly kind: "stored" | "warning" | "failed" | "refusedContext";
  readonly status: number | undefined;
  readonly retry: RetryClass;
  readonly message: string;
  /** Why it is not there; undefined when it is. */
  readonly code: ErrorCode | undefined;
}

/**
 * What a C-STORE status means for the sender. PS3.4 Table B.2-1; 0111H says the instance is there already.
 *
 * @param status - undefined when the peer took no presentation context for it
 */
export function classifyStoreStatus(status: number | undefined): SendOutcome {
  if (status === undefined) return refusedContext("The peer does not take this SOP class");
  const { kind, retry } = meaningOfStatus(status);
  const text = statusText(status);
  switch (kind) {
    case "success":
      return { kind: "stored", status, retry, message: "stored", code: undefined };
    case "warning":
      return { kind: "warning", status, retry, message: `stored (${text})`, code: undefined };
    default:
      return {
        kind: "failed",
        status,
        retry,
        message: `The peer answered C-STORE with ${text}`,
        code: codeOfStatus(status),
      };
  }
}

/** The peer took no presentation context for it, or rejected the association that would have had one. */
export function refusedContext(message: string): SendOutcome {
  return {
    kind: "refusedContext",
    status: undefined,
    retry: "permanent",
    message,
    code: "PEER_REFUSED",
  };
}
