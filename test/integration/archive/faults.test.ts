import { expect } from "chai";
import { createArchiveFs } from "../../../src/archive/archive-fs.ts";
import { createDiskPace } from "../../../src/archive/disk-pace.ts";
import type { Database } from "../../../src/db/database.ts";
import type { BulkInstance } from "../../../src/dimse/bulk-sender.ts";
import {
  isReadable,
  openTestArchive,
  openTestDatabase,
  orphansOf,
  rowOf,
  send,
} from "../../support/archive-under-test.ts";
import { ctSeries } from "../../support/ct-series.ts";
import {
  createFaults,
  type FaultMode,
  type Faults,
  faultyDatabase,
  faultyFs,
} from "../../support/faults.ts";
import { temporaryFolder } from "../../support/node-under-test.ts";

/** More calls than any run makes. */
const CALLS_MAX = 200;

/** What one peer does: an instance, the same again, other bytes under its UID; and another peer beside it. */
async function scenario(
  archive: Awaited<ReturnType<typeof openTestArchive>>,
  instances: readonly BulkInstance[],
): Promise<BulkInstance[]> {
  const acknowledged: BulkInstance[] = [];
  const note = async (instance: BulkInstance) => {
    if ((await send(archive, instance)) === "0000H") acknowledged.push(instance);
  };
  const [first, second, third, changed] = instances as [
    BulkInstance,
    BulkInstance,
    BulkInstance,
    BulkInstance,
  ];
  await Promise.all([note(first), note(second)]);
  // Alone, and of a series that is known to receive.
  await note(third);
  await note(first);
  // A success means that these bytes are the instance now.
  if ((await send(archive, changed)) === "0000H")
    return [...acknowledged.filter((one) => one !== first), changed];
  return acknowledged;
}

function instancesFor(name: string): BulkInstance[] {
  const slices = ctSeries({ name, slices: 3, rows: 96 });
  const first = slices[0]!;
  const dataSet = Buffer.from(first.dataSet);
  dataSet.writeUInt8(dataSet.at(-1)! ^ 1, dataSet.length - 1);
  return [...slices, { ...first, dataSet }];
}

describe("a fault in the n-th call of the archive", function () {
  this.timeout(300_000);
  let database: Database;
  before(async () => {
    database = await openTestDatabase();
  });
  after(() => database.close());

  async function isKeptAs(
    archive: Awaited<ReturnType<typeof openTestArchive>>,
    wanted: BulkInstance,
    ofSameUid: readonly BulkInstance[],
  ): Promise<boolean> {
    if (await isReadable(archive, database, wanted)) return true;
    // A replacement that was not acknowledged may stand all the same: then its bytes are there, whole.
    for (const other of ofSameUid) if (await isReadable(archive, database, other)) return true;
    return false;
  }

  async function round(name: string, faults: Faults, isAtStart: boolean): Promise<void> {
    const dataDir = temporaryFolder();
    const instances = instancesFor(name);
    const options = {
      dataDir,
      archive: { duplicates: "replace" as const, heldBytesMax: 65_536 },
      database: faultyDatabase(database.bounded, faults),
      fs: faultyFs(createArchiveFs(createDiskPace()), faults),
    };
    if (isAtStart) {
      // Something to mend: what a killed process left.
      const earlier = await openTestArchive({ ...options, database: database.bounded });
      await scenario(earlier, instances);
      const pending = await earlier.store.create();
      await pending.write(Buffer.from("half"));
      const stray = await earlier.store.create();
      await stray.write(Buffer.from("no row"));
      await (await stray.finish()).durable;
      faults.arm();
      const opened = await openTestArchive(options).catch(() => undefined);
      faults.disarm();
      await opened?.close();
      const again = await openTestArchive({ ...options, database: database.bounded });
      for (const one of instances.slice(1))
        expect(await isReadable(again, database, one), `${name} ${faults.firedAt}`).to.equal(true);
      expect(await orphansOf(dataDir, database), `${name} ${faults.firedAt}`).to.deep.equal([]);
      await pending.discard();
      await earlier.close();
      return again.close();
    }
    const archive = await openTestArchive(options);
    faults.arm();
    const acknowledged = await scenario(archive, instances);
    faults.disarm();
    const label = `${name} at ${faults.firedAt}`;
    const sameUid = (one: BulkInstance) =>
      instances.filter((other) => other.sopInstanceUid === one.sopInstanceUid);
    for (const one of acknowledged)
      expect(await isKeptAs(archive, one, sameUid(one)), label).to.equal(true);
    await archive.close();
    const again = await openTestArchive({ ...options, database: database.bounded });
    expect(await orphansOf(dataDir, database), label).to.deep.equal([]);
    for (const one of acknowledged) {
      expect(await isKeptAs(again, one, sameUid(one)), label).to.equal(true);
      expect((await rowOf(database, one.sopInstanceUid))?.lost_at, label).to.equal(null);
    }
    for (const one of instances.slice(1)) {
      expect(await send(again, one), label).to.equal("0000H");
      expect(await isReadable(again, database, one), label).to.equal(true);
    }
    expect(await orphansOf(dataDir, database), label).to.deep.equal([]);
    await again.close();
  }

  for (const mode of ["error", "late-error"] satisfies FaultMode[]) {
    for (const isAtStart of [false, true]) {
      it(`${mode} ${isAtStart ? "while mending at start" : "while receiving"}: what was answered with success is readable, nothing is left over`, async () => {
        let nth = 1;
        for (; nth < CALLS_MAX; nth++) {
          const faults = createFaults(nth, mode);
          await round(`fault-${mode}-${isAtStart}-${nth}`, faults, isAtStart);
          if (!faults.hasFired) break;
        }
        console.log(`      ${nth - 1} calls failed in turn`);
        expect(nth).to.be.within(isAtStart ? 8 : 25, CALLS_MAX - 1);
      });
    }
  }
});
