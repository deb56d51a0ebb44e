import { spawnSync } from "node:child_process";
import { copyFileSync } from "node:fs";
import { join } from "node:path";
import { connect } from "node:tls";
import { expect } from "chai";
import { configSchema } from "../../../src/config/schema.ts";
import { echo } from "../../../src/dimse/requestor/echo.ts";
import { targetOf } from "../../../src/dimse/target.ts";
import { readTlsFiles } from "../../../src/dimse/tls-files.ts";
import { isPasscode } from "../../../src/kernel/passcode.ts";
import { authority } from "../../support/certificates.ts";
import {
  cleanEnvironment,
  startTestNode,
  temporaryFolder,
  waitFor,
} from "../../support/node-under-test.ts";
import { requireTool } from "../../support/tools.ts";

const cli = new URL("../../../src/cli.ts", import.meta.url).pathname;
const kindred = (argv: string[], input = "") =>
  spawnSync(process.execPath, [cli, ...argv], { env: cleanEnvironment(), encoding: "utf8", input });

describe("a node with TLS", function () {
  this.timeout(120_000);

  it("serves both ports in receiver processes that share them, and each reads renewed files", async function () {
    requireTool(this, "openssl");
    const ca = authority("Site CA");
    const first = ca.sign("kindred", ["IP:127.0.0.1"]);
    const folder = temporaryFolder();
    const files = { keyFile: join(folder, "key.pem"), certFile: join(folder, "cert.pem") };
    copyFileSync(first.keyFile, files.keyFile);
    copyFileSync(first.certFile, files.certFile);
    const tls = { port: 0, ...files, caFile: ca.caFile, reloadSeconds: 0.2 };
    const peers = [{ aeTitle: "PACS", host: "127.0.0.1", tls: true, port: 104 }];
    const dimse = { port: 0, receivers: 2, releaseSeconds: 1, artimSeconds: 2, tls };
    const { node } = await startTestNode({ extra: { dimse, peers } });
    try {
      expect(node.dicom.tlsPort).to.be.a("number").and.not.equal(node.dicom.plainPort);
      const config = configSchema.parse({ dimse, peers });
      const peer = { ...config.peers[0]!, aeTitle: "KINDRED", port: node.dicom.tlsPort! };
      const target = targetOf(config, peer, await readTlsFiles(config.dimse.tls));
      for (let i = 0; i < 4; i++) await echo({ ...target, callingAeTitle: "PACS" });

      const renewed = ca.sign("renewed", ["IP:127.0.0.1"]);
      copyFileSync(renewed.keyFile, files.keyFile);
      copyFileSync(renewed.certFile, files.certFile);
      const name = () =>
        new Promise<string>((resolve, reject) => {
          const socket = connect(
            { host: "127.0.0.1", port: node.dicom.tlsPort!, ...target.tls },
            () => {
              const { CN } = socket.getPeerCertificate().subject;
              socket.destroy();
              resolve(String(CN));
            },
          ).on("error", reject);
        });
      // Round robin: four in a row come from both receivers.
      await waitFor(
        async () => [await name(), await name(), await name(), await name()],
        (names) => names.every((one) => one === "renewed"),
        30,
      );
    } finally {
      await node.stop();
    }
  });

  it("does not start with files that cannot be used: exit 78 and what to do", () => {
    const { status, stderr, stdout } = kindred([
      "serve",
      "--set",
      `dataDir=${temporaryFolder()}`,
      "--set",
      "dimse.tls.port=0",
      ...["keyFile", "certFile", "caFile"].flatMap((key) => [
        "--set",
        `dimse.tls.${key}=/nowhere.pem`,
      ]),
    ]);
    expect(status, stdout + stderr).to.equal(78);
    expect(stdout + stderr).to.include("dimse.tls.keyFile cannot be read");
  });

  it("makes passcode hashes from standard input", async () => {
    const { status, stdout } = kindred(["config", "hash-passcode"], "hunter2\n");
    expect(status).to.equal(0);
    expect(await isPasscode(Buffer.from("hunter2"), stdout.trim())).to.equal(true);
    configSchema.parse({ dimse: { users: [{ name: "ada", passcodeHash: stdout.trim() }] } });
    expect(kindred(["config", "hash-passcode"], "").status).to.equal(64);
  });

  it("masks passcode hashes when it prints the configuration", () => {
    const hash = kindred(["config", "hash-passcode"], "hunter2\n").stdout.trim();
    const users = JSON.stringify([{ name: "ada", passcodeHash: hash }]);
    const { stdout } = kindred(["config", "print", "--set", `dimse.users=${users}`]);
    expect(stdout).to.include('"ada"').and.not.include("$scrypt");
  });
});
