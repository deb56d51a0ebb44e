import { spawnSync } from "node:child_process";
import { expect } from "chai";
import {
  isReadable,
  openTestArchive,
  openTestDatabase,
  orphansOf,
  send,
} from "../../support/archive-under-test.ts";
import { ctSeries } from "../../support/ct-series.ts";
import { temporaryFolder } from "../../support/node-under-test.ts";

const CHILD = new URL("../../support/archive-crash-child.ts", import.meta.url).pathname;
const CALLS_MAX = 100;

/** Runs the child until its n-th call never comes; returns what it acknowledged in each run, by n. */
function killAtEveryCall(
  dataDir: string,
  mode: "kill" | "late-kill",
  count: number,
): Map<number, Set<string>> {
  const acknowledged = new Map<number, Set<string>>();
  for (let nth = 1; nth < CALLS_MAX; nth++) {
    const child = spawnSync(process.execPath, [CHILD, dataDir, String(nth), mode, String(count)], {
      encoding: "utf8",
      timeout: 60_000,
    });
    const lines = child.stdout.split("\n").filter(Boolean);
    const isEnd = lines.at(-1) === "end";
    if (!isEnd) expect(child.signal, child.stderr).to.equal("SIGKILL");
    acknowledged.set(nth, new Set(lines.filter((line) => line !== "end")));
    if (isEnd) return acknowledged;
  }
  throw new Error("the child makes more calls than this test follows");
}

describe("a process killed at the n-th call of the archive", function () {
  this.timeout(600_000);

  // Two associations at once, and a third instance after them; the effect of a call alone differs from the next call only when others run beside it.
  const cases = [
    { mode: "kill", count: 3 },
    { mode: "late-kill", count: 2 },
  ] as const;
  for (const { mode, count } of cases) {
    it(`${mode}: every acknowledged instance is readable, no file is left over, a re-send is a success`, async () => {
      // One data folder for all: each run starts where the one before was killed.
      const dataDir = temporaryFolder();
      const acknowledged = killAtEveryCall(dataDir, mode, count);
      const database = await openTestDatabase({}, dataDir);
      const archive = await openTestArchive({ database: database.bounded, dataDir });
      try {
        expect(await orphansOf(dataDir, database)).to.deep.equal([]);
        let sum = 0;
        for (const [nth, uids] of acknowledged) {
          for (const instance of ctSeries({ name: `crash-${mode}-${nth}`, slices: count })) {
            if (uids.has(instance.sopInstanceUid)) {
              sum++;
              expect(await isReadable(archive, database, instance), `call ${nth}`).to.equal(true);
            }
            expect(await send(archive, instance), `call ${nth}`).to.equal("0000H");
            expect(await isReadable(archive, database, instance), `call ${nth}`).to.equal(true);
          }
        }
        console.log(`      ${acknowledged.size - 1} kills, ${sum} acknowledged, 0 lost`);
        expect(acknowledged.size).to.be.greaterThan(12);
        expect(sum).to.be.greaterThan(count);
        expect(acknowledged.get(acknowledged.size)?.size).to.equal(count);
        const { rows } = await database.query<{ lost: number }>(
          "select count(*)::int as lost from instance where lost_at is not null",
        );
        expect(rows[0]?.lost).to.equal(0);
      } finally {
        await archive.close();
        await database.close();
      }
    });
  }
});
