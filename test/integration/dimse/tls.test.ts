import { copyFileSync, mkdtempSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { connect as connectTcp } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type ConnectionOptions, connect, type TLSSocket } from "node:tls";
import { expect } from "chai";
import { SOP_CLASS, UID } from "../../../src/dicom/uids.ts";
import { encodeEchoRequest } from "../../../src/dimse/command-set.ts";
import { echo } from "../../../src/dimse/requestor/echo.ts";
import { requestAssociation } from "../../../src/dimse/requestor-association.ts";
import { targetOf } from "../../../src/dimse/target.ts";
import { readTlsFiles } from "../../../src/dimse/tls-files.ts";
import { codeOf, messageOf } from "../../../src/kernel/errors.ts";
import { type Authority, authority, type Pair } from "../../support/certificates.ts";
import { type ListenerUnderTest, listenerUnderTest } from "../../support/listener-under-test.ts";
import { waitFor } from "../../support/node-under-test.ts";
import { rawPeer } from "../../support/raw-peer.ts";
import { requireTool } from "../../support/tools.ts";

const DAY_MS = 86_400_000;

describe("DICOM over TLS", () => {
  let ca: Authority;
  let node: Pair;
  let pacs: Pair;
  let under: ListenerUnderTest;

  before(function () {
    requireTool(this, "openssl");
    ca = authority("Site CA");
    node = ca.sign("kindred", ["DNS:kindred.test", "IP:127.0.0.1"]);
    pacs = ca.sign("PACS 1", ["DNS:pacs.test"]);
  });

  afterEach(() => under?.stop());

  const peerOf = (more: object = {}) => ({
    aeTitle: "PACS",
    host: "127.0.0.1",
    tls: true,
    allow: ["store", "query"],
    ...more,
  });

  async function start(tls: object = {}, peers: object[] = [peerOf()], dimse: object = {}) {
    under = await listenerUnderTest({
      dimse: { tls: { port: 0, ...node, caFile: ca.caFile, ...tls }, ...dimse },
      peers,
    });
    return under;
  }

  /** Calls the listener as PACS with these files; the listener's certificate must be for this address. */
  async function call(pair: Pair | undefined, change: ConnectionOptions = {}, peer: object = {}) {
    const { keyFile, certFile } = pair ?? pacs;
    const files = { ...under.config.dimse.tls, keyFile, certFile, caFile: ca.caFile };
    const target = targetOf(
      under.config,
      { ...under.config.peers[0]!, aeTitle: "KINDRED", port: under.tlsPort!, ...peer },
      await readTlsFiles({ ...files, crlFile: undefined }),
    );
    const tls: ConnectionOptions = { ...target.tls, ...change };
    if (pair === undefined) {
      delete tls.key;
      delete tls.cert;
    }
    return echo({ ...target, callingAeTitle: "PACS", responseSeconds: 3, tls });
  }

  const failureOf = (promise: Promise<unknown>) =>
    promise.then(
      () => "none",
      (error: unknown) => codeOf(error),
    );

  it("associates with a certificate of the CA, on the TLS port", async () => {
    const { tlsPort, plainPort } = await start();
    expect(tlsPort).to.be.a("number").and.not.equal(plainPort);
    await call(pacs);
    expect(await under.count("kindred_tls_handshakes_total", { outcome: "ok" })).to.equal(1);
  });

  it("binds a title to the name in the certificate, as subject alternative name or common name", async () => {
    const other = ca.sign("OTHER", ["DNS:other.test"]);
    for (const certificateName of ["pacs.test", "PACS 1", "pacs 1", ["nobody", "pacs.test"]]) {
      await start({}, [peerOf({ certificateName })]);
      await call(pacs, {}, { certificateName: undefined });
      expect(await failureOf(call(other, {}, { certificateName: undefined }))).to.equal(
        "PEER_REFUSED",
      );
      expect(under.lines("association.rejected")).to.have.length(1);
      expect(under.lines("association.rejected")[0]).to.include({
        why: "certificate-name",
        answer: "1/1/3",
      });
      await under.stop();
    }
  });

  it("rejects a title that must call by TLS on the port without it, also for strangers' rights", async () => {
    await start({}, [peerOf()], { allowUnknownPeers: true });
    const target = targetOf(
      under.config,
      { ...under.config.peers[0]!, aeTitle: "KINDRED", port: under.plainPort!, tls: false },
      undefined,
    );
    expect(await failureOf(echo({ ...target, callingAeTitle: "PACS" }))).to.equal("PEER_REFUSED");
    expect(under.lines("association.rejected")[0]).to.include({ why: "calling-without-tls" });
    await echo({ ...target, callingAeTitle: "STRANGER" });
  });

  const refusals: [string, () => Pair | undefined, string][] = [
    [
      "of another CA",
      () => authority("Other CA").sign("PACS 1", ["DNS:pacs.test"]),
      "certificate not trusted",
    ],
    [
      "that has expired",
      () =>
        ca.sign("PACS 1", [], {
          from: new Date(Date.now() - 9 * DAY_MS),
          until: new Date(Date.now() - DAY_MS),
        }),
      "certificate expired",
    ],
    [
      "that is not valid yet",
      () =>
        ca.sign("PACS 1", [], {
          from: new Date(Date.now() + 2 * DAY_MS),
          until: new Date(Date.now() + 9 * DAY_MS),
        }),
      "certificate expired",
    ],
    ["that is missing", () => undefined, "no certificate"],
  ];
  for (const [what, pair, outcome] of refusals) {
    it(`refuses a certificate ${what}, counts it as "${outcome}" and says so`, async () => {
      await start();
      expect(await failureOf(call(pair()))).to.match(/^PEER_(UNREACHABLE|CLOSED)$/);
      expect(await under.count("kindred_tls_handshakes_total", { outcome })).to.equal(1);
      const [line] = under.lines("tls.refused");
      expect(line).to.include({ outcome, remote: "127.0.0.1" });
      expect(under.listener.openAssociations()).to.equal(0);
      await call(pacs);
    });
  }

  it("refuses a revoked certificate", async () => {
    const lost = ca.sign("LOST", ["DNS:lost.test"]);
    ca.revoke(lost);
    await start({ crlFile: ca.crl() });
    expect(await failureOf(call(lost))).to.match(/^PEER_(UNREACHABLE|CLOSED)$/);
    expect(
      await under.count("kindred_tls_handshakes_total", { outcome: "certificate revoked" }),
    ).to.equal(1);
    await call(pacs);
  });

  it("takes callers without certificate where none is required, but not as a peer with a name", async () => {
    await start({ requireClientCertificate: false }, [
      peerOf(),
      peerOf({ aeTitle: "NAMED", certificateName: "pacs.test" }),
    ]);
    await call(undefined);
    const { tls, ...target } = { ...(await rawTarget()), callingAeTitle: "NAMED" };
    const { key: _key, cert: _cert, ...without } = tls!;
    expect(await failureOf(echo({ ...target, tls: without }))).to.equal("PEER_REFUSED");
  });

  async function rawTarget() {
    return targetOf(
      under.config,
      { ...under.config.peers[0]!, aeTitle: "KINDRED", port: under.tlsPort! },
      under.tls!.current(),
    );
  }

  it("speaks TLS 1.2 and 1.3 with ephemeral keys and authenticated encryption only", async () => {
    await start();
    const weak = { ciphers: "DEFAULT:@SECLEVEL=0" };
    for (const change of [
      { minVersion: "TLSv1.1", maxVersion: "TLSv1.1", ...weak },
      { minVersion: "TLSv1", maxVersion: "TLSv1", ...weak },
      { maxVersion: "TLSv1.2", ciphers: "ECDHE-ECDSA-AES128-SHA256:@SECLEVEL=0" },
    ] as ConnectionOptions[]) {
      expect(await failureOf(call(pacs, change))).to.equal("PEER_UNREACHABLE");
    }
    expect(
      await under.count("kindred_tls_handshakes_total", { outcome: "no common version or cipher" }),
    ).to.equal(3);
    await call(pacs, { minVersion: "TLSv1.2", maxVersion: "TLSv1.2" });
    await call(pacs, { minVersion: "TLSv1.3" });
  });

  it("speaks TLS 1.3 only when told so", async () => {
    await start({ minVersion: "TLSv1.3" });
    expect(await failureOf(call(pacs, { minVersion: "TLSv1.2", maxVersion: "TLSv1.2" }))).to.equal(
      "PEER_UNREACHABLE",
    );
    await call(pacs);
  });

  it("does not resume sessions: each connection shows its certificate", async () => {
    await start();
    for (const maxVersion of ["TLSv1.2", "TLSv1.3"] as const) {
      const { tls, host, port } = await rawTarget();
      const options = { host, port, ...tls, maxVersion };
      const first = await secure(connect(options));
      const sessions: Buffer[] = [];
      first.on("session", (one: Buffer) => sessions.push(one));
      await new Promise((resolve) => setTimeout(resolve, 50));
      first.destroy();
      const session = sessions.at(-1) ?? first.getSession();
      const second = await secure(connect({ ...options, ...(session ? { session } : {}) }));
      expect(second.isSessionReused(), maxVersion).to.equal(false);
      second.destroy();
    }
  });

  function secure(socket: TLSSocket): Promise<TLSSocket> {
    return new Promise((resolve, reject) => {
      socket.once("secureConnect", () => resolve(socket));
      socket.once("error", reject);
    });
  }

  it("does not call a peer whose certificate is for another name", async () => {
    await start();
    expect(await failureOf(call(pacs, {}, { certificateName: "kindred.test" }))).to.equal("none");
    expect(await failureOf(call(pacs, {}, { certificateName: "pacs.test" }))).to.equal(
      "PEER_UNREACHABLE",
    );
    expect(await failureOf(call(pacs, {}, { host: "localhost" }))).to.equal("PEER_UNREACHABLE");
    expect(
      await failureOf(call(pacs, {}, { host: "localhost", certificateName: "kindred.test" })),
    ).to.equal("none");
  });

  it("does not call a peer whose CA is another", async () => {
    await start();
    const other = authority("Other CA");
    const target = await rawTarget();
    const files = { ...under.config.dimse.tls, ...pacs, caFile: other.caFile };
    const wrong = targetOf(
      under.config,
      { ...under.config.peers[0]!, port: target.port },
      await readTlsFiles(files),
    );
    expect(await failureOf(echo(wrong))).to.equal("PEER_UNREACHABLE");
  });

  it("tells in the log when TLS is spoken to the port without it, and the other way round", async () => {
    await start();
    const target = await rawTarget();
    expect(await failureOf(echo({ ...target, port: under.plainPort! }))).to.equal(
      "PEER_UNREACHABLE",
    );
    await waitFor(
      async () => under.lines("association.protocol_error"),
      (lines) => lines.length === 1,
      5,
    );
    expect(under.lines("association.protocol_error")[0]!.why).to.include("dimse.tls.port");
    const { tls: _tls, ...plain } = target;
    expect(await failureOf(echo(plain))).to.equal("PEER_UNREACHABLE");
    expect(under.lines("tls.refused")[0]).to.include({ outcome: "not TLS" });
  });

  it("says who closed in the middle of a handshake, and nothing of who only looked", async () => {
    await start();
    const probe = connectTcp({ host: "127.0.0.1", port: under.tlsPort! });
    await new Promise((resolve) => probe.once("connect", resolve));
    probe.end();
    await waitFor(
      () => under.count("kindred_tls_handshakes_total", { outcome: "closed" }),
      (count) => count === 1,
      5,
    );
    for (let i = 0; i < 5; i++) {
      const socket = connectTcp({ host: "127.0.0.1", port: under.tlsPort! });
      await new Promise((resolve) => socket.once("connect", resolve));
      // The head of a ClientHello.
      socket.end(Buffer.from([0x16, 3, 1, 0, 200, 1]));
    }
    await waitFor(
      async () => under.lines("tls.refused"),
      (lines) => lines.length === 5,
      5,
    );
    for (const line of under.lines("tls.refused"))
      expect(line).to.include({ outcome: "closed", remote: "127.0.0.1" });
  });

  it("closes a handshake that takes longer than ARTIM", async () => {
    await start({}, [peerOf()], { artimSeconds: 0.3 });
    const socket = connectTcp({ host: "127.0.0.1", port: under.tlsPort! });
    await new Promise((resolve) => socket.once("close", resolve).resume());
    expect(await under.count("kindred_tls_handshakes_total", { outcome: "timed out" })).to.equal(1);
    expect(under.lines("tls.refused")[0]).to.include({ remote: "127.0.0.1" });
  });

  it("listens with TLS only when the port without it is null", async () => {
    await start({}, [peerOf()], { port: null });
    expect(under.plainPort).to.equal(undefined);
    expect(under.port).to.equal(under.tlsPort);
    await call(pacs);
  });

  describe("when the files change", () => {
    let files: Pair;
    const put = (pair: Pair) => {
      copyFileSync(pair.keyFile, files.keyFile);
      copyFileSync(pair.certFile, files.certFile);
    };
    const serial = async () => {
      const { tls, host, port } = await rawTarget();
      const socket = await secure(
        connect({ host, port, ...tls, checkServerIdentity: () => undefined }),
      );
      const { subject } = socket.getPeerCertificate();
      socket.destroy();
      return subject.CN;
    };

    beforeEach(async () => {
      const folder = mkdtempSync(join(tmpdir(), "kindred-tls-"));
      files = { keyFile: join(folder, "key.pem"), certFile: join(folder, "cert.pem") };
      put(node);
    });

    it("uses the new pair for new connections and leaves open associations alone", async () => {
      await start({ ...files, reloadSeconds: 0.1 });
      const target = { ...(await rawTarget()), callingAeTitle: "PACS" };
      const open = await requestAssociation(target, [
        { abstractSyntax: SOP_CLASS.verification, transferSyntaxes: [UID.implicitVrLittleEndian] },
      ]);
      put(ca.sign("renewed", ["IP:127.0.0.1"]));
      await waitFor(serial, (name) => name === "renewed", 10);
      const { status } = await open.responder.request(1, (messageId) =>
        encodeEchoRequest({ messageId, sopClassUid: SOP_CLASS.verification }),
      );
      expect(status).to.equal(0);
      await open.release();
      expect(under.lines("tls.reloaded")).to.have.length(1);
    });

    const broken: [string, () => void][] = [
      ["half of a pair", () => copyFileSync(ca.sign("half").certFile, files.certFile)],
      ["no PEM", () => writeFileSync(files.certFile, "renewal failed\n")],
      [
        "an expired pair",
        () =>
          put(
            ca.sign("old", [], {
              from: new Date(Date.now() - 9 * DAY_MS),
              until: new Date(Date.now() - DAY_MS),
            }),
          ),
      ],
    ];
    for (const [what, damage] of broken) {
      it(`keeps the old pair when the new one is ${what}`, async () => {
        await start({ ...files, reloadSeconds: 600 });
        damage();
        await under.tls!.reload();
        expect(under.lines("tls.reload_failed")).to.have.length(1);
        expect(await serial()).to.equal("kindred");
        put(ca.sign("renewed"));
        await under.tls!.reload();
        expect(await serial()).to.equal("renewed");
      });
    }

    it("looks at once on SIGHUP", async () => {
      await start({ ...files, reloadSeconds: 600 });
      put(ca.sign("renewed"));
      process.kill(process.pid, "SIGHUP");
      await waitFor(
        async () => under.lines("tls.reloaded"),
        (lines) => lines.length === 1,
        5,
      );
      expect(await serial()).to.equal("renewed");
    });

    it("does nothing when a file is only touched and stays what it was", async () => {
      await start({ ...files, reloadSeconds: 0.1 });
      const before = statSync(files.certFile).mtimeMs;
      utimesSync(files.certFile, new Date(), new Date(before + 5000));
      await waitFor(
        async () => under.lines("tls.reloaded"),
        (lines) => lines.length > 0,
        5,
      );
      expect(await serial()).to.equal("kindred");
    });
  });

  it("says at start what is wrong with the files, without their content", async () => {
    const stray = ca.sign("stray");
    for (const [change, words] of [
      [{ keyFile: "/nowhere/key.pem" }, "dimse.tls.keyFile cannot be read"],
      [{ keyFile: stray.keyFile }, "is not the key"],
      [{ certFile: node.keyFile }, "certFile holds no PEM certificate"],
      [{ caFile: "/dev/null" }, "caFile holds no PEM certificate"],
      [{ keyFile: node.certFile }, "is no private key"],
      [{ crlFile: node.keyFile }, "cannot be used together"],
    ] as [object, string][]) {
      const error = await start(change).then(
        () => undefined,
        (one: unknown) => one,
      );
      expect(codeOf(error), words).to.equal("CONFIG_INVALID");
      expect(messageOf(error)).to.include(words).and.not.include("BEGIN");
    }
  });

  it("closes connections above the limit of one address, and says so", async () => {
    await start({}, [peerOf()], {
      associationsMax: 8,
      associationsPerPeerMax: 1,
      artimSeconds: 30,
    });
    const sockets = await Promise.all(Array.from({ length: 70 }, () => rawPeer(under.plainPort!)));
    const refused = () =>
      under.count("kindred_connection_refusals_total", { reason: "connections-from-address" });
    await waitFor(refused, (count) => count === 5, 5);
    expect(under.lines("connection.refused")[0]).to.include({ remote: "127.0.0.1" });
    for (const one of sockets) one.end();
  });
});
