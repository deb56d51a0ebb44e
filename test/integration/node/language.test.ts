/** A model that knows words, from the push to likelihoods in API and report, and to the search for a text. */
import { expect } from "chai";
import type { Node } from "../../../src/main.ts";
import { ctSeries, ctUids } from "../../support/ct-series.ts";
import { languageManifest, writeLanguageBundle } from "../../support/language-bundle.ts";
import { type NativePostgres, startNativePostgres } from "../../support/native-postgres.ts";
import {
  getJson,
  push,
  startTestNode,
  temporaryFolder,
  waitFor,
} from "../../support/node-under-test.ts";

interface Run {
  model: { id: string; version: string };
  volume: number;
  notice: string;
  guard: { distance: number; threshold: number };
  withheld: string | null;
  problems: string[];
  values: {
    source: string;
    label: { key: string; snomed: object | null };
    value: number;
    isCalibrated: boolean;
  }[];
}
interface Series {
  state: string;
  findings: Run[];
  documents: { textLines: string[] }[];
}
interface Ranked {
  model: { id: string };
  answers: { studyInstanceUid: string; score: number }[];
}

/** Half widths of the bright core: the larger, the denser. */
const CORES = { thin: 4, middle: 10, thick: 14, full: 22 } as const;

for (const engine of ["embedded", "postgresql"] as const) {
  describe(`a model that knows words, ${engine} database`, () => {
    let node: Node;
    let native: NativePostgres | undefined;
    const series = (name: string) => getJson<Series>(node, `/api/v1/series/${ctUids(name).series}`);

    before(async function () {
      if (engine === "postgresql") {
        native = await startNativePostgres();
        if (native === undefined) {
          if (process.env.KINDRED_REQUIRE_NATIVE_PG === "1")
            throw new Error("native PostgreSQL is required and not there");
          console.log(
            "      SKIPPED: no native PostgreSQL with pgvector here (CONTRIBUTING.md says how)",
          );
          this.skip();
        }
      }
      const modelsDir = temporaryFolder();
      writeLanguageBundle(modelsDir, languageManifest("words"));
      const databaseUrl = await native?.freshDatabase();
      const extra = { encoder: { modelsDir, models: ["layout-fingerprint", "words"] } };
      ({ node } = await startTestNode({ databaseUrl, extra }));
      for (const [name, core] of Object.entries(CORES))
        await push(node.dicom, ctSeries({ name, core }));
      for (const name of Object.keys(CORES))
        await waitFor(
          () => series(name),
          (one) => ["reported", "refused", "failed"].includes(one.state),
        );
    });
    after(async () => {
      await node?.stop();
      await native?.stop();
    });

    it("says likelihoods of a volume with where they come from, in the API and in both documents", async () => {
      const { findings, documents } = await series("middle");
      expect(findings).to.have.length(1);
      const [run] = findings;
      expect(run!.model).to.include({ id: "words", version: "1.2.0" });
      expect(run!.notice).to.include("Not for diagnostic use");
      expect([run!.withheld, run!.problems]).to.deep.equal([null, []]);
      expect(run!.values.map((one) => [one.source, one.label.key, one.isCalibrated])).to.deep.equal(
        [
          ["head", "dense", true],
          ["head", "empty", true],
          ["zeroShot", "dense", false],
          ["zeroShot", "empty", false],
        ],
      );
      expect(run!.values[0]!.label.snomed).to.deep.equal({ code: "255597003", meaning: "Dense" });
      for (const { textLines } of documents) {
        const text = textLines.join("\n");
        expect(text).to.include(
          "Model words 1.2.0: 4 values of labels listed, 2 of them calibrated by its author, research only.",
        );
        expect(text).to.match(/dense: likelihood 0\.\d\d \(uncalibrated, prompts words/);
      }
    });

    it("says the guard's statement instead of a volume unlike the training data", async () => {
      const { findings, documents } = await series("full");
      expect(findings[0]!.values).to.deep.equal([]);
      expect(findings[0]!.withheld).to.include("denser or emptier");
      expect(findings[0]!.guard.distance).to.be.above(findings[0]!.guard.threshold);
      for (const { textLines } of documents)
        expect(textLines.join("\n")).to.include("findings withheld. This scan is denser");
    });

    it("finds volumes by a text, the fitting ones first", async () => {
      const dense = await getJson<Ranked>(node, "/api/v1/search?text=dense&k=4");
      const empty = await getJson<Ranked>(node, "/api/v1/search?text=Empty&k=4&model=words");
      const order = (["full", "thick", "middle", "thin"] as const).map(
        (name) => ctUids(name).study,
      );
      expect(dense.model.id).to.equal("words");
      expect(dense.answers.map((one) => one.studyInstanceUid)).to.deep.equal(order);
      expect(empty.answers.map((one) => one.studyInstanceUid)).to.deep.equal(order.toReversed());
      expect((await getJson<Ranked>(node, "/api/v1/search?text=dense&k=2")).answers).to.have.length(
        2,
      );
    });

    it("says what is wrong with a question", async () => {
      const table: readonly (readonly [string, string])[] = [
        ["", "BAD_REQUEST"],
        ["text=", "BAD_REQUEST"],
        ["text=a%00b", "BAD_REQUEST"],
        [`text=${"x".repeat(2001)}`, "BAD_REQUEST"],
        ["text=dense&k=0", "BAD_REQUEST"],
        ["text=dense&level=IMAGE", "BAD_REQUEST"],
        ["text=dense&model=none", "MODEL_NOT_READY"],
        ["text=dense&model=layout-fingerprint", "MODEL_NOT_READY"],
      ];
      for (const [query, code] of table)
        expect(
          (await getJson<{ code: string }>(node, `/api/v1/search?${query}`)).code,
          query.slice(0, 40),
        ).to.equal(code);
    });
  });
}
