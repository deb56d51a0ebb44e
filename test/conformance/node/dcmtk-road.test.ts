import { type ChildProcess, execFile, spawn } from "node:child_process";
import { existsSync, mkdirSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect } from "chai";
import type { Node } from "../../../src/main.ts";
import { freePort } from "../../support/free-port.ts";
import { getJson, startTestNode, temporaryFolder, waitFor } from "../../support/node-under-test.ts";
import { requireTool, toolEnvironment } from "../../support/tools.ts";

const run = promisify(execFile);
const data =
  process.env.KINDRED_TEST_DATA ?? new URL("../../../../shared/data/", import.meta.url).pathname;
const CASES = [
  "ct-01-chest-siemens-two-recons",
  "ct-02-abdomen-ge-revolution-feet-first",
  "ct-04-headphantom-philips-with-scout",
];
const PIXELMED = "/usr/share/java/pixelmed.jar";

interface Studies {
  studies: {
    studyInstanceUid: string;
    patientId: string;
    series: {
      seriesInstanceUid: string;
      state: string;
      reason: string | null;
      instances: number;
    }[];
  }[];
}

describe("dcmtk on both sides of the road", function () {
  this.timeout(240_000);
  let node: Node;
  let pacs: ChildProcess;
  const folder = temporaryFolder();
  const received = join(folder, "pacs");
  let studies: Studies["studies"];

  before(async function () {
    for (const tool of ["storescu", "findscu", "storescp", "echoscu"]) requireTool(this, tool);
    if (!existsSync(join(data, CASES[0]!))) {
      console.log("      SKIPPED: the shared test data is not there (KINDRED_TEST_DATA)");
      this.skip();
    }
    mkdirSync(received);
    const port = await freePort();
    pacs = spawn("storescp", ["-aet", "PACS", "-od", received, String(port)], {
      env: toolEnvironment,
      stdio: "ignore",
    });
    ({ node } = await startTestNode({ pacsPort: port, quietSeconds: 2 }));
    for (const one of CASES) {
      await run(
        "storescu",
        [
          "-aet",
          "SENDER",
          "-aec",
          "KINDRED",
          "+sd",
          "+r",
          "+sp",
          "*.dcm",
          "127.0.0.1",
          String(node.dicom.port),
          join(data, one),
        ],
        { env: toolEnvironment },
      );
    }
    const ask = () => getJson<Studies>(node, "/api/v1/studies");
    const isDone = (answer: Studies) =>
      answer.studies
        .flatMap((study) => study.series)
        .every((series) => ["delivered", "refused", "failed"].includes(series.state));
    ({ studies } = await waitFor(ask, isDone, 120));
  });
  after(async () => {
    pacs?.kill();
    await node?.stop();
  });

  it("verification answers echoscu", async () => {
    await run("echoscu", [
      "-aet",
      "SENDER",
      "-aec",
      "KINDRED",
      "127.0.0.1",
      String(node.dicom.port),
    ]);
  });

  it("every volume is delivered; the scout and the survey are kept and say why not", () => {
    const series = studies.flatMap((study) => study.series);
    expect(
      series
        .filter((one) => one.state === "delivered")
        .map((one) => one.instances)
        .sort(),
    ).to.deep.equal([28, 30, 30, 35]);
    expect(
      series
        .filter((one) => one.state === "refused")
        .every((one) => /LOCALIZER|DERIVED/.test(one.reason ?? "")),
    ).to.equal(true);
    expect(series.some((one) => one.state === "failed")).to.equal(false);
  });

  it("findscu on SIMILAR lists ranked studies", async () => {
    const example = studies.find((study) => study.patientId === "Lung_Dx-A0002")!;
    const { stdout, stderr } = await run("findscu", [
      "-S",
      "-aet",
      "SENDER",
      "-aec",
      "SIMILAR",
      "-k",
      "QueryRetrieveLevel=STUDY",
      "-k",
      `StudyInstanceUID=${example.studyInstanceUid}`,
      "-k",
      "StudyDescription",
      "-k",
      "PatientID",
      "127.0.0.1",
      String(node.dicom.port),
    ]);
    const text = stdout + stderr;
    expect(text)
      .to.match(/#01 0\.\d{3} \|/)
      .and.match(/#02 0\.\d{3} \|/);
    expect(text).not.to.include("Lung_Dx-A0002");
  });

  it("the two reconstructions of one study rank nearest each other", async () => {
    const [first, second] = studies.find((study) => study.patientId === "Lung_Dx-A0002")!.series;
    for (const [a, b] of [
      [first!, second!],
      [second!, first!],
    ] as const) {
      const answer = await getJson<{ answers: { seriesInstanceUid: string }[] }>(
        node,
        `/api/v1/similar?series=${a.seriesInstanceUid}&samePatient=include`,
      );
      expect(answer.answers[0]!.seriesInstanceUid).to.equal(b.seriesInstanceUid);
    }
  });

  it("the PACS holds two SRs a processed series, and all three validators accept them", async function () {
    requireTool(this, "dciodvfy");
    requireTool(this, "dsrdump");
    requireTool(this, "java");
    const files = readdirSync(received).map((name) => join(received, name));
    expect(files).to.have.length(8);
    for (const file of files) {
      // dciodvfy exits 1 when it has anything to say; its lines count.
      const iod = await run("dciodvfy", ["-new", file]).catch((error: { stderr: string }) => error);
      expect(
        String(iod.stderr)
          .split("\n")
          .filter((line) => line.startsWith("Error")),
      ).to.deep.equal([]);
      await run("dsrdump", [file], { maxBuffer: 1e8 });
    }
    if (!existsSync(PIXELMED)) {
      if (process.env.KINDRED_REQUIRE_TOOLS === "1")
        throw new Error("PixelMed is required and not there");
      console.log("      SKIPPED: PixelMed is not installed");
      return;
    }
    for (const file of files.slice(0, 4)) {
      const limits = [
        "-Xss64m",
        "-Djdk.xml.xpathExprGrpLimit=0",
        "-Djdk.xml.xpathExprOpLimit=0",
        "-Djdk.xml.xpathTotalOpLimit=0",
      ];
      const { stdout, stderr } = await run(
        "java",
        [...limits, "-cp", PIXELMED, "com.pixelmed.validate.DicomSRValidator", file],
        { maxBuffer: 1e8 },
      );
      const text = stdout + stderr;
      expect(text).to.include("Root Template Validation Complete");
      expect(text.split("\n").filter((line) => line.startsWith("Error"))).to.deep.equal([]);
    }
  });
});
