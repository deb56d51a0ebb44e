/**
 * What works with which tool. Each cell is tried with the real tool and a real node; none may be worse than in
 * docs/interoperability.md. `KINDRED_WRITE_INTEROPERABILITY=1` writes the table there instead.
 */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import { requireTool } from "../../support/tools.ts";
import { sharedData } from "../../support/transfer-syntaxes.ts";
import { dcmtk } from "./dcmtk.ts";
import { orthanc } from "./orthanc.ts";
import { pynetdicom } from "./pynetdicom.ts";
import { type Site, startSite } from "./site.ts";
import { COLUMNS, type Column, type Row, readTable, scoreOf, withTable } from "./table.ts";

const FILE = new URL("../../../docs/interoperability.md", import.meta.url);
const isWriting = process.env.KINDRED_WRITE_INTEROPERABILITY === "1";

describe("interoperability", function () {
  this.timeout(180_000);
  const committed = readTable(readFileSync(FILE, "utf8"));
  const measured: Row[] = [];
  const tools = [dcmtk(), orthanc(), pynetdicom()];
  const running = tools.filter((one) => one.missing() === undefined);
  let site: Site;

  before(async function () {
    requireTool(this, "openssl");
    if (!existsSync(join(sharedData, "ct-10-transfer-syntaxes"))) {
      console.log("      SKIPPED: the shared test data is not there (KINDRED_TEST_DATA)");
      this.skip();
    }
    site = await startSite();
    for (const one of running) await one.start(site);
  });
  after(async () => {
    for (const one of running) await one.stop();
    await site?.stop();
  });

  for (const one of tools) {
    describe(one.name, () => {
      const cells = {} as Record<Column, string>;
      before(function () {
        const missing = one.missing();
        if (missing === undefined) return;
        if (process.env.KINDRED_REQUIRE_TOOLS === "1")
          throw new Error(`${missing} is required and not there`);
        console.log(`      SKIPPED: ${missing} is not installed (CONTRIBUTING.md)`);
        this.skip();
      });
      for (const column of COLUMNS) {
        it(column, async () => {
          cells[column] = await one.cell(site, column);
          if (isWriting) return;
          const before = committed.find((row) => row.tool === one.name)?.cells[column] ?? "";
          const least = scoreOf(before);
          const found = scoreOf(cells[column]);
          expect(found === undefined, `${cells[column]} now, ${before} before`).to.equal(
            least === undefined,
          );
          expect(found ?? 0, `${cells[column]} now, ${before} before`).to.be.at.least(least ?? 0);
        });
      }
      after(async () => {
        if (one.missing() === undefined)
          measured.push({ tool: one.name, version: await one.version(), cells });
      });
    });
  }

  // In a suite of its own, because mocha runs tests before the suites beside them.
  describe("document", () => {
    it("has a row for every tool", () => {
      if (isWriting) {
        expect(measured).to.have.length(tools.length);
        writeFileSync(FILE, withTable(readFileSync(FILE, "utf8"), measured));
      }
      const rows = readTable(readFileSync(FILE, "utf8"));
      expect(rows.map((row) => row.tool)).to.deep.equal(tools.map((one) => one.name));
    });
  });
});
