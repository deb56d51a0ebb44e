import { type ChildProcess, execFile, spawn } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect } from "chai";
import { encodeFileMeta } from "../../../src/dicom/part10.ts";
import { echo } from "../../../src/dimse/requestor/echo.ts";
import { sendInstances } from "../../../src/dimse/requestor/send-instances.ts";
import { targetOf } from "../../../src/dimse/target.ts";
import { readTlsFiles } from "../../../src/dimse/tls-files.ts";
import { codeOf } from "../../../src/kernel/errors.ts";
import { hashPasscode } from "../../../src/kernel/passcode.ts";
import { type Authority, authority, type Pair } from "../../support/certificates.ts";
import { ctSeries } from "../../support/ct-series.ts";
import { freePort } from "../../support/free-port.ts";
import { type ListenerUnderTest, listenerUnderTest } from "../../support/listener-under-test.ts";
import { temporaryFolder, waitFor } from "../../support/node-under-test.ts";
import { requireTool, toolEnvironment } from "../../support/tools.ts";

const run = promisify(execFile);
const DAY_MS = 86_400_000;
const PYTHON = new URL("../../../.cache/py/bin/python", import.meta.url).pathname;
const PROFILES = ["+py", "+px", "+pz"];

describe("TLS and user identity with other people's tools", function () {
  this.timeout(120_000);
  const folder = temporaryFolder();
  const instance = ctSeries({ name: "tls", slices: 1 })[0]!;
  const file = join(folder, "ct.dcm");
  let ca: Authority;
  let other: Authority;
  let node: Pair;
  let pacs: Pair;
  let under: ListenerUnderTest;

  before(async function () {
    for (const tool of ["openssl", "echoscu", "storescu", "storescp"]) requireTool(this, tool);
    writeFileSync(file, Buffer.concat([encodeFileMeta(instance), instance.dataSet]));
    ca = authority("Site CA");
    other = authority("Other CA");
    node = ca.sign("kindred", ["IP:127.0.0.1"]);
    pacs = ca.sign("PACS", ["DNS:pacs.test", "IP:127.0.0.1"]);
    const passcodeHash = await hashPasscode(Buffer.from("hunter2"));
    under = await listenerUnderTest({
      dimse: {
        tls: { port: 0, ...node, caFile: ca.caFile },
        users: [{ name: "ada", passcodeHash }],
        artimSeconds: 5,
      },
      peers: [
        { aeTitle: "PACS", host: "127.0.0.1", tls: true, certificateName: "pacs.test" },
        { aeTitle: "PLAIN", host: "127.0.0.1" },
        { aeTitle: "NAMED", host: "127.0.0.1", requireUser: true },
      ],
    });
  });
  after(() => under?.stop());

  const isRefused = (promise: Promise<unknown>) =>
    promise.then(
      () => false,
      () => true,
    );

  describe("dcmtk as requestor", () => {
    function dcmtk(
      tool: "echoscu" | "storescu",
      pair: Pair,
      options: string[] = [],
      caFile = ca.caFile,
    ) {
      const tls = ["+tls", pair.keyFile, pair.certFile, "+cf", caFile];
      const titles = ["-aet", "PACS", "-aec", "KINDRED", "-to", "5", "-ta", "5"];
      const files = tool === "storescu" ? [file] : [];
      return run(
        tool,
        [...tls, ...options, ...titles, "127.0.0.1", String(under.tlsPort), ...files],
        { env: toolEnvironment, timeout: 20_000 },
      );
    }

    for (const profile of PROFILES) {
      it(`echoes in the profile ${profile} of PS3.15 Annex B`, async () => {
        await dcmtk("echoscu", pacs, [profile]);
      });
    }

    it("stores, with each certificate checked by the other side", async () => {
      await dcmtk("storescu", pacs);
      expect(under.stored).to.deep.equal([instance.sopInstanceUid]);
    });

    it("is refused with a certificate of another CA, one that has expired, and one of another name", async () => {
      const expired = ca.sign("PACS", ["DNS:pacs.test"], {
        from: new Date(Date.now() - 9 * DAY_MS),
        until: new Date(Date.now() - DAY_MS),
      });
      const cases: [Pair, string][] = [
        [other.sign("PACS", ["DNS:pacs.test"]), "certificate not trusted"],
        [expired, "certificate expired"],
      ];
      for (const [pair, outcome] of cases) {
        expect(await isRefused(dcmtk("echoscu", pair)), outcome).to.equal(true);
        expect(await under.count("kindred_tls_handshakes_total", { outcome })).to.equal(1);
      }
      expect(await isRefused(dcmtk("echoscu", ca.sign("other", ["DNS:other.test"])))).to.equal(
        true,
      );
      expect(under.lines("association.rejected").at(-1)).to.include({ why: "certificate-name" });
    });

    it("does not trust us with another CA", async () => {
      expect(await isRefused(dcmtk("echoscu", pacs, [], other.caFile))).to.equal(true);
    });

    it("without a certificate, or without TLS, is refused", async () => {
      const to = ["-aet", "PACS", "-aec", "KINDRED", "-to", "5", "-ta", "5", "127.0.0.1"];
      const options = { env: toolEnvironment, timeout: 20_000 };
      const anonymous = ["+tla", "-ic", ...to, String(under.tlsPort)];
      expect(await isRefused(run("echoscu", anonymous, options))).to.equal(true);
      expect(await isRefused(run("echoscu", [...to, String(under.tlsPort)], options))).to.equal(
        true,
      );
      expect(await isRefused(run("echoscu", [...to, String(under.plainPort)], options))).to.equal(
        true,
      );
    });
  });

  describe("dcmtk as receiver of our documents", () => {
    const received = join(folder, "received");
    let receiver: ChildProcess;
    let port: number;

    before(async () => {
      mkdirSync(received);
      port = await freePort();
      const tls = ["+tls", pacs.keyFile, pacs.certFile, "+cf", ca.caFile];
      receiver = spawn("storescp", [...tls, "-aet", "PACS", "-od", received, String(port)], {
        env: toolEnvironment,
        stdio: "ignore",
      });
    });
    after(() => receiver?.kill());

    async function target(peer: object = {}) {
      const configured = { ...under.config.peers[0]!, port, certificateName: undefined, ...peer };
      const files = { ...under.config.dimse.tls };
      return targetOf(under.config, configured, await readTlsFiles(files));
    }

    it("takes an instance, byte for byte", async () => {
      await waitFor(
        async () => echo(await target()).then(() => true),
        (is) => is,
        20,
      );
      const [outcome] = await sendInstances(await target({ certificateName: "pacs.test" }), [
        { ...instance, path: file },
      ]);
      expect(outcome).to.include({ kind: "stored" });
      const [name] = readdirSync(received);
      const bytes = readFileSync(join(received, name!));
      expect(bytes.subarray(-1000).equals(instance.dataSet.subarray(-1000))).to.equal(true);
    });

    it("is not sent anything when its certificate has another name than configured", async () => {
      const before = readdirSync(received).length;
      const [outcome] = await sendInstances(await target({ certificateName: "archive.test" }), [
        { ...instance, path: file },
      ]);
      expect(outcome).to.include({ kind: "failed", code: "PEER_UNREACHABLE" });
      expect(readdirSync(received)).to.have.length(before);
    });
  });

  describe("pynetdicom", () => {
    before(function () {
      if (existsSync(PYTHON)) return;
      if (process.env.KINDRED_REQUIRE_TOOLS === "1") throw new Error(".cache/py is not there");
      console.log("      SKIPPED: no Python packages in .cache/py (CONTRIBUTING.md)");
      this.skip();
    });

    const python = (script: string, ...argv: string[]) =>
      run(PYTHON, ["-c", script, ...argv], { timeout: 60_000 }).then(({ stdout }) => stdout.trim());

    const REQUESTOR = `
import ssl, sys
from pynetdicom import AE
key, cert, ca, port = sys.argv[1:5]
context = ssl.create_default_context(cafile=ca)
context.load_cert_chain(cert, key)
ae = AE("PACS")
ae.add_requested_context("1.2.840.10008.1.1")
assoc = ae.associate("127.0.0.1", int(port), ae_title="KINDRED", tls_args=(context, "127.0.0.1"))
print(hex(assoc.send_c_echo().Status) if assoc.is_established else "refused")
if assoc.is_established: assoc.release()
`;
    it("echoes as requestor by TLS with its certificate, and not with another's", async () => {
      const call = (pair: Pair) =>
        python(REQUESTOR, pair.keyFile, pair.certFile, ca.caFile, String(under.tlsPort));
      expect(await call(pacs)).to.equal("0x0");
      expect(await call(other.sign("PACS", ["DNS:pacs.test"]))).to.equal("refused");
    });

    const ACCEPTOR = `
import ssl, sys
from pynetdicom import AE
key, cert, ca, port = sys.argv[1:5]
context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=ca)
context.verify_mode = ssl.CERT_REQUIRED
context.load_cert_chain(cert, key)
ae = AE("PACS")
ae.add_supported_context("1.2.840.10008.1.1")
ae.start_server(("127.0.0.1", int(port)), ssl_context=context)
`;
    it("is echoed as acceptor by TLS, and not without", async () => {
      const port = await freePort();
      const argv = ["-c", ACCEPTOR, pacs.keyFile, pacs.certFile, ca.caFile, String(port)];
      const acceptor = spawn(PYTHON, argv, { stdio: "ignore" });
      try {
        const peer = { ...under.config.peers[0]!, port };
        const target = targetOf(under.config, peer, await readTlsFiles(under.config.dimse.tls));
        await waitFor(
          () => echo(target).then(() => true),
          (is) => is,
          30,
        );
        const { tls: _tls, ...plain } = { ...target, responseSeconds: 2 };
        expect(await echo(plain).then(() => "served", codeOf)).to.equal("PEER_UNREACHABLE");
      } finally {
        acceptor.kill();
      }
    });

    const IDENTITY = `
import sys
from pynetdicom import AE
from pynetdicom.pdu_primitives import UserIdentityNegotiation
title, port, kind, primary, secondary = sys.argv[1:6]
item = UserIdentityNegotiation()
item.user_identity_type = int(kind)
item.primary_field = primary.encode()
if secondary: item.secondary_field = secondary.encode()
item.positive_response_requested = True
ae = AE(title)
ae.add_requested_context("1.2.840.10008.1.1")
assoc = ae.associate("127.0.0.1", int(port), ae_title="KINDRED", ext_neg=[item])
if assoc.is_established:
    print("response" if assoc.acceptor.user_identity is not None else "no response")
    assoc.release()
else:
    print(assoc.acceptor.primitive.result_str, assoc.acceptor.primitive.reason_str, sep=": ")
`;
    it("proves a user by passcode and hears so; a wrong one is rejected, an unsupported identity is not answered", async () => {
      const call = (title: string, ...identity: string[]) =>
        python(IDENTITY, title, String(under.plainPort), ...identity);
      expect(await call("NAMED", "2", "ada", "hunter2")).to.equal("response");
      expect(await call("PLAIN", "2", "ada", "hunter3")).to.match(/^Rejected Permanent: No reason/);
      expect(await call("PLAIN", "3", "ticket", "")).to.equal("no response");
      expect(await call("NAMED", "1", "ada", "")).to.match(/^Rejected Permanent/);
    });
  });
});
