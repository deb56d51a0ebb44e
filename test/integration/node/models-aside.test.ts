/** Models that cannot serve a series: it goes on with the others, and says without which and why. */
import { expect } from "chai";
import type { Node } from "../../../src/main.ts";
import { ctSeries, ctUids } from "../../support/ct-series.ts";
import { type Draft, stagedManifest, writeBundle } from "../../support/graph-bundle.ts";
import {
  getJson,
  push,
  startTestNode,
  temporaryFolder,
  waitFor,
} from "../../support/node-under-test.ts";

interface Series {
  state: string;
  reason: string | null;
  models: { id: string; profile: string; provider: string }[];
  skippedModels: { id: string; profile: string; ordinal: number; code: string; reason: string }[];
  documents: unknown[];
}

describe("models that cannot serve a series", function () {
  this.timeout(120_000);
  let node: Node;

  const start = async (models: string[], profiles: string[] = []) => {
    const modelsDir = temporaryFolder();
    const unproved = stagedManifest("unproved");
    for (const golden of unproved.golden as { expected: number[] }[]) golden.expected[0]! += 0.1;
    const bundles: Draft[] = [
      unproved,
      { ...stagedManifest("picky"), applicability: { modalities: ["CT"], slicesMin: 1000 } },
      stagedManifest("staged"),
    ];
    for (const one of bundles) writeBundle(modelsDir, one);
    const encoder = { modelsDir, models, profiles, providers: ["cuda", "cpu"] };
    ({ node } = await startTestNode({ extra: { encoder } }));
  };
  const ask = (name: string) => getJson<Series>(node, `/api/v1/series/${ctUids(name).series}`);

  afterEach(() => node?.stop());

  it("are left aside: unproved, not made for it, or asked for a GPU that is not there", async () => {
    await start(["layout-fingerprint", "unproved", "picky", "staged"]);
    await push(node.dicom, ctSeries({ name: "aside" }));
    const done = await waitFor(
      () => ask("aside"),
      (one) => ["reported", "failed"].includes(one.state),
    );
    expect(done.state, done.reason ?? "").to.equal("reported");
    expect(done.models.map((one) => `${one.id} ${one.profile}`)).to.deep.equal([
      "layout-fingerprint whole-body-6mm",
      ...["tiled", "mean", "max"].map((profile) => `staged ${profile}`),
    ]);
    const skipped = (id: string) => done.skippedModels.filter((one) => one.id === id);
    expect(new Set(skipped("picky").map((one) => one.code))).to.deep.equal(
      new Set(["MODEL_NOT_APPLICABLE"]),
    );
    expect(skipped("picky")[0]!.reason).to.match(/has \d+ slices, and the model needs 1000/);
    // Soft tissue alone leaves nothing behind the rectifier of this graph: zeros have no direction.
    expect(skipped("staged").map((one) => [one.profile, one.code])).to.deep.equal([
      ["plain", "MODEL_OUTPUT_INVALID"],
    ]);
    expect(skipped("unproved").map((one) => [one.profile, one.code])).to.deep.equal(
      ["max", "mean", "plain", "tiled"].map((profile) => [profile, "MODEL_NOT_READY"]),
    );
    expect(skipped("unproved")[0]!.reason).to.include("golden vector");
    expect(done.documents).to.have.length(2);
    const { models } = await getJson<{
      models: { id: string; provider: string; notes: string[] }[];
    }>(node, "/api/v1/models");
    const own = models.find((one) => one.id === "staged")!;
    expect(own.provider).to.equal("cpu");
    expect(own.notes.join()).to.include("asked for cuda, it runs on cpu");
    const ready = await getJson<{ warnings: Record<string, string> }>(node, "/readyz");
    expect(ready.warnings.providers).to.include("runs on cpu, not on cuda");
    const metrics = await (await fetch(`http://127.0.0.1:${node.http.port}/metrics`)).text();
    expect(metrics).to.include(
      'kindred_model_provider{model="staged",profile="mean",provider="cpu",wanted="cuda"} 1',
    );
  });

  it("run in the profiles that the site names, and are not missed in the others", async () => {
    await start(["layout-fingerprint", "staged"], ["staged:max"]);
    await push(node.dicom, ctSeries({ name: "chosen" }));
    const done = await waitFor(
      () => ask("chosen"),
      (one) => ["reported", "failed"].includes(one.state),
    );
    expect(done.state, done.reason ?? "").to.equal("reported");
    expect(done.models.map((one) => `${one.id} ${one.profile}`)).to.deep.equal([
      "layout-fingerprint whole-body-6mm",
      "staged max",
    ]);
    expect(done.skippedModels).to.deep.equal([]);
    const similar = await fetch(
      `http://127.0.0.1:${node.http.port}/api/v1/similar?series=${ctUids("chosen").series}&model=staged`,
    );
    expect(similar.status).to.equal(200);
    await node.stop();
    await start(["layout-fingerprint", "staged"], ["staged:none"]);
    const ready = await getJson<{ warnings: Record<string, string> }>(node, "/readyz");
    expect(ready.warnings.models).to.match(/names staged:none, and it has .*staged:max/);
  });

  it("end it as refused, with the numbers, when none is made for it", async () => {
    await start(["picky"]);
    await push(node.dicom, ctSeries({ name: "none" }));
    const done = await waitFor(
      () => ask("none"),
      (one) => ["refused", "failed", "reported"].includes(one.state),
    );
    expect(done.state).to.equal("refused");
    expect(done.reason).to.match(/^MODEL_NOT_APPLICABLE: .*needs 1000/);
    expect(done.skippedModels.length).to.be.greaterThan(0);
  });
});
