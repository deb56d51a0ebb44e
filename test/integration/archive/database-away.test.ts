import { expect } from "chai";
import type { Database } from "../../../src/db/database.ts";
import {
  isReadable,
  openTestArchive,
  openTestDatabase,
  orphansOf,
  rowOf,
  send,
  type TestArchive,
} from "../../support/archive-under-test.ts";
import { databaseChildren } from "../../support/children.ts";
import { ctSeries } from "../../support/ct-series.ts";
import { losingAnswer } from "../../support/faults.ts";
import { type NativePostgres, startNativePostgres } from "../../support/native-postgres.ts";
import { waitFor } from "../../support/node-under-test.ts";

const LIMITS = { connectSeconds: 1, statementSeconds: 1 };

/** After the database came back: everything settles without a restart, and a re-send is a success. */
async function settles(
  archive: TestArchive,
  database: Database,
  instances: ReturnType<typeof ctSeries>,
) {
  for (const instance of instances) {
    await waitFor(
      () => send(archive, instance),
      (status) => status === "0000H",
      30,
    );
    expect(await isReadable(archive, database, instance)).to.equal(true);
  }
  await waitFor(
    () => orphansOf(archive.dataDir, database),
    (orphans) => orphans.length === 0,
    30,
  );
  expect(await archive.metrics.registry.metrics()).to.match(/^kindred_archive_in_doubt 0$/m);
}

describe("the database is away: embedded", function () {
  this.timeout(120_000);
  let database: Database;
  let archive: TestArchive;
  before(async () => {
    database = await openTestDatabase(LIMITS);
    archive = await openTestArchive({ database: database.bounded });
  });
  after(async () => {
    await archive?.close();
    await database?.close();
  });

  it("starts a killed child again; what was acknowledged stays, what was not can be sent again", async () => {
    const instances = ctSeries({ name: "away-kill", slices: 12 });
    expect(await send(archive, instances[0]!)).to.equal("0000H");
    const sending = Promise.all(instances.slice(1).map((instance) => send(archive, instance)));
    for (const pid of databaseChildren()) process.kill(pid, "SIGKILL");
    const statuses = await sending;
    expect(statuses.filter((status) => status !== "0000H" && status !== "A700H")).to.deep.equal([]);
    for (const [index, status] of statuses.entries()) {
      if (status !== "0000H") continue;
      await waitFor(
        () => isReadable(archive, database, instances[index + 1]!),
        (is) => is,
        20,
      );
    }
    await settles(archive, database, instances);
  });

  it("answers A700H when the database hangs, and knows afterwards which rows stand", async () => {
    const instances = ctSeries({ name: "away-hang", slices: 4 });
    expect(await send(archive, instances[0]!)).to.equal("0000H");
    const [pid] = databaseChildren();
    process.kill(pid!, "SIGSTOP");
    try {
      const statuses = await Promise.all(instances.slice(1).map((one) => send(archive, one)));
      expect(new Set(statuses)).to.deep.equal(new Set(["A700H"]));
    } finally {
      process.kill(pid!, "SIGCONT");
    }
    await settles(archive, database, instances);
  });
});

describe("the database is away: PostgreSQL", function () {
  this.timeout(120_000);
  let native: NativePostgres | undefined;
  let database: Database;
  let archive: TestArchive;
  before(async function () {
    native = await startNativePostgres();
    if (native?.pause === undefined) {
      if (process.env.KINDRED_REQUIRE_NATIVE_PG === "1")
        throw new Error("native PostgreSQL is required and not there");
      console.log("      SKIPPED: no native PostgreSQL of our own");
      this.skip();
    }
    database = await openTestDatabase({ url: await native.freshDatabase(), ...LIMITS });
    archive = await openTestArchive({ database: database.bounded });
  });
  after(async () => {
    await archive?.close();
    await database?.close();
    await native?.stop();
  });

  it("answers A700H while the server is stopped, and takes instances when it is back", async () => {
    const instances = ctSeries({ name: "away-stop", slices: 6 });
    expect(await send(archive, instances[0]!)).to.equal("0000H");
    await native!.halt!();
    const statuses = await Promise.all(instances.slice(1).map((one) => send(archive, one)));
    expect(new Set(statuses)).to.deep.equal(new Set(["A700H"]));
    await native!.resume!();
    await settles(archive, database, instances);
  });

  it("answers A700H while the server hangs with the statement, and never has a row without a file", async () => {
    const instances = ctSeries({ name: "away-pause", slices: 6 });
    expect(await send(archive, instances[0]!)).to.equal("0000H");
    const proceed = native!.pause!();
    const statuses = await Promise.all(instances.slice(1).map((one) => send(archive, one)));
    expect(new Set(statuses)).to.deep.equal(new Set(["A700H"]));
    proceed();
    await settles(archive, database, instances);
  });

  // The first instance of a series and a later one are written by different statements.
  for (const { which, statement } of [
    { which: "first", statement: /keep_instances/ },
    { which: "later", statement: /keep_known_instances/ },
  ]) {
    it(`keeps the file of a ${which} instance when the commit stands and only its answer is lost: a re-send is 'same'`, async () => {
      const instances = ctSeries({ name: `away-answer-${which}`, slices: 2 });
      const losing = await openTestArchive({
        database: losingAnswer(database.bounded, statement),
      });
      const instance = instances[which === "first" ? 0 : 1]!;
      if (which === "later") expect(await send(losing, instances[0]!)).to.equal("0000H");
      expect(await send(losing, instance)).to.equal("A700H");
      const first = await rowOf(database, instance.sopInstanceUid);
      expect(first).to.not.equal(undefined);
      expect(await send(losing, instance)).to.equal("0000H");
      expect((await rowOf(database, instance.sopInstanceUid))?.file_key).to.equal(first!.file_key);
      expect(await isReadable(losing, database, instance)).to.equal(true);
      expect(await orphansOf(losing.dataDir, database)).to.deep.equal([]);
      await losing.close();
    });
  }
});
