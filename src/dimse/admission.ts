/**
 * Whether an association may begin: the policy over the counts of the moment, rates, and the user behind it. The parts
 * that need a clock, other associations or a secret are here; who may do what is in `policy.ts`.
 */
import { setTimeout as wait } from "node:timers/promises";
import type { Config, Peer } from "../config/schema.ts";
import type { AssociationCounts, CountedAssociation } from "./association-counts.ts";
import type { Connection } from "./connections.ts";
import { type Acceptance, type Decision, decide } from "./policy.ts";
import { perMinute, RateLimits } from "./rate-limit.ts";
import { reject } from "./rejections.ts";
import type { AssociateRq } from "./upper-layer/associate-pdu.ts";
import type { UserCheck } from "./user-identity.ts";

export interface AdmissionOptions {
  readonly config: Config["dimse"];
  readonly counts: AssociationCounts;
  readonly checkUser: UserCheck;
  /** Monotonic, milliseconds. */
  readonly nowMs: () => number;
  readonly isStopping: () => boolean;
}

export interface Admitted {
  readonly decision: Decision;
  /** Gives back the place in the counts; nothing for a rejected association. */
  close(): void;
}

export interface Admission {
  admit(connection: Connection, request: AssociateRq, peers: readonly Peer[]): Promise<Admitted>;
  /** Resolves when the peer's rate allows its next request. @throws Error when the signal fires first */
  turn(peer: Peer | undefined, signal: AbortSignal): Promise<void>;
}

export function createAdmission(options: AdmissionOptions): Admission {
  const { config, counts, nowMs } = options;
  const associations = new RateLimits();
  const requests = new RateLimits();
  const addressRate = perMinute(config.associationsPerMinute);

  async function judge(
    connection: Connection,
    request: AssociateRq,
    peers: readonly Peer[],
    counted: CountedAssociation,
  ): Promise<Decision> {
    const { remoteAddress, tls } = connection;
    if (!associations.take(`address ${remoteAddress}`, addressRate, nowMs()))
      return reject("rate-of-address");
    const decision = decide(config, peers, {
      request,
      remoteAddress,
      openInAll: counted.othersInAll,
      openFromAddress: counted.othersFromAddress,
      openFromPeer: counted.othersFromPeer,
      isStopping: options.isStopping(),
      tls,
    });
    if ("reject" in decision) return decision;
    const { peer } = decision.accept;
    if (peer?.associationsPerMinute !== undefined) {
      const rate = perMinute(peer.associationsPerMinute);
      if (!associations.take(`peer ${peer.aeTitle}`, rate, nowMs())) return reject("rate-of-peer");
    }
    return withUser(decision.accept, request);
  }

  async function withUser(accept: Acceptance, request: AssociateRq): Promise<Decision> {
    const identity = request.user.userIdentity;
    const verdict = await options.checkUser(identity);
    switch (verdict.kind) {
      case "refused":
        return reject("user-refused");
      case "undecided":
        return reject("user-undecided");
      case "unproven":
        // What we do not support is accepted without a response (PS3.7 D.3.3.7), unless the peer must prove a user.
        return accept.peer?.requireUser === true ? reject("user-required") : { accept };
      case "proven":
        return {
          accept: {
            ...accept,
            userName: verdict.userName,
            // Empty for these types (PS3.7 D.3.3.7.2), and only when it was asked for.
            ...(identity?.isResponseRequested ? { userIdentityResponse: Buffer.alloc(0) } : {}),
          },
        };
    }
  }

  return {
    async admit(connection, request, peers) {
      const counted = await counts.open({
        address: connection.remoteAddress,
        aeTitle: request.callingAeTitle,
      });
      const nothing = { close: () => undefined };
      try {
        const decision = await judge(connection, request, peers, counted);
        if ("accept" in decision) return { decision, close: () => counted.close() };
        counted.close();
        return { decision, ...nothing };
      } catch (error) {
        counted.close();
        throw error;
      }
    },
    async turn(peer, signal) {
      if (peer?.requestsPerSecond === undefined) return;
      const { requestsPerSecond } = peer;
      const rate = { perSecond: requestsPerSecond, burst: Math.max(1, requestsPerSecond) };
      const waitMs = requests.reserve(peer.aeTitle, rate, nowMs());
      if (waitMs > 0) await wait(waitMs, undefined, { signal });
    },
  };
}
