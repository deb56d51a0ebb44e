/** The nodes that exporters write, in ONNX Runtime, against NumPy: with the Python of KINDRED_EXPORTER_PYTHON (numpy, onnx, onnxruntime). */
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { expect } from "chai";

const path = (name: string) => fileURLToPath(new URL(`../../../${name}`, import.meta.url));
const PYTHON = process.env.KINDRED_EXPORTER_PYTHON;
const PARTS = [
  "fused attention",
  "plain attention",
  "plain attention in four parts",
  "plain attention in twelve parts",
  "pool of one token",
  "pool of seventeen tokens",
  "pool without padding",
  "rotation",
  "gelu",
];

/** maxStorageBuffersPerShaderStage that every adapter has. WebGPU, "Limits". */
const BUFFERS_MAX = 8;

describe("the transformer parts of exporters", function () {
  this.timeout(120_000);
  let differences: Readonly<Record<string, number>> = {};

  before(function () {
    if (PYTHON === undefined) {
      console.log("      SKIPPED: no KINDRED_EXPORTER_PYTHON (models/colipri/requirements.txt)");
      this.skip();
    }
    const env = {
      ...process.env,
      PYTHONPATH: path("models/towers"),
      PYTHONDONTWRITEBYTECODE: "1",
    };
    const script = path("test/support/transformer-parts.py");
    const { status, stdout, stderr } = spawnSync(PYTHON, [script], { env, encoding: "utf8" });
    if (status !== 0) throw new Error(stderr);
    differences = JSON.parse(stdout) as Record<string, number>;
  });

  for (const part of PARTS)
    it(`${part} is what NumPy makes of it`, () => {
      expect(differences[part]).to.be.lessThan(2e-5);
    });

  it("need no more buffers at once than WebGPU gives a shader everywhere", () => {
    expect(differences["buffers of a shader"]).to.be.within(2, BUFFERS_MAX);
  });
});
