import { readdirSync, readFileSync } from "node:fs";
import { expect } from "chai";

const ROOMS = ["src/volume", "src/series", "src/pipeline"];
/** Where a finding gets its code: its first argument, a field, or a table of kinds. */
const CODE = /(?:finding\(\s*|code: |leaveOut\(\s*|: \[\s*)"([A-Z][A-Z_]{3,})"/g;

describe("findings of a verdict", () => {
  it("stand in docs/volumes.md, each of them", () => {
    const document = readFileSync("docs/volumes.md", "utf8");
    const codes = new Set<string>();
    for (const room of ROOMS)
      for (const name of readdirSync(room).filter((one) => one.endsWith(".ts")))
        for (const [, code] of readFileSync(`${room}/${name}`, "utf8").matchAll(CODE))
          codes.add(code!);
    expect(codes.size).to.be.greaterThan(30);
    expect([...codes].filter((code) => !document.includes(`\`${code}\``))).to.deep.equal([]);
  });
});
