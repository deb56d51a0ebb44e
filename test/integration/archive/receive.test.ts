import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { expect } from "chai";
import type { Database } from "../../../src/db/database.ts";
import type { Queryable } from "../../../src/db/queryable.ts";
import {
  filesOf,
  isReadable,
  openTestArchive,
  openTestDatabase,
  orphansOf,
  rowOf,
  send,
  type TestArchive,
} from "../../support/archive-under-test.ts";
import { ctSeries, ctUids } from "../../support/ct-series.ts";
import { nativeOrSkip } from "../../support/native-postgres.ts";
import { waitFor } from "../../support/node-under-test.ts";

async function seriesOf(database: Queryable, name: string) {
  const { rows } = await database.query<{
    state: string;
    revision: number;
    instance_count: number;
    has_patient_conflict: boolean;
    reason: string | null;
  }>(
    "select state, revision, instance_count, has_patient_conflict, reason from series where series_instance_uid = $1",
    [ctUids(name).series],
  );
  return rows[0];
}

/** The same instance with other pixels. */
function otherBytes<T extends { dataSet: Buffer }>(instance: T): T {
  const dataSet = Buffer.from(instance.dataSet);
  dataSet.writeUInt8(dataSet.at(-1)! ^ 1, dataSet.length - 1);
  return { ...instance, dataSet };
}

for (const engine of ["embedded", "postgresql"] as const) {
  describe(`the receiving end on ${engine}`, function () {
    this.timeout(120_000);
    const native = nativeOrSkip(engine);
    let database: Database;
    let archive: TestArchive | undefined;

    before(async () => {
      const url = await native()?.freshDatabase();
      database = await openTestDatabase(url === undefined ? {} : { url });
    });
    after(async () => {
      await database?.close();
      await native()?.stop();
    });
    const open = async (settings: Parameters<typeof openTestArchive>[0]["archive"] = {}) => {
      archive = await openTestArchive({ database: database.bounded, archive: settings });
      return archive;
    };
    afterEach(async () => {
      await archive?.close();
      archive = undefined;
    });

    it("keeps what is sent bit for bit, and the same bytes again are a success without a second file", async () => {
      const one = await open();
      const [instance] = ctSeries({ name: `${engine}-same`, slices: 1 });
      expect(await send(one, instance!)).to.equal("0000H");
      expect(await send(one, instance!)).to.equal("0000H");
      expect(await isReadable(one, database, instance!)).to.equal(true);
      expect(filesOf(one.dataDir)).to.have.length(1);
      expect((await seriesOf(database, `${engine}-same`))?.instance_count).to.equal(1);
    });

    it("answers success to both when one UID arrives on many associations at once, with one row and one file", async () => {
      const one = await open();
      const [instance] = ctSeries({ name: `${engine}-twice`, slices: 1 });
      const statuses = await Promise.all(
        Array.from({ length: 12 }, (_, index) => send(one, instance!, `PEER${index}`)),
      );
      expect(new Set(statuses)).to.deep.equal(new Set(["0000H"]));
      expect(filesOf(one.dataDir)).to.have.length(1);
      expect(await seriesOf(database, `${engine}-twice`)).to.include({
        instance_count: 1,
        revision: 1,
      });
    });

    it("keeps a whole series sent over many associations, counted once each", async () => {
      const one = await open();
      const instances = ctSeries({ name: `${engine}-many`, slices: 40 });
      const statuses = await Promise.all(instances.map((instance) => send(one, instance)));
      expect(new Set(statuses)).to.deep.equal(new Set(["0000H"]));
      expect(await seriesOf(database, `${engine}-many`)).to.include({
        instance_count: 40,
        state: "receiving",
      });
      for (const instance of instances)
        expect(await isReadable(one, database, instance)).to.equal(true);
    });

    it("opens a revision for a late instance and marks two patients in one study", async () => {
      const one = await open();
      const name = `${engine}-late`;
      const [first, second, third] = ctSeries({ name, slices: 3 });
      await send(one, first!);
      await database.query(
        "update series set state = 'refused', reason = 'x' where series_instance_uid = $1",
        [ctUids(name).series],
      );
      expect(await send(one, second!)).to.equal("0000H");
      expect(await seriesOf(database, name)).to.deep.equal({
        state: "receiving",
        revision: 2,
        instance_count: 2,
        has_patient_conflict: false,
        reason: null,
      });
      expect((await rowOf(database, second!.sopInstanceUid))?.revision).to.equal(2);
      const stranger = ctSeries({ name, slices: 3, patientId: "SOMEBODY-ELSE" })[2]!;
      expect(stranger.sopInstanceUid).to.equal(third!.sopInstanceUid);
      expect(await send(one, stranger)).to.equal("0000H");
      expect((await seriesOf(database, name))?.has_patient_conflict).to.equal(true);
    });

    it("answers A900H to a series UID of another study and leaves no study, no file", async () => {
      const one = await open();
      const [mine] = ctSeries({ name: `${engine}-mine`, slices: 1 });
      await send(one, mine!);
      const { series } = ctUids(`${engine}-mine`);
      // A name whose series UID has the same length, so that ours can be written over it.
      const alien = Array.from({ length: 100 }, (_, index) => `${engine}-alien${index}`).find(
        (name) => ctUids(name).series.length === series.length,
      )!;
      const [foreign] = ctSeries({ name: alien, slices: 1 });
      const at = foreign!.dataSet.indexOf(ctUids(alien).series);
      foreign!.dataSet.write(series, at, "latin1");
      expect(await send(one, foreign!)).to.equal("A900H");
      const { rows } = await database.query("select 1 from study where study_instance_uid = $1", [
        ctUids(alien).study,
      ]);
      expect(rows).to.have.length(0);
      expect(filesOf(one.dataDir)).to.have.length(1);
    });

    it("lets several processes write: one UID over all of them is one row and one file", async () => {
      const owner = await open();
      const join = { database: database.bounded, dataDir: owner.dataDir, isOwner: false };
      const writers = [owner, await openTestArchive(join), await openTestArchive(join)];
      const name = `${engine}-writers`;
      const instances = ctSeries({ name, slices: 12 });
      const statuses = await Promise.all(
        writers.flatMap((writer) => instances.map((instance) => send(writer, instance))),
      );
      for (const writer of writers.slice(1)) await writer.close();
      expect(new Set(statuses)).to.deep.equal(new Set(["0000H"]));
      expect(filesOf(owner.dataDir)).to.have.length(12);
      expect((await seriesOf(database, name))?.instance_count).to.equal(12);
      for (const instance of instances)
        expect(await isReadable(owner, database, instance)).to.equal(true);
    });

    it("does not let one bad row cost the others of its statement", async () => {
      // Many wait while the first statement runs, so that the bad one goes with others.
      const one = await open();
      const instances = ctSeries({ name: `${engine}-bad`, slices: 12 });
      await database.query(
        "alter table instance add constraint no_seven check (instance_number <> '7') not valid",
      );
      try {
        const statuses = await Promise.all(instances.map((instance) => send(one, instance)));
        expect(statuses.filter((status) => status === "0000H")).to.have.length(11);
        expect(statuses[6]).to.equal("0110H");
      } finally {
        await database.query("alter table instance drop constraint no_seven");
      }
      expect(await orphansOf(one.dataDir, database)).to.deep.equal([]);
      expect((await seriesOf(database, `${engine}-bad`))?.instance_count).to.equal(11);
    });

    it("keep-first: answers 0111H to other bytes, keeps the first and counts it", async () => {
      const one = await open();
      const [instance] = ctSeries({ name: `${engine}-first`, slices: 1 });
      await send(one, instance!);
      expect(await send(one, otherBytes(instance!))).to.equal("0111H");
      expect(await isReadable(one, database, instance!)).to.equal(true);
      expect(filesOf(one.dataDir)).to.have.length(1);
      expect(await one.metrics.registry.metrics()).to.include(
        'kindred_instance_duplicates_total{outcome="kept-first"} 1',
      );
    });

    it("reject: answers C111H to other bytes and keeps the first", async () => {
      const one = await open({ duplicates: "reject" });
      const [instance] = ctSeries({ name: `${engine}-reject`, slices: 1 });
      await send(one, instance!);
      expect(await send(one, otherBytes(instance!))).to.equal("C111H");
      expect(await send(one, instance!)).to.equal("0000H");
      expect(await isReadable(one, database, instance!)).to.equal(true);
    });

    it("replace: the new bytes become the instance, the series gets a revision, the old file goes", async () => {
      const one = await open({ duplicates: "replace" });
      const name = `${engine}-replace`;
      const [instance] = ctSeries({ name, slices: 1 });
      await send(one, instance!);
      await database.query("update series set state = 'reported' where series_instance_uid = $1", [
        ctUids(name).series,
      ]);
      const changed = otherBytes(instance!);
      expect(await send(one, changed)).to.equal("0000H");
      expect(await isReadable(one, database, changed)).to.equal(true);
      expect(await seriesOf(database, name)).to.include({
        revision: 2,
        state: "receiving",
        instance_count: 1,
      });
      expect(filesOf(one.dataDir)).to.have.length(1);
      const { rows } = await database.query("select 1 from file_removal");
      expect(rows).to.have.length(0);
    });

    it("takes a re-send as new when the file of the kept instance is gone", async () => {
      const one = await open();
      const [instance] = ctSeries({ name: `${engine}-gone`, slices: 1 });
      await send(one, instance!);
      const row = await rowOf(database, instance!.sopInstanceUid);
      rmSync(one.store.pathOf(row!.file_key));
      expect(await send(one, instance!)).to.equal("0000H");
      expect(await isReadable(one, database, instance!)).to.equal(true);
      expect((await seriesOf(database, `${engine}-gone`))?.revision).to.equal(2);
    });

    it("refuses with A700H below the watermark, and takes instances again by itself", async () => {
      const [instance] = ctSeries({ name: `${engine}-low`, slices: 1 });
      const { createArchiveFs } = await import("../../../src/archive/archive-fs.ts");
      const { createDiskPace } = await import("../../../src/archive/disk-pace.ts");
      let freeBlocks = 10;
      archive = await openTestArchive({
        database: database.bounded,
        archive: { freeBytesMin: 1_000_000 },
        fs: {
          ...createArchiveFs(createDiskPace()),
          statfs: async () => ({ bavail: freeBlocks, bsize: 4096 }),
        },
      });
      const one = archive;
      expect(await send(one, instance!)).to.equal("A700H");
      expect(await one.check().catch((error: Error) => error.message)).to.include("freeBytesMin");
      expect(filesOf(one.dataDir)).to.deep.equal([]);
      freeBlocks = 1000;
      await waitFor(
        () => send(one, instance!),
        (status) => status === "0000H",
        10,
      );
      expect(await one.metrics.registry.metrics()).to.include("kindred_archive_free_bytes 4096000");
    });

    it("marks rows without a file, or with a damaged one, at start, and gives the series a reason", async () => {
      const one = await open();
      const name = `${engine}-lost`;
      const instances = ctSeries({ name, slices: 3 });
      for (const instance of instances) await send(one, instance);
      const keys = await Promise.all(
        instances.map(
          async (instance) => (await rowOf(database, instance.sopInstanceUid))!.file_key,
        ),
      );
      const paths = keys.map((key) => one.store.pathOf(key));
      // Not closed in order: the folder is still marked.
      rmSync(paths[0]!);
      writeFileSync(paths[1]!, readFileSync(paths[1]!).subarray(0, -2));
      archive = await openTestArchive({ database: database.bounded, dataDir: one.dataDir });
      expect(archive.mended?.counts).to.include({ "row-without-file": 1, "wrong-size": 1 });
      expect((await seriesOf(database, name))?.state).to.equal("failed");
      expect((await seriesOf(database, name))?.reason).to.include("INSTANCE_LOST");
      for (const instance of instances) expect(await send(archive, instance)).to.equal("0000H");
      for (const instance of instances)
        expect(await isReadable(archive, database, instance)).to.equal(true);
      expect(await seriesOf(database, name)).to.include({ state: "receiving", instance_count: 3 });
      await one.close();
    });
  });
}
