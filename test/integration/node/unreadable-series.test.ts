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

  it("end as refused with the reason, and nothing is logged as an error", async () => {
    const names = Array.from({ length: MANY }, (_, index) => `unreadable-${index}`);
    const outcomes = await push(node.dicom, names.flatMap(unreadable));
    expect(outcomes.filter((one) => one.kind !== "stored")).to.deep.equal([]);
    for (const name of names) {
      const { reason } = await waitFor(
        () =>
          getJson<{ state: string; reason: string }>(node, `/api/v1/series/${ctUids(name).series}`),
        (one) => one.state === "refused",
      );
      expect(reason).to.include("The pixels of 4 slices cannot be decoded");
      expect(reason).to.include("It has no Pixel Data");
    }
    const levels = log.map((line) => (JSON.parse(line) as { level: number }).level);
    expect(levels.filter((level) => level >= ERROR_LEVEL)).to.deep.equal([]);
  });
});
