import { existsSync } from "node:fs";
import { cp, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect } from "chai";
import type { Config } from "../../../src/config/schema.ts";
import { decodeDataSet } from "../../../src/dicom/decode.ts";
import { decodeFileMeta } from "../../../src/dicom/part10.ts";
import { decodeNativePixels } from "../../../src/dicom/pixel-data.ts";
import { readSlicePlane } from "../../../src/dicom/slice-plane.ts";
import { TAG } from "../../../src/dicom/tags.ts";
import { type BundleResult, discoverBundles } from "../../../src/encoder/bundle.ts";
import { createEncoder, type Embedded, type Encoder } from "../../../src/encoder/encoder.ts";
import { preprocess } from "../../../src/encoder/preprocess.ts";
import { goldenInput } from "../../../src/encoder/vector.ts";
import { silentLogger } from "../../../src/kernel/log.ts";
import { createMetrics } from "../../../src/kernel/metrics.ts";
import { createVolumeBuilder } from "../../../src/volume/assemble.ts";
import { examineSlices } from "../../../src/volume/geometry.ts";
import { encoderChildren } from "../../support/children.ts";

const MODELS = fileURLToPath(new URL("../../../models/", import.meta.url));
const DATA =
  process.env.KINDRED_TEST_DATA ??
  fileURLToPath(new URL("../../../../shared/data/", import.meta.url));
const ID = "layout-fingerprint";
const PROFILE = "whole-body-6mm";
const SHAPE = [1, 1, 64, 64, 64];

describe("encoder", () => {
  let folder: string;
  let encoder: Encoder | undefined;

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "kindred-encoder-"));
  });
  afterEach(async () => {
    await encoder?.stop();
    encoder = undefined;
    await rm(folder, { recursive: true, force: true });
  });

  const settings = (given: Partial<Config["encoder"]> = {}): Config["encoder"] => ({
    models: [ID],
    profiles: [],
    acceptedLicences: [],
    providers: ["cpu"],
    threads: 1,
    runSeconds: 60,
    ...given,
  });
  const start = async (bundles: readonly BundleResult[], config = settings()): Promise<Encoder> => {
    encoder = createEncoder({ config, bundles, log: silentLogger(), metrics: createMetrics() });
    await encoder.start();
    return encoder;
  };
  /** A copy of the built-in bundle under another id. */
  const copy = async (id: string, change: (manifest: Manifest) => void = () => undefined) => {
    await cp(join(MODELS, ID), join(folder, id), { recursive: true });
    const path = join(folder, id, "model.json");
    const manifest = JSON.parse(await readFile(path, "utf8")) as Manifest;
    manifest.id = id;
    change(manifest);
    await writeFile(path, JSON.stringify(manifest));
  };
  const tensorFile = async (tensor: Float32Array, name = "input.f32"): Promise<string> => {
    await writeFile(join(folder, name), new Uint8Array(tensor.buffer));
    return join(folder, name);
  };

  it("tells NVIDIA's libraries in its process that float32 is not TF32", async function () {
    if (!existsSync("/proc/self/environ")) this.skip();
    await start(await discoverBundles([MODELS], [ID]));
    const environment = await readFile(`/proc/${encoderChildren().at(-1)}/environ`, "utf8");
    expect(environment.split("\0")).to.include("NVIDIA_TF32_OVERRIDE=0");
  });

  it("proves the built-in model on the CPU and embeds the same tensor to the same unit vector", async () => {
    const node = await start(await discoverBundles([MODELS], [ID]));
    expect(node.status()).to.have.length(1);
    expect(node.status()[0]).to.include({
      modelId: ID,
      profile: PROFILE,
      state: "ready",
      provider: "cpu",
      reason: null,
    });
    const path = await tensorFile(goldenInput(3, SHAPE, [0, 2]));
    const [first, second] = [
      await node.embedFile(ID, PROFILE, path),
      await node.embedFile(ID, PROFILE, path),
    ];
    expect(firstOf(first)).to.have.length(256);
    expect(dot(firstOf(first), firstOf(first))).to.be.closeTo(1, 1e-6);
    expect(firstOf(second)).to.deep.equal(firstOf(first));
  });

  it("reports a tampered and a missing bundle, and serves the others", async () => {
    await copy("tampered");
    const graph = join(folder, "tampered", "model.onnx");
    const bytes = await readFile(graph);
    bytes[1000]! ^= 1;
    await writeFile(graph, bytes);
    const node = await start(await discoverBundles([MODELS, folder], ["tampered", "absent", ID]));
    const [tampered, absent, good] = node.status();
    expect(tampered!.state).to.equal("failed");
    expect(tampered!.reason).to.include("SHA-256");
    expect(absent!.reason).to.include("no such bundle");
    expect(good!.state).to.equal("ready");
    expect(node.profiles().map((one) => one.modelId)).to.deep.equal([ID]);
    const path = await tensorFile(goldenInput(3, SHAPE, [0, 2]));
    expect((await node.embedFile(ID, PROFILE, path)).provider).to.equal("cpu");
  });

  it("lets no model serve whose golden vector comes out otherwise", async () => {
    await copy("drifted", (manifest) => {
      manifest.golden[0]!.expected[5]! += 0.01;
    });
    const node = await start(await discoverBundles([folder, MODELS], ["drifted", ID]));
    const [drifted, good] = node.status();
    expect(drifted).to.include({ state: "failed", provider: null });
    expect(drifted!.attempts[0]!.error).to.include("golden vector");
    expect(good!.state).to.equal("ready");
    const path = await tensorFile(goldenInput(3, SHAPE, [0, 2]));
    expect(await failure(node.embedFile("drifted", PROFILE, path))).to.equal("MODEL_NOT_READY");
    expect(await failure(node.embedFile("unknown", PROFILE, path))).to.equal("MODEL_NOT_READY");
  });

  it("runs a bundle whose licence must be accepted only where the configuration accepts it", async () => {
    await copy("gated", (manifest) => {
      manifest.licence.acceptanceRequired = true;
    });
    const bundles = await discoverBundles([folder, MODELS], ["gated", ID]);
    const shut = await start(bundles);
    const [gated, good] = shut.status();
    expect(gated!.state).to.equal("failed");
    expect(gated!.reason).to.include('add "gated" to encoder.acceptedLicences');
    expect(good!.state).to.equal("ready");
    expect(shut.profiles().map((one) => one.modelId)).to.deep.equal([ID]);
    await shut.stop();
    const node = await start(bundles, settings({ acceptedLicences: ["gated"] }));
    expect(node.status().map((one) => one.state)).to.deep.equal(["ready", "ready"]);
  });

  it("takes the graph that the manifest names for a provider, and says which ONNX Runtime a bundle needs", async () => {
    await copy("other-file", (manifest) => {
      manifest.files.push({ ...manifest.files[0]!, path: "for-cpu.onnx" });
      manifest.runtime.providers[0]!.graphs = { image: "for-cpu.onnx" };
    });
    const file = join(folder, "other-file", "model.onnx");
    await cp(file, join(folder, "other-file", "for-cpu.onnx"));
    await copy("too-new", (manifest) => {
      manifest.runtime.minOrt = "99.1";
    });
    const bundles = await discoverBundles([folder], ["other-file", "too-new"]);
    // Whoever opens the file of the graph itself does not find it.
    await rm(file);
    const [other, old] = (await start(bundles)).status();
    expect(other).to.include({ state: "ready" });
    expect(old!.attempts[0]!.error).to.include("needs ONNX Runtime 99.1");
  });

  it("climbs down to the CPU where CUDA is absent, and keeps the reason", async () => {
    const node = await start(
      await discoverBundles([MODELS], [ID]),
      settings({ providers: ["cuda", "cpu"] }),
    );
    const [status] = node.status();
    expect(status).to.include({ state: "ready", provider: "cpu" });
    expect(status!.attempts.map((one) => one.provider)).to.deep.equal(["cuda"]);
    expect(status!.attempts[0]!.error).not.to.equal("");
  });

  it("refuses a tensor with NaN, one of another size, and one that is gone", async () => {
    const node = await start(await discoverBundles([MODELS], [ID]));
    const tensor = goldenInput(3, SHAPE, [0, 2]);
    tensor[77] = Number.NaN;
    const [nan, short] = [await tensorFile(tensor), await tensorFile(tensor.slice(1), "short.f32")];
    expect(await failure(node.embedFile(ID, PROFILE, nan))).to.equal("MODEL_OUTPUT_INVALID");
    expect(await failure(node.embedFile(ID, PROFILE, short))).to.equal("MODEL_OUTPUT_INVALID");
    expect(await failure(node.embedFile(ID, PROFILE, join(folder, "none")))).to.equal(
      "UNAVAILABLE",
    );
  });

  it("kills a run that is late, and serves the next one from a new process", async () => {
    const config = settings();
    const node = await start(await discoverBundles([MODELS], [ID]), config);
    const path = await tensorFile(goldenInput(3, SHAPE, [0, 2]));
    config.runSeconds = 0.001;
    const [late, next] = [node.embedFile(ID, PROFILE, path), node.embedFile(ID, PROFILE, path)];
    expect(await failure(late)).to.equal("UNAVAILABLE");
    config.runSeconds = 60;
    expect(firstOf(await next)).to.have.length(256);
    expect(node.status()[0]).to.include({ state: "ready", provider: "cpu" });
  });

  it("names a bundle by its content, not by the order of its manifest", async () => {
    await copy("one");
    const [before] = await discoverBundles([folder], ["one"]);
    const path = join(folder, "one", "model.json");
    const manifest = JSON.parse(await readFile(path, "utf8")) as object;
    await writeFile(path, JSON.stringify(Object.fromEntries(Object.entries(manifest).reverse())));
    const [after] = await discoverBundles([folder], ["one"]);
    expect(digestOf(after!)).to.equal(digestOf(before!));
    await copy("one", (each) => {
      each.summary = "Another";
    });
    const [other] = await discoverBundles([folder], ["one"]);
    expect(digestOf(other!)).not.to.equal(digestOf(before!));
  });

  it("finds two reconstructions of one chest scan nearest to each other", async function () {
    const series = [
      "ct-01-chest-siemens-two-recons/series-b40f",
      "ct-01-chest-siemens-two-recons/series-b70f",
      "ct-02-abdomen-ge-revolution-feet-first",
      "ct-04-headphantom-philips-with-scout/series-volume",
      "ct-05-chest-ge-lidc-0001-part",
    ];
    if (!existsSync(join(DATA, series[0]!))) {
      console.log("      skipped: the shared test data are not here (KINDRED_TEST_DATA)");
      this.skip();
    }
    const node = await start(await discoverBundles([MODELS], [ID]));
    const { profile } = node.profiles()[0]!;
    const vectors: Float32Array[] = [];
    for (const one of series) {
      const { tensor } = preprocess(await readVolume(join(DATA, one)), profile);
      vectors.push(firstOf(await node.embedFile(ID, profile.id, await tensorFile(tensor))));
    }
    const scores = vectors.map((a) => vectors.map((b) => dot(a, b)));
    for (const [i, row] of scores.entries())
      console.log(`      ${series[i]!.slice(0, 5)} ${row.map((n) => n.toFixed(3)).join(" ")}`);
    for (const [me, twin] of [
      [0, 1],
      [1, 0],
    ] as const) {
      const others = scores[me]!.filter((_, i) => i !== me && i !== twin);
      expect(scores[me]![twin]).to.be.above(Math.max(...others));
    }
  });
});

interface Manifest {
  id: string;
  summary: string;
  licence: { acceptanceRequired: boolean };
  files: { path: string }[];
  runtime: { minOrt?: string; providers: { graphs?: Record<string, string> }[] };
  golden: { expected: number[] }[];
}

function digestOf(result: BundleResult): string {
  if ("bundle" in result) return result.bundle.digest;
  throw new Error(result.error);
}

function firstOf({ vectors }: Embedded): Float32Array {
  return vectors[0]!.vector;
}

async function failure(promise: Promise<unknown>): Promise<string> {
  return promise.then(
    () => "no failure",
    (error: { code: string }) => error.code,
  );
}

function dot(a: Float32Array, b: Float32Array): number {
  return a.reduce((sum, value, i) => sum + value * b[i]!, 0);
}

async function readVolume(folder: string) {
  const names = (await readdir(folder)).filter((name) => name.endsWith(".dcm"));
  const slices = await Promise.all(
    names.map(async (name) => {
      const bytes = await readFile(join(folder, name));
      const { dataSetOffset, transferSyntaxUid } = decodeFileMeta(bytes);
      const dataSet = decodeDataSet(bytes.subarray(dataSetOffset), { transferSyntaxUid });
      return {
        plane: readSlicePlane(dataSet, transferSyntaxUid),
        pixels: dataSet.get(TAG.PixelData)!.value!,
      };
    }),
  );
  const planes = slices.map((slice) => slice.plane);
  const { geometry, order } = examineSlices(planes, { slicesMin: 2 });
  if (geometry === null) throw new Error(`no volume in ${folder}`);
  const builder = createVolumeBuilder(geometry, order, planes);
  for (const index of order)
    builder.addSlice(index, decodeNativePixels(slices[index]!.pixels, planes[index]!));
  return builder.finish();
}
