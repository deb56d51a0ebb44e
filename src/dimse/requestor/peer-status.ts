/**
 * What peers' answers mean: DIMSE statuses (PS3.7 Annex C, PS3.4 Tables B.2-1 and C.4-1), rejections (PS3.8 Table 9-21)
 * and refused presentation contexts (PS3.8 Table 9-18), each with its retry class and a sentence for an operator.
 */
import { type ErrorCode, KindredError } from "../../kernel/errors.ts";
import { type RetryClass, statusHex } from "../../kernel/statuses.ts";
import type { AssociateRj } from "../upper-layer/pdu.ts";

/** FF00H and FF01H announce more. PS3.4 C.4.1.1.4. */
export function isPending(status: number): boolean {
  return status === 0xff00 || status === 0xff01;
}

/** `warning`: done, and the peer said something about it. */
export type StatusKind = "success" | "warning" | "pending" | "cancel" | "failure";

export interface StatusMeaning {
  readonly kind: StatusKind;
  /** For a failure: whether the same request can help later. */
  readonly retry: RetryClass;
  readonly text: string;
}

const transient = (text: string): StatusMeaning => ({ kind: "failure", retry: "transient", text });
const permanent = (text: string): StatusMeaning => ({ kind: "failure", retry: "permanent", text });
const warning = (text: string): StatusMeaning => ({ kind: "warning", retry: "permanent", text });

/** PS3.7 Annex C: statuses of every service, by value. */
const GENERAL: ReadonlyMap<number, StatusMeaning> = new Map([
  [0x0000, { kind: "success", retry: "permanent", text: "success" } as const],
  [0x0001, warning("warning")],
  [0x0105, permanent("no such attribute")],
  [0x0106, permanent("invalid attribute value")],
  [0x0107, warning("attribute list warning")],
  [0x0110, permanent("processing failure")],
  [0x0111, warning("the SOP instance is there already")],
  [0x0112, permanent("no such SOP instance")],
  [0x0115, permanent("invalid argument value")],
  [0x0116, warning("attribute value out of range")],
  [0x0117, permanent("invalid SOP instance")],
  [0x0118, permanent("no such SOP class")],
  [0x0119, permanent("class and instance conflict")],
  [0x0120, permanent("missing attribute")],
  [0x0121, permanent("missing attribute value")],
  [0x0122, permanent("SOP class not supported")],
  [0x0124, permanent("not authorized: the peer must permit our AE title")],
  [0x0210, permanent("duplicate invocation")],
  [0x0211, permanent("unrecognized operation")],
  [0x0212, permanent("mistyped argument")],
  [0x0213, transient("resource limitation")],
  [0xfe00, { kind: "cancel", retry: "permanent", text: "cancelled" } as const],
  [0xff00, { kind: "pending", retry: "permanent", text: "pending" } as const],
  [
    0xff01,
    { kind: "pending", retry: "permanent", text: "pending, optional keys ignored" } as const,
  ],
]);

/** PS3.4 Tables B.2-1 and C.4-1, by the leading digits. */
export function meaningOfStatus(status: number): StatusMeaning {
  const general = GENERAL.get(status);
  if (general !== undefined) return general;
  switch (status >>> 8) {
    case 0xa7:
      return transient("out of resources");
    case 0xa8:
      return permanent("move destination unknown");
    case 0xa9:
      return permanent("data set does not match the SOP class");
  }
  if (status >>> 12 === 0xb) return warning("stored with a warning");
  if (status >>> 12 === 0xc) return permanent("cannot understand or process");
  return permanent("a status that the standard does not know");
}

/** `A700H, out of resources`. */
export function statusText(status: number): string {
  return `${statusHex(status)}, ${meaningOfStatus(status).text}`;
}

/** The code of a status that is a failure. */
export function codeOfStatus(status: number): ErrorCode {
  return meaningOfStatus(status).retry === "transient" ? "PEER_BUSY" : "PEER_REFUSED";
}

const REJECT_RESULT: Readonly<Record<number, string>> = { 1: "permanently", 2: "for now" };
const REJECT_REASON: Readonly<Record<number, Readonly<Record<number, string>>>> = {
  1: {
    1: "no reason given",
    2: "it does not support our application context name",
    3: "it does not know our AE title: add it there",
    7: "it does not answer to the AE title we call: check it in peers",
  },
  2: { 1: "no reason given (ACSE)", 2: "it does not support our protocol version" },
  3: { 1: "temporary congestion", 2: "its limit of associations is reached" },
};

/**
 * An A-ASSOCIATE-RJ as an error. Only result 1 is permanent; any other says that nothing was taken, so it may be tried
 * again.
 */
export function rejectionError({ result, source, reason }: AssociateRj): KindredError {
  const why = REJECT_REASON[source]?.[reason] ?? "a reason that the standard does not know";
  const how = REJECT_RESULT[result] ?? "with an unknown result";
  return new KindredError(
    result === 1 ? "PEER_REFUSED" : "PEER_BUSY",
    `The peer rejected the association ${how}: ${why} (result ${result}, source ${source}, reason ${reason})`,
    { details: { result, source, reason } },
  );
}

const CONTEXT_RESULT: Readonly<Record<number, string>> = {
  1: "user rejection",
  2: "no reason given",
  3: "SOP class not supported",
  4: "no transfer syntax that it takes",
};

/** @param results - Result/Reason of each context proposed for the SOP class; empty when none was answered */
export function refusedContextText(results: readonly number[]): string {
  const why = [...new Set(results.map((one) => CONTEXT_RESULT[one] ?? "unknown result"))];
  return `The peer does not take this SOP class (${why.length === 0 ? "not answered" : why.join("; ")})`;
}

const ABORT_SOURCE: Readonly<Record<number, string>> = {
  0: "its application",
  2: "its upper layer",
};
const ABORT_REASON: Readonly<Record<number, string>> = {
  0: "not specified",
  1: "unrecognized PDU",
  2: "unexpected PDU",
  4: "unrecognized PDU parameter",
  5: "unexpected PDU parameter",
  6: "invalid PDU parameter value",
};

/** PS3.8 Table 9-26. */
export function abortText(source: number, reason: number): string {
  const who = ABORT_SOURCE[source] ?? "unknown source";
  const why = source === 2 ? `, reason: ${ABORT_REASON[reason] ?? "unknown"}` : "";
  return `The peer aborted the association (${who}${why})`;
}
