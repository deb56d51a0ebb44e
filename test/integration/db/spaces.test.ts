/** Which space answers for a model, and that vectors of several spaces of one profile do not meet. */
import { expect } from "chai";
import type { Database } from "../../../src/db/database.ts";
import {
  ensureSpace,
  findSpace,
  forgetVolume,
  modelsOf,
  saveEmbedding,
  tableOf,
} from "../../../src/db/embeddings.ts";
import { modelSkipsOf, saveModelSkips } from "../../../src/db/model-skips.ts";
import { ENGINES, keepValues, openQueryDatabase } from "../../support/query-database.ts";

const NOW = new Date(1_700_000_000_000);
const AT = { seriesInstanceUid: "1.2.1.1", revision: 1 };

for (const engine of ENGINES) {
  describe(`spaces of a model on the ${engine} database`, function () {
    this.timeout(60_000);
    let database: Database;
    let close = async () => {};

    before(async function () {
      const opened = await openQueryDatabase(engine);
      if (opened === undefined) return this.skip();
      ({ database, close } = opened);
      await keepValues(database, { study: 1, series: 1, instance: 1 }, { Modality: "CT" });
    });
    after(() => close());

    const make = (bundleDigest: string, profile: string, space: string, rank: number) =>
      database.transaction((tx) =>
        ensureSpace(
          tx,
          { modelId: "m", modelVersion: "1", bundleDigest, profile, space, rank, dimension: 3 },
          NOW,
        ),
      );
    const save = (space: Awaited<ReturnType<typeof make>>, vector: number[]) =>
      database.transaction((tx) =>
        saveEmbedding(tx, space, {
          ...AT,
          ordinal: 1,
          studyInstanceUid: "1.2.1",
          patientKey: "",
          vector: Float32Array.from(vector),
          provider: "cpu",
          now: NOW,
        }),
      );
    const countIn = async (space: Awaited<ReturnType<typeof make>>) =>
      (await database.query(`select 1 from ${tableOf(space)}`)).rows.length;

    it("the first of the newest bundle answers, whatever came after it", async () => {
      await make("old", "a", "first", 0);
      await make("old", "b", "other", 1);
      expect(await findSpace(database, "m")).to.include({ bundleDigest: "old", space: "first" });
      const first = await make("new", "a", "first", 0);
      await make("new", "a", "second", 1);
      await make("new", "b", "other", 1);
      await make("old", "b", "late", 1);
      expect(await findSpace(database, "m")).to.deep.equal(first);
      expect(await findSpace(database, "m", "old")).to.include({ profile: "a", space: "first" });
      expect(await make("new", "a", "first", 0)).to.deep.equal(first);
    });

    it("one of a bundle answers, also after the site has chosen other profiles", async () => {
      await make("chosen", "a", "first", 0);
      await make("chosen", "b", "other", 1);
      const other = await make("chosen", "b", "other", 0);
      expect(other.rank).to.equal(0);
      expect(await findSpace(database, "m", "chosen")).to.deep.equal(other);
      const first = await make("chosen", "a", "first", 0);
      expect(await findSpace(database, "m", "chosen")).to.deep.equal(first);
      await make("chosen", "b", "other", 1);
      expect(await findSpace(database, "m", "chosen")).to.deep.equal(first);
    });

    it("each has vectors of its own; a volume goes from those of one profile alone", async () => {
      const [first, second] = [
        await make("new", "a", "first", 0),
        await make("new", "a", "second", 1),
      ];
      const other = await make("new", "b", "other", 1);
      for (const space of [first, second, other]) await save(space, [1, 0, 0]);
      expect((await modelsOf(database, AT)).map((one) => one.profile)).to.deep.equal(["a", "b"]);
      await forgetVolume(database, { bundleDigest: "new", profile: "a" }, AT.seriesInstanceUid, 1);
      expect([await countIn(first), await countIn(second), await countIn(other)]).to.deep.equal([
        0, 0, 1,
      ]);
    });

    it("what a model made nothing of is replaced with each run of a revision, and cleaned", async () => {
      const skip = (profile: string, reason: string) => ({
        ordinal: 1,
        modelId: "m",
        profile,
        code: "MODEL_NOT_READY",
        reason,
      });
      await saveModelSkips(database, AT, [skip("a", "one"), skip("b", "two")], NOW);
      await saveModelSkips(database, AT, [skip("b", "a\u0000b\ud800")], NOW);
      expect(await modelSkipsOf(database, AT)).to.deep.equal([skip("b", "ab\ufffd")]);
    });
  });
}
