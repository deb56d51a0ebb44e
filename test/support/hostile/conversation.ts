/**
 * A scripted conversation of a hostile peer, and the reaction the standard wants. What the node did is written as
 * one line, the transcript, so that an expectation is a pattern over it:
 *
 * - `AC` · `RJ-result-source-reason` · `RP` · `AB-source-reason`: the PDUs
 * - `RSP-8030-0000`: a whole response, command field and status in hexadecimal; a run of equal ones ends in `*`
 * - `END` the node closed · `CUT` we closed · `OPEN` neither within the deadline · `DOWN` nobody listened
 * - `GONE`/`LINGERS`: after its end the node let go of the connection, or still held it after ARTIM
 */
import type { Random } from "../../../src/phantom/random.ts";

/** The node's timers while it is under attack (s): short, so that thousands of streams fit into minutes. */
export const TIMERS = {
  artimSeconds: 2,
  idleSeconds: 4,
  messageSeconds: 2,
  writeSeconds: 2,
  releaseSeconds: 1,
} as const;

export type Step =
  /** Bytes at once, or `bytesEach` of them every `everyMs`. */
  | { readonly send: Buffer; readonly bytesEach?: number; readonly everyMs?: number }
  /** The same bytes again and again until the node ends or `forMs` are over. */
  | { readonly drip: Buffer; readonly everyMs: number; readonly forMs: number }
  /** Until the node has sent `replies` PDUs more, or ended. */
  | { readonly replies: number }
  | { readonly pauseMs: number }
  | { readonly reading: boolean }
  /** FIN, RST, or whichever way: we close. */
  | { readonly close: "half" | "reset" | "close" }
  /** Waits for the node's end, then goes on sending and tells whether the connection is let go of after ARTIM. */
  | { readonly lingerSending: Buffer };

export interface Conversation {
  readonly steps: readonly Step[];
  readonly expected: RegExp;
  /** What the standard (or our own promise) wants, with its section. */
  readonly wants: string;
  /** Time for the node's end after the last step. */
  readonly endMs?: number;
  /** The Maximum Length that we announced: no P-DATA-TF to us may be longer. */
  readonly maximumLength?: number;
  /** Where it comes from, when that is a part of it. */
  readonly from?: string;
  /** Spoken over TLS, or plain bytes on the port with TLS. */
  readonly over?: "tls" | "tls port";
  /** What is shown over TLS; by default one that the node's CA signed. */
  readonly certificate?: "none" | "stranger";
  /** So many connections do this at once, from an address of their own. */
  readonly parallel?: number;
}

export interface HostileClass {
  readonly name: string;
  /** Share of the streams; floods and slow ones are rarer. */
  readonly weight: number;
  make(random: Random): Conversation;
}

/** PS3.8 Table 9-9, AA-1 (before an association): service-user source. */
export const ABORT_BEFORE = /^AB-0-\d END$/;
/** A request that cannot be read: an invalid PDU (AA-1), a provider abort, or a rejection without reason given. */
export const REQUEST_REFUSED = /^(?:AB-0-\d|AB-2-[0-6]|RJ-1-1-1|RJ-1-2-[12]) END$/;
/** Whatever a changed request turns out to be; after an acceptance we release. */
export const OPENING = /^(?:AC RP|AB-0-\d|AB-2-[0-6]|RJ-[12]-[123]-\d) END$/;

export function opening(steps: readonly Step[]): readonly Step[] {
  return [...steps, { replies: 1 }];
}

export function pattern(source: string): RegExp {
  return new RegExp(`^${source}$`);
}
