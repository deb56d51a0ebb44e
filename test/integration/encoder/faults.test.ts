/** Faults of a bundle that a person would not see: each is caught before the model serves. */
import { createHash } from "node:crypto";
import { cp, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect } from "chai";
import { configSchema } from "../../../src/config/schema.ts";
import { discoverBundles } from "../../../src/encoder/bundle.ts";
import { createEncoder } from "../../../src/encoder/encoder.ts";
import type { Manifest } from "../../../src/encoder/manifest.ts";
import { silentLogger } from "../../../src/kernel/log.ts";
import { createMetrics } from "../../../src/kernel/metrics.ts";

const BUILT_IN = fileURLToPath(new URL("../../../models/layout-fingerprint", import.meta.url));

type Op = Manifest["profiles"][number]["ops"][number];

describe("a bundle with a fault", () => {
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "kindred-faults-"));
  });
  afterEach(() => rm(folder, { recursive: true, force: true }));

  /** The built-in bundle, changed, and what became of it. */
  const judge = async (
    change: (manifest: Manifest) => void,
    onWeights?: (weights: Buffer, manifest: Manifest) => void,
  ) => {
    const path = join(folder, "faulty");
    await cp(BUILT_IN, path, { recursive: true });
    const manifest = JSON.parse(await readFile(join(path, "model.json"), "utf8"));
    manifest.id = "faulty";
    change(manifest);
    if (onWeights !== undefined) {
      const weights = await readFile(join(path, "model.onnx"));
      onWeights(weights, manifest);
      await writeFile(join(path, "model.onnx"), weights);
    }
    await writeFile(join(path, "model.json"), JSON.stringify(manifest));
    const { encoder: config } = configSchema.parse({ encoder: { models: ["faulty"] } });
    const bundles = await discoverBundles([folder], ["faulty"]);
    const log = silentLogger();
    const encoder = createEncoder({ config, bundles, log, metrics: createMetrics() });
    try {
      await encoder.start();
      return { status: encoder.status()[0]!, profiles: encoder.profiles() };
    } finally {
      await encoder.stop();
    }
  };
  const changeOp = (name: Op["op"], changed: object) => (manifest: Manifest) => {
    const [profile] = manifest.profiles;
    profile!.ops = profile!.ops.map((op) => (op.op === name ? ({ ...op, ...changed } as Op) : op));
  };

  it("serves when nothing is wrong with it", async () => {
    const { status } = await judge(() => undefined);
    expect(status, JSON.stringify(status)).to.include({ state: "ready" });
    expect(status.notes).to.deep.equal([]);
  });

  for (const [name, op, changed] of [
    ["left and right exchanged", "reorient", { axes: "RPS" }],
    ["front and back exchanged", "reorient", { axes: "LAS" }],
    ["head and feet exchanged", "reorient", { axes: "LPI" }],
    ["two axes exchanged", "reorient", { axes: "PLS" }],
    ["another window", "clipHu", { max: 1000 }],
    ["a window that begins too high", "clipHu", { min: -1000 }],
    ["another filling", "cropPad", { value: 0 }],
    ["no filter before it takes fewer samples", "resample", { antialias: false }],
    ["another spacing", "resample", { spacingMm: [5, 6, 6] }],
    ["another scale", "scale", { multiply: 0.00101 }],
  ] as [string, Op["op"], object][])
    it(`does not serve with ${name}: the phantom's vector is another one`, async () => {
      const { status, profiles } = await judge(changeOp(op, changed));
      expect(status).to.include({ state: "failed", provider: null });
      expect(status.attempts[0]!.error).to.match(/the phantom of seed 5 differs by .*its steps/);
      expect(profiles).to.deep.equal([]);
    });

  it("does not serve with weights that are not those of the manifest", async () => {
    const { status } = await judge(
      () => undefined,
      (weights) => {
        weights[1_000_000]! ^= 0x40;
      },
    );
    expect(status.state).to.equal("failed");
    expect(status.reason).to.include("SHA-256");
  });

  it("does not serve with weights that were broken before they were listed", async () => {
    const { status } = await judge(
      () => undefined,
      (weights, manifest) => {
        // A part of the projection, as a disk leaves a block that it cannot read.
        weights.fill(0, 800_000, 1_000_000);
        manifest.files[0]!.sha256 = createHash("sha256").update(weights).digest("hex");
      },
    );
    expect(status.state).to.equal("failed");
    expect(status.attempts[0]!.error).to.include("golden vector");
  });

  it("does not serve with a golden vector that disagrees", async () => {
    const { status } = await judge(({ golden }) => {
      golden[0]!.expected[0]! += 0.001;
    });
    expect(status.attempts[0]!.error).to.match(/the golden vector of seed 1 differs by 1\.0/);
  });

  it("serves without a phantom, and says that its steps are not proved", async () => {
    const { status } = await judge((manifest) => {
      manifest.golden = manifest.golden.filter((one) => one.kind !== "phantom");
    });
    expect(status.state).to.equal("ready");
    expect(status.notes.join()).to.include("its steps are not proved");
  });
});
