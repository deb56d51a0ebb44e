/**
 * Sub-operations of C-MOVE: C-STORE over an association that this node requests from the destination. PS3.4 C.4.2.3.
 * One association carries the whole move, with one presentation context for each SOP class in each transfer syntax as
 * stored; where more are needed than one association can propose, several follow each other.
 */
import { codeOf, type ErrorCode } from "../../kernel/errors.ts";
import { PRESENTATION_CONTEXTS_MAX } from "../../kernel/limits.ts";
import { type BulkSyntax, storeInstance } from "../bulk-sender.ts";
import type { StoredInstance } from "../ports.ts";
import {
  type RequestedAssociation,
  requestAssociation,
  type Target,
} from "../requestor-association.ts";
import type { SubOperationSender } from "./sub-operations.ts";
import type { Failure } from "./tally.ts";

/** Presentation contexts of one association of the move. */
type Syntaxes = readonly BulkSyntax[];

/** After C-CANCEL the running sub-operation gets this long to end before its association is aborted. */
const CANCEL_GRACE_MS = 2_000;
/** Our answer to the requestor does not wait longer than this for the destination's A-RELEASE-RP. */
const RELEASE_MS_MAX = 2_000;

export interface DestinationOptions {
  readonly target: Target;
  readonly moveOriginator: { readonly aeTitle: string; readonly messageId: number };
  /** Presentation contexts by association, from {@link groupBySyntax}. */
  readonly groups: readonly Syntaxes[];
  /** Fires on C-CANCEL, and with the reason `PEER_CLOSED` when the requestor is gone. */
  readonly signal: AbortSignal;
}

/**
 * Orders the instances so that each association's come together, otherwise as they were.
 *
 * @returns the (SOP class, transfer syntax) pairs by association, in order of first use
 */
export function groupBySyntax<Instance extends BulkSyntax>(
  instances: readonly Instance[],
): { readonly groups: readonly Syntaxes[]; readonly ordered: readonly Instance[] } {
  const indexOf = new Map<string, number>();
  const groups: BulkSyntax[][] = [];
  const parts: Instance[][] = [];
  for (const instance of instances) {
    const { sopClassUid, transferSyntaxUid } = instance;
    const key = keyOf(instance);
    const index = indexOf.get(key) ?? indexOf.size;
    const group = Math.floor(index / PRESENTATION_CONTEXTS_MAX);
    if (!indexOf.has(key)) {
      indexOf.set(key, index);
      groups[group] ??= [];
      groups[group].push({ sopClassUid, transferSyntaxUid });
    }
    parts[group] ??= [];
    parts[group].push(instance);
  }
  return { groups, ordered: parts.length <= 1 ? instances : parts.flat() };
}

const keyOf = (one: BulkSyntax) => `${one.sopClassUid} ${one.transferSyntaxUid}`;

export function destinationSender(options: DestinationOptions): SubOperationSender {
  const { target, signal } = options;
  const groupOf = new Map(
    options.groups.flatMap((group) => group.map((one) => [keyOf(one), group] as const)),
  );
  let open: { group: Syntaxes; association: RequestedAssociation; answers: number } | undefined;
  /** Why nothing more is tried. */
  let givenUp: Failure | undefined;

  let grace: NodeJS.Timeout | undefined;
  const onSignal = () => {
    const isGone = codeOf(signal.reason) === "PEER_CLOSED";
    clearTimeout(grace);
    grace = setTimeout(() => open?.association.abort(), isGone ? 0 : CANCEL_GRACE_MS);
  };
  signal.addEventListener("abort", onSignal);

  const closeOpen = async () => {
    const { association } = open ?? {};
    open = undefined;
    if (association === undefined) return;
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise((resolve) => {
      timer = setTimeout(resolve, RELEASE_MS_MAX);
    });
    await Promise.race([association.release(), late]);
    clearTimeout(timer);
    association.abort();
  };

  return {
    async prepare(instance) {
      const group = groupOf.get(keyOf(instance));
      if (group === undefined) return "SOP class or transfer syntax not accepted";
      if (open?.group !== group) await closeOpen();
      if (open === undefined && givenUp === undefined) {
        try {
          open = { group, association: await associate(target, group, signal), answers: 0 };
        } catch (error) {
          givenUp = signal.aborted ? "interrupted by cancel" : failureOf(codeOf(error));
        }
      }
      if (open === undefined) return givenUp;
      const { responder } = open.association;
      return responder.contextFor(instance.sopClassUid, instance.transferSyntaxUid) === undefined
        ? "SOP class or transfer syntax not accepted"
        : undefined;
    },
    async send(instance, dataSet) {
      const current = open!;
      try {
        const status = await storeInstance(
          current.association.responder,
          bulkOf(instance, dataSet),
          options.moveOriginator,
        );
        current.answers++;
        return status ?? "SOP class or transfer syntax not accepted";
      } catch (error) {
        // Whatever broke, a message may be half sent: this association carries nothing more.
        current.association.abort();
        open = undefined;
        if (signal.aborted) return "interrupted by cancel";
        const code = codeOf(error);
        if (!code.startsWith("PEER_")) return "stored file cannot be read";
        const failure = failureOf(code);
        // One instance may have been too much for it; an association that carried nothing says that all are.
        if (code === "PEER_TIMEOUT" || current.answers === 0) givenUp = failure;
        return failure;
      }
    },
    async close() {
      await closeOpen();
      clearTimeout(grace);
      signal.removeEventListener("abort", onSignal);
    },
  };
}

export function bulkOf<Source>(instance: StoredInstance, dataSet: Source) {
  const { sopClassUid, sopInstanceUid, transferSyntaxUid } = instance;
  return { sopClassUid, sopInstanceUid, transferSyntaxUid, dataSet };
}

/** Associates, unless the signal fires first: an association that comes too late is aborted. */
async function associate(
  target: Target,
  syntaxes: Syntaxes,
  signal: AbortSignal,
): Promise<RequestedAssociation> {
  const opening = requestAssociation(
    target,
    syntaxes.map((one) => ({
      abstractSyntax: one.sopClassUid,
      transferSyntaxes: [one.transferSyntaxUid],
    })),
  );
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  const onSignal = () => reject(signal.reason as Error);
  if (signal.aborted) onSignal();
  signal.addEventListener("abort", onSignal, { once: true });
  try {
    return await Promise.race([opening, aborted]);
  } catch (error) {
    opening.then(
      (late) => late.abort(),
      () => undefined,
    );
    throw error;
  } finally {
    signal.removeEventListener("abort", onSignal);
  }
}

function failureOf(code: ErrorCode): Failure {
  switch (code) {
    case "PEER_BUSY":
      return "destination is busy";
    case "PEER_REFUSED":
      return "destination rejected the association";
    case "PEER_TIMEOUT":
      return "destination did not answer in time";
    case "PEER_CLOSED":
      return "destination closed the association";
    default:
      return "destination cannot be reached";
  }
}
