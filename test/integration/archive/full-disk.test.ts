import { spawnSync } from "node:child_process";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import type { Database } from "../../../src/db/database.ts";
import {
  filesOf,
  isReadable,
  openTestArchive,
  openTestDatabase,
  rowOf,
  send,
  type TestArchive,
} from "../../support/archive-under-test.ts";
import { ctSeries } from "../../support/ct-series.ts";
import { temporaryFolder } from "../../support/node-under-test.ts";

const MIB = 1_048_576;

describe("a disk that is full", function () {
  this.timeout(60_000);
  const disk = temporaryFolder();
  let isMounted = false;
  let database: Database;
  let archive: TestArchive;

  before(async function () {
    isMounted = spawnSync("mount", ["-t", "tmpfs", "-o", "size=8m", "tmpfs", disk]).status === 0;
    if (!isMounted) {
      console.log("      SKIPPED: no small file system can be mounted here");
      this.skip();
    }
    database = await openTestDatabase();
    archive = await openTestArchive({ database: database.bounded, dataDir: disk });
  });
  after(async () => {
    await archive?.close();
    await database?.close();
    if (isMounted) spawnSync("umount", [disk]);
    rmSync(disk, { recursive: true, force: true });
  });

  it("answers A700H when the space ends in the middle, leaves nothing behind, and keeps the next when there is space", async () => {
    const [small, large] = [
      ...ctSeries({ name: "full-small", slices: 1 }),
      ...ctSeries({ name: "full-large", slices: 1, rows: 1024 }),
    ];
    expect(large!.dataSet.length).to.be.greaterThan(2 * MIB);
    expect(await send(archive, small!)).to.equal("0000H");
    mkdirSync(join(disk, "other"), { recursive: true });
    writeFileSync(join(disk, "other", "ballast"), Buffer.alloc(6.5 * MIB));
    const before = filesOf(disk);
    expect(await send(archive, large!)).to.equal("A700H");
    expect(filesOf(disk)).to.deep.equal(before);
    expect(await rowOf(database, large!.sopInstanceUid)).to.equal(undefined);
    expect(await isReadable(archive, database, small!)).to.equal(true);
    rmSync(join(disk, "other", "ballast"));
    expect(await send(archive, large!)).to.equal("0000H");
    expect(await isReadable(archive, database, large!)).to.equal(true);
  });
});
