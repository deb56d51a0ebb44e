/**
 * A process that stores instances at once, each over its association, then one more of their series, and is killed at the n-th call of
 * the archive.
 * Arguments: data folder, n, mode (`kill` before the call, `late-kill` after its effect), count of instances. Prints
 * one line a success; `end` when n never came.
 */
import { writeSync } from "node:fs";
import { createArchiveFs } from "../../src/archive/archive-fs.ts";
import { createDiskPace } from "../../src/archive/disk-pace.ts";
import { openTestArchive, openTestDatabase, send } from "./archive-under-test.ts";
import { ctSeries } from "./ct-series.ts";
import { createFaults, type FaultMode, faultyDatabase, faultyFs } from "./faults.ts";

const [dataDir, nth, mode, count] = process.argv.slice(2) as [string, string, FaultMode, string];
const faults = createFaults(Number(nth), mode);
const database = await openTestDatabase({}, dataDir);
const archive = await openTestArchive({
  database: faultyDatabase(database.bounded, faults),
  dataDir,
  fs: faultyFs(createArchiveFs(createDiskPace()), faults),
});
// The check after a crash asks for one file a row: a count that grows with each round.
await archive.mended?.swept;
faults.arm();
const instances = ctSeries({ name: `crash-${mode}-${nth}`, slices: Number(count) });
const store = async (instance: (typeof instances)[number]) => {
  // writeSync: the line must be out before a later call ends the process.
  if ((await send(archive, instance)) === "0000H") writeSync(1, `${instance.sopInstanceUid}\n`);
};
await Promise.all(instances.slice(0, -1).map(store));
await store(instances.at(-1)!);
await archive.close();
faults.disarm();
await database.close();
if (!faults.hasFired) writeSync(1, "end\n");
