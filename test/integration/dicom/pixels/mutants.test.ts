import { expect } from "chai";
import { playMutants } from "../../../support/pixel-mutant-run.ts";

/** `npm run bench:mutants` plays more. */
const COUNT = Number(process.env.KINDRED_PIXEL_MUTANTS ?? 300);

describe("damaged images", function () {
  this.timeout(60_000 + COUNT * 200);

  it("are refused with a reason or give frames of the right size, in bounded time and memory", async () => {
    const figures = await playMutants("suite", COUNT);
    expect(figures.violations).to.deep.equal([]);
    expect(figures.decoded + figures.refused).to.equal(COUNT);
    // Most damage is found out; some only changes pixels, or nothing that counts.
    expect(figures.refused).to.be.greaterThan(COUNT / 3);
    expect(figures.decoded).to.be.greaterThan(COUNT / 20);
    expect(figures.slowestMs).to.be.below(5000);
    expect(figures.residentMbMax).to.be.below(1500);
  });
});
