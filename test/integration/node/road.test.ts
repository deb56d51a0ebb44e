import { readdirSync } from "node:fs";
import { expect } from "chai";
import { type StandInPacs, startStandInPacs } from "../../../src/cli/demo/stand-in-pacs.ts";
import { find } from "../../../src/dimse/requestor/find.ts";
import type { Node } from "../../../src/main.ts";
import { ctSeries, ctUids } from "../../support/ct-series.ts";
import { nativeOrSkip } from "../../support/native-postgres.ts";
import {
  getJson,
  push,
  startTestNode,
  temporaryFolder,
  waitFor,
} from "../../support/node-under-test.ts";

interface SeriesAnswer {
  state: string;
  reason: string | null;
  revision: number;
  instances: number;
  verdict: {
    outcome: string;
    spacingMm: number[];
    sizeVoxels: number[];
    tiltDegrees: number;
  } | null;
  models: { id: string; provider: string }[];
  documents: {
    sopInstanceUid: string;
    textLines: string[];
    deliveries: { peer: string; state: string }[];
  }[];
}
interface SimilarAnswers {
  answers: {
    studyInstanceUid: string;
    seriesInstanceUid: string;
    score: number;
    rank: number;
    patientId: string;
  }[];
}

for (const engine of ["embedded", "postgresql"] as const) {
  describe(`the whole road on the ${engine} database`, () => {
    let node: Node;
    let log: string[];
    let pacs: StandInPacs;
    const native = nativeOrSkip(engine);
    const series = (name: string) =>
      getJson<SeriesAnswer>(node, `/api/v1/series/${ctUids(name).series}`);
    const settled = (name: string) =>
      waitFor(
        () => series(name),
        (one) => ["delivered", "refused", "failed"].includes(one.state),
      );

    before(async () => {
      const databaseUrl = await native()?.freshDatabase();
      pacs = await startStandInPacs(temporaryFolder(), 0);
      ({ node, log } = await startTestNode({ databaseUrl, pacsPort: pacs.port }));
      for (const [name, core] of [
        ["alpha", 10],
        ["beta", 11],
        ["gamma", 18],
      ] as const)
        await push(node.dicom, ctSeries({ name, core }));
      for (const name of ["alpha", "beta", "gamma"]) await settled(name);
    });

    after(async () => {
      await node?.stop();
      await pacs?.listener.stop();
      await native()?.stop();
    });

    it("delivers two documents for each series and says so", async () => {
      const alpha = await series("alpha");
      expect(alpha).to.include({ state: "delivered", revision: 1, instances: 12 });
      expect(alpha.verdict).to.deep.include({
        outcome: "ok",
        spacingMm: [8, 6, 6],
        sizeVoxels: [12, 48, 48],
        tiltDegrees: 0,
      });
      expect(alpha.models[0]).to.include({ id: "layout-fingerprint", provider: "cpu" });
      expect(alpha.documents).to.have.length(2);
      expect(
        alpha.documents.flatMap((one) =>
          one.deliveries.map((delivery) => `${delivery.peer} ${delivery.state}`),
        ),
      ).to.deep.equal(["PACS delivered", "PACS delivered"]);
      expect(pacs.files.length).to.be.at.least(6);
    });

    it("ranks the same over C-FIND and HTTP, by study and by accession number", async () => {
      const target = {
        ...node.dicom,
        callingAeTitle: "SENDER",
        calledAeTitle: "SIMILAR",
        responseSeconds: 20,
      };
      const keys = {
        StudyInstanceUID: "",
        AccessionNumber: "",
        StudyDescription: "",
        PatientID: "",
      };
      const byStudy = await find(target, {
        level: "STUDY",
        keys: { ...keys, StudyInstanceUID: ctUids("alpha").study },
      });
      const byAccession = await find(target, {
        level: "STUDY",
        keys: { ...keys, AccessionNumber: "Aalpha" },
      });
      const http = await getJson<SimilarAnswers>(
        node,
        `/api/v1/similar?study=${ctUids("alpha").study}`,
      );
      const expected = [ctUids("beta").study, ctUids("gamma").study];
      expect(byStudy.matches.map((match) => match.StudyInstanceUID)).to.deep.equal(expected);
      expect(byAccession.matches.map((match) => match.StudyInstanceUID)).to.deep.equal(expected);
      expect(http.answers.map((one) => one.studyInstanceUid)).to.deep.equal(expected);
      expect(byStudy.matches[0]!.StudyDescription).to.equal(
        `#01 ${http.answers[0]!.score.toFixed(3)} | Test beta`,
      );
    });

    it("gives no answer for an unknown study and refuses PatientID alone", async () => {
      const target = {
        ...node.dicom,
        callingAeTitle: "SENDER",
        calledAeTitle: "SIMILAR",
        responseSeconds: 20,
      };
      expect(
        await find(target, { level: "STUDY", keys: { StudyInstanceUID: "1.2.3.4" } }),
      ).to.deep.equal({ status: 0, matches: [] });
      expect(
        (
          await find(target, {
            level: "STUDY",
            keys: { StudyInstanceUID: "", PatientID: "P-alpha" },
          })
        ).status,
      ).to.equal(0xa900);
      expect(
        await find(target, { level: "STUDY", keys: { StudyInstanceUID: "", PatientName: "*" } }),
      ).to.deep.equal({ status: 0, matches: [] });
    });

    it("answers the standard query on KINDRED without decoration", async () => {
      const target = {
        ...node.dicom,
        callingAeTitle: "SENDER",
        calledAeTitle: "KINDRED",
        responseSeconds: 20,
      };
      const studies = await find(target, {
        level: "STUDY",
        keys: {
          StudyInstanceUID: "",
          PatientName: "secret^al*",
          StudyDescription: "",
          NumberOfStudyRelatedInstances: "",
        },
      });
      expect(studies.matches).to.have.length(1);
      expect(studies.matches[0]).to.include({
        StudyDescription: "Test alpha",
        NumberOfStudyRelatedInstances: "12",
      });
      expect(
        (await find(target, { level: "SERIES", keys: { SeriesInstanceUID: "" } })).status,
      ).to.equal(0xa900);
    });

    it("opens a new revision for a late slice and supersedes the first", async () => {
      const all = ctSeries({ name: "late", slices: 9 });
      await push(node.dicom, all.slice(0, 8));
      await settled("late");
      await push(node.dicom, all.slice(8));
      const late = await waitFor(
        () => series("late"),
        (one) => one.revision === 2 && one.state === "delivered",
      );
      expect(late.verdict!.sizeVoxels).to.deep.equal([9, 48, 48]);
      expect(late.documents).to.have.length(2);
    });

    it("keeps the same bytes once and the first of other bytes", async () => {
      const [first] = ctSeries({ name: "alpha", core: 10 });
      const [other] = ctSeries({ name: "alpha", core: 12 });
      const before = await series("alpha");
      expect((await push(node.dicom, [first!])).map((one) => one.status)).to.deep.equal([0]);
      expect((await push(node.dicom, [other!])).map((one) => one.status)).to.deep.equal([0x0111]);
      expect((await series("alpha")).instances).to.equal(before.instances);
    });

    it("answers each bad series with its reason, and nothing else is disturbed", async () => {
      await push(node.dicom, ctSeries({ name: "single", slices: 1 }));
      await push(node.dicom, ctSeries({ name: "unplaced", withPositions: false }));
      await push(
        node.dicom,
        ctSeries({ name: "holes" }).filter((_, index) => index !== 5),
      );
      expect((await settled("single")).reason).to.include("TOO_FEW_SLICES");
      expect((await settled("unplaced")).reason).to.include("NO_POSITION");
      expect((await settled("holes")).reason).to.include("MISSING_SLICES");
      expect((await series("beta")).state).to.equal("delivered");
    });

    it("refuses a truncated object and one whose UID differs from the command, and keeps neither", async () => {
      const [one] = ctSeries({ name: "cut" });
      const cut = { ...one!, dataSet: one!.dataSet.subarray(0, one!.dataSet.length - 100) };
      const renamed = { ...one!, sopInstanceUid: "1.2.3.4.5" };
      expect(
        (await push(node.dicom, [cut, renamed])).map((outcome) => outcome.status),
      ).to.deep.equal([0xc001, 0xa900]);
      const answer = await fetch(
        `http://127.0.0.1:${node.http.port}/api/v1/series/${ctUids("cut").series}`,
      );
      expect(answer.status).to.equal(404);
    });

    it("never puts another patient's identity into a report, nor any patient into the log", async () => {
      const beta = await series("beta");
      const report = beta.documents.flatMap((one) => one.textLines).join("\n");
      expect(report).to.include("Not for diagnostic use");
      expect(report).not.to.match(/alpha|gamma|Secret/);
      expect(log.length).to.be.greaterThan(10);
      expect(log.join("\n")).not.to.match(/Secret|P-alpha|Aalpha|19700101/);
    });

    it("is live, ready and measured, and answers problems as problems", async () => {
      expect(await getJson(node, "/livez")).to.deep.equal({ status: "ok" });
      expect(await getJson(node, "/readyz")).to.deep.include({ status: "ok" });
      const metrics = await (await fetch(`http://127.0.0.1:${node.http.port}/metrics`)).text();
      expect(metrics).to.match(/kindred_instances_received_total\{status="0000H"\} \d+/);
      const problem = await fetch(`http://127.0.0.1:${node.http.port}/api/v1/similar?study=x`);
      expect(problem.status).to.equal(400);
      expect(problem.headers.get("content-type")).to.include("application/problem+json");
      expect(await problem.json()).to.include({ code: "BAD_REQUEST" });
    });
  });
}

describe("the archive folder", () => {
  it("holds the files of what was kept and nothing else after the node has ended", async () => {
    const dataDir = temporaryFolder();
    const { node } = await startTestNode({ dataDir });
    const [one] = ctSeries({ name: "tidy" });
    await push(node.dicom, [one!, { ...one!, dataSet: one!.dataSet.subarray(0, 900) }]);
    await node.stop();
    const names = readdirSync(`${dataDir}/instances`, { recursive: true, encoding: "utf8" });
    expect(names.filter((name) => name.endsWith(".dcm"))).to.have.length(1);
    expect(readdirSync(`${dataDir}/open`)).to.deep.equal([]);
  });
});
