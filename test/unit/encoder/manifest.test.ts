import { readFileSync } from "node:fs";
import { expect } from "chai";
import { parseManifest } from "../../../src/encoder/manifest.ts";
import { goldenInput, unitVector } from "../../../src/encoder/vector.ts";
import { codeOf, messageOf } from "../../../src/kernel/errors.ts";
import { MANIFEST_BYTES_MAX } from "../../../src/kernel/limits.ts";

const TEXT = readFileSync(
  new URL("../../../models/layout-fingerprint/model.json", import.meta.url),
  "utf8",
);

/** The valid manifest with the value at one dotted path replaced; undefined removes it. */
function changed(path: string, value: unknown): string {
  const root = JSON.parse(TEXT) as Record<string, unknown>;
  const keys = path.split(".");
  const last = keys.pop()!;
  let at = root;
  for (const key of keys) at = at[key] as Record<string, unknown>;
  at[last] = value;
  return JSON.stringify(root);
}

function refusal(text: string): string {
  try {
    parseManifest(text);
  } catch (error) {
    expect(codeOf(error)).to.equal("MODEL_INVALID");
    return messageOf(error);
  }
  throw new Error("the manifest was accepted");
}

const HOSTILE: readonly [string, string, unknown][] = [
  ["another format", "formatVersion", 2],
  ["an unknown key", "extra", true],
  ["an unknown key deep inside", "profiles.0.ops.0.run", "rm"],
  ["an unknown step", "profiles.0.ops.0", { op: "shell" }],
  ["an id that is a path", "id", "../other"],
  ["a file path that climbs", "files.0.path", "../model.onnx"],
  ["an absolute file path", "files.0.path", "/etc/passwd"],
  ["a Windows path", "files.0.path", "..\\model.onnx"],
  ["a hidden file", "files.0.path", ".model.onnx"],
  ["a path with a null character", "files.0.path", "model.onnx\0"],
  ["a graph that is no listed file", "graphs.image.file", "../model.onnx"],
  ["a digest that is none", "files.0.sha256", "abc"],
  ["a missing digest", "files.0.sha256", undefined],
  ["a negative size", "files.0.bytes", -1],
  ["an absurd dimension", "spaces.0.dimension", 1_000_000],
  ["an absurd edge", "profiles.0.shape", [1, 1, 100_000, 64, 64]],
  ["an absurd grid of allowed edges", "profiles.0.shape", [1, 1, 1024, 1024, 1024]],
  ["a batch", "profiles.0.shape", [2, 1, 64, 64, 64]],
  ["a zero spacing", "profiles.0.ops.1.spacingMm", [0, 6, 6]],
  ["both spacing and size", "profiles.0.ops.1.sizeVoxels", [64, 64, 64]],
  ["an unknown flavour", "profiles.0.ops.1.flavour", "scipy"],
  ["anti-alias where the flavour has none", "profiles.0.ops.1.flavour", "monai"],
  ["a value outside where the edge is repeated", "profiles.0.ops.1.outsideValue", 0],
  ["steps that end in another shape", "profiles.0.ops.2.sizeVoxels", [64, 64, 32]],
  ["a reversed clip", "profiles.0.ops.3.max", -2000],
  ["no golden vector", "golden", []],
  ["a golden vector of no profile", "golden.0.profile", "other"],
  ["a golden tolerance that accepts all", "golden.0.tolerance", 2],
  ["an unknown golden formula", "golden.0.formula", "file"],
];

describe("model manifest", () => {
  it("accepts the built-in bundle", () => {
    const manifest = parseManifest(TEXT);
    expect(manifest.id).to.equal("layout-fingerprint");
    expect(manifest.profiles[0]!.shape).to.deep.equal([1, 1, 64, 64, 64]);
  });

  for (const [title, path, value] of HOSTILE) {
    it(`refuses ${title}`, () => {
      refusal(changed(path, value));
    });
  }

  it("tells all problems at once", () => {
    const root = JSON.parse(TEXT) as Record<string, unknown>;
    const message = refusal(JSON.stringify({ ...root, id: "A B", version: "one", extra: 1 }));
    expect(message).to.include("id:").and.include("version:").and.include("extra");
  });

  it("refuses text that is no JSON, and text that is too large", () => {
    expect(refusal("{")).to.include("no JSON");
    expect(refusal(" ".repeat(MANIFEST_BYTES_MAX + 1))).to.include("larger");
  });
});

describe("model output", () => {
  it("comes out at unit length", () => {
    expect([...unitVector(Float32Array.of(3, 4), 2)].map((n) => n.toFixed(6))).to.deep.equal([
      "0.600000",
      "0.800000",
    ]);
  });

  for (const [title, output] of [
    ["another length", [1, 2, 3]],
    ["NaN", [Number.NaN, 1]],
    ["infinity", [Number.POSITIVE_INFINITY, 1]],
    ["zero", [0, 0]],
  ] as const) {
    it(`is refused with ${title}`, () => {
      expect(() => unitVector(Float32Array.from(output), 2))
        .to.throw()
        .with.property("code", "MODEL_OUTPUT_INVALID");
    });
  }
});

describe("golden input", () => {
  it("fills its range, is blocky, and is the same each time", () => {
    const shape = [1, 1, 9, 16, 20];
    const values = goldenInput(7, shape, [-1, 3]);
    expect(values).to.have.length(9 * 16 * 20);
    expect(values).to.deep.equal(goldenInput(7, shape, [-1, 3]));
    expect(values).not.to.deep.equal(goldenInput(8, shape, [-1, 3]));
    expect(values.every((value) => value >= -1 && value < 3)).to.equal(true);
    // Inside one block values differ by the noise alone: a quarter of the range.
    expect(Math.abs(values[0]! - values[7]!)).to.be.below(1);
  });
});
