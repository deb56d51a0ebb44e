import { setTimeout as sleep } from "node:timers/promises";
import { expect } from "chai";
import {
  type ArchiveFile,
  type ArchiveFs,
  createArchiveFs,
} from "../../../src/archive/archive-fs.ts";
import { createDiskPace } from "../../../src/archive/disk-pace.ts";
import type { BoundedDatabase } from "../../../src/db/bounded.ts";
import type { Database } from "../../../src/db/database.ts";
import type { BulkInstance } from "../../../src/dimse/bulk-sender.ts";
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
import { ctSeries } from "../../support/ct-series.ts";
import { nativeOrSkip } from "../../support/native-postgres.ts";
import { waitFor } from "../../support/node-under-test.ts";

/** More than what is waited for with an open transaction, and less. */
const SLOW_MS = 300;
const QUICK_MS = 25;

/** What was done when, and what the next syncs of files do. */
interface Watched {
  readonly done: string[];
  syncs: () => Promise<void>;
}

function watchedFs(watched: Watched): ArchiveFs {
  const fs = createArchiveFs(createDiskPace());
  const fileOf = (file: ArchiveFile): ArchiveFile => ({
    ...file,
    async datasync() {
      watched.done.push("sync");
      await watched.syncs();
      await file.datasync();
      watched.done.push("synced");
    },
  });
  return { ...fs, open: async (...args) => fileOf(await fs.open(...args)) };
}

function watchedDatabase(database: BoundedDatabase, watched: Watched): BoundedDatabase {
  const note = async <T>(name: string, work: Promise<T>): Promise<T> => {
    const result = await work;
    watched.done.push(name);
    return result;
  };
  return {
    query: (text, values) =>
      /keep_(known_)?instances/.test(text)
        ? note("row", database.query(text, values))
        : database.query(text, values),
    async openStatement(text, values) {
      const { commit, rollback } = await note("opened", database.openStatement(text, values));
      return {
        commit: () => note("committed", commit()),
        rollback: () => note("rolled back", rollback()),
      };
    },
  };
}

for (const engine of ["embedded", "postgresql"] as const) {
  describe(`a row that is on its way while its bytes are synced, ${engine} database`, function () {
    this.timeout(60_000);
    const native = nativeOrSkip(engine);
    let database: Database;
    let archive: TestArchive;
    const watched: Watched = { done: [], syncs: async () => undefined };
    before(async () => {
      const url = await native()?.freshDatabase();
      database = await openTestDatabase({
        ...(url === undefined ? {} : { url }),
        statementSeconds: 2,
      });
      archive = await openTestArchive({
        database: watchedDatabase(database.bounded, watched),
        fs: watchedFs(watched),
      });
    });
    after(async () => {
      await archive?.close();
      await database?.close();
      await native()?.stop();
    });

    /** The first of a series is kept in the ordinary way, so that the series is known. */
    async function known(name: string, slices: number): Promise<BulkInstance[]> {
      const [first, ...others] = ctSeries({ name: `ahead-${engine}-${name}`, slices: slices + 1 });
      watched.syncs = async () => undefined;
      expect(await send(archive, first!)).to.equal("0000H");
      watched.done.length = 0;
      return others;
    }

    const isKept = async (instance: BulkInstance) =>
      (await isReadable(archive, database, instance)) &&
      (await orphansOf(archive.dataDir, database)).length === 0;

    it("is committed after the sync, never before", async () => {
      const [one] = await known("order", 1);
      watched.syncs = () => sleep(QUICK_MS);
      expect(await send(archive, one!)).to.equal("0000H");
      expect(watched.done).to.deep.equal(["sync", "opened", "synced", "committed"]);
      expect(await isKept(one!)).to.equal(true);
    });

    it("is taken back when the disk is slow, so that nobody waits for it, and goes the ordinary way", async () => {
      const [one] = await known("slow", 1);
      watched.syncs = async () => {
        await waitFor(
          async () => watched.done.includes("rolled back"),
          (isOver) => isOver,
        );
        // Nothing is locked any more, and no row is to be seen.
        expect(await rowOf(database, one!.sopInstanceUid)).to.equal(undefined);
        await database.query("update series set series_description = series_description");
        await sleep(SLOW_MS);
      };
      expect(await send(archive, one!)).to.equal("0000H");
      expect(watched.done).to.deep.equal(["sync", "opened", "rolled back", "synced", "row"]);
      expect(await isKept(one!)).to.equal(true);
    });

    it("is not written when the sync fails, and the instance is refused", async () => {
      const [one] = await known("fails", 1);
      const files = filesOf(archive.dataDir).length;
      watched.syncs = () =>
        Promise.reject(Object.assign(new Error("a fault on purpose"), { code: "EIO" }));
      expect(await send(archive, one!)).to.equal("A700H");
      expect(watched.done).to.deep.equal(["sync", "opened", "rolled back"]);
      expect(await rowOf(database, one!.sopInstanceUid)).to.equal(undefined);
      expect(filesOf(archive.dataDir)).to.have.length(files);
      watched.syncs = async () => undefined;
      expect(await send(archive, one!)).to.equal("0000H");
      expect(await isKept(one!)).to.equal(true);
    });

    it("that the statement refuses goes the ordinary way: the same bytes again are a success", async () => {
      const [one] = await known("again", 1);
      expect(await send(archive, one!)).to.equal("0000H");
      watched.done.length = 0;
      expect(await send(archive, one!)).to.equal("0000H");
      expect(watched.done).to.include("row").and.not.include("committed");
      expect(await isKept(one!)).to.equal(true);
    });

    it("waits for its sync like any other where several instances are on their way", async () => {
      const some = await known("several", 6);
      watched.syncs = () => sleep(QUICK_MS);
      const statuses = await Promise.all(some.map((one) => send(archive, one)));
      expect(new Set(statuses)).to.deep.equal(new Set(["0000H"]));
      expect(watched.done).to.include("row");
      expect(watched.done.slice(0, watched.done.indexOf("row"))).to.not.include("opened");
      for (const one of some) expect(await isKept(one)).to.equal(true);
    });

    it("is nobody's when its writer is fenced meanwhile: fence and row stand one after the other", async () => {
      const [one] = await known("fence", 1);
      watched.syncs = () => sleep(QUICK_MS);
      const sent = send(archive, one!);
      await waitFor(
        async () => watched.done.includes("opened"),
        (isOpen) => isOpen,
      );
      const owner = await openTestArchive({ database: database.bounded, dataDir: archive.dataDir });
      // Committed before the fence, so that the owner finds the row and leaves the file.
      expect(await sent).to.equal("0000H");
      expect(await isKept(one!)).to.equal(true);
      await owner.close();
    });
  });
}
