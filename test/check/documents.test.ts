import { readFileSync } from "node:fs";
import { expect } from "chai";
import { usage } from "../../src/cli/commands.ts";
import { describeConfig } from "../../src/config/describe.ts";
import { describeBundle, parseManifest } from "../../src/encoder/manifest.ts";

const read = (name: string) => readFileSync(new URL(`../../${name}`, import.meta.url), "utf8");

describe("generated documents", () => {
  it("docs/configuration.md is what the schema says (npm run docs)", () => {
    expect(read("docs/configuration.md")).to.equal(describeConfig());
  });

  it("docs/bundle.schema.json is what the manifest's schema says (npm run docs)", () => {
    expect(read("docs/bundle.schema.json")).to.equal(describeBundle());
  });

  it("the example of docs/bundles.md is a manifest", () => {
    const [, example] = /<!-- example -->\n```json\n([\s\S]*?)```/.exec(read("docs/bundles.md"))!;
    expect(parseManifest(example!).id).to.equal("my-encoder");
  });

  it("README shows the command list of the CLI", () => {
    expect(read("README.md")).to.include(usage());
  });
});
