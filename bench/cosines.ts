/**
 * Cosines between the CT series of some folders, for one or several models: a table for docs/encoders.md.
 *
 *     node bench/cosines.ts MODEL[:PROFILE]… -- FOLDER…
 *
 * Settings come from the environment, as for `kindred embed` (KINDRED_DATA_DIR, KINDRED_ENCODER__ACCEPTED_LICENCES).
 */
import { spawnSync } from "node:child_process";
import { basename } from "node:path";
import { fileURLToPath } from "node:url";

interface Answer {
  readonly series: readonly {
    readonly source: string;
    readonly volumes: readonly { readonly ordinal: number; readonly vector: number[] | null }[];
  }[];
}

const CLI = fileURLToPath(new URL("../src/cli.ts", import.meta.url));
const cut = process.argv.indexOf("--");
const models = process.argv.slice(2, cut);
const folders = process.argv.slice(cut + 1);
if (cut < 3 || folders.length < 2) {
  console.error("usage: node bench/cosines.ts MODEL[:PROFILE]… -- FOLDER FOLDER…");
  process.exit(64);
}
for (const name of models) {
  const [model, profile] = name.split(":");
  const chosen = profile === undefined ? [] : ["--profile", profile];
  const args = [CLI, "embed", ...folders, "--model", model!, ...chosen, "--json"];
  const ended = spawnSync(process.execPath, args, {
    encoding: "utf8",
    maxBuffer: 1 << 28,
    stdio: ["ignore", "pipe", "inherit"],
  });
  // Other exit codes speak of single series, which are left out of the table.
  if (!ended.stdout.startsWith("{")) process.exit(ended.status ?? 70);
  const found = (JSON.parse(ended.stdout) as Answer).series.flatMap(({ source, volumes }) =>
    volumes.flatMap(({ vector }) =>
      vector === null ? [] : [{ name: labelOf(source), vector: vector }],
    ),
  );
  console.log(`\n${name}\n`);
  console.log(`| | ${found.map((one) => one.name).join(" | ")} |`);
  console.log(`|---|${found.map(() => "---").join("|")}|`);
  for (const row of found) {
    const cells = found.map((one) => cosine(row.vector, one.vector).toFixed(4));
    console.log(`| ${row.name} | ${cells.join(" | ")} |`);
  }
  const pairs = found.flatMap((a, i) =>
    found.slice(i + 1).map((b) => ({ a: a.name, b: b.name, is: cosine(a.vector, b.vector) })),
  );
  pairs.sort((a, b) => b.is - a.is);
  console.log(`\nNearest: ${pairs[0]!.a} and ${pairs[0]!.b}, ${pairs[0]!.is.toFixed(4)}.`);
}

/** The last part of a path that says which case it is. */
function labelOf(source: string): string {
  const parts = source.split("/").filter((part) => /^(ct|series)-/.test(part));
  return parts.length === 0
    ? basename(source)
    : parts.map((part) => part.split("-").slice(0, 2).join("-")).join(" ");
}

function cosine(a: readonly number[], b: readonly number[]): number {
  const dot = (x: readonly number[], y: readonly number[]) =>
    x.reduce((sum, value, i) => sum + value * y[i]!, 0);
  return dot(a, b) / Math.sqrt(dot(a, a) * dot(b, b));
}
