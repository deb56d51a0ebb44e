import { expect } from "chai";
import { environmentName, leafPaths, loadConfig } from "../../../src/config/load.ts";
import { KindredError } from "../../../src/kernel/errors.ts";

function problems(env: Record<string, string>, flags: Record<string, string> = {}): string {
  try {
    loadConfig({ env, flags });
  } catch (error) {
    expect(error).to.be.instanceOf(KindredError);
    expect((error as KindredError).code).to.equal("CONFIG_INVALID");
    return (error as Error).message;
  }
  throw new Error("nothing was wrong");
}

describe("loadConfig", () => {
  it("has safe defaults: loopback, no peers, embedded database", () => {
    const config = loadConfig({ env: {} });
    expect(config.dimse.host).to.equal("127.0.0.1");
    expect(config.dimse.port).to.equal(11112);
    expect(config.http.port).to.equal(8090);
    expect(config.peers).to.deep.equal([]);
    expect(config.database.url).to.equal(undefined);
    expect(Object.isFrozen(config.dimse)).to.equal(true);
  });

  it("wants the models of encoder.profiles among those that run", () => {
    const found = problems({ KINDRED_ENCODER__PROFILES: '["astra:chest","astra"]' });
    expect(found).to.include("must be MODEL:PROFILE");
    expect(problems({ KINDRED_ENCODER__PROFILES: '["astra:chest"]' })).to.include(
      "names the model astra, which is not in encoder.models",
    );
  });

  it("reads the environment names that outside checks use", () => {
    const config = loadConfig({
      env: {
        KINDRED_DATA_DIR: "/x",
        KINDRED_DIMSE__HOST: "0.0.0.0",
        KINDRED_DIMSE__PORT: "104",
        KINDRED_HTTP__PORT: "80",
        KINDRED_DATABASE__URL: "postgresql://a:b@c/d",
        KINDRED_SERIES__QUIET_SECONDS: "3",
        KINDRED_LOG__LEVEL: "debug",
        HOME: "/root",
      },
    });
    expect(config).to.deep.include({ dataDir: "/x" });
    expect(config.dimse).to.include({ host: "0.0.0.0", port: 104 });
    expect(config.series.quietSeconds).to.equal(3);
    expect(config.log.level).to.equal("debug");
  });

  it("flags win over the environment", () => {
    expect(
      loadConfig({ env: { KINDRED_DIMSE__PORT: "1" }, flags: { "dimse.port": "2" } }).dimse.port,
    ).to.equal(2);
  });

  it("names every problem at once", () => {
    const text = problems(
      { KINDRED_DIMSE__PORT: "70000", KINDRED_NOPE: "1" },
      { "http.prot": "1" },
    );
    expect(text).to.include("dimse.port").and.include("KINDRED_NOPE").and.include("http.prot");
  });

  it("refuses a peer that stands twice and reports without a port", () => {
    const peers = JSON.stringify([
      { aeTitle: "A", host: "h" },
      { aeTitle: "A", host: "h", sendReports: true },
    ]);
    expect(problems({ KINDRED_PEERS: peers }))
      .to.include("stands twice")
      .and.include("port");
  });

  it("gives every leaf an environment name of its own", () => {
    const names = leafPaths().map(environmentName);
    expect(new Set(names).size).to.equal(names.length);
  });

  it("switches ports off by null, in files and in the environment, but not both", () => {
    const tls = {
      KINDRED_DIMSE__TLS__PORT: "2762",
      KINDRED_DIMSE__TLS__KEY_FILE: "k",
      KINDRED_DIMSE__TLS__CERT_FILE: "c",
      KINDRED_DIMSE__TLS__CA_FILE: "a",
    };
    const { dimse } = loadConfig({ env: { KINDRED_DIMSE__PORT: "null", ...tls } });
    expect([dimse.port, dimse.tls.port]).to.deep.equal([null, 2762]);
    expect(() => loadConfig({ env: { KINDRED_DIMSE__PORT: "null" } })).to.throw(
      "nobody could call",
    );
    expect(() => loadConfig({ env: { KINDRED_DIMSE__AE_TITLE: "null" } })).not.to.throw();
  });

  it("names the files that TLS needs, for the port and for peers", () => {
    const text = problemsOf({
      "dimse.tls.port": "0",
      peers: '[{"aeTitle":"A","host":"h","tls":true}]',
    });
    for (const words of [
      "dimse.tls.keyFile: must be set",
      "tls.certFile",
      "tls.caFile",
      "peers.0.tls",
    ])
      expect(text).to.include(words);
    const named = problemsOf({ peers: '[{"aeTitle":"A","host":"h","certificateName":"n"}]' });
    expect(named).to.include("certificateName needs tls");
  });

  it("takes a role that shares its archive only with PostgreSQL", () => {
    for (const role of ["worker", "receiver"]) {
      const given = { KINDRED_NODE__ROLE: role };
      expect(problems(given)).to.include(`node.role: role ${role} needs database.url`);
      for (const name of ["KINDRED_DATABASE__URL", "KINDRED_DATABASE__URL_FILE"])
        expect(loadConfig({ env: { ...given, [name]: "x" } }).node.role).to.equal(role);
    }
    expect(problems({}, { "node.role": "both" })).to.include("node.role");
    expect(problems({}, { "node.name": "a/b" })).to.include("letters, digits");
  });

  it("refuses users that stand twice, hashes that are none, and ranges that are none", () => {
    const hash = `$scrypt$ln=15,r=8,p=1$${"A".repeat(22)}$${"A".repeat(43)}`;
    const users = (...list: object[]) => problemsOf({ "dimse.users": JSON.stringify(list) });
    expect(users({ name: "ada", passcodeHash: hash })).to.equal("");
    expect(users({ name: "ada", passcodeHash: "secret" }))
      .to.include("hash-passcode")
      .and.not.include('"secret"');
    const twice = { name: "ada", passcodeHash: hash };
    expect(users(twice, twice)).to.include("user name ada stands twice");
    for (const range of ["10.0.0.0/33", "balancer", "10.0.0.0/8/8", "::/129", "10.0.0"])
      expect(problemsOf({ "dimse.proxyFrom": range }), range).to.include("proxyFrom");
    expect(problemsOf({ "dimse.proxyFrom": "10.0.0.0/8,::1" })).to.equal("");
  });

  function problemsOf(flags: Record<string, string>): string {
    try {
      loadConfig({ env: {}, flags });
      return "";
    } catch (error) {
      return (error as Error).message;
    }
  }
});
