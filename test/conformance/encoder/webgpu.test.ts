/**
 * The road of a GPU on a machine without one: ONNX Runtime's WebGPU provider on SwiftShader, the Vulkan driver in software
 * that Chromium brings. What runs there is right as far as this driver goes; how fast says nothing of a GPU.
 */
import { existsSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { expect } from "chai";
import { configSchema } from "../../../src/config/schema.ts";
import { discoverBundles } from "../../../src/encoder/bundle.ts";
import { createEncoder, type Encoder } from "../../../src/encoder/encoder.ts";
import { goldenInput } from "../../../src/encoder/vector.ts";
import { silentLogger } from "../../../src/kernel/log.ts";
import { createMetrics } from "../../../src/kernel/metrics.ts";
import {
  attentionManifest,
  type Draft,
  stagedManifest,
  writeBundle,
} from "../../support/graph-bundle.ts";

/** Of Debian's package chromium. */
const DRIVER = process.env.KINDRED_VULKAN_DRIVER ?? "/usr/lib/chromium/vk_swiftshader_icd.json";
/** Chromium brings the Vulkan loader too, which a machine without a GPU rarely has. */
const LOADER_FOLDER = dirname(DRIVER);
/** Shaders are compiled on the CPU too. */
const SECONDS = 300;
/** Of unit vectors, between WebGPU and the CPU. */
const TOLERANCE = 1e-5;

describe("WebGPU on a Vulkan driver in software", function () {
  this.timeout(SECONDS * 1000);
  let folder: string;
  let encoder: Encoder | undefined;
  const changed = ["VK_DRIVER_FILES", "VK_ICD_FILENAMES", "XDG_RUNTIME_DIR", "LD_LIBRARY_PATH"];
  const earlier = new Map(changed.map((name) => [name, process.env[name]]));

  before(async function () {
    if (!existsSync(DRIVER)) {
      if (process.env.KINDRED_REQUIRE_TOOLS === "1")
        throw new Error(`${DRIVER} is required and not there`);
      console.log(`      SKIPPED: ${DRIVER} is not there (CONTRIBUTING.md: chromium)`);
      this.skip();
    }
    folder = await mkdtemp(join(tmpdir(), "kindred-webgpu-"));
    // The model process has our environment.
    process.env.VK_DRIVER_FILES = DRIVER;
    process.env.VK_ICD_FILENAMES = DRIVER;
    process.env.XDG_RUNTIME_DIR = folder;
    const libraries = [process.env.LD_LIBRARY_PATH, LOADER_FOLDER].filter(Boolean);
    process.env.LD_LIBRARY_PATH = libraries.join(delimiter);
  });
  afterEach(async () => {
    await encoder?.stop();
    encoder = undefined;
  });
  after(async () => {
    for (const [name, value] of earlier) {
      if (value === undefined) delete process.env[name];
      else process.env[name] = value;
    }
    if (folder !== undefined) await rm(folder, { recursive: true, force: true });
  });

  const start = async (drafts: readonly Draft[], providers: string[]) => {
    for (const one of drafts) writeBundle(folder, one);
    const models = drafts.map((one) => String(one.id));
    const { encoder: config } = configSchema.parse({ encoder: { models, providers } });
    const bundles = await discoverBundles([folder], models);
    encoder = createEncoder({ config, bundles, log: silentLogger(), metrics: createMetrics() });
    await encoder.start();
    return encoder;
  };
  /** Vectors of an input that proves nothing: it is in no golden vector. */
  const embed = async (node: Encoder, id: string, profileId: string) => {
    const { shape } = node.profiles().find((one) => one.profile.id === profileId)!.profile;
    const path = join(folder, "input.f32");
    await writeFile(path, new Uint8Array(goldenInput(99, shape, [-1, 1]).buffer));
    const { vectors, provider } = await node.embedFile(id, profileId, path);
    await node.stop();
    return { provider, vectors };
  };
  const differ = (
    a: readonly { vector: Float32Array }[],
    b: readonly { vector: Float32Array }[],
  ): number =>
    Math.max(
      ...a.flatMap(({ vector }, i) => [...vector].map((v, k) => Math.abs(v - b[i]!.vector[k]!))),
    );

  for (const [name, id, profile, draft] of [
    ["convolutions, stages and stitched windows", "staged", "tiled", stagedManifest("staged")],
    [
      "a transformer in plain operators",
      "plain-attention",
      "attention",
      attentionManifest("plain-attention", "attention.onnx"),
    ],
  ] as const)
    it(`runs ${name} as the CPU does`, async () => {
      const gpu = await embed(await start([draft], ["webgpu"]), id, profile);
      const cpu = await embed(await start([draft], ["cpu"]), id, profile);
      expect([gpu.provider, cpu.provider]).to.deep.equal(["webgpu", "cpu"]);
      const deviation = differ(gpu.vectors, cpu.vectors);
      console.log(`      largest deviation from the CPU: ${deviation.toExponential(1)}`);
      expect(deviation).to.be.below(TOLERANCE);
    });

  it("is not trusted with fused attention, which comes out wrong there: the model runs on the CPU, and says so", async () => {
    const draft = attentionManifest("fused-attention", "attention-fused.onnx");
    const [status] = (await start([draft], ["webgpu", "cpu"])).status();
    expect(status).to.include({ state: "ready", provider: "cpu" });
    expect(status!.attempts.map((one) => one.provider)).to.deep.equal(["webgpu"]);
    expect(status!.attempts[0]!.error).to.match(/golden vector of seed 3 differs by/);
    console.log(`      ${status!.attempts[0]!.error}`);
    expect(status!.notes.join()).to.include("asked for webgpu, it runs on cpu");
  });

  it("takes the plain attention that the manifest names for it", async () => {
    const draft = attentionManifest("both-attentions", "attention-fused.onnx");
    draft.runtime.providers.push({
      provider: "webgpu",
      precision: "fp32",
      graphs: { attention: "attention.onnx" },
    });
    const [status] = (await start([draft], ["webgpu", "cpu"])).status();
    expect(status, JSON.stringify(status)).to.include({ provider: "webgpu", precision: "fp32" });
  });
});
