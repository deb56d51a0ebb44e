import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect } from "chai";
import { decodeDataSet } from "../../../src/dicom/decode.ts";
import { type InstanceHeader, readInstanceHeader } from "../../../src/dicom/instance-header.ts";
import { decodeFileMeta } from "../../../src/dicom/part10.ts";
import { buildReports } from "../../../src/report/build-reports.ts";
import type { ReportDocument, ReportInput } from "../../../src/report/input.ts";
import { sampleInput } from "../../unit/report/sample-input.ts";
import { missingViewerParts, startViewer, type Viewer } from "./ohif-viewer.ts";

const DATA =
  process.env.KINDRED_TEST_DATA ??
  fileURLToPath(new URL("../../../../shared/data/", import.meta.url));
const SERIES = join(DATA, "ct-01-chest-siemens-two-recons", "series-b40f");
const PIXEL_DATA = 0x7fe00010;
/** Set to keep the screenshots. */
const SCREENSHOTS = process.env.KINDRED_SCREENSHOTS;

function readHeader(bytes: Buffer): InstanceHeader {
  const { dataSetOffset, transferSyntaxUid } = decodeFileMeta(bytes);
  return readInstanceHeader(
    decodeDataSet(bytes.subarray(dataSetOffset), { transferSyntaxUid, untilTag: PIXEL_DATA }),
  );
}

/** The sample's results on a real series. */
function inputOf(headers: readonly InstanceHeader[]): ReportInput {
  const header = headers[Math.floor(headers.length / 2)]!;
  const { sopClassUid, sopInstanceUid, rows, columns } = header;
  return sampleInput({
    study: header,
    series: { ...header, revision: 1, instanceCount: headers.length },
    keyImage: { sopClassUid, sopInstanceUid, rows, columns },
    evidence: headers,
  });
}

describe("report documents in OHIF", function () {
  this.timeout(240_000);
  let folder = "";
  let viewer: Viewer | undefined;
  let documents: readonly ReportDocument[] = [];
  let study = "";

  before(async function () {
    const missing = missingViewerParts();
    if (!existsSync(SERIES)) missing.push("the test data (KINDRED_TEST_DATA)");
    if (missing.length > 0) {
      if (process.env.KINDRED_REQUIRE_TOOLS === "1")
        throw new Error(`required and not there: ${missing.join(", ")} (CONTRIBUTING.md)`);
      console.log(`      SKIPPED: not on this machine: ${missing.join(", ")} (CONTRIBUTING.md)`);
      this.skip();
    }
    folder = mkdtempSync(join(tmpdir(), "kindred-ohif-"));
    viewer = await startViewer(folder);
    const files = readdirSync(SERIES)
      .sort()
      .map((name) => readFileSync(join(SERIES, name)));
    const input = inputOf(files.map(readHeader));
    documents = buildReports(input);
    study = input.study.studyInstanceUid;
    for (const bytes of [...files, ...documents.map((document) => document.bytes)])
      await viewer.store(bytes);
  });

  after(async () => {
    await viewer?.close();
    if (folder !== "") rmSync(folder, { recursive: true, force: true });
  });

  async function see(
    label: string,
    expected: string,
  ): Promise<{ text: string; errors: readonly string[] }> {
    const seen = await viewer!.open(study, label, expected);
    if (SCREENSHOTS !== undefined)
      writeFileSync(join(SCREENSHOTS, `${label.replace(/\W/g, "-")}.png`), seen.png);
    return seen;
  }

  it("shows the numbers of the measurement document on the key image", async () => {
    const { text, errors } = await see("Measurements", "AI similarity, not verified");
    expect(errors).to.deep.equal([]);
    expect(text).not.to.include("Something went wrong");
    expect(text).to.include("AI similarity, not verified: 0.96");
    expect(text).to.include("Spacing between slices: 5.00 mm");
    expect(text).to.include("Body volume: 22345.68 cm3");
    expect(text).to.include("(16/30)");
  });

  it("shows all words of the text document", async () => {
    const { text, errors } = await see(
      "Text report",
      documents[1]!.textLines.at(-1)!.trim().slice(0, 30),
    );
    expect(errors).to.deep.equal([]);
    expect(text).not.to.include("Something went wrong");
    expect(text).not.to.include("not supported");
    const shown = text.replace(/\s+/g, " ");
    for (const line of documents[1]!.textLines)
      expect(shown).to.include(line.trim().replace(/\s+/g, " "));
  });
});
