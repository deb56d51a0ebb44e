import { scryptSync } from "node:crypto";
import { expect } from "chai";
import { RefusalLog } from "../../../src/dimse/refusal-log.ts";
import { createUserCheck, type TokenVerifier } from "../../../src/dimse/user-identity.ts";
import { PASSCODE_CHECKS_MAX, PASSCODE_CHECKS_WAITING_MAX } from "../../../src/kernel/limits.ts";
import { createLogger } from "../../../src/kernel/log.ts";
import { hashPasscode, isPasscode } from "../../../src/kernel/passcode.ts";

const SECRET = "s3cret-Ü";

describe("user identity (PS3.7 D.3.3.7)", () => {
  const lines: string[] = [];
  const log = createLogger(
    { level: "trace", identifiers: "uid" },
    { write: (line) => void lines.push(line) },
  );
  let users: { name: string; passcodeHash: string }[];

  before(async () => {
    users = [{ name: "ada", passcodeHash: await hashPasscode(Buffer.from(SECRET)) }];
  });

  const identity = (type: number, primary: string, secondary = "") => ({
    type,
    isResponseRequested: true,
    primary: Buffer.from(primary),
    secondary: Buffer.from(secondary),
  });
  const check = (verifyToken?: TokenVerifier, userSeconds = 5, known = users) =>
    createUserCheck({
      config: { users: known, userSeconds },
      verifyToken,
      refusals: new RefusalLog(log, () => 0),
    });

  it("makes hashes that differ and hold, and takes no other line for one", async () => {
    const [first, second] = [
      await hashPasscode(Buffer.from("x")),
      await hashPasscode(Buffer.from("x")),
    ];
    expect(first).not.to.equal(second);
    expect(await isPasscode(Buffer.from("x"), first)).to.equal(true);
    expect(await isPasscode(Buffer.from("y"), first)).to.equal(false);
    for (const line of ["", "x", first.slice(1), "$scrypt$ln=15,r=8,p=1$$"])
      expect(await isPasscode(Buffer.from("x"), line)).to.equal(false);
  });

  const table: [string, () => ReturnType<typeof identity> | undefined, string][] = [
    ["no identity", () => undefined, "unproven"],
    ["a username alone", () => identity(1, "ada"), "unproven"],
    ["username and passcode", () => identity(2, "ada", SECRET), "proven"],
    ["a wrong passcode", () => identity(2, "ada", "s3cret"), "refused"],
    ["an empty passcode", () => identity(2, "ada"), "refused"],
    ["an unknown user", () => identity(2, "eve", SECRET), "refused"],
    [
      "a name that is no UTF-8",
      () => ({ ...identity(2, "", SECRET), primary: Buffer.of(0xff) }),
      "refused",
    ],
    ["a Kerberos ticket", () => identity(3, "ticket"), "unproven"],
    ["a SAML assertion", () => identity(4, "<saml/>"), "unproven"],
    ["a token without a verifier", () => identity(5, "a.b.c"), "unproven"],
    ["a type that does not exist", () => identity(9, "ada", SECRET), "unproven"],
  ];
  for (const [what, given, verdict] of table) {
    it(`finds ${what} ${verdict}`, async () => {
      expect((await check()(given())).kind).to.equal(verdict);
    });
  }

  it("supports no passcodes where no users are configured", async () => {
    expect(await check(undefined, 5, [])(identity(2, "ada", SECRET))).to.deep.equal({
      kind: "unproven",
    });
  });

  it("asks the verifier about tokens", async () => {
    const verify: TokenVerifier = async (token) => (token === "good" ? "ada" : undefined);
    expect(await check(verify)(identity(5, "good"))).to.deep.equal({
      kind: "proven",
      userName: "ada",
    });
    expect(await check(verify)(identity(5, "bad"))).to.deep.equal({ kind: "refused" });
  });

  it("leaves a verifier that fails or does not answer undecided, and tells it to stop", async () => {
    const failing: TokenVerifier = async (token) => {
      throw new Error(`bad token ${token}`);
    };
    expect(await check(failing)(identity(5, SECRET))).to.deep.equal({ kind: "undecided" });
    let isStopped = false;
    const silent: TokenVerifier = (_token, signal) =>
      new Promise(() => signal.addEventListener("abort", () => (isStopped = true)));
    expect(await check(silent, 0.1)(identity(5, "x"))).to.deep.equal({ kind: "undecided" });
    expect(isStopped).to.equal(true);
  });

  it("leaves what would have to wait behind too many others undecided, and the rest served", async () => {
    // The least work, so that the test waits for turns and not for scrypt.
    const salt = Buffer.alloc(16, 1);
    const base64 = (bytes: Buffer) => bytes.toString("base64").replace(/=+$/, "");
    const digest = scryptSync(SECRET, salt, 32, { N: 16, r: 8, p: 1 });
    const passcodeHash = `$scrypt$ln=4,r=8,p=1$${base64(salt)}$${base64(digest)}`;
    const one = check(undefined, 60, [{ name: "ada", passcodeHash }]);
    const room = PASSCODE_CHECKS_MAX + PASSCODE_CHECKS_WAITING_MAX;
    const kinds = (
      await Promise.all(Array.from({ length: room + 10 }, () => one(identity(2, "ada", SECRET))))
    ).map((verdict) => verdict.kind);
    expect(kinds.filter((kind) => kind === "proven")).to.have.length(room);
    expect(kinds.filter((kind) => kind === "undecided")).to.have.length(10);
    expect((await one(identity(2, "ada", SECRET))).kind).to.equal("proven");
  });

  it("writes neither passcodes nor tokens anywhere", () => {
    expect(lines.join("")).not.to.include(SECRET).and.not.to.include("s3cret");
    expect(lines).to.have.length(1);
  });
});
