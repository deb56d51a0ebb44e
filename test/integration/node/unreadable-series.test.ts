import { expect } from "chai";
import type { BulkInstance } from "../../../src/dimse/bulk-sender.ts";
import type { Node } from "../../../src/main.ts";
import { ctSeries, ctUids } from "../../support/ct-series.ts";
import { getJson, push, startTestNode, waitFor } from "../../support/node-under-test.ts";

const MANY = 20;
/** pino's number of the level "error". */
const ERROR_LEVEL = 50;

describe("series that cannot be read", function () {
  this.timeout(180_000);
  let node: Node;
  let log: string[];
  before(async () => {
    ({ node, log } = await startTestNode({ quietSeconds: 0 }));
  });
  after(() => node.stop());

  /** Slices of a volume, good enough to be kept, but they end before their Pixel Data. */
  function unreadable(name: string): BulkInstance[] {
    return ctSeries({ name, slices: 4, rows: 16 }).map((one) => {
      const at = one.dataSet.indexOf(Buffer.from([0xe0, 0x7f, 0x10, 0x00]));
      return { ...one, dataSet: one.dataSet.subarray(0, at) };
    });
  }
  const entries = (event: string) =>
    log
      .map((line) => JSON.parse(line) as { event?: string; level: number; code?: string })
      .filter((one) => one.event === event);

  it("end as failed with the reason, are counted, and cannot fill the error log", async () => {
    const names = Array.from({ length: MANY }, (_, index) => `unreadable-${index}`);
    const outcomes = await push(node.dicom, names.flatMap(unreadable));
    expect(outcomes.filter((one) => one.kind !== "stored")).to.deep.equal([]);
    const first = await waitFor(
      () =>
        getJson<{ state: string; reason: string }>(
          node,
          `/api/v1/series/${ctUids(names[0]!).series}`,
        ),
      (one) => one.state === "failed",
    );
    expect(first.reason).to.equal("DATASET_UNREADABLE: A slice has no Pixel Data");
    await waitFor(
      async () => (await fetch(`http://${node.http.host}:${node.http.port}/metrics`)).text(),
      (text) =>
        text.includes(
          `kindred_stage_failures_total{kind="series.reconstruct",code="DATASET_UNREADABLE"} ${MANY}`,
        ),
      120,
    );
    const lines = entries("series.stage_failed");
    expect(lines.filter((one) => one.level >= ERROR_LEVEL)).to.deep.equal([]);
    expect(new Set(lines.map((one) => one.code))).to.deep.equal(new Set(["DATASET_UNREADABLE"]));
    expect(lines.length).to.be.at.least(1);
  });
});
