/** dcmtk's command-line tools; storescp is what they move to, and what takes our documents. */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { UID } from "../../../src/dicom/uids.ts";
import { stopped } from "../../support/stopped.ts";
import { toolEnvironment } from "../../support/tools.ts";
import {
  areReportsAt,
  arrivedOf,
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
import { type Column, NO_SERVICE } from "./table.ts";

const TOOLS = ["echoscu", "dcmsend", "findscu", "movescu", "getscu", "storescp", "storescu"];
const VARIANT = 2;
/** Not kept before. */
const TLS_VARIANT = 5;

export function dcmtk(): Tool {
  const children: ChildProcess[] = [];
  const folderOf = (site: Site, name: string) => join(site.folder, `dcmtk-${name}`);
  const tls = (site: Site) => [
    "+tls",
    site.pair.keyFile,
    site.pair.certFile,
    "+cf",
    site.ca.caFile,
  ];
  const to = (site: Site, called = "KINDRED") => [
    "-aet",
    "DCMTK",
    "-aec",
    called,
    "127.0.0.1",
    site.ports.dicom,
  ];
  const study = (uid: string) => [
    "-k",
    "QueryRetrieveLevel=STUDY",
    "-k",
    `StudyInstanceUID=${uid}`,
  ];

  const cells: Record<Column, (site: Site) => Promise<string>> = {
    async echo(site) {
      const { isDone } = await tool("echoscu", to(site));
      return yes(isDone && (await isEchoed(site, "DCMTK")));
    },
    async store(site) {
      const { folder, instances } = filesOf(site, VARIANT);
      // storescu proposes implicit VR little endian alone; dcmsend never does.
      const implicit = instances.findIndex(
        (one) => one.transferSyntaxUid === UID.implicitVrLittleEndian,
      );
      await tool("storescu", ["-xi", ...to(site), fileIn(folder, implicit)]);
      await tool("dcmsend", ["-dn", "+sd", ...to(site), folder]);
      return count(keptOf(site, instances), instances);
    },
    async find(site) {
      const keys = ["-S", ...study(""), "-k", `PatientID=${site.study.patientId}`];
      const { text } = await tool("findscu", [...keys, ...to(site)]);
      return yes(text.includes(site.study.uid));
    },
    async similar(site) {
      await areReportsAt(site, "DCMTK");
      const { text } = await tool("findscu", [
        "-S",
        ...study(site.study.uid),
        ...to(site, "SIMILAR"),
      ]);
      return yes(text.includes(site.alike.uid));
    },
    async move(site) {
      await tool("movescu", ["-S", "-aem", "DCMTK", ...study(site.syntaxesStudy), ...to(site)]);
      return count(arrivedOf(folderOf(site, "DCMTK"), site.syntaxes), site.syntaxes);
    },
    async get(site) {
      const folder = folderOf(site, "get");
      mkdirSync(folder);
      const keys = study(site.syntaxesStudy);
      await tool("getscu", ["-S", "+B", "-od", folder, ...keys, ...to(site)]);
      return count(arrivedOf(folder, site.syntaxes), site.syntaxes);
    },
    "commitment, asked": async () => NO_SERVICE,
    "commitment, asking": async () => NO_SERVICE,
    reports: async (site) => yes(await areReportsAt(site, "DCMTK")),
    async "TLS in"(site) {
      const { folder } = filesOf(site, TLS_VARIANT);
      const args = ["-aet", "DCMTKTLS", "-aec", "KINDRED", "127.0.0.1", site.ports.tls];
      const echo = await tool("echoscu", [...tls(site), ...args]);
      const store = await tool("storescu", [...tls(site), ...args, fileIn(folder, 0)]);
      return yes(echo.isDone && store.isDone);
    },
    "TLS out": async (site) =>
      yes((await isEchoed(site, "DCMTKTLS")) && (await areReportsAt(site, "DCMTKTLS"))),
  };

  return {
    name: "dcmtk",
    missing: () => TOOLS.find((one) => spawnSync("which", [one]).status !== 0),
    async version() {
      const { text } = await tool("echoscu", ["--version"]);
      return /v(\d+\.\d+\.\d+)/.exec(text)![1]!;
    },
    async start(site) {
      for (const title of ["DCMTK", "DCMTKTLS"]) {
        const folder = folderOf(site, title);
        mkdirSync(folder);
        const args = [
          ...(title === "DCMTKTLS" ? tls(site) : []),
          ...["-aet", title, "+xa", "+B", "-od", folder, String(site.portOf[title])],
        ];
        children.push(spawn("storescp", args, { env: toolEnvironment, stdio: "ignore" }));
      }
    },
    cell: (site, column) => cells[column as Column](site),
    async stop() {
      await Promise.all(children.map(stopped));
    },
  };
}
