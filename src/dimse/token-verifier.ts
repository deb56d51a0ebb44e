/**
 * The site's own proof of tokens (`dimse.tokenVerifier`): an ES module, because what a token is worth is decided by keys,
 * issuers and audiences that only the site knows. PS3.7 D.3.3.7.
 */
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { KindredError, messageOf } from "../kernel/errors.ts";
import type { TokenVerifier } from "./user-identity.ts";

const USER_NAME_LENGTH_MAX = 64;

/**
 * Loads the module and takes its `verifyToken(token, signal)`, which returns the user's name (or a promise of it), or
 * undefined or null for a token that is refused.
 *
 * @returns undefined where no module is configured
 * @throws KindredError `CONFIG_INVALID` when it cannot be loaded or exports no such function
 */
export async function openTokenVerifier(
  path: string | undefined,
): Promise<TokenVerifier | undefined> {
  if (path === undefined) return undefined;
  const file = resolve(path);
  const { verifyToken } = await load(file);
  if (typeof verifyToken !== "function")
    throw invalid(`${file} must export a function verifyToken(token, signal)`);
  return async (token, signal) => {
    const user: unknown = await verifyToken(token, signal);
    if (user === undefined || user === null) return undefined;
    if (typeof user !== "string" || user === "" || user.length > USER_NAME_LENGTH_MAX)
      throw invalid("verifyToken returned no user name of 1 to 64 characters");
    return user;
  };
}

async function load(file: string): Promise<{ readonly verifyToken?: unknown }> {
  try {
    return (await import(pathToFileURL(file).href)) as { verifyToken?: unknown };
  } catch (error) {
    throw invalid(`${file} cannot be loaded as an ES module: ${messageOf(error)}`, error);
  }
}

function invalid(what: string, cause?: unknown): KindredError {
  return new KindredError("CONFIG_INVALID", `dimse.tokenVerifier: ${what}`, { cause });
}
