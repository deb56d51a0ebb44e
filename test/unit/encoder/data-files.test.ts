import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { dataFileFaults } from "../../../src/encoder/data-files.ts";
import { parseManifest } from "../../../src/encoder/manifest.ts";
import { wholeManifest } from "../../support/whole-manifest.ts";

const PROMPTS = ["nodule", "effusion"].map((key) => ({ key, positive: ["yes"], negative: ["no"] }));
const GOOD: Readonly<Record<string, unknown>> = {
  "probe.json": {
    weights: [
      [1, 2],
      [3, 4],
    ],
    bias: [0, 0],
  },
  "prompts.json": { items: PROMPTS },
  "guard.json": { mean: [0, 0], whitening: [[1, 0]] },
  "more.csv": "key,name\nnodule,lung nodule\n",
};

const written = (value: unknown) => (typeof value === "string" ? value : JSON.stringify(value));

const HOSTILE: readonly (readonly [string, string, unknown, string])[] = [
  ["weights without bias", "probe.json", { weights: [[1]] }, "bias"],
  [
    "rows of unequal length",
    "probe.json",
    { weights: [[1, 2], [3]], bias: [0, 0] },
    "equally long",
  ],
  [
    "a bias for each but one",
    "probe.json",
    { weights: [[1], [2]], bias: [0] },
    "a bias for each row",
  ],
  [
    "rows for other labels",
    "probe.json",
    { weights: [[1]], bias: [0] },
    "1 rows of weights for 2 labels",
  ],
  ["text for a number", "probe.json", { weights: [["1"], ["2"]], bias: [0, 0] }, "expected number"],
  [
    "a number beyond all bounds",
    "probe.json",
    { weights: [[1e300], [1]], bias: [0, 0] },
    "weights.0.0",
  ],
  [
    "a label without prompts",
    "prompts.json",
    { items: PROMPTS.slice(0, 1) },
    "no prompts for the label effusion",
  ],
  ["a label twice", "prompts.json", { items: [...PROMPTS, PROMPTS[0]] }, "twice"],
  [
    "prompts for no label",
    "prompts.json",
    { items: [...PROMPTS, { ...PROMPTS[0], key: "x" }] },
    "is no label",
  ],
  [
    "no negative prompt",
    "prompts.json",
    { items: [{ ...PROMPTS[0], negative: [] }] },
    "items.0.negative",
  ],
  ["a guard of the other kind", "guard.json", { centroids: [[1, 2]] }, "guard.json"],
  [
    "whitening of another length",
    "guard.json",
    { mean: [0], whitening: [[1, 0]] },
    "as long as mean",
  ],
  ["labels without a header", "more.csv", "nodule,lung nodule\n", "must begin with the header"],
  ["a label list of other columns", "more.csv", "key,name,rank\nx,X,1\n", "must begin with"],
  ["a label list without labels", "more.csv", "key,name\n", "has no labels"],
  ["a key twice in a list", "more.csv", "key,name\na,A\na,B\n", "row 3: the key a stands above"],
  ["a row with too many fields", "more.csv", "key,name\na,A,B\n", "row 2: has 3 fields, not 2"],
  ["a quote that does not end", "more.csv", 'key,name\na,"A\n', "has a quote"],
  [
    "a SNOMED code that is none",
    "more.csv",
    "key,name,snomedCode,snomedMeaning\na,A,x,X\n",
    "snomed.code",
  ],
  ["an unknown field", "guard.json", { mean: [0], whitening: [[1]], run: "rm" }, "run"],
];

describe("data files of a bundle", () => {
  let folder: string;
  const manifest = parseManifest(JSON.stringify(wholeManifest()));

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "kindred-data-files-"));
    for (const [name, value] of Object.entries(GOOD))
      await writeFile(join(folder, name), written(value));
  });
  afterEach(() => rm(folder, { recursive: true, force: true }));

  it("are accepted as docs/bundles.md writes them", async () => {
    expect(await dataFileFaults(folder, manifest)).to.deep.equal([]);
  });

  for (const [title, name, value, words] of HOSTILE)
    it(`are refused with ${title}`, async () => {
      await writeFile(join(folder, name), written(value));
      const faults = await dataFileFaults(folder, manifest);
      expect(faults).to.have.length(1);
      expect(faults[0]).to.include(name).and.include(words);
    });

  it("are refused when they are no JSON or absent, all at once", async () => {
    await writeFile(join(folder, "probe.json"), "{");
    await rm(join(folder, "guard.json"));
    const faults = await dataFileFaults(folder, manifest);
    expect(faults).to.have.length(2);
    expect(faults[0]).to.include("probe.json is no JSON");
  });

  it("have vectors of the space's dimension", async () => {
    const root = wholeManifest();
    root.text = { kind: "precomputed", file: "prompts.json" };
    delete root.zeroShot;
    (root.golden as unknown[]).pop();
    const other = parseManifest(JSON.stringify(root));
    for (const [length, faults] of [
      [96, 0],
      [95, 1],
    ] as const) {
      const items = [{ text: "lung nodule", vector: Array(length).fill(1) }];
      await writeFile(join(folder, "prompts.json"), JSON.stringify({ items }));
      expect(await dataFileFaults(folder, other)).to.have.length(faults);
    }
  });
});
