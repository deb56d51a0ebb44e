/** Orthanc, driven by its REST API: one for DICOM without TLS, one with, as it speaks only one of them as acceptor. */
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { waitFor } from "../../support/node-under-test.ts";
import { type Orthanc, startOrthanc } from "../../support/orthanc.ts";
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
import { type Column, NO_SERVICE } from "./table.ts";

const VARIANT = 3;
/** Not kept before. */
const TLS_VARIANT = 6;
const CT = "1.2.840.10008.5.1.4.1.1.2";

export function orthanc(): Tool {
  let plain: Orthanc;
  let secure: Orthanc;
  const isOk = (promise: Promise<unknown>) =>
    promise.then(
      () => true,
      () => false,
    );

  async function sopInstanceUids(): Promise<string[]> {
    const all =
      await plain.get<{ MainDicomTags: { SOPInstanceUID: string } }[]>("/instances?expand");
    return all.map((one) => one.MainDicomTags.SOPInstanceUID);
  }

  async function query(modality: string, keys: Record<string, string>): Promise<string> {
    const { ID } = await plain.post<{ ID: string }>(`/modalities/${modality}/query`, {
      Level: "Study",
      Query: keys,
      Normalize: false,
    });
    const indexes = await plain.get<string[]>(`/queries/${ID}/answers`);
    const answers = indexes.map((one) =>
      plain.get(`/queries/${ID}/answers/${one}/content?simplify`),
    );
    return JSON.stringify(await Promise.all(answers));
  }

  async function upload(to: Orthanc, files: readonly string[]): Promise<string[]> {
    const ids: string[] = [];
    for (const file of files) {
      const bytes = readFileSync(file);
      // What it cannot read it does not take, and so cannot send.
      const stored = await to.post<{ ID: string }>("/instances", bytes).catch(() => undefined);
      if (stored !== undefined) ids.push(stored.ID);
    }
    return ids;
  }

  const store = (to: Orthanc, Resources: readonly string[]) =>
    to.post("/modalities/KINDRED/store", {
      Resources,
      Synchronous: true,
      Permissive: true,
      Timeout: 60,
    });

  const cells: Record<Column, (site: Site) => Promise<string>> = {
    async echo(site) {
      const isAnswered = await isOk(plain.post("/modalities/KINDRED/echo", {}));
      return yes(isAnswered && (await isEchoed(site, "ORTHANC")));
    },
    async store(site) {
      const { folder, instances } = filesOf(site, VARIANT);
      // One by one: what it cannot send must not keep the others back.
      for (const id of await upload(
        plain,
        instances.map((_, at) => fileIn(folder, at)),
      ))
        await isOk(store(plain, [id]));
      return count(keptOf(site, instances), instances);
    },
    async find(site) {
      const keys = { PatientID: site.study.patientId, StudyInstanceUID: "" };
      return yes((await query("KINDRED", keys)).includes(site.study.uid));
    },
    async similar(site) {
      await areReportsAt(site, "ORTHANC");
      const text = await query("SIMILAR", { StudyInstanceUID: site.study.uid });
      return yes(text.includes(site.alike.uid));
    },
    async move(site) {
      const Resources = [{ StudyInstanceUID: site.syntaxesStudy }];
      await isOk(
        plain.post("/modalities/KINDRED/move", {
          Level: "Study",
          Resources,
          TargetAet: "ORTHANC",
          Timeout: 60,
        }),
      );
      const there = await sopInstanceUids();
      const arrived = site.syntaxes.filter((one) => there.includes(one.sopInstanceUid));
      return count(arrived.length, site.syntaxes);
    },
    get: async () => NO_SERVICE,
    async "commitment, asked"(site) {
      const DicomInstances = site.study.sopInstanceUids.map((uid) => [CT, uid]);
      const { Path } = await plain.post<{ Path: string }>(
        "/modalities/KINDRED/storage-commitment",
        {
          DicomInstances,
        },
      );
      const report = await waitFor(
        () => plain.get<{ Status: string }>(Path),
        ({ Status }) => Status !== "Pending",
      );
      return yes(report.Status === "Success");
    },
    "commitment, asking": async (site) => yes(await areReportsAt(site, "ORTHANC", true)),
    reports: async (site) => yes(await areReportsAt(site, "ORTHANC")),
    async "TLS in"(site) {
      const { folder } = filesOf(site, TLS_VARIANT);
      const isAnswered = await isOk(secure.post("/modalities/KINDRED/echo", {}));
      const ids = await upload(secure, [fileIn(folder, 0)]);
      return yes(isAnswered && (await isOk(store(secure, ids))));
    },
    "TLS out": async (site) =>
      yes((await isEchoed(site, "ORTHANCTLS")) && (await areReportsAt(site, "ORTHANCTLS"))),
  };

  return {
    name: "Orthanc",
    missing: () => (spawnSync("which", ["Orthanc"]).status === 0 ? undefined : "Orthanc"),
    async version() {
      const { text } = await tool("Orthanc", ["--version"]);
      return /(\d+\.\d+\.\d+)/.exec(text)![1]!;
    },
    async start(site) {
      const { dicom } = site.ports;
      plain = await startOrthanc({
        folder: join(site.folder, "orthanc"),
        dicomPort: site.portOf.ORTHANC!,
        settings: {
          DicomAet: "ORTHANC",
          DicomModalities: {
            KINDRED: ["KINDRED", "127.0.0.1", dicom],
            SIMILAR: ["SIMILAR", "127.0.0.1", dicom],
          },
        },
      });
      secure = await startOrthanc({
        folder: join(site.folder, "orthanc-tls"),
        dicomPort: site.portOf.ORTHANCTLS!,
        settings: {
          DicomAet: "ORTHANCTLS",
          DicomTlsEnabled: true,
          DicomTlsCertificate: site.pair.certFile,
          DicomTlsPrivateKey: site.pair.keyFile,
          DicomTlsTrustedCertificates: site.ca.caFile,
          DicomModalities: {
            KINDRED: { AET: "KINDRED", Host: "127.0.0.1", Port: site.ports.tls, UseDicomTls: true },
          },
        },
      });
    },
    cell: (site, column) => cells[column as Column](site),
    async stop() {
      await plain?.stop();
      await secure?.stop();
    },
  };
}
