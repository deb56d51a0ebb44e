import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { expect } from "chai";
import { bySeries, filesBelow } from "../../../src/cli/volume/dicom-files.ts";
import { createReconstructor, type Reconstructor } from "../../../src/pipeline/reconstructor.ts";
import { requireSharedData, SHARED_DATA } from "../../support/shared-data.ts";
import { CASE_ARGUMENTS } from "./case-arguments.ts";

const DOCUMENT = fileURLToPath(new URL("../../../docs/volumes.md", import.meta.url));
const HEAD = ["case", "files", "verdict", "findings", "slices, rows, columns", "mm", "tilt", "why"];

/** What the command `kindred volume` makes of the files of each case, as the rows of a table. */
async function rowsOf(reconstructor: Reconstructor): Promise<string[][]> {
  const rows: string[][] = [];
  for (const name of readdirSync(SHARED_DATA)
    .filter((one) => /^ct-\d+/.test(one))
    .sort()) {
    const { series } = await bySeries((await filesBelow(`${SHARED_DATA}/${name}`)).sort());
    const inOrder = [...series].sort((a, b) =>
      a.seriesInstanceUid < b.seriesInstanceUid ? -1 : 1,
    );
    for (const [index, one] of inOrder.entries()) {
      const { volumes } = await reconstructor.run({
        paths: one.paths,
        rules: { slicesMin: 4 },
        outputs: [],
      });
      for (const { verdict, ordinal } of volumes) {
        const label = `${name.split("-", 2).join("-")}${inOrder.length > 1 ? ` ${index + 1}` : ""}`;
        rows.push([
          volumes.length > 1 ? `${label}, volume ${ordinal}` : label,
          String(one.paths.length),
          verdict.outcome,
          verdict.findings.map(({ code, value }) => `\`${code}\` ${value}`).join(", ") || "–",
          verdict.sizeVoxels?.join(" × ") ?? "–",
          verdict.spacingMm?.map((mm) => mm.toFixed(3)).join(" × ") ?? "–",
          verdict.tiltDegrees?.toFixed(1) ?? "–",
          CASE_ARGUMENTS[label] ?? "",
        ]);
      }
    }
  }
  return rows;
}

function tableOf(rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.join(" | ")} |`;
  return [line(HEAD), line(HEAD.map(() => "---")), ...rows.map(line)].join("\n");
}

describe("the cases of docs/volumes.md", function () {
  this.timeout(300_000);
  let reconstructor: Reconstructor;
  before(function () {
    requireSharedData(this);
    reconstructor = createReconstructor();
  });
  after(() => reconstructor?.stop());

  it("are argued, one by one", async () => {
    const rows = await rowsOf(reconstructor);
    expect(rows.filter((row) => row.at(-1) === "").map((row) => row[0])).to.deep.equal([]);
    const labels = new Set(rows.map((row) => row[0]!.split(", volume")[0]!));
    expect(Object.keys(CASE_ARGUMENTS).filter((label) => !labels.has(label))).to.deep.equal([]);
  });

  it("are what is made of the real series (KINDRED_WRITE_CASES=1 writes the table)", async () => {
    const table = tableOf(await rowsOf(reconstructor));
    const text = readFileSync(DOCUMENT, "utf8");
    const [before, rest] = text.split("<!-- cases -->\n");
    const after = rest?.split("<!-- end of cases -->")[1];
    if (process.env.KINDRED_WRITE_CASES === "1")
      writeFileSync(
        DOCUMENT,
        `${before}<!-- cases -->\n\n${table}\n\n<!-- end of cases -->${after ?? "\n"}`,
      );
    else expect(rest?.split("<!-- end of cases -->")[0]?.trim()).to.equal(table);
  });
});
