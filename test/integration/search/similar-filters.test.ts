/** On AE SIMILAR every key but the example's filters the candidates by the standard's matching rules. */
import { expect } from "chai";
import { configSchema } from "../../../src/config/schema.ts";
import type { Database } from "../../../src/db/database.ts";
import { ensureSpace, saveEmbedding } from "../../../src/db/embeddings.ts";
import { TAG } from "../../../src/dicom/tags.ts";
import { codeOf, KindredError } from "../../../src/kernel/errors.ts";
import { createMetrics } from "../../../src/kernel/metrics.ts";
import { createFindSource } from "../../../src/search/find-source.ts";
import type { TextVectors } from "../../../src/search/text-query.ts";
import { dataSetOf, PLAIN, type Values } from "../../support/data-sets.ts";
import { ENGINES, keepValues, openQueryDatabase } from "../../support/query-database.ts";

const NOW = new Date(1_700_000_000_000);

const STUDIES: readonly Values[] = [
  { PatientName: "Example^One", PatientID: "P1", StudyDate: "20240101" },
  {
    PatientName: "Müller^Jörg",
    PatientID: "P2",
    StudyDate: "20240102",
    StudyTime: "10",
    PatientSex: "M",
  },
  { PatientName: "Yamada^Tarou=山田^太郎", PatientID: "P3", StudyDate: "20240103", Modality: "MR" },
  {
    PatientName: "Doe^Ann",
    PatientID: "P4",
    ProtocolName: "Thorax fast",
    StudyDescription: "Thorax",
  },
];

for (const engine of ENGINES) {
  describe(`filters of the similarity query on the ${engine} database`, () => {
    const config = configSchema.parse({});
    let database: Database;
    let close = async () => {};

    before(async function () {
      const opened = await openQueryDatabase(engine);
      if (opened === undefined) return this.skip();
      ({ database, close } = opened);
      const modelId = config.encoder.models[0]!;
      const wanted = {
        modelId,
        modelVersion: "1",
        bundleDigest: "d",
        profile: "p",
        space: "s",
        rank: 0,
        dimension: 3,
      };
      const space = await database.transaction((tx) => ensureSpace(tx, wanted, NOW));
      for (const [index, values] of STUDIES.entries()) {
        const study = index + 1;
        await keepValues(
          database,
          { study, series: 1, instance: 1 },
          { Modality: "CT", ...values },
        );
        const angle = index / 10;
        await database.transaction((tx) =>
          saveEmbedding(tx, space, {
            seriesInstanceUid: `1.2.${study}.1`,
            revision: 1,
            ordinal: 0,
            studyInstanceUid: `1.2.${study}`,
            patientKey: `\u001f${values.PatientID}`,
            vector: Float32Array.of(Math.cos(angle), Math.sin(angle), 0),
            provider: "cpu",
            now: NOW,
          }),
        );
      }
    });
    after(() => close());

    /** The example of the other queries, said in words. */
    const texts: TextVectors = {
      async vectorOf(text) {
        if (text !== "first") throw new KindredError("BAD_REQUEST", "The text has no known word");
        const vector = Float32Array.of(1, 0, 0);
        const modelId = config.encoder.models[0]!;
        return { modelId, bundleDigest: "d", profile: "p", space: "s", vector };
      },
    };
    const find = async (keys: Values, level = "STUDY", calledAeTitle = "SIMILAR") => {
      const source = createFindSource({
        config,
        database,
        texts,
        clock: { now: () => NOW },
        metrics: createMetrics(),
      });
      const association = {
        id: "1",
        callingAeTitle: "ANY",
        calledAeTitle,
        remoteAddress: "127.0.0.1",
        isKnownPeer: true,
        permissions: ["similar"],
      } as const;
      const identifier = dataSetOf({
        StudyInstanceUID: calledAeTitle === "SIMILAR" ? "1.2.1" : "",
        ...keys,
        QueryRetrieveLevel: level,
      });
      const found: string[] = [];
      const request = {
        association,
        model: "PATIENT_ROOT",
        identifier,
        negotiated: PLAIN,
      } as const;
      for await (const match of source.find(request, new AbortController().signal))
        found.push(match.identifier.string(TAG.StudyInstanceUID)!);
      return found;
    };

    for (const [keys, studies] of [
      [{}, [2, 3, 4]],
      [{ PatientName: "", StudyDate: "", Modality: "" }, [2, 3, 4]],
      [{ PatientName: "muller*" }, [2]],
      [{ PatientName: "山田*" }, [3]],
      [{ StudyDate: "20240102-" }, [2, 3]],
      [{ StudyDate: "20240102-20240102", StudyTime: "-1030" }, [2]],
      [{ PatientSex: "m" }, [2]],
      [{ ModalitiesInStudy: "MR\\US" }, [3]],
      [{ Modality: "CT" }, [2, 4]],
      [{ StudyDescription: "*rax" }, [4]],
      [{ ProtocolName: "thorax*" }, []],
      [{ ProtocolName: "Thorax*" }, [4]],
      [{ PatientID: "P3" }, [3]],
    ] as const) {
      it(`${JSON.stringify(keys)} leaves ${studies.join(", ") || "nothing"}, best first`, async () => {
        expect(await find(keys)).to.deep.equal(studies.map((study) => `1.2.${study}`));
      });
    }

    it("refuses a malformed filter and IMAGE level", async () => {
      expect(await find({ StudyDate: "soon" }).then(() => undefined, codeOf)).to.equal(
        "QUERY_INVALID",
      );
      expect(await find({}, "IMAGE").then(() => undefined, codeOf)).to.equal("QUERY_INVALID");
    });

    for (const [keys, expected] of [
      // The example itself is no example here: it is the best answer.
      [{ StudyDescription: "first" }, "1 2 3 4"],
      [{ StudyDescription: "first", PatientName: "muller*" }, "2"],
      [{ StudyDescription: "first", PatientID: "P3" }, "3"],
      [{ StudyDescription: "" }, ""],
      [{ StudyDescription: "fir*" }, ""],
      [{ StudyDescription: "*", PatientID: "P*" }, ""],
      [{ StudyDescription: "xyzzy" }, "QUERY_INVALID"],
      [{ StudyDescription: "", PatientID: "P3" }, "QUERY_INVALID"],
      [{ StudyDescription: "first", StudyInstanceUID: "1.2.1" }, "QUERY_INVALID"],
      [{ StudyDescription: "first", AccessionNumber: "A1" }, "QUERY_INVALID"],
      [{ StudyDescription: "first", StudyDate: "soon" }, "QUERY_INVALID"],
    ] as const) {
      it(`in words ${JSON.stringify(keys)} gives ${expected || "nothing"}`, async () => {
        const found = await find(keys, "STUDY", "SIMTEXT").catch(codeOf);
        const said = typeof found === "string" ? found : found.map((uid) => uid.slice(4)).join(" ");
        expect(said).to.equal(expected);
      });
    }

    it("in words answers PATIENT and SERIES, and no IMAGE", async () => {
      const words = { StudyDescription: "first", PatientName: "doe*" };
      expect(await find(words, "PATIENT", "SIMTEXT")).to.deep.equal(["1.2.4"]);
      expect(await find(words, "SERIES", "SIMTEXT")).to.deep.equal(["1.2.4"]);
      expect(await find(words, "IMAGE", "SIMTEXT").catch(codeOf)).to.equal("QUERY_INVALID");
    });

    it("answers PATIENT and SERIES with the same filters", async () => {
      expect(await find({ PatientName: "doe*" }, "PATIENT")).to.deep.equal(["1.2.4"]);
      expect(await find({ StudyDate: "20240103" }, "SERIES")).to.deep.equal(["1.2.3"]);
    });
  });
}
