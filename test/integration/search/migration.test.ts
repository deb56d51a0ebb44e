/** Studies that were kept before migration 0004 are found by their names and times. */
import { cpSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect } from "chai";
import { configSchema } from "../../../src/config/schema.ts";
import { openDatabase } from "../../../src/db/database.ts";
import { migrate } from "../../../src/db/migrate.ts";
import { TAG } from "../../../src/dicom/tags.ts";
import { silentLogger } from "../../../src/kernel/log.ts";
import { dataSetOf, type Values } from "../../support/data-sets.ts";
import { temporaryFolder } from "../../support/node-under-test.ts";
import { ask } from "../../support/query-database.ts";

const MIGRATIONS = fileURLToPath(new URL("../../../migrations/", import.meta.url));

describe("migration 0004", () => {
  it("makes earlier studies findable", async function () {
    this.timeout(120_000);
    const earlier = temporaryFolder();
    for (const name of readdirSync(MIGRATIONS).filter((one) => one < "0004"))
      cpSync(join(MIGRATIONS, name), join(earlier, name));
    const config = configSchema.parse({}).database;
    const database = await openDatabase({
      config,
      dataDir: temporaryFolder(),
      log: silentLogger(),
    });
    try {
      await migrate(database, earlier);
      for (const [study, name, time] of [
        ["1.2.1", "Müller^Jörg^^=山田^太郎^", "1011"],
        ["1.2.2", "", "about noon"],
        ["1.2.3", "O'Neil^%_", "101112.5"],
      ])
        await database.query(
          `insert into study values ($1, 'P', '', $2, '', '', '20240101', $3, 'A', '', '', 'Doc^Émile', now(), now())`,
          [study, name, time],
        );
      await migrate(database);
      const find = async (keys: Values) => {
        const identifier = dataSetOf({
          StudyInstanceUID: "",
          ...keys,
          QueryRetrieveLevel: "STUDY",
        });
        const { matches, error } = await ask(database, { identifier });
        expect(error).to.equal(undefined);
        return matches.map((match) => match.string(TAG.StudyInstanceUID)).sort();
      };
      expect(await find({ PatientName: "muller^jorg" })).to.deep.equal(["1.2.1"]);
      expect(await find({ PatientName: "山田*" })).to.deep.equal(["1.2.1"]);
      expect(await find({ PatientName: "o'neil^%_" })).to.deep.equal(["1.2.3"]);
      expect(await find({ StudyTime: "1011" })).to.deep.equal(["1.2.1", "1.2.3"]);
      expect(await find({ ReferringPhysicianName: "doc^emile" })).to.have.length(3);
      expect(await find({ PatientID: "P*", StudyDate: "2024.01.01" })).to.have.length(3);
    } finally {
      await database.close();
    }
  });
});
