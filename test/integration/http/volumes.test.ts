/** Volumes by HTTP: verdicts, pictures, the files of a series, and the OpenAPI document beside what answers. */
import { expect } from "chai";
import { pictureOf, saveVolumes } from "../../../src/db/volumes.ts";
import type { Node } from "../../../src/main.ts";
import { ctSeries, ctUids } from "../../support/ct-series.ts";
import { getJson, push, startTestNode, waitFor } from "../../support/node-under-test.ts";

interface SeriesAnswer {
  readonly state: string;
  readonly verdict: { outcome: string };
  readonly axisCodes: string | null;
  readonly picture: string | null;
  readonly volumes?: Record<string, unknown>[];
}

describe("volumes by HTTP", function () {
  this.timeout(60_000);
  let node: Node;
  const { series } = ctUids("pictured");
  const refused = ctUids("unpictured").series;
  const get = (path: string) => fetch(`http://${node.http.host}:${node.http.port}${path}`);
  const path = (of: string, ordinal: number | string) =>
    `/api/v1/series/${of}/volumes/${ordinal}/picture.png`;

  before(async () => {
    ({ node } = await startTestNode());
    await push(node.dicom, [
      ...ctSeries({ name: "pictured" }),
      ...ctSeries({ name: "unpictured", slices: 2 }),
    ]);
    for (const [uid, state] of [
      [series, "reported"],
      [refused, "refused"],
    ] as const)
      await waitFor(
        () => getJson<SeriesAnswer>(node, `/api/v1/series/${uid}`),
        (one) => one.state === state,
      );
  });
  after(() => node.stop());

  it("gives the picture that the reconstruction made, not to be kept by caches", async () => {
    const { picture, axisCodes, volumes } = await getJson<SeriesAnswer>(
      node,
      `/api/v1/series/${series}`,
    );
    expect([picture, axisCodes, volumes]).to.deep.equal([path(series, 1), "LPS", undefined]);
    const response = await get(picture!);
    const headers = ["content-type", "cache-control", "x-content-type-options"];
    expect([response.status, ...headers.map((name) => response.headers.get(name))]).to.deep.equal([
      200,
      "image/png",
      "no-store",
      "nosniff",
    ]);
    const bytes = Buffer.from(await response.arrayBuffer());
    expect(bytes.subarray(1, 4).toString("latin1")).to.equal("PNG");
    const at = { seriesInstanceUid: series, revision: 1 };
    expect(bytes.equals((await pictureOf(node.database, at, 1))!)).to.equal(true);
  });

  it("answers a problem where there is no picture, no series, or no number", async () => {
    for (const [wanted, status, code] of [
      [path(series, 2), 404, "NOT_FOUND"],
      [path(refused, 1), 404, "NOT_FOUND"],
      [path("1.2.3", 1), 404, "NOT_FOUND"],
      [path("no-uid", 1), 400, "BAD_REQUEST"],
      [path(series, 0), 400, "BAD_REQUEST"],
      [path(series, "99999999999999999999"), 400, "BAD_REQUEST"],
      [path(series, "1;drop"), 400, "BAD_REQUEST"],
      [`/api/v1/series/1.2.3/instances`, 404, "NOT_FOUND"],
    ] as const) {
      const response = await get(wanted);
      expect(response.status, wanted).to.equal(status);
      expect(response.headers.get("content-type")).to.match(/^application\/problem\+json/);
      expect(((await response.json()) as { code: string }).code).to.equal(code);
    }
  });

  it("names the instances of a series with their files", async () => {
    const answer = await getJson<{ instances: { sopInstanceUid: string; fileKey: string }[] }>(
      node,
      `/api/v1/series/${series}/instances`,
    );
    expect(answer.instances.map((one) => one.sopInstanceUid)).to.have.members(
      ctSeries({ name: "pictured" }).map((one) => one.sopInstanceUid),
    );
    expect(new Set(answer.instances.map((one) => one.fileKey)).size).to.equal(12);
  });

  it("lists several volumes, each with its verdict; the series' own is the main one's", async () => {
    const at = { seriesInstanceUid: series, revision: 1 };
    const verdict = (outcome: string) => ({ outcome, findings: [], spacingMm: null });
    const row = (ordinal: number, outcome: string, used: readonly string[]) => ({
      ordinal,
      label: `kernel <b>${ordinal}`,
      verdict: verdict(outcome),
      sopInstanceUids: used,
      keyInstance: null,
      axisCodes: outcome === "refused" ? null : "RPS",
      picture: outcome === "refused" ? null : Uint8Array.of(ordinal),
    });
    const rows = [
      row(1, "corrected", ["1.2", "1.3"]),
      row(2, "ok", ["1.4"]),
      row(3, "refused", []),
    ];
    await saveVolumes(node.database, at, rows, new Date());
    const answer = await getJson<SeriesAnswer>(node, `/api/v1/series/${series}`);
    expect(answer.verdict).to.deep.equal(verdict("corrected"));
    expect(answer.volumes).to.deep.equal([
      {
        ordinal: 1,
        label: "kernel <b>1",
        instances: 2,
        verdict: verdict("corrected"),
        axisCodes: "RPS",
        picture: path(series, 1),
      },
      {
        ordinal: 2,
        label: "kernel <b>2",
        instances: 1,
        verdict: verdict("ok"),
        axisCodes: "RPS",
        picture: path(series, 2),
      },
      {
        ordinal: 3,
        label: "kernel <b>3",
        instances: 0,
        verdict: verdict("refused"),
        axisCodes: null,
        picture: null,
      },
    ]);
    expect(Buffer.from(await (await get(path(series, 2))).arrayBuffer())).to.deep.equal(
      Buffer.of(2),
    );
  });

  it("has an OpenAPI document whose every GET path answers", async () => {
    const { paths } = await getJson<{ paths: Record<string, Record<string, unknown>> }>(
      node,
      "/openapi.json",
    );
    for (const [template, methods] of Object.entries(paths)) {
      if (methods.get === undefined) continue;
      const real = template.replace("{uid}", series).replace("{ordinal}", "1");
      const response = await get(real);
      // A path without a route answers with the hint of the not-found handler.
      expect(await response.text(), real).not.to.include("See /openapi.json for what there is");
    }
  });
});
