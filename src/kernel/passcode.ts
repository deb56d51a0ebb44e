/**
 * Passcodes as hashes: scrypt (RFC 7914) with its parameters in the line, `$scrypt$ln=15,r=8,p=1$salt$digest` in base64
 * without padding. The schema says what a line looks like; the work is done off the event loop.
 */
import { randomBytes, type ScryptOptions, scrypt, timingSafeEqual } from "node:crypto";

const SALT_BYTES = 16;
const DIGEST_BYTES = 32;
const DEFAULTS = { ln: 15, r: 8, p: 1 };
const FORMAT = /^\$scrypt\$ln=(\d+),r=(\d+),p=(\d+)\$([A-Za-z0-9+/]+)\$([A-Za-z0-9+/]+)$/;

/** A hash for the configuration. */
export async function hashPasscode(passcode: Buffer): Promise<string> {
  const salt = randomBytes(SALT_BYTES);
  const { ln, r, p } = DEFAULTS;
  const digest = await derive(passcode, salt, ln, r, p);
  return `$scrypt$ln=${ln},r=${r},p=${p}$${base64(salt)}$${base64(digest)}`;
}

/** True when the hash is the passcode's; compared in constant time. False for a line that is no hash. */
export async function isPasscode(passcode: Buffer, hash: string): Promise<boolean> {
  const [, ln, r, p, salt, digest] = FORMAT.exec(hash) ?? [];
  if (salt === undefined || digest === undefined) return false;
  const expected = Buffer.from(digest, "base64");
  const given = await derive(
    passcode,
    Buffer.from(salt, "base64"),
    Number(ln),
    Number(r),
    Number(p),
  );
  return expected.length === given.length && timingSafeEqual(expected, given);
}

function derive(passcode: Buffer, salt: Buffer, ln: number, r: number, p: number): Promise<Buffer> {
  const N = 2 ** ln;
  // Node's own ceiling of 32 MiB is just below what 128·N·r needs with our defaults.
  const options: ScryptOptions = { N, r, p, maxmem: 256 * N * r };
  return new Promise((resolve, reject) => {
    scrypt(passcode, salt, DIGEST_BYTES, options, (error, digest) => {
      if (error === null) resolve(digest);
      else reject(error);
    });
  });
}

function base64(bytes: Buffer): string {
  return bytes.toString("base64").replace(/=+$/, "");
}
