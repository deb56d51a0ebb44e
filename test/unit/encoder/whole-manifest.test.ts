import { expect } from "chai";
import fc from "fast-check";
import { parseManifest } from "../../../src/encoder/manifest.ts";
import { codeOf, messageOf } from "../../../src/kernel/errors.ts";
import { wholeManifest } from "../../support/whole-manifest.ts";

type Json = Record<string, unknown>;
/** What is wrong, dotted path → value (undefined removes it), path of the answer, words of its sentence. */
type Row = readonly [title: string, change: Json, path: string, words: string];

const long = "x".repeat(70);
const tower = (part: string) => `text.${part}`;
const stage = (i: number, value: unknown) => ({ [`stages.${i}`]: value });

// biome-ignore format: a table reads best in rows
const HOSTILE: readonly Row[] = [
  // Identity and licence.
  ["another format", { formatVersion: 2 }, "formatVersion", "expected 1"],
  ["an id that is a path", { id: "../other" }, "id", "lower-case letters"],
  ["an id too long", { id: long }, "id", "1 to 64"],
  ["a title of two lines", { title: "a\nb" }, "title", "control characters"],
  ["a title that colors a terminal", { title: "\u001b[31mred" }, "title", "control characters"],
  ["a summary too long", { summary: "x".repeat(501) }, "summary", "500"],
  ["an address that is no https", { "sourceUrls.0": "file:///etc" }, "sourceUrls.0", "https"],
  ["a version that is none", { version: "1" }, "version", "1.0.0"],
  ["no licence", { licence: undefined }, "licence", "expected object"],
  ["an old licence", { licence: "MIT" }, "licence", "expected object"],
  ["a licence text that is not listed", { "licence.notice": "L.txt" }, "licence.notice", "add it to files"],
  ["an unknown part", { report: {} }, "report", "remove it"],
  ["an unknown field deep inside", { "profiles.0.ops.0.run": "rm" }, "profiles.0.ops.0.run", "remove it"],
  // Files.
  ["a path that climbs", { "files.1.path": "../x.onnx" }, "files.1.path", "plain file name"],
  ["an absolute path", { "files.1.path": "/etc/passwd" }, "files.1.path", "plain file name"],
  ["a path of Windows", { "files.1.path": "..\\x.onnx" }, "files.1.path", "plain file name"],
  ["a folder", { "files.1.path": "a/b.onnx" }, "files.1.path", "plain file name"],
  ["a hidden file", { "files.1.path": ".onnx" }, "files.1.path", "plain file name"],
  ["a null character", { "files.1.path": "x\0.onnx" }, "files.1.path", "plain file name"],
  ["a file twice", { "files.2.path": "BACKBONE.onnx" }, "files.2.path", "stands above"],
  ["the manifest as a file", { "files.2.path": "Model.json" }, "files.2.path", "cannot list itself"],
  ["a digest that is none", { "files.1.sha256": "abc" }, "files.1.sha256", "64 lower-case"],
  ["a file of no bytes", { "files.1.bytes": 0 }, "files.1.bytes", ">=1"],
  ["a file of 1 TB", { "files.1.bytes": 1e12 }, "files.1.bytes", "<="],
  ["a graph that is not listed", { "graphs.pool.file": "no.onnx" }, "graphs.pool.file", "add it to files"],
  // Runtime and applicability.
  ["an unknown provider", { "runtime.providers.0.provider": "rocm" }, "runtime.providers.0.provider", "cpu"],
  ["a provider twice", { "runtime.providers.1.provider": "cpu" }, "runtime.providers.1.provider", "stands above"],
  ["another file of an unknown graph", { "runtime.providers.1.graphs": { none: "pool.onnx" } }, "runtime.providers.1.graphs.none", "no graph"],
  ["another file that is not listed", { "runtime.providers.1.graphs.backbone": "no.onnx" }, "runtime.providers.1.graphs.backbone", "add it to files"],
  ["absurd memory", { "runtime.ramMb": 1e9 }, "runtime.ramMb", "<="],
  ["another modality", { "applicability.modalities": ["MR"] }, "applicability.modalities.0", "CT"],
  ["a spacing of nothing", { "applicability.spacingMmMax": [0, 1, 1] }, "applicability.spacingMmMax.0", ">="],
  // Profiles.
  ["a profile twice", { "profiles.1.id": "default" }, "profiles.1.id", "stands above"],
  ["an unknown step", { "profiles.0.ops.2": { op: "shell" } }, "profiles.0.ops.2.op", "Expected 'reorient'"],
  ["axes that repeat", { "profiles.0.ops.0.axes": "LRS" }, "profiles.0.ops.0.axes", "one of LR"],
  ["33 steps", { "profiles.0.ops": Array(33).fill({ op: "scale", multiply: 1, add: 0 }) }, "profiles.0.ops", "<=32"],
  ["an absurd edge", { "profiles.0.shape": [1, 1, 1e5, 64, 64] }, "profiles.0.shape.2", "<="],
  ["an absurd grid of allowed edges", { "profiles.0.shape": [1, 1, 1024, 1024, 1024] }, "profiles.0.shape", "at most"],
  ["an absurd number of values", { "profiles.0.shape": [1, 16, 512, 512, 512] }, "profiles.0.shape", "at most"],
  ["a batch", { "profiles.0.shape.0": 2 }, "profiles.0.shape.0", "expected 1"],
  ["channels that no step makes", { "profiles.0.shape.1": 3 }, "profiles.0.shape.1", "must be 1"],
  ["windows that are not last", { "profiles.0.ops.2": { op: "windows", windows: [{ center: 0, width: 1 }], range: [0, 1] } }, "profiles.0.ops.2", "last step"],
  ["windows of scaled values", { "profiles.0.ops.5": { op: "windows", windows: [{ center: 0, width: 1 }], range: [0, 1] } }, "profiles.0.ops.5", "remove scale"],
  ["a crop to the body as the last size", { "profiles.0.ops.5": { op: "foregroundCrop", above: 0 } }, "profiles.0.ops", "last sizing step"],
  ["an unknown scope", { "profiles.0.ops.3": { op: "zscore", scope: "slice", epsilon: 0 } }, "profiles.0.ops.3.scope", "volume"],
  ["a window larger than the grid", { "profiles.1.tiling.window": [256, 64, 64] }, "profiles.1.tiling.window", "fit into"],
  ["an overlap as large as the window", { "profiles.1.tiling.overlap": [64, 0, 0] }, "profiles.1.tiling", "smaller than the window"],
  ["an overlap that makes too many windows", { "profiles.1.tiling.overlap": [63, 63, 63] }, "profiles.1.tiling.overlap", "at most 4096"],
  ["both ways to join windows", { "profiles.1.tiling.reduce": "mean" }, "profiles.1.tiling", "one of stitch and reduce"],
  ["a step between windows that splits an element", { "profiles.1.tiling.overlap": [33, 0, 0] }, "profiles.1.tiling.downsample", "must divide"],
  // Graphs and stages.
  ["a graph named with a dot", { "graphs.a\u2024b": { file: "pool.onnx", inputs: {}, outputs: {} } }, "graphs.a?b", "the name must be"],
  ["a graph without outputs", { "graphs.pool.outputs": {} }, "graphs.pool.outputs", "at least one tensor"],
  ["a tensor of absurd size", { "graphs.pool.outputs.pooled.shape": [65536, 65536] }, "graphs.pool.outputs.pooled.shape", "at most"],
  ["a tensor of nine dimensions", { "graphs.pool.outputs.pooled.shape": Array(9).fill(1) }, "graphs.pool.outputs.pooled.shape", "<=8"],
  ["an unknown role", { "graphs.pool.inputs.tokens.role": "prior" }, "graphs.pool.inputs.tokens.role", "tokens"],
  ["a stage twice", { "stages.2.id": "flat", "stages.3.in": ["flat"] }, "stages.2.id", "stands above"],
  ["a stage called input", { "stages.1.id": "input" }, "stages.1.id", "profile's tensor"],
  ["an unknown stage op", stage(1, { id: "flat", op: "eval", in: ["dense.dense"] }), "stages.1.op", "Expected 'graph'"],
  ["a stage that reads itself", { "stages.4.in": ["vector"] }, "stages.4.in.0", "a circle has none"],
  ["a circle of stages", { "stages.1.in": ["tokens"] }, "stages.1.in.0", "a circle has none"],
  ["a stage that reads nothing known", { "stages.4.in": ["nowhere"] }, "stages.4.in.0", "nowhere is no stage"],
  ["an output that the graph lacks", { "stages.4.in": ["pool.other"] }, "stages.4.in.0", "no output of the graph pool"],
  ["no output named", { "stages.4.in": ["pool"] }, "stages.4.in.0", "write pool.pooled"],
  ["an output named as what every object has", { "stages.4.in": ["pool.toString"] }, "stages.4.in.0", "no output of the graph"],
  ["a graph named as what every object has", { "stages.3.graph": "toString" }, "stages.3.graph", "no graph"],
  ["too many inputs", { "stages.3.in": ["tokens", "tokens"] }, "stages.3.in", "needs 1 input"],
  ["a text graph among the stages", { "stages.3.graph": "text", "stages.3.in": ["tokens", "tokens"] }, "stages.3.graph", "for text only"],
  ["a graph that takes another shape", { "graphs.pool.inputs.tokens.shape": ["B", "N", 97] }, "stages.3", "and is given [1, 512, 96]"],
  ["one symbol for two sizes", { "graphs.pool.inputs.tokens.shape": ["B", "N", "N"] }, "stages.3", "does not fit"],
  ["an image graph of another size than the profile", { "graphs.backbone.inputs.image.shape": ["B", 1, 32, 64, 64] }, "stages.0", "does not fit"],
  ["a batch of windows for a graph of batch 1", { "graphs.backbone.inputs.image.shape": [1, 1, 64, 64, 64] }, "stages.0", "and is given [B, 1, 64, 64, 64] (profile fine)"],
  ["the profile's tensor for a graph of tokens", { "graphs.backbone.inputs.image.role": "tokens" }, "stages.0", "is given input"],
  ["a map that cannot be stitched", { "graphs.backbone.outputs.dense.shape": ["B", 96, 8, 8, 4] }, "stages.0", "to be stitched"],
  ["an axis that is not there", { "stages.1.axis": 6 }, "stages.1", "there is no axis 6"],
  ["a batch axis", { "stages.1.axis": 0 }, "stages.1.axis", ">=1"],
  ["a token that is not there", { "stages.5.index": 512 }, "stages.5", "has 512 elements"],
  ["an order that repeats", { "stages.2.order": [0, 1, 1] }, "stages.2", "every axis once"],
  ["an order of another rank", { "stages.2.order": [0, 1] }, "stages.2", "order names 2 of 3"],
  ["a concat of unlike tensors", { "stages.7.in": ["first", "tokens"] }, "stages.7", "differ in more than axis 1"],
  // Spaces.
  ["a space twice", { "spaces.1.id": "global" }, "spaces.1.id", "stands above"],
  ["a dimension above halfvec", { "spaces.3.dimension": 4001 }, "spaces.3.dimension", "<=4000"],
  ["a dimension above vector", { "spaces.0.dimension": 2001 }, "spaces.0", "use halfvec"],
  ["a dimension that the stage does not have", { "spaces.0.dimension": 95 }, "spaces.0.from", "has the shape [1, 96], not [1, 95]"],
  ["a map as a vector", { "spaces.0.from": "dense.dense" }, "spaces.0.from", "not [1, 96]"],
  ["a space of no stage", { "spaces.0.from": "none" }, "spaces.0.from", "none is no stage"],
  ["a space of no profile", { "spaces.0.profile": "none" }, "spaces.0.profile", "no profile"],
  ["a profile without a space", { "spaces.1.profile": "default" }, "profiles.1", "no space of granularity volume"],
  ["a distance that is none", { "spaces.0.metric": "l2" }, "spaces.0.metric", "inner-product"],
  // Text and zero-shot.
  ["a shared space without text", { text: undefined, zeroShot: undefined, "golden.6": undefined }, "spaces.0.sharedWithText", "needs the part text"],
  ["a text graph that is none", { [tower("graph")]: "none" }, tower("graph"), "no graph"],
  ["a text graph without ids", { [tower("graph")]: "pool" }, tower("graph"), "role ids"],
  ["a text output that is none", { [tower("output")]: "none" }, tower("output"), "no output"],
  ["a text pool without tokens", { [tower("pool")]: "firstToken" }, tower("pool"), "3 dimensions"],
  ["text of another dimension", { "graphs.text.outputs.pooled.shape": ["B", 97] }, "spaces.0.sharedWithText", "gives 97 values"],
  ["a tokenizer that is not listed", { [tower("tokenizer.file")]: "t.json" }, tower("tokenizer.file"), "add it to files"],
  ["absurd tokens", { [tower("tokenizer.maxTokens")]: 1e6 }, tower("tokenizer.maxTokens"), "<="],
  ["a template without a place", { "text.templates.0": "A scan." }, "text.templates.0", "{x}"],
  ["tokens of a fixed number that nothing fills", { "graphs.text.inputs.ids.shape": ["B", 77] }, "graphs.text.inputs.ids.shape", "set text.tokenizer.pad to max and maxTokens to 77"],
  ["ids of three dimensions", { "graphs.text.inputs.ids.shape": [1, "B", "T"] }, "graphs.text.inputs.ids.shape", "must be [texts, tokens]"],
  ["ids that are no whole numbers", { "graphs.text.inputs.ids.dtype": "float32" }, "graphs.text.inputs.ids.dtype", "int64 or int32"],
  ["platt without sigmoid", { "heads.0.activation": "softmax" }, "heads.0.calibration", "set activation to sigmoid"],
  ["temperature of a plain logit", { "heads.1.activation": "none", "heads.1.calibration": { kind: "temperature", temperature: 2 } }, "heads.1.calibration", "needs the activation"],
  ["prompts in an unshared space", { "zeroShot.0.space": "both" }, "zeroShot.0.space", "sharedWithText"],
  ["prompts in no space", { "zeroShot.0.space": "none" }, "zeroShot.0.space", "no space"],
  ["prompts for no labels", { "zeroShot.0.labels": "none" }, "zeroShot.0.labels", "no label list"],
  ["a scale without effect", { "zeroShot.1.logitScale": 5 }, "zeroShot.1", "no effect"],
  ["1000 templates", { "zeroShot.0.prompts.positive": Array(1000).fill("{x}") }, "zeroShot.0.prompts.positive", "<=64"],
  // Heads, labels, guard.
  ["a head of no labels", { "heads.0.labels": "none" }, "heads.0.labels", "no label list"],
  ["a head of no stage", { "heads.0.input": "none" }, "heads.0.input", "no stage"],
  ["a head of no profile", { "heads.0.profile": "none" }, "heads.0.profile", "no profile"],
  ["logits of another number than labels", { "labels.0.items.1": undefined, "heads.0.calibration": undefined }, "heads.1.input", "not [1, 1]"],
  ["a calibration of another number than labels", { "heads.0.calibration.slope": [1, 2, 3] }, "heads.0.calibration", "1 or 2 entries"],
  ["a curve that falls", { "heads.1.calibration.curves.0.y": [1, 0] }, "heads.1.calibration.curves.0", "must not fall"],
  ["a label twice", { "labels.0.items.1.key": "nodule" }, "labels.0.items.1.key", "stands above"],
  ["labels of two sources", { "labels.0.file": "more.csv" }, "labels.0", "one of items and file"],
  ["a code that is none", { "labels.0.items.0.snomed.code": "12 3" }, "labels.0.items.0.snomed.code", "SNOMED CT"],
  ["a guard of no stage", { "guard.input": "none" }, "guard.input", "no stage"],
  ["a guard of a map", { "guard.input": "dense.dense" }, "guard.input", "not [1, values]"],
  ["a guard that is not listed", { "guard.file": "g.json" }, "guard.file", "add it to files"],
  // Golden vectors.
  ["a golden vector of no profile", { "golden.0.profile": "none" }, "golden.0.profile", "no profile"],
  ["a golden vector of another profile's space", { "golden.2.space": "global-fine" }, "golden.2.space", "no space of the profile"],
  ["a golden tolerance that accepts all", { "golden.0.tolerance": 2 }, "golden.0.tolerance", "<="],
  ["an unknown golden formula", { "golden.0.formula": "file" }, "golden.0.formula", "blocks-and-noise"],
  ["a space that nothing proves", { "golden.1.profile": "default" }, "spaces.1", "add one of kind volume"],
  ["a head that nothing proves", { "golden.5.output": "average" }, "heads.1.input", "add one of kind stage"],
  ["a guard that nothing proves", { "golden.4.output": "pool.logits.raw" }, "guard.input", "add one of kind stage"],
  ["a text tower that nothing proves", { "golden.6": { ...goldenOf(0) } }, "text", "add one of kind text"],
];

function goldenOf(i: number): Json {
  return (wholeManifest().golden as Json[])[i]!;
}

/** Keys with dots are found where the dotted rest is a key. */
function change(root: Json, path: string, value: unknown): void {
  const keys = path.split(".");
  let at: Json | unknown[] = root;
  while (keys.length > 1 && !Object.hasOwn(at, keys.join(".")))
    at = (at as Json)[keys.shift()!] as Json;
  const last = keys.join(".");
  if (value !== undefined) (at as Json)[last] = value;
  else if (Array.isArray(at)) at.splice(Number(last), 1);
  else delete at[last];
}

function refusal(text: string): string[] {
  try {
    parseManifest(text);
  } catch (error) {
    expect(codeOf(error)).to.equal("MODEL_INVALID");
    return messageOf(error).split("\n  ").slice(1);
  }
  throw new Error("the manifest was accepted");
}

describe("a manifest with every part", () => {
  it("is accepted", () => {
    expect(parseManifest(JSON.stringify(wholeManifest())).spaces).to.have.length(4);
  });

  for (const [title, changes, path, words] of HOSTILE)
    it(`is refused with ${title}`, () => {
      const root = wholeManifest();
      for (const [at, value] of Object.entries(changes)) change(root, at, value);
      const told = refusal(JSON.stringify(root));
      const about = told.filter((one) => one.startsWith(`${path}: `));
      expect(about.join("\n"), told.join("\n")).to.include(words);
    });

  for (const key of ["__proto__", "constructor", "prototype"])
    it(`is refused with a graph named ${key}`, () => {
      const graph = JSON.stringify((wholeManifest().graphs as Json).pool);
      const text = JSON.stringify(wholeManifest()).replace(
        '"pool":{"file"',
        `${JSON.stringify(key)}:${graph},"pool":{"file"`,
      );
      expect(refusal(text)).to.deep.equal([`graphs.${key}: is no allowed name: choose another`]);
    });

  it("is refused with arrays in arrays, whatever their depth", () => {
    for (const depth of [20, 10_000]) {
      const nested = `${"[".repeat(depth)}${"]".repeat(depth)}`;
      const text = JSON.stringify(wholeManifest()).replace('"pair"', nested);
      expect(refusal(text).join()).to.include("nested deeper");
    }
  });

  it("tells the faults of single parts and those between parts in one answer", () => {
    const root = wholeManifest();
    change(root, "title", "");
    change(root, "spaces.0.from", "none");
    change(root, "licence.notice", "no.txt");
    const told = refusal(JSON.stringify(root)).map((one) => one.split(":")[0]);
    expect(told).to.include.members(["title", "spaces.0.from", "licence.notice"]);
  });

  it("has no fault elsewhere because of a part that cannot be read", () => {
    for (const part of Object.keys(wholeManifest())) {
      const told = refusal(JSON.stringify({ ...wholeManifest(), [part]: 7 }));
      expect(told.map((one) => /^\w+/.exec(one)![0])).to.deep.equal([part]);
    }
  });

  it("lists no more than a hundred problems", () => {
    const root = wholeManifest();
    for (let i = 0; i < 500; i++) root[`strange-${i}`] = i;
    const told = refusal(JSON.stringify(root));
    expect(told).to.have.length(101);
    expect(told.at(-1)).to.equal("and 400 more");
  });

  it("is refused in the same way, or accepted, whatever stands in one place of it", () => {
    const paths = pathsOf(wholeManifest());
    const junk = fc.oneof(fc.jsonValue(), fc.constantFrom(-1, 1e308, "input", "toString", {}, []));
    const property = fc.property(fc.constantFrom(...paths), junk, (path, value) => {
      const root = wholeManifest();
      let at: unknown = root;
      for (const key of path.slice(0, -1)) at = (at as Json)[key];
      (at as Json)[path.at(-1)!] = value;
      try {
        parseManifest(JSON.stringify(root));
      } catch (error) {
        expect(codeOf(error)).to.equal("MODEL_INVALID");
      }
    });
    fc.assert(property, { numRuns: 1_000 });
  });
});

function pathsOf(value: unknown, path: string[] = []): string[][] {
  if (typeof value !== "object" || value === null) return [path];
  return [
    ...(path.length > 0 ? [path] : []),
    ...Object.entries(value).flatMap(([key, item]) => pathsOf(item, [...path, key])),
  ];
}
