/** C-FIND asked by other people's tools: dcmtk's findscu and pynetdicom. */
import { execFile, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { promisify } from "node:util";
import { expect } from "chai";
import { decodeDataSet } from "../../../src/dicom/decode.ts";
import { encodeDataSet } from "../../../src/dicom/encode.ts";
import { TAG } from "../../../src/dicom/tags.ts";
import { UID } from "../../../src/dicom/uids.ts";
import type { Node } from "../../../src/main.ts";
import { ctSeries, ctUids } from "../../support/ct-series.ts";
import { dataSetOf, type Values } from "../../support/data-sets.ts";
import { push, startTestNode } from "../../support/node-under-test.ts";
import { requireTool, toolEnvironment } from "../../support/tools.ts";

const run = promisify(execFile);
const PYTHON = new URL("../../../.cache/py/bin/python", import.meta.url).pathname;
const SCRIPT = new URL("query.py", import.meta.url).pathname;
const SLICES = 120;

interface Outcome {
  /** Extended negotiation as it was accepted, in hex. */
  readonly accepted: string | null;
  readonly statuses: readonly number[];
  readonly comments: readonly string[];
  readonly matches: readonly Readonly<Record<string, { vr: string; Value?: readonly unknown[] }>>[];
}

/** A CT series with more in its header. */
function series(name: string, slices: number, more: Values) {
  return ctSeries({ name, slices, rows: 16 }).map((instance) => {
    const dataSet = decodeDataSet(instance.dataSet, {
      transferSyntaxUid: UID.explicitVrLittleEndian,
    });
    for (const element of dataSetOf(more).elements.values()) {
      if (element.items !== undefined) dataSet.setItems(element.tag, element.items);
      else dataSet.setBytes(element.tag, element.vr, element.value);
    }
    return { ...instance, dataSet: encodeDataSet(dataSet, UID.explicitVrLittleEndian) };
  });
}

describe("queries by other people's tools", function () {
  this.timeout(120_000);
  let node: Node;

  before(async () => {
    ({ node } = await startTestNode({
      quietSeconds: 600,
      extra: {
        peers: [
          { aeTitle: "SENDER", host: "127.0.0.1", allow: ["store", "query"] },
          { aeTitle: "STRICT", host: "127.0.0.1", allow: ["query"], strictPending: true },
        ],
        dimse: { port: 0, pendingMatchesMax: 100, releaseSeconds: 1 },
      },
    }));
    const request = (id: string) => ({
      RequestAttributesSequence: [{ RequestedProcedureID: id, ScheduledProcedureStepID: "S1" }],
    });
    await push(
      node.dicom,
      series("many", SLICES, { PatientName: "Müller^Jörg", ...request("RP1") }),
    );
    await push(
      node.dicom,
      series("few", 2, { PatientName: "Yamada^Tarou=山田^太郎", ...request("RP2") }),
    );
  });
  after(() => node?.stop());

  describe("findscu", () => {
    before(function () {
      requireTool(this, "findscu");
    });

    const findscu = async (keys: readonly string[], options: readonly string[] = []) => {
      const { stdout, stderr } = await run(
        "findscu",
        [
          ...["-v", "-S", "-aet", "SENDER", "-aec", "KINDRED", ...options],
          ...["127.0.0.1", String(node.dicom.port)],
          ...keys.flatMap((key) => ["-k", key]),
        ],
        { env: toolEnvironment },
      );
      return stdout + stderr;
    };

    it("finds a study by a name without its accents, and sees the answer in UTF-8", async () => {
      const output = await findscu([
        "QueryRetrieveLevel=STUDY",
        "PatientName=muller*",
        "StudyInstanceUID",
      ]);
      expect(output)
        .to.include(ctUids("many").study)
        .and.include("ISO_IR 192")
        .and.include("Müller^Jörg");
      expect(output).to.not.include(ctUids("few").study);
    });

    it("finds series and images down the hierarchy", async () => {
      const study = `StudyInstanceUID=${ctUids("few").study}`;
      const ofSeries = await findscu(["QueryRetrieveLevel=SERIES", study, "SeriesInstanceUID"]);
      expect(ofSeries).to.include(ctUids("few").series);
      const uid = `SeriesInstanceUID=${ctUids("few").series}`;
      const images = await findscu([
        "QueryRetrieveLevel=IMAGE",
        study,
        uid,
        "InstanceNumber",
        "Rows",
      ]);
      expect(images.match(/\(0020,0013\) IS \[[12] ?\]/g)).to.have.length.at.least(2);
      expect(images).to.match(/\(0028,0010\) US 16/);
    });

    it("matches inside a sequence and is given the sequence", async () => {
      const keys = (id: string) => [
        "QueryRetrieveLevel=SERIES",
        `StudyInstanceUID=${ctUids("few").study}`,
        "SeriesInstanceUID",
        `(0040,0275)[0].RequestedProcedureID=${id}`,
        "(0040,0275)[0].ScheduledProcedureStepID",
      ];
      const found = await findscu(keys("RP2"));
      expect(found)
        .to.include(ctUids("few").series)
        .and.match(/\(0040,0009\) SH \[S1/);
      expect(await findscu(keys("RP1"))).to.not.include(ctUids("few").series);
    });

    it("is told that a query has too many matches, after as many as are allowed", async () => {
      const output = await findscu([
        "QueryRetrieveLevel=IMAGE",
        `StudyInstanceUID=${ctUids("many").study}`,
        `SeriesInstanceUID=${ctUids("many").series}`,
        "SOPInstanceUID",
      ]);
      expect(output.match(/Find Response: \d+ \(Pending\)/g)).to.have.length(100);
      expect(output).to.match(/OutOfResources|Out of Resources/i);
    });

    it("can cancel", async () => {
      const output = await findscu(
        [
          "QueryRetrieveLevel=IMAGE",
          `StudyInstanceUID=${ctUids("many").study}`,
          `SeriesInstanceUID=${ctUids("many").series}`,
          "SOPInstanceUID",
        ],
        ["--cancel", "3"],
      );
      expect(output).to.match(/Cancel/);
      expect((output.match(/Find Response: \d+ \(Pending\)/g) ?? []).length).to.be.below(100);
    });
  });

  describe("pynetdicom", () => {
    before(async function () {
      const isThere =
        existsSync(PYTHON) &&
        (await run(PYTHON, ["-c", "import pynetdicom"]).then(
          () => true,
          () => false,
        ));
      if (isThere) return;
      if (process.env.KINDRED_REQUIRE_TOOLS === "1")
        throw new Error("pynetdicom is required and not there");
      console.log("      SKIPPED: pynetdicom is not in .cache/py (CONTRIBUTING.md)");
      this.skip();
    });

    const query = (
      keys: Readonly<Record<string, unknown>>,
      options: { extended?: string; calling?: string; model?: string; cancelAfter?: number } = {},
    ): Promise<Outcome> =>
      new Promise((resolve, reject) => {
        const child = spawn(PYTHON, [SCRIPT], { stdio: ["pipe", "pipe", "inherit"] });
        let text = "";
        child.stdout.on("data", (data) => {
          text += data;
        });
        child.once("error", reject);
        child.once("close", (code) =>
          code === 0 ? resolve(JSON.parse(text)) : reject(new Error(`query.py ended with ${code}`)),
        );
        const asked = {
          port: node.dicom.port,
          called: "KINDRED",
          calling: "SENDER",
          model: "STUDY_ROOT",
          keys,
          ...options,
        };
        child.stdin.end(JSON.stringify(asked));
      });
    const key = (tag: number, vr: string, ...value: readonly unknown[]) => ({
      [tag.toString(16).padStart(8, "0").toUpperCase()]:
        value.length === 0 ? { vr } : { vr, Value: value },
    });
    const level = (value: string) => ({
      ...key(TAG.SpecificCharacterSet, "CS", "ISO_IR 192"),
      ...key(TAG.QueryRetrieveLevel, "CS", value),
    });
    const SOP_INSTANCE = TAG.SOPInstanceUID;

    it("finds a name by its ideographic group", async () => {
      const found = await query({
        ...level("STUDY"),
        ...key(TAG.PatientName, "PN", { Alphabetic: "山田*" }),
        ...key(TAG.StudyInstanceUID, "UI"),
      });
      expect(found.statuses).to.deep.equal([0xff00, 0]);
      expect(found.matches[0]!["0020000D"]!.Value).to.deep.equal([ctUids("few").study]);
      expect(found.matches[0]!["00100010"]!.Value).to.deep.equal([
        { Alphabetic: "Yamada^Tarou", Ideographic: "山田^太郎" },
      ]);
    });

    it("asks Patient Root at PATIENT", async () => {
      const found = await query(
        {
          ...level("PATIENT"),
          ...key(TAG.PatientID, "LO"),
          ...key(TAG.NumberOfPatientRelatedInstances, "IS"),
        },
        { model: "PATIENT_ROOT" },
      );
      expect(found.matches.map((match) => match["00201204"]!.Value)).to.have.deep.members([
        [SLICES],
        [2],
      ]);
    });

    it("is refused what only a relational query may ask, with a sentence", async () => {
      const found = await query({ ...level("IMAGE"), ...key(SOP_INSTANCE, "UI") });
      expect(found.statuses).to.deep.equal([0xa900]);
      expect(found.comments[0]).to.match(/unique key of level STUDY/);
    });

    it("cancels between answers", async () => {
      const found = await query(
        {
          ...level("IMAGE"),
          ...key(TAG.StudyInstanceUID, "UI", ctUids("many").study),
          ...key(TAG.SeriesInstanceUID, "UI", ctUids("many").series),
          ...key(SOP_INSTANCE, "UI"),
        },
        { cancelAfter: 2 },
      );
      expect(found.statuses.at(-1)).to.be.oneOf([0xfe00, 0xa700]);
      expect(found.statuses.slice(0, 2)).to.deep.equal([0xff00, 0xff00]);
    });

    it("gets FF01H for an optional key that is not supported only where the peer is configured strict", async () => {
      const keys = {
        ...level("STUDY"),
        ...key(TAG.StudyInstanceUID, "UI"),
        ...key(0x00101030, "DS"),
      };
      expect((await query(keys)).statuses).to.deep.equal([0xff00, 0xff00, 0]);
      expect((await query(keys, { calling: "STRICT" })).statuses).to.deep.equal([
        0xff01, 0xff01, 0,
      ]);
    });

    it("asks relational, date-time and fuzzy queries where they were negotiated", async () => {
      const keys = { ...level("IMAGE"), ...key(SOP_INSTANCE, "UI") };
      const byName = (name: string) => ({
        ...keys,
        ...key(TAG.PatientName, "PN", { Alphabetic: name }),
      });
      const all = await query(byName("tarou yam"), { extended: "010101" });
      expect(all.accepted).to.equal("010101");
      expect(all.statuses).to.deep.equal([0xff00, 0xff00, 0]);
      expect((await query(byName("tarou yam"), { extended: "010100" })).statuses).to.deep.equal([
        0,
      ]);
      const days = key(TAG.StudyDate, "DA", "20240101-20240102");
      const since = (time: string) => ({
        ...byName("yam*"),
        ...days,
        ...key(TAG.StudyTime, "TM", time),
      });
      // The study is of 2 January, 10:11:12: between 1 January 12:00 and 2 January 11:00, but not from 12 to 13 o'clock.
      expect((await query(since("12-13"), { extended: "010000" })).statuses).to.deep.equal([0]);
      expect((await query(since("12-13"), { extended: "010100" })).matches).to.have.length(2);
      expect(
        (await query({ ...byName("yam*"), ...days }, { extended: "0001" })).statuses,
      ).to.deep.equal([0xa900]);
    });
  });
});
