import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { phantomInstances } from "../../../src/phantom/phantom-instances.ts";
import { population } from "../../../src/phantom/population.ts";

describe("PS3.3 A.3 CT Image IOD: phantom instances", () => {
  let folder = "";

  before(function () {
    if (spawnSync("dciodvfy", ["-version"]).error !== undefined) {
      console.log("      skipped: dciodvfy (dicom3tools) is not installed");
      this.skip();
    }
    folder = mkdtempSync(join(tmpdir(), "phantom-"));
  });

  after(() => {
    if (folder !== "") rmSync(folder, { recursive: true });
  });

  it("pass dciodvfy with no error and no warning, first and last of every study", function () {
    this.timeout(120_000);
    for (const study of population(1)) {
      const { acquisition } = study;
      const small = { ...acquisition, rows: 64, columns: 64, pixelMm: 6, sliceMm: 12 };
      const instances = [...phantomInstances({ ...study, acquisition: small })];
      for (const instance of [instances[0]!, instances.at(-1)!]) {
        const file = join(folder, "instance.dcm");
        writeFileSync(file, instance.bytes);
        const { stdout, stderr } = spawnSync("dciodvfy", ["-new", file], { encoding: "utf8" });
        const complaints = `${stdout}${stderr}`
          .split("\n")
          .filter((l) => /^(Error|Warning)/.test(l));
        expect(complaints, study.key).to.deep.equal([]);
      }
    }
  });
});
