import { setTimeout as sleep } from "node:timers/promises";
import { expect } from "chai";
import type { BoundedDatabase } from "../../../src/db/bounded.ts";
import { codeOf } from "../../../src/kernel/errors.ts";
import { openTestArchive, openTestDatabase, send } from "../../support/archive-under-test.ts";
import { ctSeries } from "../../support/ct-series.ts";
import { createFaults, faultyDatabase } from "../../support/faults.ts";
import { temporaryFolder } from "../../support/node-under-test.ts";

const CALLS_MAX = 100;
const QUIET_MS = 50;

describe("an archive that could not be opened", function () {
  this.timeout(60_000);

  it("does nothing afterwards, whichever statement failed", async () => {
    const database = await openTestDatabase();
    const dataDir = temporaryFolder();
    // Not closed: the next start has every row to look at.
    const earlier = await openTestArchive({ database: database.bounded, dataDir });
    for (const one of ctSeries({ name: "failed-open", slices: 1 }))
      expect(await send(earlier, one)).to.equal("0000H");
    let failed = 0;
    for (let nth = 1; nth < CALLS_MAX; nth++) {
      const faults = createFaults(nth, "error");
      let queries = 0;
      const faulty = faultyDatabase(database.bounded, faults);
      const counted: BoundedDatabase = {
        ...faulty,
        query: (text, values) => {
          queries++;
          return faulty.query(text, values);
        },
      };
      faults.arm();
      const opened = await openTestArchive({ database: counted, dataDir }).catch(codeOf);
      if (typeof opened !== "string") {
        // The sweep at the latest was reached by the fault, or the start needed fewer statements.
        await opened.close();
        break;
      }
      failed++;
      expect(opened, `statement ${nth}`).to.equal("DB_UNAVAILABLE");
      const atEnd = queries;
      await sleep(QUIET_MS);
      expect(queries, `statement ${nth}`).to.equal(atEnd);
    }
    expect(failed).to.be.within(4, CALLS_MAX - 2);
    await earlier.close();
    await database.close();
  });
});
