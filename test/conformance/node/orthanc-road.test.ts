import { existsSync, globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect } from "chai";
import type { Node } from "../../../src/main.ts";
import { freePort } from "../../support/free-port.ts";
import { getJson, startTestNode, temporaryFolder, waitFor } from "../../support/node-under-test.ts";
import { type Orthanc, startOrthanc } from "../../support/orthanc.ts";
import { requireTool } from "../../support/tools.ts";

const data =
  process.env.KINDRED_TEST_DATA ??
  fileURLToPath(new URL("../../../../shared/data/", import.meta.url));
const CASES = [
  "ct-01-chest-siemens-two-recons",
  "ct-02-abdomen-ge-revolution-feet-first",
  "ct-04-headphantom-philips-with-scout",
];
const CHEST_PATIENT = "Lung_Dx-A0002";

interface Study {
  studyInstanceUid: string;
  patientId: string;
  series: { seriesInstanceUid: string; state: string; instances: number }[];
}
interface SeriesAnswer {
  documents: {
    sopInstanceUid: string;
    sopClassUid: string;
    deliveries: { peer: string; state: string; attempts: number }[];
  }[];
}
type Tags = Readonly<Record<string, string>>;

describe("Orthanc as the PACS that pushes, asks and receives", function () {
  this.timeout(240_000);
  let node: Node;
  let orthanc: Orthanc;
  let studies: Study[];
  let pushed: { InstancesCount: number; FailedInstancesCount: number };

  before(async function () {
    requireTool(this, "Orthanc");
    if (!existsSync(join(data, CASES[0]!))) {
      console.log("      SKIPPED: the shared test data is not there (KINDRED_TEST_DATA)");
      this.skip();
    }
    const dicomPort = await freePort();
    const pacs = {
      aeTitle: "PACS",
      host: "127.0.0.1",
      port: dicomPort,
      allow: ["store", "query", "similar"],
      sendReports: true,
    };
    ({ node } = await startTestNode({ quietSeconds: 2, extra: { peers: [pacs] } }));
    const { port } = node.dicom;
    orthanc = await startOrthanc({
      folder: temporaryFolder(),
      dicomPort,
      settings: {
        DicomModalities: {
          KINDRED: ["KINDRED", "127.0.0.1", port],
          SIMILAR: ["SIMILAR", "127.0.0.1", port],
        },
      },
    });
    for (const one of CASES)
      for (const file of globSync(join(data, one, "**/*.dcm")))
        await orthanc.post("/instances", readFileSync(file));
    pushed = await orthanc.post("/modalities/KINDRED/store", {
      Resources: await orthanc.get<string[]>("/studies"),
      Synchronous: true,
      Timeout: 60,
    });
    const ask = () => getJson<{ studies: Study[] }>(node, "/api/v1/studies");
    const isDone = (answer: { studies: Study[] }) =>
      answer.studies.length === CASES.length &&
      answer.studies
        .flatMap((study) => study.series)
        .every((series) => ["delivered", "refused", "failed"].includes(series.state));
    ({ studies } = await waitFor(ask, isDone, 120));
  });
  after(async () => {
    await node?.stop();
    await orthanc?.stop();
  });

  const chest = () => studies.find((study) => study.patientId === CHEST_PATIENT)!;

  /** Orthanc's C-FIND, not normalised: the keys go out as they stand here. */
  async function query(modality: string, keys: Tags): Promise<Tags[]> {
    const { ID } = await orthanc.post<{ ID: string }>(`/modalities/${modality}/query`, {
      Level: "Study",
      Query: keys,
      Normalize: false,
    });
    const indexes = await orthanc.get<string[]>(`/queries/${ID}/answers`);
    return Promise.all(
      indexes.map((index) => orthanc.get<Tags>(`/queries/${ID}/answers/${index}/content?simplify`)),
    );
  }

  it("verification answers Orthanc's C-ECHO", async () => {
    await orthanc.post("/modalities/KINDRED/echo", {});
  });

  it("takes everything Orthanc holds, and processes every volume of it", () => {
    expect(pushed).to.include({ InstancesCount: 126, FailedInstancesCount: 0 });
    const series = studies.flatMap((study) => study.series);
    const delivered = series.filter((one) => one.state === "delivered");
    expect(delivered.map((one) => one.instances).sort()).to.deep.equal([28, 30, 30, 35]);
    expect(series.some((one) => one.state === "failed")).to.equal(false);
  });

  it("answers Orthanc's query on KINDRED with what was pushed", async () => {
    const answers = await query("KINDRED", {
      PatientID: "",
      StudyInstanceUID: "",
      StudyDescription: "",
      NumberOfStudyRelatedInstances: "",
    });
    const held = answers.map((one) => `${one.PatientID} ${one.NumberOfStudyRelatedInstances}`);
    const expected = studies.map((study) => {
      const instances = study.series.reduce((sum, one) => sum + one.instances, 0);
      return `${study.patientId} ${instances}`;
    });
    expect(held.sort()).to.deep.equal(expected.sort());
  });

  it("answers Orthanc's query on SIMILAR with ranked studies of other patients", async () => {
    const answers = await query("SIMILAR", {
      StudyInstanceUID: chest().studyInstanceUid,
      StudyDescription: "",
      PatientID: "",
    });
    expect(answers.map((one) => one.StudyDescription!.slice(0, 3))).to.deep.equal(["#01", "#02"]);
    const scores = answers.map((one) =>
      Number(/^#\d\d (0\.\d{3}) \|/.exec(one.StudyDescription!)![1]),
    );
    expect(scores[0]).to.be.greaterThan(scores[1]!);
    const others = studies.filter((study) => study !== chest());
    expect(answers.map((one) => one.StudyInstanceUID)).to.have.members(
      others.map((study) => study.studyInstanceUid),
    );
  });

  it("Orthanc then holds two reports a processed series, in the study they are about", async () => {
    for (const study of studies) {
      const documents: SeriesAnswer["documents"] = [];
      for (const series of study.series)
        documents.push(
          ...(await getJson<SeriesAnswer>(node, `/api/v1/series/${series.seriesInstanceUid}`))
            .documents,
        );
      const processed = study.series.filter((one) => one.state === "delivered");
      expect(documents).to.have.length(2 * processed.length);
      expect(
        documents.flatMap((one) => one.deliveries.map(({ peer, state }) => `${peer} ${state}`)),
      ).to.deep.equal(documents.map(() => "PACS delivered"));
      const held = await reportsOf(study.studyInstanceUid);
      expect(held.map((one) => one.SOPInstanceUID)).to.have.members(
        documents.map((one) => one.sopInstanceUid),
      );
      for (const one of held) {
        expect(one).to.include({
          StudyInstanceUID: study.studyInstanceUid,
          PatientID: study.patientId,
          Modality: "SR",
          VerificationFlag: "UNVERIFIED",
          CompletionFlag: "COMPLETE",
        });
        expect(one.SeriesDescription).to.match(/^AI result, not verified/);
        expect(one.SOPClassUID).to.be.oneOf(documents.map((document) => document.sopClassUid));
      }
      // Each in its own series: some viewers show only one document a series.
      expect(new Set(held.map((one) => one.SeriesInstanceUID)).size).to.equal(held.length);
    }
  });

  async function reportsOf(studyInstanceUid: string): Promise<Tags[]> {
    const found = await orthanc.post<{ ID: string; Type: string }[]>("/tools/find", {
      Level: "Instance",
      Query: { StudyInstanceUID: studyInstanceUid, Modality: "SR" },
      Expand: true,
    });
    return Promise.all(
      found.map(({ ID }) => orthanc.get<Tags>(`/instances/${ID}/simplified-tags`)),
    );
  }
});
