/** What is known of each frame, field for field as pydicom reads it; multi-frame files by pydicom and highdicom. */
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect } from "chai";
import { readSliceFile } from "../../../src/dicom/slice-file.ts";
import type { SlicePlane } from "../../../src/volume/types.ts";

const PYTHON = new URL("../../../.cache/py/bin/python", import.meta.url).pathname;
const SCRIPT = new URL("slice_facts.py", import.meta.url).pathname;
const DATA =
  process.env.KINDRED_TEST_DATA ??
  fileURLToPath(new URL("../../../../shared/data/", import.meta.url));
const CT01 = join(DATA, "ct-01-chest-siemens-two-recons/series-b40f");
const MADE = [
  "big",
  "deflated",
  "explicit",
  "implicit",
  "items-missing",
  "private-block",
  "private-block-deflated",
  "undefined-lengths",
  "1000",
].map((manner) => `enhanced-${manner}.dcm`);

/** pydicom takes the last of an element that comes twice, we the first, as the archive does. */
const READ_OTHERWISE = new Set(["FreezePattern.dcm acquisitionTime"]);

interface Facts {
  readonly path: string;
  readonly planes?: readonly Readonly<Record<string, unknown>>[];
  readonly pixelBytes?: number | null;
  readonly pixelOffset?: number | null;
  readonly error?: string;
}

function requirePackage(context: Mocha.Context, name: string): void {
  if (spawnSync(PYTHON, ["-c", `import ${name}`]).status === 0) return;
  if (process.env.KINDRED_REQUIRE_TOOLS === "1") throw new Error(`${name} is not in .cache/py`);
  console.log(`      SKIPPED: ${name} is not in .cache/py (CONTRIBUTING.md)`);
  context.skip();
}

function python(args: readonly string[], input = ""): string {
  const { status, stdout, stderr } = spawnSync(PYTHON, [SCRIPT, ...args], {
    input,
    encoding: "utf8",
    maxBuffer: 1 << 28,
  });
  if (status !== 0) throw new Error(stderr);
  return stdout;
}

function factsOf(paths: readonly string[]): Facts[] {
  const lines = python(["dump"], paths.map((path) => `${path}\n`).join(""));
  return lines
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as Facts);
}

const plain = (plane: SlicePlane): Record<string, unknown> =>
  JSON.parse(JSON.stringify(plane, (_, value: unknown) => (value === undefined ? null : value)));

/** Differences of one file, a line each. */
async function differences(theirs: Facts): Promise<string[]> {
  const name = basename(theirs.path);
  const ours = await readSliceFile(theirs.path);
  const found: string[] = [];
  const compare = (what: string, our: unknown, their: unknown) => {
    const [a, b] = [JSON.stringify(our), JSON.stringify(their)];
    if (a !== b && !READ_OTHERWISE.has(`${name} ${what}`))
      found.push(`${name} ${what} ${a} ≠ ${b}`);
  };
  compare("frames", ours.planes.length, theirs.planes?.length);
  for (const [index, plane] of ours.planes.entries()) {
    const [our, their] = [plain(plane), theirs.planes?.[index] ?? {}];
    for (const key of new Set([...Object.keys(our), ...Object.keys(their)]))
      compare(index === 0 ? key : `${key} of frame ${index}`, our[key], their[key]);
  }
  compare("offset of pixels", ours.pixelData?.offset ?? null, theirs.pixelOffset);
  // A file that ends within its pixels states more than there are.
  if (ours.pixelData?.length !== undefined && !name.includes("truncated"))
    compare("length of pixels", ours.pixelData.length, theirs.pixelBytes);
  return found;
}

describe("frames as pydicom reads them", function () {
  this.timeout(120_000);
  let folder: string;

  before(function () {
    requirePackage(this, "pydicom");
    folder = mkdtempSync(join(tmpdir(), "kindred-facts-"));
  });
  after(() => {
    if (folder !== undefined) rmSync(folder, { recursive: true });
  });

  describe("real files", () => {
    before(function () {
      if (existsSync(DATA)) return;
      console.log(`      SKIPPED: no test data at ${DATA} (KINDRED_TEST_DATA)`);
      this.skip();
    });
    const cases = existsSync(DATA) ? readdirSync(DATA, { withFileTypes: true }) : [];
    for (const { name } of cases.filter((entry) => entry.isDirectory())) {
      if (!/^(ct|nonct|malformed|charset|sr)-/.test(name)) continue;
      it(name, async () => {
        const paths = readdirSync(join(DATA, name), { recursive: true, withFileTypes: true })
          .filter((entry) => entry.isFile() && /\.(dcm|ct)$/.test(entry.name))
          // It has neither a preamble nor a first element.
          .filter((entry) => entry.name !== "no_meta.dcm")
          .map((entry) => join(entry.parentPath, entry.name));
        const facts = factsOf(paths);
        expect(facts.filter(({ error }) => error !== undefined)).to.deep.equal([]);
        expect(facts.length).to.equal(paths.length).and.to.be.greaterThan(0);
        expect((await Promise.all(facts.map(differences))).flat()).to.deep.equal([]);
      });
    }
  });

  describe("enhanced CT of two stacks at two times, in no order", () => {
    before(() => {
      python(["make", folder]);
    });
    for (const name of MADE) {
      it(name, async () => {
        const [facts] = factsOf([join(folder, name)]);
        expect(facts!.error).to.equal(undefined);
        expect(await differences(facts!)).to.deep.equal([]);
        const { planes } = await readSliceFile(join(folder, name));
        const stacks = new Set(planes.map(({ stackId }) => stackId));
        const isCut = name.includes("missing");
        expect([...stacks].filter(Boolean).sort()).to.deep.equal(["Stapel ä1", "Stapel ä2"]);
        expect(planes.filter(({ positionLpsMm }) => positionLpsMm === undefined)).to.have.length(
          isCut ? 28 : 0,
        );
        const slopes = new Set(planes.map(({ rescaleSlope }) => rescaleSlope));
        expect([...slopes].sort()).to.deep.equal([0.5, 1]);
      });
    }
  });

  it("a legacy converted enhanced CT by highdicom has the planes of its sources", async function () {
    requirePackage(this, "highdicom");
    if (!existsSync(CT01)) this.skip();
    python(["legacy", folder, CT01]);
    const path = join(folder, "legacy.dcm");
    const [facts] = factsOf([path]);
    expect(await differences(facts!)).to.deep.equal([]);
    const { planes } = await readSliceFile(path);
    const sources = await Promise.all(
      readdirSync(CT01)
        .filter((name) => name.endsWith(".dcm"))
        .map((name) => readSliceFile(join(CT01, name))),
    );
    const planeOf = new Map(sources.map((source) => [source.planes[0]!.sopInstanceUid, source]));
    expect(planes).to.have.length(30);
    for (const plane of planes) {
      const source = planeOf.get(plane.sourceSopInstanceUid)!.planes[0]!;
      for (const key of [
        "positionLpsMm",
        "orientation",
        "pixelSpacingMm",
        "thicknessMm",
        "rescaleSlope",
        "rescaleIntercept",
        "kernel",
        "instanceNumber",
      ] as const)
        expect(plane[key], key).to.deep.equal(source[key]);
    }
  });
});
