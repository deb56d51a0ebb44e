import { expect } from "chai";
import { crashRounds } from "../../../bench/crash-rounds.ts";

describe("kill -9 of the whole node under load", function () {
  this.timeout(300_000);

  it("loses no acknowledged instance over three rounds, and leaves no file without a row", async () => {
    const result = await crashRounds({
      rounds: 3,
      associations: 3,
      rows: 64,
      seed: 7,
      ports: { dicom: 22_000 + (process.pid % 9_000), http: 32_000 + (process.pid % 9_000) },
    });
    console.log(`      ${result.rounds} rounds, ${result.acknowledged} acknowledged`);
    expect(result.lost).to.deep.equal([]);
    expect(result.orphans).to.equal(0);
    expect(result.acknowledged).to.be.greaterThan(20);
  });
});
