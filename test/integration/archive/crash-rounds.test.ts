import { expect } from "chai";
import { crashRounds } from "../../../bench/crash-rounds.ts";

describe("kill -9 of the whole node under load", function () {
  this.timeout(300_000);

  // With one association the row of each instance is on its way while its bytes are synced.
  for (const associations of [3, 1])
    it(`loses no acknowledged instance of ${associations} associations, and leaves no file without a row`, async () => {
      const result = await crashRounds({
        rounds: 3,
        associations,
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
