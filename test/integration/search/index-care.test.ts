/** The index of a space: as configured, and only where the engine can have one. */
import { expect } from "chai";
import { configSchema } from "../../../src/config/schema.ts";
import type { Database } from "../../../src/db/database.ts";
import { ensureSpace, saveEmbedding } from "../../../src/db/embeddings.ts";
import { hasHnsw, indexKindOf } from "../../../src/db/nearest.ts";
import { createLogger } from "../../../src/kernel/log.ts";
import { createIndexCare } from "../../../src/search/index-care.ts";
import { findSimilar } from "../../../src/search/similar.ts";
import { ENGINES, keepValues, openQueryDatabase } from "../../support/query-database.ts";

const NOW = new Date(1_700_000_000_000);
const STUDIES = [1, 2, 3, 4];

for (const engine of ENGINES) {
  describe(`indexes of vectors on the ${engine} database`, function () {
    this.timeout(60_000);
    let database: Database;
    let close = async () => {};

    before(async function () {
      const opened = await openQueryDatabase(engine);
      if (opened === undefined) return this.skip();
      ({ database, close } = opened);
      for (const study of STUDIES)
        await keepValues(
          database,
          { study, series: 1, instance: 1 },
          { Modality: "CT", PatientID: `P${study}` },
        );
    });
    after(() => close());

    const spaceOf = async (modelId: string, dimension: number) => {
      const names = { modelVersion: "1", bundleDigest: modelId, profile: "p", space: "s" };
      const space = await database.transaction((tx) =>
        ensureSpace(tx, { modelId, ...names, rank: 0, dimension }, NOW),
      );
      for (const study of STUDIES) {
        const vector = new Float32Array(dimension);
        vector[0] = Math.cos(study / 10);
        vector[dimension - 1] = Math.sin(study / 10);
        await database.transaction((tx) =>
          saveEmbedding(tx, space, {
            seriesInstanceUid: `1.2.${study}.1`,
            revision: 1,
            ordinal: 0,
            studyInstanceUid: `1.2.${study}`,
            patientKey: `P${study}`,
            vector,
            provider: "cpu",
            now: NOW,
          }),
        );
      }
      return space;
    };

    for (const [dimension, native, embedded] of [
      [2000, "halfvec", "vector"],
      [2048, "halfvec", undefined],
      [4000, "halfvec", undefined],
    ] as const) {
      const kind = engine === "postgresql" ? native : embedded;
      it(`${dimension} dimensions: ${kind ?? "none, searched exactly and said so once"}`, async () => {
        const space = await spaceOf(`m${dimension}`, dimension);
        expect(indexKindOf(database, space)).to.equal(kind);
        const lines: string[] = [];
        const log = createLogger(
          { level: "info", identifiers: "hash" },
          { write: (line) => void lines.push(line) },
        );
        const config = configSchema.parse({ search: { index: "hnsw" } }).search;
        const care = createIndexCare(database, config, log);
        await care();
        await care();
        expect(await hasHnsw(database, space)).to.equal(kind !== undefined);
        const told = lines.filter((line) => line.includes(`"m${dimension}"`));
        expect(told).to.have.length(1);
        expect(told[0]).to.include(kind === undefined ? "search.no_index" : "search.index");
        const { answers } = await findSimilar(database, config, space.modelId, {
          example: { study: "1.2.1" },
          level: "STUDY",
        });
        expect(answers.map((one) => one.studyInstanceUid)).to.deep.equal([
          "1.2.2",
          "1.2.3",
          "1.2.4",
        ]);
        expect(answers[0]!.score).to.be.closeTo(Math.cos(0.1), 1e-5);
      });
    }
  });
}
