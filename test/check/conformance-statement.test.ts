import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { fillStatement, TABLE_NAMES } from "../../src/cli/conformance/statement.ts";
import { configSchema } from "../../src/config/schema.ts";
import { KindredError } from "../../src/kernel/errors.ts";
import { cleanEnvironment } from "../support/node-under-test.ts";

const document = readFileSync(
  new URL("../../docs/conformance-statement.md", import.meta.url),
  "utf8",
);
const defaults = configSchema.parse({});
const cli = new URL("../../src/cli.ts", import.meta.url).pathname;

describe("conformance statement", () => {
  it("its tables are what the code says (npm run docs)", () => {
    expect(document).to.equal(fillStatement(document, defaults));
  });

  it("every table stands in it once", () => {
    const names = [...document.matchAll(/^<!-- table:(\S+) -->$/gm)].map(([, name]) => name);
    expect(names.sort()).to.deep.equal([...TABLE_NAMES].sort());
  });

  it("its links lead to headings of it, and to files", () => {
    const headings = [...document.matchAll(/^#+ (.*)$/gm)].map(([, text]) =>
      `#${text!.toLowerCase()}`.replace(/[^#\w -]/g, "").replaceAll(" ", "-"),
    );
    for (const [, target] of document.matchAll(/\]\(([^)]+)\)/g)) {
      if (target!.startsWith("#")) expect(headings).to.include(target);
      else readFileSync(new URL(target!, new URL("../../docs/", import.meta.url)));
    }
  });

  it("`kindred conformance` prints this site's titles, ports and peers, and no secret", () => {
    const passcodeHash = `$scrypt$ln=15,r=8,p=1$${"a".repeat(22)}$${"b".repeat(43)}`;
    const file = join(mkdtempSync(join(tmpdir(), "kindred-test-")), "config.json");
    const site = {
      dimse: { aeTitle: "LOOKALIKE", port: 4242, users: [{ name: "ada", passcodeHash }] },
      database: { url: "postgres://kindred:secret-word@db.example/kindred" },
      peers: [{ aeTitle: "READING1", host: "10.0.1.0/24", allow: ["query", "similar"] }],
    };
    writeFileSync(file, JSON.stringify(site));
    const { stdout, status } = spawnSync(process.execPath, [cli, "conformance", "--config", file], {
      env: cleanEnvironment(),
      encoding: "utf8",
    });
    expect(status).to.equal(0);
    expect(stdout).to.include("| LOOKALIKE | Verification |");
    expect(stdout).to.include("| 4242 | 127.0.0.1 |");
    expect(stdout).to.include("| READING1 | 10.0.1.0/24 | not called | echo, query, similar |");
    expect(stdout).not.to.match(/secret-word|scrypt|ada|<!-- /);
  });

  it("a region without end or with an unknown name is refused, and changes nothing", () => {
    for (const wrong of [
      "no region",
      "<!-- table:ports -->\nnever closed\n",
      "<!-- table:nothing -->\n<!-- /table -->\n",
      "<!-- table:ports -->\n<!-- table:tls -->\n<!-- /table -->\n",
    ])
      expect(() => fillStatement(wrong, defaults), wrong).to.throw(KindredError);
  });
});
