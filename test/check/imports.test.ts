import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { expect } from "chai";

const root = new URL("../../", import.meta.url).pathname;

/** The table of ARCHITECTURE.md: rows of rooms, highest first. */
function rows(): string[][] {
  const text = readFileSync(join(root, "ARCHITECTURE.md"), "utf8");
  const block = /<!-- rooms -->\n```\n([\s\S]*?)```/.exec(text)?.[1];
  if (block === undefined) throw new Error("ARCHITECTURE.md has no table of rooms");
  return block
    .trim()
    .split("\n")
    .map((line) => line.replaceAll(",", " ").trim().split(/\s+/));
}

const FOREIGN: Readonly<Record<string, string>> = {
  dcmjs: "dicom",
  "dcmjs-dimse": "dimse",
  "onnxruntime-node": "encoder",
  "@huggingface/tokenizers": "encoder",
  pg: "db",
  "node-pg-migrate": "db",
  "@electric-sql/pglite": "db",
  "pg-boss": "pipeline",
  "node-cron": "pipeline",
  fastify: "http",
  zod: "config encoder",
  pino: "kernel",
  "prom-client": "kernel",
};

function sources(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".ts"))
    .map((name) => join(folder, name));
}

const roomOf = (path: string) =>
  relative(join(root, "src"), path).split("/")[0]!.replace(/\.ts$/, "");

describe("import directions", () => {
  const table = rows();
  const rank = new Map(table.flatMap((row, index) => row.map((room) => [room, index] as const)));
  const files = sources(join(root, "src"));

  it("finds every room of the code in the table", () => {
    expect(files.length).to.be.greaterThan(50);
    expect([...new Set(files.map(roomOf))].filter((room) => !rank.has(room))).to.deep.equal([]);
  });

  it("points down only, and never between rooms of one row", () => {
    const wrong: string[] = [];
    for (const file of files) {
      const from = roomOf(file);
      const text = readFileSync(file, "utf8");
      for (const [, target] of text.matchAll(/from "(\.[^"]+)"/g)) {
        const to = roomOf(join(dirname(file), target!));
        const isShared = from === "kernel" && to === "config";
        if (to === from || isShared || ["package"].includes(to)) continue;
        const isTogether = table.at(-1)!.includes(from) && table.at(-1)!.includes(to);
        const isAbove = table[0]!.includes(from) && table[0]!.includes(to);
        if (!(rank.get(from)! < rank.get(to)!) && !isTogether && !isAbove)
          wrong.push(`${relative(root, file)} → ${to}`);
      }
    }
    expect(wrong).to.deep.equal([]);
  });

  it("keeps each foreign library in its room", () => {
    const wrong: string[] = [];
    for (const file of files) {
      for (const [, name] of readFileSync(file, "utf8").matchAll(/from "([^."][^"]*)"/g)) {
        const library = Object.keys(FOREIGN)
          .filter(
            (one) => name === one || name!.startsWith(`${one}/`) || name!.startsWith(`${one}-`),
          )
          .sort((a, b) => b.length - a.length)[0];
        if (library !== undefined && !FOREIGN[library]!.split(" ").includes(roomOf(file)))
          wrong.push(`${relative(root, file)}: ${name}`);
      }
    }
    expect(wrong).to.deep.equal([]);
  });
});
