/** Certificates made by the openssl command line: a CA of the site, another one, and what they sign. */
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

export interface Pair {
  readonly keyFile: string;
  readonly certFile: string;
}

export interface Authority {
  readonly caFile: string;
  /** @param names - subject alternative names as openssl writes them: `DNS:pacs`, `IP:127.0.0.1` */
  sign(commonName: string, names?: readonly string[], days?: { from: Date; until: Date }): Pair;
  revoke(pair: Pair): void;
  /** Writes the revocation list. */
  crl(): string;
}

function openssl(...argv: string[]): string {
  const { status, stdout, stderr } = spawnSync("openssl", argv, { encoding: "utf8" });
  if (status !== 0) throw new Error(`openssl ${argv.join(" ")}: ${stderr}`);
  return stdout;
}

/** A date as `openssl ca` takes it. */
function generalizedTime(date: Date): string {
  return `${date.toISOString().replace(/[-:T]/g, "").slice(0, 14)}Z`;
}

export function authority(name: string): Authority {
  const folder = mkdtempSync(join(tmpdir(), "kindred-ca-"));
  const at = (file: string) => join(folder, file);
  const config = at("ca.cnf");
  mkdirSync(at("issued"));
  writeFileSync(at("index.txt"), "");
  writeFileSync(at("serial"), "1000\n");
  writeFileSync(at("crlnumber"), "01\n");
  writeFileSync(
    config,
    `[ca]
default_ca = here
[here]
dir = ${folder}
new_certs_dir = ${folder}/issued
database = ${folder}/index.txt
serial = ${folder}/serial
crlnumber = ${folder}/crlnumber
certificate = ${folder}/ca.pem
private_key = ${folder}/ca.key
default_md = sha256
default_days = 30
default_crl_days = 30
unique_subject = no
policy = any
[any]
commonName = supplied
`,
  );
  const curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];
  openssl(
    "req",
    "-x509",
    ...curve,
    "-keyout",
    at("ca.key"),
    "-out",
    at("ca.pem"),
    "-days",
    "30",
    "-subj",
    `/CN=${name}`,
    "-addext",
    "basicConstraints=critical,CA:TRUE",
    "-addext",
    "keyUsage=critical,keyCertSign,cRLSign",
  );
  let count = 0;
  return {
    caFile: at("ca.pem"),
    sign(commonName, names = [], days) {
      const base = at(`leaf${++count}`);
      openssl(
        "req",
        "-new",
        ...curve,
        "-keyout",
        `${base}.key`,
        "-out",
        `${base}.csr`,
        "-subj",
        `/CN=${commonName}`,
      );
      const extensions = ["basicConstraints=CA:FALSE", "extendedKeyUsage=serverAuth,clientAuth"];
      if (names.length > 0) extensions.push(`subjectAltName=${names.join(",")}`);
      writeFileSync(`${base}.ext`, extensions.join("\n"));
      const dates =
        days === undefined
          ? []
          : ["-startdate", generalizedTime(days.from), "-enddate", generalizedTime(days.until)];
      openssl(
        "ca",
        "-batch",
        "-config",
        config,
        "-notext",
        "-in",
        `${base}.csr`,
        "-out",
        `${base}.pem`,
        "-extfile",
        `${base}.ext`,
        ...dates,
      );
      return { keyFile: `${base}.key`, certFile: `${base}.pem` };
    },
    revoke: (pair) => void openssl("ca", "-config", config, "-revoke", pair.certFile),
    crl() {
      openssl("ca", "-config", config, "-gencrl", "-out", at("ca.crl"));
      return at("ca.crl");
    },
  };
}
