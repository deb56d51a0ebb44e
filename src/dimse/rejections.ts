/**
 * Every reason for which this node rejects an association, with its result, source and reason (PS3.8 Table 9-21). The
 * policy and the admission reject by these names; the conformance statement lists them.
 */
export interface RejectionCode {
  /** 1 permanent, 2 transient. */
  readonly result: 1 | 2;
  /** 1 service user, 2 service provider (ACSE), 3 service provider (presentation related). */
  readonly source: 1 | 2 | 3;
  readonly reason: number;
}

interface RejectionRow extends RejectionCode {
  readonly meaning: string;
}

const row = (result: 1 | 2, source: 1 | 2 | 3, reason: number, meaning: string): RejectionRow => ({
  result,
  source,
  reason,
  meaning,
});

export const REJECTIONS = {
  "protocol-version": row(1, 2, 2, "not version 1 of the upper layer protocol"),
  "application-context": row(1, 1, 2, "not the DICOM application context"),
  "called-ae-title": row(1, 1, 7, "the called AE title is none of this node"),
  "called-ae-title-not-allowed": row(1, 1, 7, "the peer may not call this AE title"),
  "similar-not-allowed": row(1, 1, 7, "the peer may not ask for similar studies"),
  "calling-ae-title": row(1, 1, 3, "the calling AE title is no configured peer"),
  "calling-address": row(1, 1, 3, "the peer may not call from this address"),
  "calling-without-tls": row(1, 1, 3, "the peer must call by TLS and did not"),
  "certificate-name": row(1, 1, 3, "the certificate does not carry the peer's name"),
  "peer-pdu-too-small": row(1, 1, 1, "Maximum Length below 1,024 bytes"),
  "user-required": row(1, 1, 1, "the peer must prove a user and did not"),
  "user-refused": row(1, 1, 1, "wrong passcode, or a token that is refused"),
  "associations-max": row(2, 3, 2, "too many associations in all"),
  "associations-from-address": row(2, 3, 2, "too many associations from this address"),
  "associations-of-peer": row(2, 3, 2, "too many associations of this peer"),
  "rate-of-address": row(2, 3, 1, "this address associates too often"),
  "rate-of-peer": row(2, 3, 1, "this peer associates too often"),
  "user-undecided": row(2, 3, 1, "the user could not be checked in time"),
  stopping: row(2, 3, 1, "the node is stopping"),
} as const satisfies Record<string, RejectionRow>;

export type RejectionWhy = keyof typeof REJECTIONS;

export interface Rejection extends RejectionCode {
  /** For log and metric. */
  readonly why: string;
}

export function reject(why: RejectionWhy): { readonly reject: Rejection } {
  const { result, source, reason } = REJECTIONS[why];
  return { reject: { result, source, reason, why } };
}
