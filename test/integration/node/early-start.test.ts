import { setTimeout as delay } from "node:timers/promises";
import { expect } from "chai";
import { ctSeries, ctUids } from "../../support/ct-series.ts";
import { getJson, push, startTestNode, waitFor } from "../../support/node-under-test.ts";

const SLICES = 24;

describe("a node with a series that still arrives", function () {
  this.timeout(180_000);

  /** @returns slices that were reduced before the series was complete */
  async function earlySlices(reduceWhileReceiving: boolean, seconds: number): Promise<number> {
    const name = `early-${reduceWhileReceiving}-${seconds}`;
    const { node, log } = await startTestNode({
      extra: { series: { quietSeconds: 3600, reduceWhileReceiving } },
    });
    try {
      await push(node.dicom, ctSeries({ name, slices: SLICES }));
      await delay(seconds * 1000);
      const path = `/api/v1/series/${ctUids(name).series}`;
      await fetch(`http://${node.http.host}:${node.http.port}${path}/complete`, { method: "POST" });
      await waitFor(
        () => getJson<{ state: string }>(node, path),
        ({ state }) => state === "reported",
      );
      const line = log.find((one) => one.includes("series.early"))!;
      return (JSON.parse(line) as { slices: number }).slices;
    } finally {
      await node.stop();
    }
  }

  it("reduces its slices, unless it is told not to", async () => {
    expect(await earlySlices(false, 2)).to.equal(0);
    // They have the lowest priority.
    const waits = [2, 5, 20, 60];
    for (const wait of waits) {
      const slices = await earlySlices(true, wait);
      if (slices === SLICES) return;
      expect(wait, `${slices} of ${SLICES} slices`).not.to.equal(waits.at(-1));
    }
  });
});
