import { generateKeyPairSync, type KeyObject, sign } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import { decodeAssociateAc } from "../../../src/dimse/upper-layer/associate-pdu.ts";
import { PDU } from "../../../src/dimse/upper-layer/pdu.ts";
import type { KindredError } from "../../../src/kernel/errors.ts";
import { freePort } from "../../support/free-port.ts";
import { ended, spawnNode, startTestNode, temporaryFolder } from "../../support/node-under-test.ts";
import { associateEcho, rawPeer } from "../../support/raw-peer.ts";

const JSON_WEB_TOKEN = 5;
const HOUR = 3_600;

describe("the token verifier of the site", function () {
  this.timeout(120_000);
  const folder = temporaryFolder();
  const issuer = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const stranger = generateKeyPairSync("ec", { namedCurve: "P-256" });

  const moduleOf = (name: string, text: string) => {
    const path = join(folder, name);
    writeFileSync(path, text);
    return path;
  };
  const dimseOf = (tokenVerifier: string, port = 0, receivers = 0) => ({
    port,
    receivers,
    releaseSeconds: 1,
    tokenVerifier,
  });

  describe("that docs/security.md shows", () => {
    let node: Awaited<ReturnType<typeof spawnNode>>;

    before(async () => {
      const keyFile = join(folder, "issuer.pem");
      writeFileSync(keyFile, issuer.publicKey.export({ type: "spki", format: "pem" }));
      const page = readFileSync(new URL("../../../docs/security.md", import.meta.url), "utf8");
      const shown = /```js\n(.*?)```/s.exec(page)![1]!.replace("/etc/kindred/issuer.pem", keyFile);
      const ports = { dicom: await freePort(), http: await freePort() };
      const extra = {
        dimse: dimseOf(moduleOf("shown.mjs", shown), ports.dicom, 1),
        peers: [
          { aeTitle: "READING", host: "127.0.0.1", allow: ["query"], requireUser: true },
          { aeTitle: "OTHER", host: "127.0.0.1", allow: ["query"] },
        ],
      };
      node = await spawnNode({ extra }, ports);
    });
    after(async () => {
      node.child.kill("SIGTERM");
      expect(await ended(node.child)).to.equal(0);
    });

    const claims = (more: object = {}) => ({
      sub: "ada",
      aud: "kindred",
      exp: Math.floor(Date.now() / 1000) + HOUR,
      ...more,
    });
    const ask = (token: string, callingAeTitle = "READING") =>
      answerTo(node.dicom.port, token, callingAeTitle);

    it("lets a proven user in, in a receiver process", async () => {
      expect(await ask(jsonWebToken(claims(), issuer.privateKey))).to.equal("accepted, user");
      expect(await ask(jsonWebToken(claims(), issuer.privateKey), "OTHER")).to.equal(
        "accepted, user",
      );
    });
    it("refuses a token that is expired, for somebody else, of another issuer, without signature, or none", async () => {
      const part = (value: object) => Buffer.from(JSON.stringify(value)).toString("base64url");
      for (const token of [
        jsonWebToken(claims({ exp: 1 }), issuer.privateKey),
        jsonWebToken(claims({ aud: "other" }), issuer.privateKey),
        jsonWebToken(claims(), stranger.privateKey),
        `${part({ alg: "none" })}.${part(claims())}.`,
        `${jsonWebToken(claims(), issuer.privateKey)}x`,
        "not.a.token",
        "\0\xff",
        ".".repeat(5_000),
      ])
        expect(await ask(token), token.slice(0, 40)).to.equal("1/1/1");
    });
    it("writes no token to the log", () => {
      expect(node.output()).to.include("user-refused").and.not.to.match(/eyJ/);
    });
  });

  it("that fails or gives no name rejects for now, and its message stays out of the log", async () => {
    const path = moduleOf(
      "odd.mjs",
      `export const verifyToken = async (token) => {
        if (token === "throws") throw new Error("the token was " + token);
        return token === "number" ? 7 : token === "null" ? null : token === "long" ? "x".repeat(65) : undefined;
      };`,
    );
    const peers = [{ aeTitle: "READING", host: "127.0.0.1", allow: ["query"] }];
    const { node, log } = await startTestNode({ extra: { dimse: dimseOf(path), peers } });
    try {
      const ask = (token: string) => answerTo(node.dicom.port, token, "READING");
      for (const token of ["throws", "number", "long"]) expect(await ask(token)).to.equal("2/3/1");
      for (const token of ["null", "unknown"]) expect(await ask(token)).to.equal("1/1/1");
      expect(log.join("")).not.to.include("the token was");
    } finally {
      await node.stop();
    }
  });

  for (const { what, file, says } of [
    {
      what: "is not there",
      file: () => join(folder, "nowhere.mjs"),
      says: /^dimse\.tokenVerifier: .*nowhere\.mjs cannot be loaded as an ES module: /,
    },
    {
      what: "is no JavaScript",
      file: () => moduleOf("broken.mjs", "export function verifyToken( {"),
      says: /^dimse\.tokenVerifier: .*broken\.mjs cannot be loaded as an ES module: /,
    },
    {
      what: "exports something else",
      file: () =>
        moduleOf("other.mjs", "export default () => 'ada'; export const verifyToken = 1;"),
      says: /^dimse\.tokenVerifier: .*other\.mjs must export a function verifyToken\(token, signal\)$/,
    },
  ])
    it(`ends the start when it ${what}, and says so`, async () => {
      const error = await startTestNode({ extra: { dimse: dimseOf(file()) } }).then(
        () => expect.fail("the node started"),
        (failure: KindredError) => failure,
      );
      expect(error.code).to.equal("CONFIG_INVALID");
      expect(error.message).to.match(says);
    });
});

/** RFC 7519, RFC 7515 3.1: ES256. */
function jsonWebToken(claims: object, key: KeyObject): string {
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const text = `${part({ alg: "ES256", typ: "JWT" })}.${part(claims)}`;
  const signature = sign("sha256", Buffer.from(text), { key, dsaEncoding: "ieee-p1363" });
  return `${text}.${signature.toString("base64url")}`;
}

/** Whether the association was accepted and the user proven; or result, source and reason of the rejection. */
async function answerTo(port: number, token: string, callingAeTitle: string): Promise<string> {
  const peer = await rawPeer(port);
  const userIdentity = {
    type: JSON_WEB_TOKEN,
    isResponseRequested: true,
    primary: Buffer.from(token),
    secondary: Buffer.alloc(0),
  };
  peer.send(associateEcho({ callingAeTitle, userIdentity }));
  const pdu = await peer.next();
  peer.end();
  if (pdu?.type === PDU.associateRj) return [...pdu.body.subarray(1)].join("/");
  if (pdu?.type !== PDU.associateAc) return `PDU ${pdu?.type}`;
  const isProven = decodeAssociateAc(pdu.body).user.userIdentityResponse !== undefined;
  return `accepted, ${isProven ? "user" : "no user"}`;
}
