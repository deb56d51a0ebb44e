import { readdirSync } from "node:fs";
import { expect } from "chai";
import { createArchiveFs } from "../../../src/archive/archive-fs.ts";
import { createDiskPace } from "../../../src/archive/disk-pace.ts";
import { advanceArchiveEpoch, beginWriterEpoch } from "../../../src/db/archive-files.ts";
import type { BoundedDatabase } from "../../../src/db/bounded.ts";
import type { Database } from "../../../src/db/database.ts";
import { keepInstances } from "../../../src/db/instances.ts";
import type { BulkInstance } from "../../../src/dimse/bulk-sender.ts";
import type { KindredError } from "../../../src/kernel/errors.ts";
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
import { losingAnswer } from "../../support/faults.ts";
import { nativeOrSkip } from "../../support/native-postgres.ts";
import { temporaryFolder, waitFor } from "../../support/node-under-test.ts";

const HALF_BYTES = 70_000;
const ROWS = 256;

/** Statements that write rows wait at it until it opens. */
function gate(
  database: BoundedDatabase,
): BoundedDatabase & { close(): void; open(): void; held(): number } {
  let closed: PromiseWithResolvers<void> | undefined;
  let held = 0;
  const wait = async (text: string) => {
    if (closed === undefined || !/keep_(known_)?instances/.test(text)) return;
    held++;
    await closed.promise;
  };
  return {
    query: (text, values) => wait(text).then(() => database.query(text, values)),
    openStatement: (text, values) => wait(text).then(() => database.openStatement(text, values)),
    close() {
      closed = Promise.withResolvers();
    },
    open() {
      closed?.resolve();
      closed = undefined;
    },
    held: () => held,
  };
}

describe("receivers beside an owner that starts again", function () {
  this.timeout(120_000);
  const native = nativeOrSkip("postgresql");
  let database: Database;
  let dataDir: string;
  let owner: TestArchive;
  let receiver: TestArchive;
  let way: ReturnType<typeof gate>;

  before(async () => {
    database = await openTestDatabase({ url: await native()!.freshDatabase() });
  });
  after(async () => {
    await database?.close();
    await native()?.stop();
  });
  beforeEach(async () => {
    dataDir = temporaryFolder();
    owner = await openTestArchive({ database: database.bounded, dataDir });
    way = gate(database.bounded);
    receiver = await openTestArchive({
      database: way,
      dataDir,
      isOwner: false,
      writer: `receiver-a.${dataDir.slice(-6)}`,
    });
  });
  afterEach(async () => {
    way.open();
    await receiver.close();
    await owner.close();
  });

  const ownerStartsAgain = async () => {
    await owner.close();
    owner = await openTestArchive({ database: database.bounded, dataDir });
  };
  const begin = async (instance: BulkInstance, at = receiver) => {
    const association = {
      id: "test",
      callingAeTitle: "SENDER",
      calledAeTitle: "KINDRED",
      remoteAddress: "127.0.0.1",
      isKnownPeer: true,
      permissions: ["store"],
    } as const;
    const one = await at.sink.begin({ association, messageId: 1, ...instance });
    // As much as is written at once.
    await one.write(Buffer.from(instance.dataSet.subarray(0, HALF_BYTES)));
    return {
      abort: () => one.abort(),
      async finish() {
        await one.write(Buffer.from(instance.dataSet.subarray(HALF_BYTES)));
        return one.complete().then(
          () => "kept",
          (error: KindredError) => error.code,
        );
      },
    };
  };
  const isNothingLeft = async () => {
    await receiver.close();
    await ownerStartsAgain();
    expect(await orphansOf(dataDir, database)).to.deep.equal([]);
    expect(readdirSync(`${dataDir}/open`)).to.deep.equal([]);
  };

  it("refuses an instance that was on its way, and keeps it when it is sent again", async () => {
    const [first, second] = ctSeries({ name: "fence-way", slices: 2, rows: ROWS }) as [
      BulkInstance,
      BulkInstance,
    ];
    expect(await send(receiver, first)).to.equal("0000H");
    const pending = await begin(second);
    expect(filesOf(dataDir)).to.have.length(2);
    await ownerStartsAgain();
    expect(filesOf(dataDir), "the half file is gone").to.have.length(1);
    expect(await pending.finish()).to.equal("DB_UNAVAILABLE");
    expect(await rowOf(database, second.sopInstanceUid)).to.equal(undefined);
    expect(await send(receiver, second)).to.equal("0000H");
    for (const one of [first, second])
      expect(await isReadable(receiver, database, one)).to.equal(true);
    await isNothingLeft();
    expect(owner.mended?.counts["row-without-file"]).to.equal(0);
  });

  it("leaves the files alone of a receiver that began anew while the owner mends", async () => {
    const [first, second] = ctSeries({ name: "fence-during", slices: 2, rows: ROWS });
    expect(await send(receiver, first!)).to.equal("0000H");
    await owner.close();
    const fs = createArchiveFs(createDiskPace());
    let pending: Awaited<ReturnType<typeof begin>> | undefined;
    let late: TestArchive | undefined;
    let looks = 0;
    owner = await openTestArchive({
      database: database.bounded,
      dataDir,
      fs: {
        ...fs,
        async readdir(path) {
          // The first look comes before the epoch, the second after it.
          if (path.endsWith("/open") && ++looks === 2) {
            const way = { database: database.bounded, dataDir, isOwner: false };
            late = await openTestArchive({ ...way, writer: "receiver-late.1" });
            pending = await begin(second!, late);
          }
          return fs.readdir(path);
        },
      },
    });
    expect(await pending!.finish()).to.equal("kept");
    expect(await isReadable(late!, database, second!)).to.equal(true);
    await late!.close();
    await isNothingLeft();
  });

  it("writes no row with a statement that was sent before and runs after", async () => {
    const [first, second, third] = ctSeries({ name: "fence-late", slices: 3 });
    expect(await send(receiver, first!)).to.equal("0000H");
    way.close();
    const late = [send(receiver, second!), send(receiver, third!)];
    await waitFor(
      async () => way.held(),
      (held) => held > 0,
    );
    await ownerStartsAgain();
    way.open();
    expect(await Promise.all(late)).to.deep.equal(["A700H", "A700H"]);
    for (const one of [second!, third!]) {
      expect(await rowOf(database, one.sopInstanceUid)).to.equal(undefined);
      expect(await send(receiver, one)).to.equal("0000H");
    }
    await isNothingLeft();
  });

  it("does not let an epoch of before come again: a statement of it, sent after the next has begun, writes nothing", async () => {
    const writer = "receiver-b.1";
    const before = await beginWriterEpoch(database, writer);
    await ownerStartsAgain();
    const next = await beginWriterEpoch(database, writer, before.epoch);
    expect(next.isContinued).to.equal(false);
    expect(next.archiveEpoch).to.be.greaterThan(before.archiveEpoch);
    const again = await beginWriterEpoch(database, writer, next.epoch);
    expect(again).to.deep.include({ isContinued: true, archiveEpoch: next.archiveEpoch });
    expect(new Set([before.epoch, next.epoch, again.epoch]).size).to.equal(3);
    const at = { writer, epoch: before.epoch };
    const header = { sopInstanceUid: "1.2.3" } as never;
    const [result] = await keepInstances(database, at, "keep-first", [
      {
        header: {
          ...(header as object),
          queryAttributes: { patient: {}, study: {}, series: {}, instance: {} },
        } as never,
        transferSyntaxUid: "1.2",
        fileKey: "k",
        fileBytes: 1,
        sizeBytes: 1,
        digest: Buffer.alloc(32),
        callingAeTitle: "A",
        receivedAt: new Date(),
      },
    ]);
    expect(result?.outcome).to.equal("fenced");
  });

  it("leaves what was committed before the fence, also when its answer was lost", async () => {
    const [instance] = ctSeries({ name: "fence-doubt", slices: 1 });
    const losing = await openTestArchive({
      database: losingAnswer(database.bounded, /keep_instances/),
      dataDir,
      isOwner: false,
    });
    expect(await send(losing, instance!)).to.equal("A700H");
    await ownerStartsAgain();
    expect(await send(losing, instance!)).to.equal("0000H");
    expect(await isReadable(losing, database, instance!)).to.equal(true);
    await losing.close();
    await isNothingLeft();
  });

  it("begins anew by itself when nothing comes, so that the next instance is kept at once", async () => {
    const watching = await openTestArchive({
      database: database.bounded,
      dataDir,
      isOwner: false,
      writer: "receiver-c.1",
      outlivesOwner: true,
    });
    const [first, second] = ctSeries({ name: "fence-idle", slices: 2 });
    expect(await send(watching, first!)).to.equal("0000H");
    const marks = () =>
      readdirSync(`${dataDir}/open`).filter((mark) => mark.includes("receiver-c.1"));
    const before = marks();
    expect(before).to.have.length(1);
    await ownerStartsAgain();
    await waitFor(
      () => database.query("select 1 from archive_writer where writer = $1", ["receiver-c.1"]),
      ({ rowCount }) => rowCount === 1,
    );
    expect(await send(watching, second!)).to.equal("0000H");
    expect(marks()).to.not.deep.equal(before);
    await watching.close();
    expect(marks()).to.deep.equal([]);
  });

  it("mends what one ended writer left, and no other's; a writer that lives all the same begins anew", async () => {
    const [first, second, third] = ctSeries({ name: "fence-one", slices: 3, rows: ROWS });
    expect(await send(receiver, first!)).to.equal("0000H");
    const pending = await begin(second!);
    const other = await openTestArchive({
      database: database.bounded,
      dataDir,
      isOwner: false,
      writer: "receiver-d.1",
    });
    const stray = await other.store.create();
    await stray.write(Buffer.from("no row"));
    await (await stray.finish()).durable;
    expect(filesOf(dataDir)).to.have.length(3);
    await owner.mendEnded((writer) => writer === "receiver-d.1");
    expect(filesOf(dataDir)).to.have.length(2);
    expect(readdirSync(`${dataDir}/open`).filter((mark) => mark.includes("-d."))).to.deep.equal([]);
    expect(await pending.finish()).to.equal("kept");
    // It was no more than taken for dead.
    const statuses = [await send(other, third!), await send(other, third!)];
    expect(statuses.at(-1)).to.equal("0000H");
    expect(await isReadable(other, database, third!)).to.equal(true);
    await other.close();
    await isNothingLeft();
  });

  it("gives every writer that begins beside an owner an epoch of before or of after, never of both", async () => {
    let isRunning = true;
    const begun: { writer: string; epoch: number; archiveEpoch: number }[] = [];
    const writers = Array.from({ length: 4 }, async (_, lane) => {
      for (let n = 0; isRunning; n++) {
        const writer = `race-${lane}-${n}`;
        const one = await beginWriterEpoch(database, writer);
        begun.push({ writer, epoch: one.epoch, archiveEpoch: one.archiveEpoch });
      }
    });
    for (let n = 0; n < 50; n++) {
      const { begun: now } = await advanceArchiveEpoch(database, 0);
      const { rows } = await database.query<{ writer: string; epoch: number }>(
        "select writer, epoch from archive_writer where writer like 'race-%'",
      );
      const alive = new Set(rows.map((row) => `${row.writer} ${row.epoch}`));
      const fenced = begun.filter((one) => one.archiveEpoch < now);
      expect(fenced.filter((one) => alive.has(`${one.writer} ${one.epoch}`))).to.deep.equal([]);
    }
    isRunning = false;
    await Promise.all(writers);
    expect(new Set(begun.map((one) => one.archiveEpoch)).size).to.be.greaterThan(10);
  });

  it("keeps every acknowledged instance while the owner starts again and again under load", async () => {
    const acknowledged: BulkInstance[] = [];
    const refused: BulkInstance[] = [];
    let isRunning = true;
    const lanes = Array.from({ length: 4 }, async (_, lane) => {
      for (let n = 0; isRunning; n++) {
        for (const instance of ctSeries({ name: `load-${lane}-${n}`, slices: 6, rows: 32 })) {
          const status = await send(receiver, instance);
          (status === "0000H" ? acknowledged : refused).push(instance);
          expect(status).to.be.oneOf(["0000H", "A700H"]);
        }
      }
    });
    for (let n = 0; n < 25; n++) {
      await new Promise((resolve) => setTimeout(resolve, 20 + Math.random() * 120));
      await ownerStartsAgain();
    }
    isRunning = false;
    await Promise.all(lanes);
    for (const one of refused) expect(await send(receiver, one)).to.equal("0000H");
    await isNothingLeft();
    for (const one of [...acknowledged, ...refused])
      expect(await isReadable(owner, database, one)).to.equal(true);
    console.log(`      ${acknowledged.length} acknowledged, ${refused.length} refused, 0 lost`);
    expect(acknowledged.length).to.be.greaterThan(100);
    expect(refused.length).to.be.greaterThan(0);
  });
});
