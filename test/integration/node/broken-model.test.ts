import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import type { Node } from "../../../src/main.ts";
import { ctSeries, ctUids } from "../../support/ct-series.ts";
import {
  getJson,
  push,
  startTestNode,
  temporaryFolder,
  waitFor,
} from "../../support/node-under-test.ts";

describe("a broken model.json in the models folder", function () {
  this.timeout(120_000);
  let node: Node;
  let log: string[];

  before(async () => {
    const modelsDir = temporaryFolder();
    for (const [id, text] of [
      ["no-json", "{ nothing"],
      ["no-manifest", "{}"],
      ["forgotten", "[]"],
    ] as const) {
      mkdirSync(join(modelsDir, id));
      writeFileSync(join(modelsDir, id, "model.json"), text);
    }
    const models = ["layout-fingerprint", "no-json", "no-manifest"];
    ({ node, log } = await startTestNode({ extra: { encoder: { modelsDir, models } } }));
  });
  after(() => node?.stop());

  it("is named in the log, the readiness and the metrics", async () => {
    const said = log.map((line) => JSON.parse(line) as Record<string, unknown>);
    const about = (event: string) => said.filter((one) => one.event === event);
    expect(about("model.ready").map((one) => one.model)).to.deep.equal(["layout-fingerprint"]);
    expect(about("model.failed").map((one) => one.model)).to.deep.equal(["no-json", "no-manifest"]);
    expect(about("model.unused").map((one) => one.model)).to.deep.equal(["forgotten"]);
    const ready = await getJson<{ status: string; warnings: { models: string } }>(node, "/readyz");
    expect(ready.status).to.equal("ok");
    expect(ready.warnings.models).to.include("no-json: model.json is no JSON");
    expect(ready.warnings.models).to.include("no-manifest: model.json is invalid");
    const metrics = await (await fetch(`http://127.0.0.1:${node.http.port}/metrics`)).text();
    expect(metrics).to.match(/kindred_model_ready\{model="layout-fingerprint",profile="\S+"\} 1/);
    expect(metrics).to.include('kindred_model_ready{model="no-json",profile=""} 0');
  });

  it("disturbs no series: the other model embeds it and its report is made", async () => {
    await push(node.dicom, ctSeries({ name: "beside" }));
    const done = await waitFor(
      () =>
        getJson<{ state: string; models: { id: string }[]; documents: unknown[] }>(
          node,
          `/api/v1/series/${ctUids("beside").series}`,
        ),
      (one) => one.state === "reported",
    );
    expect(done.models.map((one) => one.id)).to.deep.equal(["layout-fingerprint"]);
    expect(done.documents).to.have.length(2);
  });
});
