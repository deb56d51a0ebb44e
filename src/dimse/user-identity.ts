/**
 * Who stands behind the requestor. PS3.7 D.3.3.7. Proven are usernames with their passcode (type 2) and, where a verifier
 * is given, JSON Web Tokens (type 5). A name alone (type 1) proves nothing; Kerberos tickets (3) and SAML assertions (4)
 * are not supported, and what an acceptor does not support it accepts without a response (D.3.3.7). Neither passcodes nor
 * tokens ever leave this file.
 */
import { randomBytes } from "node:crypto";
import type { Config } from "../config/schema.ts";
import { codeOf } from "../kernel/errors.ts";
import { PASSCODE_CHECKS_MAX, PASSCODE_CHECKS_WAITING_MAX } from "../kernel/limits.ts";
import { isPasscode } from "../kernel/passcode.ts";
import type { RefusalLog } from "./refusal-log.ts";
import type { UserIdentity } from "./upper-layer/user-information.ts";

/**
 * Proves a JSON Web Token, or another secret of the site's choice that comes as type 5.
 *
 * @param signal - fires when the time for it is over
 * @returns the user's name, or undefined when the token is refused. What it throws is taken for a fault of its own: the
 *   association is rejected for now
 */
export type TokenVerifier = (token: string, signal: AbortSignal) => Promise<string | undefined>;

export type UserVerdict =
  | { readonly kind: "proven"; readonly userName: string }
  /** Nothing was given, or nothing that is supported. */
  | { readonly kind: "unproven" }
  | { readonly kind: "refused" }
  /** It could not be decided in time. */
  | { readonly kind: "undecided" };

export type UserCheck = (identity: UserIdentity | undefined) => Promise<UserVerdict>;

const TYPE = { usernameAndPasscode: 2, jsonWebToken: 5 } as const;
const UNPROVEN: UserVerdict = { kind: "unproven" };

export interface UserCheckOptions {
  readonly config: Pick<Config["dimse"], "users" | "userSeconds">;
  readonly verifyToken?: TokenVerifier | undefined;
  /** Bounded: a peer can make a verifier fail as often as it likes. */
  readonly refusals: Pick<RefusalLog, "warn">;
}

export function createUserCheck(options: UserCheckOptions): UserCheck {
  const { users, userSeconds } = options.config;
  const hashes = new Map(users.map((user) => [user.name, user.passcodeHash]));
  // An unknown name takes as long as a known one, so that names cannot be found by the clock.
  const nobody = nobodysHash(users[0]?.passcodeHash);
  const turns = createTurns(PASSCODE_CHECKS_MAX, PASSCODE_CHECKS_WAITING_MAX);

  async function passcode(identity: UserIdentity, signal: AbortSignal): Promise<UserVerdict> {
    const userName = identity.primary.toString("utf8");
    const hash = hashes.get(userName);
    const isRight = await turns(signal, () => isPasscode(identity.secondary, hash ?? nobody));
    if (isRight === undefined) return { kind: "undecided" };
    return isRight && hash !== undefined ? { kind: "proven", userName } : { kind: "refused" };
  }

  async function token(identity: UserIdentity, signal: AbortSignal): Promise<UserVerdict> {
    const userName = await options.verifyToken!(identity.primary.toString("utf8"), signal);
    return userName === undefined ? { kind: "refused" } : { kind: "proven", userName };
  }

  return async (identity) => {
    const check =
      identity?.type === TYPE.usernameAndPasscode && users.length > 0
        ? passcode
        : identity?.type === TYPE.jsonWebToken && options.verifyToken !== undefined
          ? token
          : undefined;
    if (identity === undefined || check === undefined) return UNPROVEN;
    const late = new AbortController();
    const { promise: timeIsOver, resolve } = Promise.withResolvers<UserVerdict>();
    const timer = setTimeout(() => {
      late.abort();
      resolve({ kind: "undecided" });
    }, userSeconds * 1000);
    try {
      return await Promise.race([check(identity, late.signal), timeIsOver]);
    } catch (error) {
      // The error of a verifier may quote the token: only its code is safe.
      options.refusals.warn(
        "user.check_failed",
        { event: "user.check_failed", code: codeOf(error) },
        "a user identity could not be checked",
      );
      return { kind: "undecided" };
    } finally {
      clearTimeout(timer);
    }
  };
}

function nobodysHash(like: string | undefined): string {
  const parameters = /^\$scrypt\$[^$]+/.exec(like ?? "")?.[0] ?? "$scrypt$ln=15,r=8,p=1";
  const random = (bytes: number) => randomBytes(bytes).toString("base64").replace(/=+$/, "");
  return `${parameters}$${random(16)}$${random(32)}`;
}

/** So many at once, so many waiting; undefined for what would have to wait behind those, or waited too long. */
function createTurns(runningMax: number, waitingMax: number) {
  const waiting: (() => void)[] = [];
  let running = 0;
  return async <T>(signal: AbortSignal, work: () => Promise<T>): Promise<T | undefined> => {
    if (running >= runningMax) {
      if (waiting.length >= waitingMax) return undefined;
      await new Promise<void>((resolve) => waiting.push(resolve));
    } else {
      running++;
    }
    try {
      return signal.aborted ? undefined : await work();
    } finally {
      // The turn passes to the next in line, or ends.
      const next = waiting.shift();
      if (next !== undefined) next();
      else running--;
    }
  };
}
