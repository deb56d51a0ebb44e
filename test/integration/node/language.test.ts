/** A model that knows words, from the push to likelihoods in API and report, and to the search for a text. */
import { expect } from "chai";
import { find } from "../../../src/dimse/requestor/find.ts";
import type { Node } from "../../../src/main.ts";
import { ctSeries, ctUids } from "../../support/ct-series.ts";
import { kindred } from "../../support/kindred-command.ts";
import { languageManifest, writeLanguageBundle } from "../../support/language-bundle.ts";
import { nativeOrSkip } from "../../support/native-postgres.ts";
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
  comment: string | null;
  answers: { studyInstanceUid: string; score: number }[];
}

/** Half widths of the bright core: the larger, the denser. */
const CORES = { thin: 4, middle: 10, thick: 14, full: 22 } as const;

for (const engine of ["embedded", "postgresql"] as const) {
  describe(`a model that knows words, ${engine} database`, () => {
    let node: Node;
    const native = nativeOrSkip(engine);
    const modelsDir = temporaryFolder();
    const models = ["layout-fingerprint", "words", "mute"];
    const series = (name: string) => getJson<Series>(node, `/api/v1/series/${ctUids(name).series}`);

    before(async () => {
      writeLanguageBundle(modelsDir, languageManifest("words"));
      const { heads, zeroShot, guard, ...mute } = languageManifest("mute");
      (mute.golden.at(-1)!.expected as number[])[0]! += 0.01;
      writeLanguageBundle(modelsDir, mute);
      const databaseUrl = await native()?.freshDatabase();
      const extra = { encoder: { modelsDir, models }, log: { level: "error" } };
      // Once in the node's own process, once by way of a receiver, which has no models.
      const receivers = engine === "postgresql" ? 1 : 0;
      ({ node } = await startTestNode({ databaseUrl, receivers, extra }));
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
      await native()?.stop();
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
      // The guard turned "full" away: what nothing is said of is not found either.
      const order = (["thick", "middle", "thin"] as const).map((name) => ctUids(name).study);
      expect(dense.model.id).to.equal("words");
      expect(dense.comment).to.equal("1 volume left out: unlike what the model learned from");
      expect(dense.answers.map((one) => one.studyInstanceUid)).to.deep.equal(order);
      expect(empty.answers.map((one) => one.studyInstanceUid)).to.deep.equal(order.toReversed());
      expect((await getJson<Ranked>(node, "/api/v1/search?text=dense&k=2")).answers).to.have.length(
        2,
      );
    });

    it("tells the same over C-FIND on AE SIMTEXT", async () => {
      const target = {
        ...node.dicom,
        callingAeTitle: "SENDER",
        calledAeTitle: "SIMTEXT",
        responseSeconds: 20,
      };
      const ask = (text: string) =>
        find(target, { level: "STUDY", keys: { StudyInstanceUID: "", StudyDescription: text } });
      const http = await getJson<Ranked>(node, "/api/v1/search?text=dense");
      const { status, matches } = await ask("dense");
      expect(status).to.equal(0);
      expect(matches.map((one) => one.StudyInstanceUID)).to.deep.equal(
        http.answers.map((one) => one.studyInstanceUid),
      );
      expect(matches[0]!.StudyDescription).to.match(/^#01 \d\.\d{3} \| /);
      expect(await ask("")).to.deep.equal({ status: 0, matches: [] });
      expect(await ask("den?e")).to.deep.equal({ status: 0, matches: [] });
      expect((await ask("dense\\empty")).status).to.equal(0xa900);
    });

    it("tells the same by `kindred search`", async () => {
      const port = `http.port=${node.http.port}`;
      const json = await kindred("search", "dense", "-k", "2", "--set", port, "--json");
      const { query, ...asked } = { query: "text=dense&k=2", code: json.code, stderr: json.stderr };
      expect(asked).to.deep.equal({ code: 0, stderr: "" });
      expect(JSON.parse(json.stdout)).to.deep.equal(await getJson(node, `/api/v1/search?${query}`));
      const shown = await kindred("search", " Empty ", "--level", "series", "--set", port);
      expect(shown.stdout.indexOf("thin"), shown.stdout).to.be.above(0);
      const empty = await kindred("search", " ", "--set", port);
      expect([empty.code, empty.stderr]).to.satisfy(
        ([code, text]: [number, string]) => code === 64 && text.includes("the text is empty"),
      );
    });

    it("names the model whose text tower does not prove itself, and goes on with its volumes", async () => {
      const ready = await getJson<{ status: string; warnings: { texts: string } }>(node, "/readyz");
      expect(ready.status).to.equal("ok");
      expect(ready.warnings.texts).to.include("mute: proved itself on none of its providers (cpu)");
      const { texts } = await getJson<{
        texts: { id: string; state: string; attempts: { error: string }[] }[];
      }>(node, "/api/v1/models");
      expect(texts.map(({ id, state }) => [id, state])).to.deep.equal([
        ["words", "ready"],
        ["mute", "failed"],
      ]);
      expect(texts[1]!.attempts[0]!.error).to.include('the golden text "empty" differs');
      const set = [`encoder.modelsDir=${modelsDir}`, `dataDir=${temporaryFolder()}`];
      set.push(`encoder.models=${JSON.stringify(models)}`);
      const doctor = await kindred("doctor", "--json", ...set.flatMap((one) => ["--set", one]));
      const said: { level: string; subject: string; text: string }[] = JSON.parse(doctor.stdout);
      const levels = said.filter(({ subject }) => subject.startsWith("text of "));
      expect(levels.map(({ level, subject }) => [level, subject])).to.deep.equal([
        ["ok", "text of words"],
        ["fault", "text of mute"],
      ]);
      const answer = await getJson<{ code: string }>(node, "/api/v1/search?text=dense&model=mute");
      expect(answer.code).to.equal("MODEL_NOT_READY");
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
