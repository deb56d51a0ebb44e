/** pynetdicom, by the scripts of this folder and of its neighbours. */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { SOP_CLASS, uidFromName } from "../../../src/dicom/uids.ts";
import { stopped } from "../../support/stopped.ts";
import { toolEnvironment } from "../../support/tools.ts";
import {
  areReportsAt,
  count,
  fileIn,
  filesOf,
  isEchoed,
  keptOf,
  type Site,
  type Tool,
  tool,
  yes,
} from "./site.ts";
import type { Column } from "./table.ts";

const script = (name: string) => new URL(name, import.meta.url).pathname;
const PYTHON = script("../../../.cache/py/bin/python");
const OURS = script("./pynetdicom_calls.py");
const RETRIEVE = script("../node/pynetdicom_retrieve.py");
const COMMITMENT = script("../commitment/pynetdicom_peer.py");
const VARIANT = 4;
/** Not kept before. */
const TLS_VARIANT = 7;

export function pynetdicom(): Tool {
  const children: ChildProcess[] = [];

  async function ask<T>(file: string, ...args: (string | number)[]): Promise<T | undefined> {
    const { text } = await tool(PYTHON, [file, ...args]);
    const last = text.trim().split("\n").at(-1) ?? "";
    try {
      return JSON.parse(last) as T;
    } catch {
      return undefined;
    }
  }

  async function retrieved(site: Site, command: "move" | "get", port: number): Promise<string> {
    const digests = new Map(
      site.syntaxes.map((one) => [
        one.sopInstanceUid,
        createHash("sha256")
          .update(one.dataSet as Buffer)
          .digest("hex"),
      ]),
    );
    const answer = await ask<{ stored: { sopInstanceUid: string; digest: string }[] }>(
      ...([RETRIEVE, command, site.ports.dicom, port, "PYSCU", site.syntaxesStudy] as const),
      ...[SOP_CLASS.ctImageStorage, ...site.syntaxes.map((one) => one.transferSyntaxUid)],
    );
    const right = (answer?.stored ?? []).filter(
      (one) => digests.get(one.sopInstanceUid) === one.digest,
    );
    return count(right.length, site.syntaxes);
  }

  const cells: Record<Column, (site: Site) => Promise<string>> = {
    async echo(site) {
      const status = await ask<number>(OURS, "echo", site.ports.dicom);
      return yes(status === 0 && (await isEchoed(site, "PYNETDICOM")));
    },
    async store(site) {
      const { folder, instances } = filesOf(site, VARIANT);
      await ask(OURS, "store", site.ports.dicom, folder);
      return count(keptOf(site, instances), instances);
    },
    async find(site) {
      const found = await ask<string[]>(OURS, "find", site.ports.dicom, site.study.patientId);
      return yes(found?.includes(site.study.uid) === true);
    },
    async similar(site) {
      await areReportsAt(site, "PYNETDICOM");
      const found = await ask<string[]>(OURS, "similar", site.ports.dicom, site.study.uid);
      return yes(found?.includes(site.alike.uid) === true);
    },
    move: (site) => retrieved(site, "move", site.portOf.PYSCU!),
    get: (site) => retrieved(site, "get", site.portOf.PYSCU!),
    async "commitment, asked"(site) {
      const references = site.study.sopInstanceUids.map(
        (uid) => `${SOP_CLASS.ctImageStorage}:${uid}`,
      );
      const ways: boolean[] = [];
      for (const way of ["same", "new"]) {
        const uid = uidFromName(`test/interoperability/${way}`);
        const ports = [site.ports.dicom, site.portOf.PYSCU!];
        const report = await ask<{ committed?: unknown[] }>(
          ...([COMMITMENT, "scu", ...ports, way, uid, ...references] as const),
        );
        ways.push(report?.committed?.length === references.length);
      }
      return yes(ways.every((one) => one));
    },
    "commitment, asking": async (site) => yes(await areReportsAt(site, "PYNETDICOM", true)),
    reports: async (site) => yes(await areReportsAt(site, "PYNETDICOM")),
    async "TLS in"(site) {
      const { folder } = filesOf(site, TLS_VARIANT);
      const { keyFile, certFile } = site.pair;
      const files = [keyFile, certFile, site.ca.caFile, fileIn(folder, 0)];
      const statuses = await ask<number[]>(OURS, "tls-in", site.ports.tls, ...files);
      return yes(statuses?.length === 2 && statuses.every((one) => one === 0));
    },
    "TLS out": async (site) =>
      yes((await isEchoed(site, "PYTLS")) && (await areReportsAt(site, "PYTLS"))),
  };

  return {
    name: "pynetdicom",
    missing: () =>
      spawnSync(PYTHON, ["-c", "import pynetdicom"]).status === 0 ? undefined : "pynetdicom",
    async version() {
      const { text } = await tool(PYTHON, [
        "-c",
        "import pynetdicom; print(pynetdicom.__version__)",
      ]);
      return text.trim();
    },
    async start(site) {
      const { keyFile, certFile } = site.pair;
      const { PYNETDICOM, PYTLS } = site.portOf;
      const servers = [
        [COMMITMENT, "scp", PYNETDICOM, site.ports.dicom, "same", "PYNETDICOM"],
        [OURS, "tls-out", PYTLS, keyFile, certFile, site.ca.caFile],
      ];
      for (const args of servers) {
        const options = { env: toolEnvironment, stdio: ["pipe", "ignore", "ignore"] as const };
        children.push(spawn(PYTHON, args.map(String), { ...options, stdio: [...options.stdio] }));
      }
    },
    cell: (site, column) => cells[column as Column](site),
    async stop() {
      await Promise.all(children.map(stopped));
    },
  };
}
