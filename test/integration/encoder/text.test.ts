/** Text towers, precomputed texts and what is said of a volume, in the real encoder process. */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { configSchema } from "../../../src/config/schema.ts";
import { discoverBundles } from "../../../src/encoder/bundle.ts";
import { createEncoder, type Encoder } from "../../../src/encoder/encoder.ts";
import { goldenInput } from "../../../src/encoder/vector.ts";
import { codeOf, messageOf } from "../../../src/kernel/errors.ts";
import { silentLogger } from "../../../src/kernel/log.ts";
import { createMetrics } from "../../../src/kernel/metrics.ts";
import { encoderChildren } from "../../support/children.ts";
import {
  EXPECTED,
  type LanguageManifest,
  languageManifest,
  writeLanguageBundle,
} from "../../support/language-bundle.ts";

const close = (actual: Float32Array, expected: readonly number[]) => {
  expect(actual).to.have.length(expected.length);
  for (const [i, value] of expected.entries()) expect(actual[i]).to.be.closeTo(value, 1e-5);
};
const unit = (...values: number[]) => values.map((one) => one / Math.hypot(...values));

describe("text in the encoder", () => {
  let folder: string;
  let encoder: Encoder | undefined;

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "kindred-text-"));
  });
  afterEach(async () => {
    await encoder?.stop();
    encoder = undefined;
    await rm(folder, { recursive: true, force: true });
  });

  const start = async (...ids: string[]): Promise<Encoder> => {
    const config = configSchema.parse({ encoder: { models: ids } }).encoder;
    const bundles = await discoverBundles([folder, "models"], ids);
    encoder = createEncoder({ config, bundles, log: silentLogger(), metrics: createMetrics() });
    await encoder.start();
    return encoder;
  };
  const write = (
    id: string,
    change: (manifest: LanguageManifest) => void = () => {},
    more: Record<string, unknown> = {},
  ) => {
    const manifest = languageManifest(id);
    change(manifest);
    writeLanguageBundle(folder, manifest, more);
  };
  const embed = async (node: Encoder, id: string, level?: number) => {
    const path = join(folder, "input.f32");
    const tensor =
      level === undefined
        ? goldenInput(EXPECTED.seed, [1, 1, 8, 8, 8], [0, 1])
        : new Float32Array(512).fill(level);
    await writeFile(path, new Uint8Array(tensor.buffer));
    return new Map([["whole", await node.embedFile(id, "whole", path)]]);
  };
  const failure = (promise: Promise<unknown>) =>
    promise.then(
      () => "no failure",
      (error: unknown) => `${codeOf(error)}: ${messageOf(error)}`,
    );

  it("gives the vectors that NumPy gives, in the space that volumes lie in, through the templates", async () => {
    write("words", ({ text }) => {
      delete text!.templates;
    });
    write("templated");
    const node = await start("words", "templated");
    expect(node.textStatus()).to.deep.include({
      modelId: "words",
      state: "ready",
      provider: "cpu",
      reason: null,
      attempts: [],
    });
    for (const [text, vector] of Object.entries(EXPECTED.texts)) {
      const found = await node.embedText(`  ${text} `, "words");
      expect(found).to.include({ modelId: "words", profile: "whole", space: "shared" });
      close(found.vector, vector);
    }
    // [CLS] a dense scan . [SEP] has five rare tokens of (0, 0, 0.05, 0) and (1, 0, 0, 0); mean of two unit vectors.
    const [long, short] = [unit(1, 0, 0.25, 0), unit(1, 0, 0.1, 0)];
    close(
      (await node.embedText("dense", "templated")).vector,
      unit(...long.map((one, i) => one + short[i]!)),
    );
  });

  it("says of a volume what heads and prompts give, computed by hand", async () => {
    write("words");
    const node = await start("words");
    const said = await node.judge("words", await embed(node, "words", 0.3));
    // Twice the density 0.3: pooled (0.6, 0.4, 0.2, 0); platt on 0.6 and 0.4: sigmoid(0.2), sigmoid(−0.2).
    expect(said!.statement).to.equal(null);
    expect(said!.problems).to.deep.equal([]);
    expect(said!.guard!.distance).to.be.closeTo(0.1, 1e-6);
    const values = said!.findings.map((one) => [
      one.sourceId,
      one.label.key,
      Math.round(one.value * 1e4) / 1e4,
    ]);
    expect(values.slice(0, 2)).to.deep.equal([
      ["probe", "dense", 0.5498],
      ["probe", "empty", 0.4502],
    ]);
    // Positive "dense" (1, 0, 0.1, 0) and "a scan showing dense" (1, 0, 0.25, 0); negative "no dense." (1, 0, 0.15, 0.3).
    const image = unit(0.6, 0.4, 0.2, 0);
    const cosine = (a: number[], b: number[]) => a.reduce((sum, one, i) => sum + one * b[i]!, 0);
    const score = (positive: number[], negative: number[]) =>
      1 / (1 + Math.exp(-10 * (cosine(image, positive) - cosine(image, negative))));
    const [first, second] = [unit(1, 0, 0.1, 0), unit(1, 0, 0.25, 0)];
    const dense = score(unit(...first.map((one, i) => one + second[i]!)), unit(1, 0, 0.15, 0.3));
    expect(said!.findings[2]).to.include({
      source: "zeroShot",
      sourceId: "words",
      isLikelihood: true,
      isCalibrated: false,
      threshold: 0.5,
    });
    expect(said!.findings[2]!.value).to.be.closeTo(dense, 1e-5);
  });

  it("says nothing but the guard's statement of what is unlike its training", async () => {
    write("words");
    const node = await start("words");
    const said = await node.judge("words", await embed(node, "words", 0.5));
    expect(said!.findings).to.deep.equal([]);
    expect(said!.statement).to.equal(
      "This scan is denser or emptier than any that the model was trained on.",
    );
    expect(said!.guard).to.include({ kind: "mahalanobis", threshold: 0.45 });
    expect(said!.guard!.distance).to.be.closeTo(0.5, 1e-5);
  });

  it("serves no text of a tower whose golden text comes out otherwise, but its vectors and heads", async () => {
    write("drifted", ({ golden }) => {
      (golden.at(-1)!.expected as number[])[0]! += 0.01;
    });
    const node = await start("drifted");
    const [text] = node.textStatus();
    expect(text).to.include({ state: "failed", provider: null });
    expect(text!.attempts[0]!.error).to.include('the golden text "empty" differs by 1.00e-2');
    expect(await failure(node.embedText("dense")))
      .to.include("MODEL_NOT_READY")
      .and.include("see kindred doctor");
    expect(node.status()[0]!.state).to.equal("ready");
    const said = await node.judge("drifted", await embed(node, "drifted", 0.3));
    expect(said!.findings.map((one) => one.sourceId)).to.deep.equal(["probe", "probe"]);
    expect(said!.problems).to.have.length(1);
    expect(said!.problems[0]).to.include(
      "prompts words: The text tower of drifted did not prove itself",
    );
  });

  it("refuses a tokenizer that is none, by name, and serves the other models", async () => {
    write("broken", ({ text }) => {
      (text!.tokenizer as { file: string }).file = "probe.json";
    });
    write("words");
    const node = await start("broken", "words");
    expect(node.textStatus()[0]!.attempts[0]!.error).to.include("probe.json cannot be used");
    close(
      (await node.embedText("empty", "words")).vector,
      unit(...unit(0, 1, 0.25, 0).map((one, i) => one + unit(0, 1, 0.1, 0)[i]!)),
    );
  });

  it("takes precomputed texts for a tower that is too heavy, and knows no others", async () => {
    const items = [
      "dense",
      "A scan showing dense",
      "No dense.",
      "empty",
      "A scan showing empty",
    ].map((text, i) => ({ text, vector: [i + 1, 1, 0, 0] }));
    write(
      "data",
      (manifest) => {
        manifest.text = { kind: "precomputed", file: "texts.json" };
        manifest.golden = manifest.golden.filter((one) => one.kind !== "text");
        (manifest.graphs as Record<string, unknown>).text = undefined;
      },
      { "texts.json": { items } },
    );
    const node = await start("data");
    expect(node.textStatus()[0]).to.include({ state: "ready", provider: null });
    close((await node.embedText("dense")).vector, unit(1, 1, 0, 0));
    expect(await failure(node.embedText("nodule"))).to.equal(
      "BAD_REQUEST: Model data knows 5 texts, and this is none of them",
    );
    // "No empty." is missing: the set has a problem, the head has none.
    const said = await node.judge("data", await embed(node, "data", 0.3));
    expect(said!.findings.map((one) => one.sourceId)).to.deep.equal(["probe", "probe"]);
    expect(said!.problems[0]).to.include("prompts words: Model data knows 5 texts");
  });

  it("says which model has no text encoder, and judges nothing with a model that only has vectors", async () => {
    const node = await start("layout-fingerprint");
    expect(node.textStatus()).to.deep.equal([]);
    expect(await failure(node.embedText("dense"))).to.include(
      "MODEL_NOT_READY: No loaded model has a text encoder",
    );
    expect(await failure(node.embedText("dense", "layout-fingerprint"))).to.include(
      "MODEL_NOT_READY: Model layout-fingerprint",
    );
    expect(await failure(node.embedText(" "))).to.include("BAD_REQUEST");
    expect(await node.judge("layout-fingerprint", new Map())).to.equal(undefined);
  });

  it("answers many at once, and the next one from a new process when the old one was killed", async () => {
    write("words");
    const node = await start("words");
    const texts = ["dense", "empty", "a dense lung", "dense"];
    const many = await Promise.all(texts.map((text) => node.embedText(text)));
    expect(many[3]!.vector).to.deep.equal(many[0]!.vector);
    expect(many[1]!.vector).not.to.deep.equal(many[0]!.vector);
    for (const pid of encoderChildren()) process.kill(pid, "SIGKILL");
    // What was asked before is remembered, process or not.
    expect((await node.embedText("dense")).vector).to.deep.equal(many[0]!.vector);
    // The end of the process may be heard of after the question was sent to it.
    const next = () => node.embedText("never asked before");
    const found = await next().catch((error: unknown) => {
      expect(codeOf(error)).to.equal("UNAVAILABLE");
      return next();
    });
    expect(found.vector).to.have.length(4);
    expect(node.textStatus()[0]).to.include({ state: "ready", provider: "cpu" });
  });

  it("does not take its own end for a fault of the bundle", async () => {
    write("words");
    const node = await start("words");
    const answers = await embed(node, "words", 0.3);
    await node.stop();
    expect(await failure(node.judge("words", answers))).to.include("SHUTTING_DOWN");
    expect(await failure(node.embedText("never asked before"))).to.include("SHUTTING_DOWN");
  });
});
