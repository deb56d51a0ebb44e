/** Series with several volumes: each takes one place in the ranking, with the best score of any of its volumes. */
import { expect } from "chai";
import fc from "fast-check";
import { configSchema } from "../../../src/config/schema.ts";
import type { Database } from "../../../src/db/database.ts";
import {
  type EmbeddingSpace,
  ensureSpace,
  forgetEmbeddings,
  saveEmbedding,
  tableOf,
} from "../../../src/db/embeddings.ts";
import { dropHnsw, ensureHnsw } from "../../../src/db/nearest.ts";
import { findSimilar, type SimilarLevel } from "../../../src/search/similar.ts";
import { ENGINES, keepValues, openQueryDatabase } from "../../support/query-database.ts";

const NOW = new Date(1_700_000_000_000);
const STUDIES = 40;
const config = configSchema.parse({});
const modelId = config.encoder.models[0]!;

/** Angles of the volumes of a series, in degrees: the score of two is the cosine of their difference. */
type Population = readonly (readonly number[])[];
const seriesOf = (study: number) => `1.2.${study}.1`;
const score = (a: number, b: number) => Math.cos(((a - b) * Math.PI) / 180);

for (const engine of ENGINES) {
  describe(`series with several volumes in the ranking, ${engine} database`, function () {
    this.timeout(60_000);
    let database: Database;
    let space: EmbeddingSpace;
    let close = async () => {};

    before(async function () {
      const opened = await openQueryDatabase(engine);
      if (opened === undefined) return this.skip();
      ({ database, close } = opened);
      const wanted = {
        modelId,
        modelVersion: "1",
        bundleDigest: "d",
        profile: "p",
        space: "s",
        rank: 0,
        dimension: 3,
      };
      space = await database.transaction((tx) => ensureSpace(tx, wanted, NOW));
      for (let study = 1; study <= STUDIES; study++) {
        const values = { Modality: "CT", PatientID: `P${study}` } as const;
        await keepValues(database, { study, series: 1, instance: 1 }, values);
      }
    });
    after(() => close());

    const fill = async (population: Population) => {
      await database.transaction(async (tx) => {
        await tx.query(`delete from ${tableOf(space)}`);
        for (const [index, angles] of population.entries()) {
          for (const [volume, degrees] of angles.entries()) {
            const angle = (degrees * Math.PI) / 180;
            await saveEmbedding(tx, space, {
              seriesInstanceUid: seriesOf(index + 1),
              revision: 1,
              ordinal: volume + 1,
              studyInstanceUid: `1.2.${index + 1}`,
              patientKey: `\u001fP${index + 1}`,
              vector: Float32Array.of(Math.cos(angle), Math.sin(angle), 0),
              provider: "cpu",
              now: NOW,
            });
          }
        }
      });
    };
    const ask = async (k: number, level: SimilarLevel = "SERIES") => {
      const example = { series: seriesOf(1) };
      const found = await findSimilar(database, config.search, modelId, { example, level, k });
      return found.answers.map((one) => ({ series: one.seriesInstanceUid, score: one.score }));
    };
    const ranked = ([example, ...others]: Population, k: number) =>
      others
        .map((angles, index) => ({
          series: seriesOf(index + 2),
          score: Math.max(...angles.flatMap((a) => example!.map((b) => score(a, b)))),
        }))
        .sort((a, b) => b.score - a.score)
        .slice(0, k);

    for (const index of ["exact", "hnsw"] as const) {
      it(`one with very many alike volumes takes one place of k, ${index}`, async () => {
        // 80 volumes, all nearer than any other series: more than are looked at for k = 3.
        const crowd = Array.from({ length: 80 }, (_, i) => i / 100);
        const population = [[0], crowd, [10], [20], [30], [40]];
        await fill(population);
        if (index === "hnsw")
          await ensureHnsw(database, space, engine === "postgresql" ? "halfvec" : "vector");
        for (const level of ["SERIES", "STUDY", "PATIENT"] as const) {
          const found = await ask(3, level);
          expect(found.map((one) => one.series)).to.deep.equal([2, 3, 4].map(seriesOf));
        }
        await dropHnsw(database, space);
      });
    }

    it("is ranked by its best volume, also when a second volume of the example finds it", async () => {
      // Beside the example's first volume is a crowd; what its second volume finds scores less, but more than others.
      const crowd = Array.from({ length: 80 }, (_, i) => 5 + i / 100);
      await fill([[0, 90], crowd, [100], [97], [20], [40]]);
      const found = await ask(4);
      expect(found.map((one) => one.series)).to.deep.equal([2, 4, 3, 5].map(seriesOf));
      for (const one of found) expect(one.score).to.be.within(-1, 1);
    });

    it("is ranked as a naive ranking has it, whatever the population", async () => {
      const angles = fc.array(fc.double({ min: 0, max: 180, noNaN: true }), {
        minLength: 1,
        maxLength: 30,
      });
      await fc.assert(
        fc.asyncProperty(
          fc.array(angles, { minLength: 2, maxLength: STUDIES }),
          fc.integer({ min: 1, max: 6 }),
          async (population, k) => {
            await fill(population);
            const [found, expected] = [await ask(k), ranked(population, k)];
            expect(found.length).to.equal(expected.length);
            // Vectors are stored as 32-bit floats: series of nearly one score may change places.
            for (const [i, one] of found.entries())
              expect(one.score).to.be.closeTo(expected[i]!.score, 1e-6);
            expect(new Set(found.map((one) => one.series)).size).to.equal(found.length);
          },
        ),
        { numRuns: 15 },
      );
    });

    it("loses the volumes that a later revision does not make any more, and no others", async () => {
      await fill([[0], [1, 2, 3], [4, 5]]);
      await database.transaction((tx) => forgetEmbeddings(tx, seriesOf(2), [1]));
      const left = async () =>
        (
          await database.query<{ row: string }>(
            `select series_instance_uid || '/' || ordinal as row from ${tableOf(space)} order by 1`,
          )
        ).rows.map((one) => one.row);
      expect(await left()).to.deep.equal(["1.2.1.1/1", "1.2.2.1/1", "1.2.3.1/1", "1.2.3.1/2"]);
      await database.transaction((tx) => forgetEmbeddings(tx, seriesOf(3)));
      expect(await left()).to.deep.equal(["1.2.1.1/1", "1.2.2.1/1"]);
    });
  });
}
