/** Every folder of models that can be made into a bundle: its manifest, its card, its packages, its command line. */
import { spawnSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { expect } from "chai";
import { type Manifest, parseManifest } from "../../../src/encoder/manifest.ts";

const MODELS = fileURLToPath(new URL("../../../models/", import.meta.url));
const read = (...path: string[]) => readFileSync(MODELS + path.join("/"), "utf8");
const folders = readdirSync(MODELS).filter((id) => existsSync(`${MODELS}${id}/card.md`));
const exporters = folders.filter((id) => existsSync(`${MODELS}${id}/manifest.json`));
const PYTHON = spawnSync("python3", ["-c", "import sys; sys.exit(sys.version_info < (3, 11))"]);

/** Stands for what an exporter adds: files of no content, golden vectors of no truth. */
function completed(id: string): string {
  const draft = JSON.parse(read(id, "manifest.json")) as Omit<Manifest, "golden">;
  const { graphs, licence, text, runtime, labels = [], zeroShot = [], spaces, heads = [] } = draft;
  const names = [
    ...Object.values(graphs).map((one) => one.file),
    ...runtime.providers.flatMap((one) => Object.values(one.graphs ?? {})),
    ...(text?.kind === "tower" ? [text.tokenizer.file, text.tokenizer.config] : [text?.file]),
    ...labels.map((one) => one.file),
    ...zeroShot.map((one) => (one.prompts.kind === "file" ? one.prompts.file : undefined)),
    licence.notice,
  ];
  const files = [...new Set(names)]
    .filter((name) => name !== undefined)
    .map((path) => ({ path, sha256: "1".repeat(64), bytes: 1 }));
  const made = { expected: [0.1, 0.2, 0.3, 0.4], tolerance: 1e-4 };
  const computed = { formula: "blocks-and-noise", seed: 1, range: [-1, 1], ...made };
  const golden = [
    ...spaces.map(({ id: space, profile }) => ({ kind: "volume", profile, space, ...computed })),
    ...heads.map(({ input: output, profile }) => ({ kind: "stage", profile, output, ...computed })),
    ...(text?.kind === "tower" ? [{ kind: "text", text: "a text", ...made }] : []),
  ];
  return JSON.stringify({ golden, ...draft, files });
}

describe("models", () => {
  it("are found", () => {
    expect(exporters).to.include.members([
      "astra",
      "colipri",
      "ct-clip",
      "ct-fm",
      "merlin",
      "spectre",
    ]);
  });

  for (const id of folders) {
    it(`${id} has a card that says what it is not for, and pinned packages`, () => {
      expect(read(id, "card.md").replace(/\s+/g, " ")).to.match(/not for diagnostic use/i);
      const lists = readdirSync(MODELS + id).filter((name) => /^requirements.*\.txt$/.test(name));
      expect(lists).to.include("requirements.txt");
      for (const name of lists)
        for (const line of read(id, name).split("\n").filter(Boolean))
          expect(line, name).to.match(/^(#|-r requirements[a-z-]*\.txt$|[\w.-]+==[\w.+-]+$)/);
    });
  }

  for (const id of exporters) {
    it(`${id} has a manifest that becomes a bundle's with files and golden vectors`, () => {
      const manifest = parseManifest(completed(id));
      expect(manifest.id).to.equal(id);
      expect(manifest.intendedUse).to.match(/not for diagnostic use/i);
    });

    it(`${id} tells how its exporter is called without any package`, function () {
      if (PYTHON.status !== 0) {
        console.log("      SKIPPED: no python3 of version 3.11 or newer");
        this.skip();
      }
      // -S: nothing but Python's own library.
      const args = ["-S", `${MODELS}${id}/export.py`, "--help"];
      const env = { ...process.env, PYTHONDONTWRITEBYTECODE: "1" };
      const { status, stdout, stderr } = spawnSync("python3", args, { env, encoding: "utf8" });
      expect(status, stderr).to.equal(0);
      expect(stdout).to.include("--out").and.include("--weights");
    });
  }
});
