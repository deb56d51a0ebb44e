import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";

const root = new URL("../../", import.meta.url).pathname;
/** Rooms that judge, and what they call a code: `finding("CODE"`, `code: "CODE"`, `leaveOut("CODE"`, `["EXCLUDED_…"`. */
const ROOMS = ["volume", "series", "pipeline"];
const CODE = /(?:finding\(\s*|code: |leaveOut\(\s*|count\(\s*|: \[\s*)"([A-Z][A-Z_]+)"/g;
/** Ends of a series that are no findings of a volume. */
const ENDS = ["NOT_CT", "PATIENT_CONFLICT"];

describe("codes of findings", () => {
  const used = new Set<string>();
  for (const room of ROOMS) {
    const folder = join(root, "src", room);
    for (const name of readdirSync(folder, { recursive: true, encoding: "utf8" })) {
      if (!name.endsWith(".ts")) continue;
      for (const [, code] of readFileSync(join(folder, name), "utf8").matchAll(CODE))
        used.add(code!);
    }
  }
  const text = readFileSync(join(root, "docs/volumes.md"), "utf8");
  const told = [...text.matchAll(/^\| `([A-Z_]+)`\s*\| (\S.*?)\s*\|/gm)];

  it("are all in docs/volumes.md, and no others", () => {
    expect(used.size).to.be.greaterThan(40);
    expect(told.map(([, code]) => code).sort()).to.deep.equal(
      [...used].filter((code) => !ENDS.includes(code)).sort(),
    );
  });

  it("have an outcome each", () => {
    for (const [, code, outcome] of told)
      expect(
        ["ok", "corrected", "refused", "ok or refused", "corrected or refused"],
        code,
      ).to.include(outcome);
  });
});
