/** A real `kindred serve` with two receivers, its peers, its certificates, and what it holds before anybody calls. */
import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { decodeDataSet } from "../../../src/dicom/decode.ts";
import { decodeFileMeta, encodeFileMeta } from "../../../src/dicom/part10.ts";
import { TAG } from "../../../src/dicom/tags.ts";
import { filesOf as archiveFilesOf } from "../../support/archive-under-test.ts";
import { type Authority, authority, type Pair } from "../../support/certificates.ts";
import { ctSeries, ctUids } from "../../support/ct-series.ts";
import { freePort } from "../../support/free-port.ts";
import {
  cleanEnvironment,
  getJson,
  push,
  settings,
  spawnNode,
  temporaryFolder,
  waitFor,
} from "../../support/node-under-test.ts";
import { stopped } from "../../support/stopped.ts";
import { toolEnvironment } from "../../support/tools.ts";
import { instancesInAllTransferSyntaxes } from "../../support/transfer-syntaxes.ts";

const run = promisify(execFile);
const CLI = new URL("../../../src/cli.ts", import.meta.url).pathname;
const TITLES = ["DCMTK", "DCMTKTLS", "ORTHANC", "ORTHANCTLS", "PYNETDICOM", "PYTLS", "PYSCU"];
/** A tool that hangs shall not hold the suite. */
const TOOL_MS_MAX = 60_000;

export type Instances = ReturnType<typeof instancesInAllTransferSyntaxes>;

export interface Site {
  readonly folder: string;
  readonly ports: { readonly dicom: number; readonly tls: number; readonly http: number };
  /** Ports that the peers are called at, by AE title. */
  readonly portOf: Readonly<Record<string, number>>;
  readonly ca: Authority;
  /** A certificate of a peer. */
  readonly pair: Pair;
  /** A study in explicit VR little endian that is kept, and processed. */
  readonly study: {
    readonly uid: string;
    readonly series: string;
    readonly patientId: string;
    readonly sopInstanceUids: readonly string[];
  };
  /** Looks like the study. */
  readonly alike: { readonly uid: string };
  /** A study of one instance in each transfer syntax that is kept. */
  readonly syntaxes: Instances;
  readonly syntaxesStudy: string;
  stop(): Promise<void>;
}

/** The file of an instance, by its place in the list. */
export function fileIn(folder: string, index: number): string {
  return join(folder, `${String(index).padStart(2, "0")}.dcm`);
}

/** One instance a transfer syntax, for each tool in a study of its own, as files. */
export function filesOf(
  site: Site,
  variant: number,
): { readonly folder: string; readonly instances: Instances } {
  const folder = join(site.folder, `variant-${variant}`);
  mkdirSync(folder, { recursive: true });
  const instances = instancesInAllTransferSyntaxes(variant);
  instances.forEach((one, index) => {
    const bytes = Buffer.concat([encodeFileMeta(one), one.dataSet as Buffer]);
    writeFileSync(fileIn(folder, index), bytes);
  });
  return { folder, instances };
}

export async function startSite(): Promise<Site> {
  const folder = temporaryFolder();
  const dataDir = join(folder, "data");
  const ca = authority("Site CA");
  const node = ca.sign("kindred", ["IP:127.0.0.1"]);
  const pair = ca.sign("peer", ["DNS:peer.test", "IP:127.0.0.1"]);
  const ports = { dicom: await freePort(), tls: await freePort(), http: await freePort() };
  const portOf: Record<string, number> = {};
  for (const title of TITLES) portOf[title] = await freePort();
  const peers = TITLES.map((aeTitle) => ({
    aeTitle,
    host: "127.0.0.1",
    port: portOf[aeTitle],
    allow: ["store", "query", "retrieve", "similar", "commit"],
    sendReports: aeTitle !== "PYSCU",
    commit: ["ORTHANC", "PYNETDICOM"].includes(aeTitle),
    tls: aeTitle.endsWith("TLS"),
  }));
  const options = {
    dataDir,
    quietSeconds: 1,
    receivers: 2,
    extra: {
      dimse: {
        port: ports.dicom,
        receivers: 2,
        releaseSeconds: 1,
        tls: { port: ports.tls, ...node, caFile: ca.caFile },
      },
      commitment: { sameAssociationSeconds: 0.5, batchSeconds: 0.5, waitSeconds: 2 },
      peers: [{ aeTitle: "SENDER", host: "127.0.0.1", allow: ["store"] }, ...peers],
    },
  };
  writeFileSync(join(folder, "config.json"), JSON.stringify(settings(options, ports)));
  const { child, dicom } = await spawnNode(options, ports);
  const plain = ctSeries({ name: "plain" });
  const syntaxes = instancesInAllTransferSyntaxes(9);
  await push(dicom, [...plain, ...ctSeries({ name: "alike", core: 11 })]);
  await push(dicom, syntaxes);
  const { study: uid, series } = ctUids("plain");
  return {
    folder,
    ports,
    portOf,
    ca,
    pair,
    study: {
      uid,
      series,
      patientId: "P-plain",
      sopInstanceUids: plain.map((one) => one.sopInstanceUid),
    },
    alike: { uid: ctUids("alike").study },
    syntaxes,
    syntaxesStudy: studyUidOf(syntaxes[0]!),
    stop: () => stopped(child),
  };
}

function studyUidOf(instance: Instances[number]): string {
  const { transferSyntaxUid } = instance;
  const header = decodeDataSet(instance.dataSet as Buffer, {
    transferSyntaxUid,
    untilTag: TAG.PixelData,
  });
  return header.string(TAG.StudyInstanceUID)!;
}

/** Runs a tool; what it printed, also when it failed. */
export async function tool(
  command: string,
  args: readonly (string | number)[],
): Promise<{ readonly isDone: boolean; readonly text: string }> {
  const options = { env: toolEnvironment, timeout: TOOL_MS_MAX, maxBuffer: 64_000_000 };
  try {
    const { stdout, stderr } = await run(command, args.map(String), options);
    return { isDone: true, text: stdout + stderr };
  } catch (error) {
    const { stdout = "", stderr = "" } = error as { stdout?: string; stderr?: string };
    return { isDone: false, text: stdout + stderr };
  }
}

/** Our C-ECHO to a peer. */
export async function isEchoed(site: Site, aeTitle: string): Promise<boolean> {
  return waitFor(
    async () => {
      const args = [CLI, "peers", "echo", aeTitle, "--config", join(site.folder, "config.json")];
      const { stdout } = await run(process.execPath, args, { env: cleanEnvironment() }).catch(
        (error: { stdout: string }) => error,
      );
      return / ok\s*$/m.test(stdout);
    },
    (is) => is,
    20,
  ).catch(() => false);
}

interface SeriesAnswer {
  readonly documents: readonly {
    readonly deliveries: readonly {
      readonly peer: string;
      readonly state: string;
      readonly committed?: boolean;
    }[];
  }[];
}

/** Both documents are at the peer, or (isCommitted) it also committed them. */
export function areReportsAt(site: Site, aeTitle: string, isCommitted = false): Promise<boolean> {
  const http = { http: { host: "127.0.0.1", port: site.ports.http } };
  return waitFor(
    () => getJson<SeriesAnswer>(http, `/api/v1/series/${site.study.series}`),
    ({ documents }) =>
      documents.length === 2 &&
      documents.every(({ deliveries }) =>
        deliveries.some(
          (one) =>
            one.peer === aeTitle &&
            one.state === "delivered" &&
            (!isCommitted || one.committed === true),
        ),
      ),
    60,
  ).then(
    () => true,
    () => false,
  );
}

/** How many of the instances the node keeps in the transfer syntax they were in. */
export function keptOf(site: Site, instances: Instances): number {
  const data = join(site.folder, "data");
  const kept = new Set(
    archiveFilesOf(data).map((key) => {
      const file = readFileSync(join(data, "instances", `${key}.dcm`));
      const { meta, transferSyntaxUid } = decodeFileMeta(file);
      return `${meta.string(0x00020003)} ${transferSyntaxUid}`;
    }),
  );
  return instances.filter((one) => kept.has(`${one.sopInstanceUid} ${one.transferSyntaxUid}`))
    .length;
}

/** How many of the instances lie in the folder as files, bit for bit. */
export function arrivedOf(folder: string, instances: Instances): number {
  const digest = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex");
  const there = new Map(
    readdirSync(folder).map((name) => {
      const bytes = readFileSync(join(folder, name));
      const { meta, dataSetOffset } = decodeFileMeta(bytes);
      return [meta.string(0x00020003)!, digest(bytes.subarray(dataSetOffset))];
    }),
  );
  return instances.filter((one) => there.get(one.sopInstanceUid) === digest(one.dataSet as Buffer))
    .length;
}

export const yes = (is: boolean): string => (is ? "yes" : "no");
export const count = (part: number, instances: readonly unknown[]): string =>
  part === instances.length ? `yes (${part} syntaxes)` : `${part} of ${instances.length} syntaxes`;

/** One tool: its row is asked for cell by cell, in the order of the columns. */
export interface Tool {
  readonly name: string;
  /** Why it cannot run here; undefined when it can. */
  missing(): string | undefined;
  version(): Promise<string>;
  start(site: Site): Promise<void>;
  cell(site: Site, column: string): Promise<string>;
  stop(): Promise<void>;
}
