/**
 * The files of `dimse.tls`: read and proven at start, read again when they change or on SIGHUP. A new set that cannot be
 * used is reported and the old one stays; open associations never notice.
 */
import { createPrivateKey, createPublicKey, X509Certificate } from "node:crypto";
import { readFile, stat } from "node:fs/promises";
import { createSecureContext } from "node:tls";
import type { Config } from "../config/schema.ts";
import { KindredError, messageOf } from "../kernel/errors.ts";
import { PEM_FILE_BYTES_MAX } from "../kernel/limits.ts";
import type { Logger } from "../kernel/log.ts";
import { serverOptions, type TlsCredentials } from "./tls.ts";

export interface TlsFiles {
  /** What is used for the next connection, either way. */
  current(): TlsCredentials;
  /** Called with every new set that was found good. */
  onChange(listener: (credentials: TlsCredentials) => void): void;
  /** Reads the files now. A set that cannot be used is logged and changes nothing. */
  reload(): Promise<void>;
  close(): void;
}

type TlsConfig = Config["dimse"]["tls"];

/** Log lines say so from this long before our certificate ends. */
const EXPIRY_NOTICE_MS = 30 * 86_400_000;
const MODE_OTHERS = 0o077;

/**
 * Opens the files and watches them.
 *
 * @returns undefined where no key is configured
 * @throws KindredError `CONFIG_INVALID` when a file is missing, unreadable or does not fit the others
 */
export async function openTlsFiles(config: TlsConfig, log: Logger): Promise<TlsFiles | undefined> {
  if (config.keyFile === undefined || config.certFile === undefined) return undefined;
  const listeners: ((credentials: TlsCredentials) => void)[] = [];
  let tried = await signature(config);
  let seen = tried;
  let current = await readTlsFiles(config);
  await report(config, current, log);

  async function load(): Promise<void> {
    tried = await signature(config);
    try {
      const next = await readTlsFiles(config);
      if (new X509Certificate(next.cert).validToDate.getTime() < Date.now())
        throw new KindredError("CONFIG_INVALID", "dimse.tls.certFile: the certificate has expired");
      current = next;
      log.info({ event: "tls.reloaded" }, "the TLS files were read again");
      await report(config, next, log);
      for (const listener of listeners) listener(next);
    } catch (error) {
      log.error(
        { event: "tls.reload_failed", why: messageOf(error) },
        "the changed TLS files cannot be used; the old ones stay in use",
      );
    }
  }
  // Reloads follow one another, whoever asks.
  let loading = Promise.resolve();
  const reload = () => {
    loading = loading.then(load);
    return loading;
  };
  const onHangUp = () => void reload();
  process.on("SIGHUP", onHangUp);
  // Key and certificate are two files: a change counts once it is the same for two looks.
  const timer = setInterval(() => {
    void signature(config).then((now) => {
      if (now !== tried && now === seen) void reload();
      seen = now;
    });
  }, config.reloadSeconds * 1000);
  timer.unref();
  return {
    current: () => current,
    onChange: (listener) => void listeners.push(listener),
    reload,
    close() {
      clearInterval(timer);
      process.off("SIGHUP", onHangUp);
    },
  };
}

/**
 * Reads the files and proves that key, certificate, authorities and revocation lists can be used together.
 *
 * @throws KindredError `CONFIG_INVALID`, with the setting and what to do
 */
export async function readTlsFiles(config: TlsConfig): Promise<TlsCredentials> {
  const credentials: TlsCredentials = {
    key: await readPem("keyFile", config.keyFile!),
    cert: await readPem("certFile", config.certFile!),
    ca: config.caFile === undefined ? undefined : await readPem("caFile", config.caFile),
    crl: config.crlFile === undefined ? undefined : await readPem("crlFile", config.crlFile),
    minVersion: config.minVersion,
  };
  const own = certificates("certFile", credentials.cert)[0]!;
  if (credentials.ca !== undefined) certificates("caFile", credentials.ca);
  let isOurKey: boolean;
  try {
    isOurKey = createPublicKey(createPrivateKey(credentials.key)).equals(own.publicKey);
  } catch (error) {
    throw invalid("keyFile", `is no private key without passphrase (${messageOf(error)})`);
  }
  if (!isOurKey) throw invalid("keyFile", "is not the key of the first certificate in certFile");
  try {
    createSecureContext(serverOptions(credentials, 1));
  } catch (error) {
    throw invalid("certFile", `and its companions cannot be used together (${messageOf(error)})`);
  }
  return credentials;
}

async function readPem(setting: keyof TlsConfig, file: string): Promise<Buffer> {
  try {
    const { size } = await stat(file);
    if (size > PEM_FILE_BYTES_MAX) throw new Error("it is larger than any PEM file");
    return await readFile(file);
  } catch (error) {
    throw invalid(setting, `cannot be read: ${messageOf(error)}`);
  }
}

/** Every certificate of a PEM file; at least one. */
function certificates(setting: keyof TlsConfig, pem: Buffer): X509Certificate[] {
  const blocks =
    pem.toString("latin1").match(/-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g) ??
    [];
  if (blocks.length === 0) throw invalid(setting, "holds no PEM certificate");
  try {
    return blocks.map((block) => new X509Certificate(block));
  } catch (error) {
    throw invalid(setting, `holds a certificate that cannot be read (${messageOf(error)})`);
  }
}

function invalid(setting: string, what: string): KindredError {
  return new KindredError(
    "CONFIG_INVALID",
    `dimse.tls.${setting} ${what}. Set it to a PEM file that this user may read, or set dimse.tls.port to null`,
  );
}

/** What about good files an administrator should still know. */
async function report(config: TlsConfig, { cert }: TlsCredentials, log: Logger): Promise<void> {
  const { mode } = await stat(config.keyFile!);
  if ((mode & MODE_OTHERS) !== 0) {
    log.warn(
      { event: "tls.key_mode", mode: (mode & 0o777).toString(8) },
      "others may read or write the private key: set its mode to 0600",
    );
  }
  const { validToDate, validFromDate } = new X509Certificate(cert);
  const facts = { event: "tls.certificate", from: validFromDate, until: validToDate };
  const leftMs = validToDate.getTime() - Date.now();
  if (leftMs < 0) log.error(facts, "our certificate has expired: peers will refuse it");
  else if (leftMs < EXPIRY_NOTICE_MS) log.warn(facts, "our certificate ends soon");
  else log.info(facts, "TLS certificate in use");
}

/** Changes when any of the files does; a missing file is a state like any other. */
async function signature(config: TlsConfig): Promise<string> {
  const files = [config.keyFile, config.certFile, config.caFile, config.crlFile];
  const states = files.map(async (file) => {
    if (file === undefined) return "";
    const found = await stat(file).catch(() => undefined);
    return found === undefined ? "missing" : `${found.ino} ${found.size} ${found.mtimeMs}`;
  });
  return (await Promise.all(states)).join("|");
}
