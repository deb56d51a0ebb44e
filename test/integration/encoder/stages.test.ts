import { cp, mkdtemp, rm, writeFile } from "node:fs/promises";
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
import {
  attentionManifest,
  EXPECTED,
  stagedManifest,
  writeBundle,
} from "../../support/graph-bundle.ts";

const PROFILES = ["plain", "tiled", "mean", "max"];

describe("bundles of several graphs, stages and windows", () => {
  let folder: string;
  let encoder: Encoder | undefined;

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "kindred-stages-"));
  });
  afterEach(async () => {
    await encoder?.stop();
    encoder = undefined;
    await rm(folder, { recursive: true, force: true });
  });

  const start = async (...ids: string[]) => {
    const config = configSchema.parse({ encoder: { models: ids } }).encoder;
    const bundles = await discoverBundles([folder], ids);
    encoder = createEncoder({ config, bundles, log: silentLogger(), metrics: createMetrics() });
    await encoder.start();
    for (const one of encoder.status())
      expect(one, JSON.stringify(one)).to.include({ state: "ready", provider: "cpu" });
    return encoder;
  };
  const embed = async (node: Encoder, id: string, profile: string) => {
    const shape = node.profiles().find((one) => one.profile.id === profile)!.profile.shape;
    const path = join(folder, "input.f32");
    const tensor = goldenInput(profile === "plain" ? 3 : 4, shape, [-1, 1]);
    await writeFile(path, new Uint8Array(tensor.buffer));
    return node.embedFile(id, profile, path);
  };

  it("give what NumPy gives: every stage, windows stitched and reduced, several spaces, grid inputs", async () => {
    writeBundle(folder, stagedManifest("staged"));
    const node = await start("staged");
    for (const profile of PROFILES) {
      const { vectors, outputs, provider } = await embed(node, "staged", profile);
      expect(provider).to.equal("cpu");
      expect(vectors.map((one) => one.space)).to.deep.equal(
        ["unit", "both", "gridded"].map((name) => `${name}-${profile}`),
      );
      for (const { space, vector } of vectors) {
        const wanted = EXPECTED[profile]![space.split("-")[0]!]!;
        close(
          vector,
          wanted.map((value) => value / Math.hypot(...wanted)),
          1e-5,
        );
      }
      expect(Object.keys(outputs)).to.deep.equal(profile === "plain" ? ["pool.logits"] : []);
      if (profile === "plain") {
        expect(outputs["pool.logits"]!.dims).to.deep.equal([1, 2]);
        close(outputs["pool.logits"]!.data, EXPECTED.plain!.logits!, 1e-5);
      }
    }
  });

  it("run graphs of halves and weights in a file beside the graph", async () => {
    const halves = stagedManifest("halves", "backbone-half.onnx", "float16");
    for (const golden of halves.golden as { tolerance: number }[]) golden.tolerance = 2e-3;
    writeBundle(folder, halves);
    writeBundle(folder, stagedManifest("external", "backbone-external.onnx"), [
      "backbone-external.onnx.data",
    ]);
    const node = await start("halves", "external");
    for (const id of ["halves", "external"]) {
      const { vectors } = await embed(node, id, "tiled");
      close(vectors[0]!.vector, EXPECTED.tiled!.unit!, id === "halves" ? 2e-3 : 1e-5);
    }
  });

  it("run attention in plain operators and fused", async () => {
    writeBundle(folder, attentionManifest("plain-attention", "attention.onnx"));
    writeBundle(folder, attentionManifest("fused-attention", "attention-fused.onnx"));
    await start("plain-attention", "fused-attention");
  });

  it("tell other code what the manifest says", async () => {
    writeBundle(folder, stagedManifest("staged"));
    const node = await start("staged");
    expect(node.profiles().map((one) => one.spaces.map((space) => space.id))[1]).to.deep.equal([
      "unit-tiled",
      "both-tiled",
      "gridded-tiled",
    ]);
    const [bundle] = node.bundles();
    expect(bundle!.manifest.heads![0]!.id).to.equal("own");
    expect(bundle!.folder).to.equal(join(folder, "staged"));
  });

  it("make room for each other and come back", async () => {
    writeBundle(folder, stagedManifest("one"));
    writeBundle(folder, stagedManifest("two"));
    const config = configSchema.parse({
      encoder: { models: ["one", "two"], memoryMegabytes: 100 },
    });
    const bundles = await discoverBundles([folder], ["one", "two"]);
    const log = silentLogger();
    encoder = createEncoder({ config: config.encoder, bundles, log, metrics: createMetrics() });
    await encoder.start();
    const answers = await Promise.all(
      ["one", "two", "one", "two"].map((id) => embed(encoder!, id, "plain")),
    );
    for (const { vectors } of answers) close(vectors[0]!.vector, EXPECTED.plain!.unit!, 1e-5);
  });

  it("do not come back with files that are not those that were proved", async () => {
    writeBundle(folder, stagedManifest("one"));
    writeBundle(folder, stagedManifest("two"));
    const config = configSchema.parse({
      encoder: { models: ["one", "two"], memoryMegabytes: 100 },
    });
    const bundles = await discoverBundles([folder], ["one", "two"]);
    const log = silentLogger();
    encoder = createEncoder({ config: config.encoder, bundles, log, metrics: createMetrics() });
    await encoder.start();
    // There is room for one: the second is loaded, the first is not.
    await cp(join(folder, "two", "pool.onnx"), join(folder, "one", "pool.onnx"));
    const error = await embed(encoder, "one", "plain").catch((e: unknown) => e);
    expect(codeOf(error)).to.equal("MODEL_INVALID");
    expect(messageOf(error)).to.include("changed since it proved itself");
    const { vectors } = await embed(encoder, "two", "plain");
    close(vectors[0]!.vector, EXPECTED.plain!.unit!, 1e-5);
  });

  it("are refused when they need more memory than there is for models, and say what to do", async () => {
    const huge = stagedManifest("huge");
    huge.runtime.ramMb = 100_000;
    writeBundle(folder, huge);
    writeBundle(folder, stagedManifest("small"));
    const config = configSchema.parse({
      encoder: { models: ["huge", "small"], memoryMegabytes: 1000 },
    });
    const bundles = await discoverBundles([folder], ["huge", "small"]);
    const log = silentLogger();
    encoder = createEncoder({ config: config.encoder, bundles, log, metrics: createMetrics() });
    await encoder.start();
    const [first] = encoder.status();
    expect(first).to.include({ modelId: "huge", state: "failed" });
    expect(first!.attempts[0]!.error).to.include("encoder.memoryMegabytes");
    expect(new Set(encoder.profiles().map((one) => one.modelId))).to.deep.equal(new Set(["small"]));
  });
});

function close(found: Float32Array, wanted: readonly number[], tolerance: number): void {
  expect(found.length).to.equal(wanted.length);
  wanted.forEach((value, i) => {
    expect(found[i], `value ${i}`).to.be.closeTo(value, tolerance);
  });
}
