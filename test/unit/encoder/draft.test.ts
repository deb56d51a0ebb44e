import { readFileSync } from "node:fs";
import { expect } from "chai";
import { parseDraft } from "../../../src/encoder/manifest/draft.ts";
import { parseManifest } from "../../../src/encoder/manifest.ts";
import { KindredError } from "../../../src/kernel/errors.ts";

const manifestOf = (id: string) =>
  JSON.parse(
    readFileSync(new URL(`../../../models/${id}/manifest.json`, import.meta.url), "utf8"),
  ) as Record<string, unknown> & { golden?: unknown; files?: { path: string }[] };

describe("manifests of exporters", () => {
  it("tell licence and size before anything is made", () => {
    const astra = parseDraft(JSON.stringify(manifestOf("astra")));
    expect([astra.licence.acceptanceRequired, astra.bytes]).to.deep.equal([true, 469_499_476]);
    const merlin = parseDraft(JSON.stringify(manifestOf("merlin")));
    expect([merlin.licence.acceptanceRequired, merlin.bytes]).to.deep.equal([false, 0]);
  });

  const notice = { path: "LICENSE.txt", sha256: "0".repeat(64), bytes: 1 };
  for (const id of ["astra", "merlin"])
    it(`${id} is a bundle as soon as its files and golden vectors are there`, () => {
      const manifest = manifestOf(id);
      const graph = { path: "tower.onnx", sha256: "1".repeat(64), bytes: 1 };
      const golden = [
        {
          ...{ kind: "volume", profile: "abdomen", formula: "blocks-and-noise", seed: 1 },
          ...{ range: [0, 1], expected: [0.1, 0.2, 0.3, 0.4], tolerance: 1e-4 },
        },
      ];
      const made = { golden, ...manifest, files: [...(manifest.files ?? [graph]), notice] };
      expect(parseManifest(JSON.stringify(made)).id).to.equal(id);
    });

  const hostile: readonly [string, string, string][] = [
    ["no JSON", "{", "is no JSON"],
    ["no licence", "{}", "licence"],
    ["too large", `"${"x".repeat(1_100_000)}"`, "is larger than"],
    ["null", "null", "is invalid"],
    [
      "a licence that is a path",
      JSON.stringify({ licence: { ...(manifestOf("astra").licence as object), notice: "../x" } }),
      "notice",
    ],
    [
      "a file without end",
      JSON.stringify({ ...manifestOf("astra"), files: [{ bytes: -1 }] }),
      "bytes",
    ],
  ];
  for (const [name, text, words] of hostile)
    it(`are refused with ${name}`, () => {
      expect(() => parseDraft(text)).to.throw(KindredError, words);
    });
});
