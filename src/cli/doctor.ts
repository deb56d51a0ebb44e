/** `kindred doctor`: what this machine has, what is missing, and what to do about each. */
import { X509Certificate } from "node:crypto";
import { access, constants, mkdir, statfs } from "node:fs/promises";
import { createServer } from "node:net";
import { resolve } from "node:path";
import type { Config, Role } from "../config/schema.ts";
import { archiveNodes } from "../db/archive-nodes.ts";
import { type Database, openDatabase } from "../db/database.ts";
import { lockDataDir } from "../db/lock.ts";
import { pendingMigrations } from "../db/migrate.ts";
import { readTlsFiles } from "../dimse/tls-files.ts";
import { discoverBundles, unusedBundles } from "../encoder/bundle.ts";
import {
  createEncoder,
  type ModelStatus,
  type ProviderAttempt,
  type TextStatus,
} from "../encoder/encoder.ts";
import { gpuFacts } from "../encoder/gpu-facts.ts";
import { modelFolders } from "../encoder/model-folders.ts";
import { openVerifiedFiles } from "../encoder/verified-files.ts";
import { messageOf } from "../kernel/errors.ts";
import { silentLogger } from "../kernel/log.ts";
import { createMetrics } from "../kernel/metrics.ts";
import { VERSION } from "../kernel/version.ts";
import type { Command } from "./commands.ts";
import type { Finding } from "./finding.ts";
import { gpuFindings } from "./gpu.ts";
import { parseCommand } from "./options.ts";
import { describeFinding, repairArchive } from "./repair.ts";

const UNAVAILABLE_EXIT = 69;
const MARK: Readonly<Record<Finding["level"], string>> = { ok: "✔", note: "•", fault: "✘" };

export const doctor: Command = {
  name: "doctor",
  usage: "doctor [--json] [--repair]",
  summary: "what is missing on this machine, and what to do; --repair mends the archive",
  async run(argv) {
    const parsed = parseCommand(argv, this.usage, { repair: { type: "boolean" } });
    const config = parsed.config();
    if (parsed.values.repair) return repair(config, parsed.values.json === true);
    const { role } = config.node;
    const findings: Finding[] = [runtime(), roleOf(config), ...peersOf(config)];
    findings.push(await disk(config));
    if (role !== "worker") findings.push(...(await dicomPorts(config)));
    findings.push(await port("HTTP port", config.http.host, config.http.port));
    findings.push(...(await database(config)));
    if (role !== "receiver") findings.push(...(await models(config)));
    if (parsed.values.json) console.log(JSON.stringify(findings, null, 2));
    else for (const one of findings) console.log(line(one));
    return findings.some((one) => one.level === "fault") ? UNAVAILABLE_EXIT : 0;
  },
};

async function repair(config: Config, isJson: boolean): Promise<number> {
  const count = await repairArchive(config, (finding) =>
    console.log(isJson ? JSON.stringify(finding) : `${MARK.note} ${describeFinding(finding)}`),
  );
  if (!isJson) console.log(`${MARK.ok} archive: ${count} findings, files and rows agree`);
  return 0;
}

function line(one: Finding): string {
  const remedy = one.remedy === undefined ? "" : `\n    → ${one.remedy}`;
  return `${MARK[one.level]} ${one.subject}: ${one.text}${remedy}`;
}

function runtime(): Finding {
  const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);
  const isEnough = major > 22 || (major === 22 && minor >= 18);
  const text = `Kindred ${VERSION}, Node ${process.versions.node}, ${process.platform}/${process.arch}`;
  return isEnough
    ? { level: "ok", subject: "runtime", text }
    : {
        level: "fault",
        subject: "runtime",
        text,
        remedy: "Node 22.18 or newer is needed; `npm ci` brings one for every npm script",
      };
}

const MEANING: Readonly<Record<Role, string>> = {
  all: "everything on this node",
  worker: "everything but the DICOM listener, which receiver nodes have",
  receiver: "the DICOM listener, beside a node with role all or worker",
};

function roleOf({ node }: Config): Finding {
  return { level: "ok", subject: "role", text: `${node.role}: ${MEANING[node.role]}` };
}

function peersOf(config: Config): Finding[] {
  if (config.peers.length === 0) {
    return [
      {
        level: "note",
        subject: "peers",
        text: "none configured: every calling AE title is refused",
        remedy:
          'add { "peers": [{ "aeTitle": …, "host": …, "port": … }] } to a file and pass --config FILE',
      },
    ];
  }
  return config.peers.map((peer) => ({
    level: "ok",
    subject: `peer ${peer.aeTitle}`,
    text: [
      `may ${peer.allow.join(", ")}`,
      ...(peer.tls ? [`by TLS${nameOf(peer)} only`] : []),
      ...(peer.requireUser ? ["with a proven user only"] : []),
      ...(peer.sendReports ? ["gets reports"] : []),
      `try \`kindred peers echo ${peer.aeTitle}\``,
    ].join("; "),
  }));
}

function nameOf({ certificateName }: Config["peers"][number]): string {
  return certificateName === undefined ? "" : ` as ${[certificateName].flat().join(" or ")}`;
}

async function disk(config: Config): Promise<Finding> {
  const folder = resolve(config.dataDir);
  try {
    await mkdir(folder, { recursive: true, mode: 0o700 });
    await access(folder, constants.W_OK);
    const { bavail, bsize } = await statfs(folder);
    const freeBytes = bavail * bsize;
    const text = `${folder}, ${(freeBytes / 1e9).toFixed(1)} GB free`;
    return freeBytes < config.archive.freeBytesMin
      ? {
          level: "fault",
          subject: "data folder",
          text,
          remedy: "free disk is below archive.freeBytesMin: C-STORE is answered A700H",
        }
      : { level: "ok", subject: "data folder", text };
  } catch (error) {
    return {
      level: "fault",
      subject: "data folder",
      text: messageOf(error),
      remedy: "set dataDir (KINDRED_DATA_DIR) to a folder this user may write",
    };
  }
}

async function dicomPorts({ dimse }: Config): Promise<Finding[]> {
  const findings: Finding[] = [];
  if (dimse.port !== null) findings.push(await port("DICOM port", dimse.host, dimse.port));
  else findings.push({ level: "ok", subject: "DICOM port", text: "off: callers need TLS" });
  if (dimse.tls.port !== null)
    findings.push(await port("DICOM port with TLS", dimse.host, dimse.tls.port));
  if (dimse.tls.keyFile !== undefined && dimse.tls.certFile !== undefined)
    findings.push(await tlsFiles(dimse.tls));
  return findings;
}

async function tlsFiles(config: Config["dimse"]["tls"]): Promise<Finding> {
  const subject = "TLS certificate";
  try {
    const { cert } = await readTlsFiles(config);
    const { validToDate } = new X509Certificate(cert);
    const text = `usable until ${validToDate.toISOString().slice(0, 10)}`;
    if (validToDate.getTime() > Date.now()) return { level: "ok", subject, text };
    const remedy = "renew it: peers refuse an expired certificate";
    return { level: "fault", subject, text: text.replace("usable", "was usable"), remedy };
  } catch (error) {
    return { level: "fault", subject, text: messageOf(error) };
  }
}

function port(subject: string, host: string, number: number): Promise<Finding> {
  return new Promise((done) => {
    const probe = createServer();
    probe.once("error", (error: NodeJS.ErrnoException) =>
      done({
        level: "note",
        subject,
        text: `${host}:${number} cannot be bound (${error.code})`,
        remedy: "a node may be running already; otherwise choose another port",
      }),
    );
    probe.listen(number, host, () =>
      probe.close(() => done({ level: "ok", subject, text: `${host}:${number} is free` })),
    );
  });
}

async function database(config: Config): Promise<Finding[]> {
  const dataDir = resolve(config.dataDir);
  const subject = "database";
  try {
    // The embedded one is opened by one process at a time; a server may be asked beside the nodes that use it.
    const isServer = config.database.url !== undefined || config.database.urlFile !== undefined;
    const lock = isServer ? undefined : await lockDataDir(dataDir);
    try {
      const db = await openDatabase({ config: config.database, dataDir, log: silentLogger() });
      try {
        const pending = await pendingMigrations(db);
        const text = `${db.engine} ${db.serverVersion}; ${pending.length} migrations to run (serve runs them)`;
        return [{ level: "ok", subject, text }, ...(pending.length === 0 ? await nodesOf(db) : [])];
      } finally {
        await db.close();
      }
    } finally {
      await lock?.release();
    }
  } catch (error) {
    return [{ level: "note", subject, text: messageOf(error) }];
  }
}

/** Nodes that use the archive, as their rows tell. */
async function nodesOf(db: Database): Promise<Finding[]> {
  return (await archiveNodes(db)).map((one) => {
    const subject = `node ${one.node}`;
    const text = `role ${one.role} on ${one.host}, process ${one.process_id}, seen ${one.seen_seconds} s ago`;
    return one.is_alive
      ? { level: "ok", subject, text }
      : { level: "note", subject, text: `${text}: it ended without a word` };
  });
}

async function models(config: Config): Promise<Finding[]> {
  const folders = modelFolders(config);
  const verified = await openVerifiedFiles(resolve(config.dataDir));
  const bundles = await discoverBundles(folders, config.encoder.models, verified);
  const encoder = createEncoder({
    config: config.encoder,
    bundles,
    log: silentLogger(),
    metrics: createMetrics(),
  });
  try {
    await encoder.start();
    const findings = [
      ...encoder.status().map(modelFinding),
      ...encoder.textStatus().map(textFinding),
    ];
    for (const { id, error } of await unusedBundles(folders, config.encoder.models, verified))
      findings.push({
        level: "note",
        subject: `model ${id}`,
        text: error ?? "lies in the model folders and is not used",
        remedy:
          error === undefined
            ? "add it to encoder.models to use it"
            : "it is not in encoder.models, so nothing depends on it; mend or remove it",
      });
    return [...findings, ...gpuFindings(await gpuFacts(config.encoder.providers))];
  } finally {
    await encoder.stop();
  }
}

const triedOf = (attempts: readonly ProviderAttempt[]): string =>
  attempts.map((one) => `${one.provider}: ${one.error}`).join("; ");

function modelFinding(model: ModelStatus): Finding {
  const subject = `model ${model.modelId}`;
  const tried = triedOf(model.attempts);
  if (model.state !== "ready")
    return {
      level: "fault",
      subject,
      text: `${model.reason ?? "failed"} ${tried}`,
      remedy: "mend or remove the bundle; the others go on",
    };
  const precision = model.precision === null ? "" : ` in ${model.precision}`;
  const text = `${model.version} ${model.profile} proves itself on ${model.provider}${precision}`;
  return {
    level: "ok",
    subject,
    text: tried ? `${text} (not on ${tried})` : text,
    ...(model.notes.length > 0 ? { remedy: model.notes.join("; ") } : {}),
  };
}

function textFinding({ modelId, state, provider, reason, attempts }: TextStatus): Finding {
  const subject = `text of ${modelId}`;
  const tried = triedOf(attempts);
  if (state !== "ready")
    return {
      level: "fault",
      subject,
      text: `${reason ?? "failed"} ${tried}`.trim(),
      remedy: "mend or remove the bundle; until then no text finds its volumes",
    };
  const text =
    provider === null ? "answers the texts it brought vectors for" : `proves itself on ${provider}`;
  return { level: "ok", subject, text: tried ? `${text} (not on ${tried})` : text };
}
