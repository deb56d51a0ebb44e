import { existsSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import type { ArchiveFinding } from "../../../src/archive/mend.ts";
import { describeFinding, repairArchive } from "../../../src/cli/repair.ts";
import { configSchema } from "../../../src/config/schema.ts";
import {
  openTestArchive,
  openTestDatabase,
  rowOf,
  send,
} from "../../support/archive-under-test.ts";
import { ctSeries } from "../../support/ct-series.ts";
import { temporaryFolder } from "../../support/node-under-test.ts";

describe("kindred doctor --repair", function () {
  this.timeout(60_000);

  it("explains what does not agree, mends it, and finds nothing the second time", async () => {
    const dataDir = temporaryFolder();
    const [gone, kept] = ctSeries({ name: "repair", slices: 2 });
    const database = await openTestDatabase({}, dataDir);
    const archive = await openTestArchive({ database: database.bounded, dataDir });
    for (const instance of [gone!, kept!]) expect(await send(archive, instance)).to.equal("0000H");
    const row = (await rowOf(database, gone!.sopInstanceUid))!;
    const path = archive.store.pathOf(row.file_key);
    await archive.close();
    await database.close();
    rmSync(path);
    // In a folder without a mark: nobody can say whether it was acknowledged.
    const stray = row.file_key.replace(/\d{3}$/, "777");
    writeFileSync(join(dataDir, "instances", `${stray}.dcm`), "stray");
    // Without a mark, but empty: never used.
    writeFileSync(join(dataDir, "instances", `${row.file_key.replace(/\d{3}$/, "778")}.dcm`), "");

    const findings: ArchiveFinding[] = [];
    const config = configSchema.parse({ dataDir });
    expect(await repairArchive(config, (one) => findings.push(one))).to.equal(2);
    expect(findings.map(({ kind, name }) => `${kind} ${name}`)).to.have.members([
      `file-without-row ${stray}`,
      `row-without-file ${row.file_key}`,
    ]);
    for (const finding of findings) expect(describeFinding(finding)).to.include(finding.done);
    const aside = join(dataDir, "orphans", `${stray.replaceAll("/", "+")}.dcm`);
    expect(existsSync(aside)).to.equal(true);
    expect(await repairArchive(config, (one) => findings.push(one))).to.equal(0);
  });
});
