import { setTimeout as sleep } from "node:timers/promises";
import { expect } from "chai";
import fc from "fast-check";
import type { Database } from "../../../src/db/database.ts";
import type { KindredError } from "../../../src/kernel/errors.ts";
import { openTestDatabase } from "../../support/archive-under-test.ts";
import { nativeOrSkip } from "../../support/native-postgres.ts";

const INSERT = "insert into bounded_test (n, t) values ($2, $1)";
const LIMIT_SECONDS = 1;

for (const engine of ["embedded", "postgresql"] as const) {
  describe(`a statement in a transaction that is left open, ${engine} database`, function () {
    this.timeout(60_000);
    const native = nativeOrSkip(engine);
    let database: Database;
    before(async () => {
      const url = await native()?.freshDatabase();
      database = await openTestDatabase({
        ...(url === undefined ? {} : { url }),
        statementSeconds: LIMIT_SECONDS,
      });
      await database.query("create table bounded_test (n bigint primary key, t text)");
    });
    after(async () => {
      await database?.close();
      await native()?.stop();
    });
    beforeEach(() => database.query("delete from bounded_test"));

    const texts = async () =>
      (await database.query<{ t: string }>("select t from bounded_test order by n")).rows.map(
        ({ t }) => t,
      );
    const failure = (work: Promise<unknown>) =>
      work.then(
        () => expect.fail("it must fail"),
        (error: KindredError & { code: string }) => error,
      );

    it("stands when it is committed, and leaves nothing when it is rolled back", async () => {
      const first = await database.bounded.openStatement(INSERT, ["stays", 1]);
      await first.commit();
      const second = await database.bounded.openStatement(INSERT, ["goes", 2]);
      await second.rollback();
      expect(await texts()).to.deep.equal(["stays"]);
    });

    it("takes any text as a value", async () => {
      let n = 0;
      await fc.assert(
        fc.asyncProperty(
          fc.oneof(
            fc.string({ unit: "binary" }),
            fc.string({
              unit: fc.constantFrom("'", "\\", "$1", "$2", '"', ";", "--", "\n", "é", "E'"),
            }),
          ),
          async (text) => {
            const value = text.toWellFormed().replaceAll("\0", "");
            const one = await database.bounded.openStatement(INSERT, [value, ++n]);
            await one.commit();
            expect((await texts()).at(-1)).to.equal(value);
          },
        ),
        { numRuns: 200 },
      );
    });

    it("takes nothing for a value that is neither text nor an integer", async () => {
      for (const value of [
        Number.NaN,
        1.5,
        Number.POSITIVE_INFINITY,
        undefined as unknown as number,
      ])
        expect(await failure(database.bounded.openStatement(INSERT, ["t", value]))).to.include({
          code: "INTERNAL",
        });
      expect(await texts()).to.deep.equal([]);
    });

    it("that fails is rolled back, with its SQLSTATE, and the connection serves on", async () => {
      for (let i = 0; i < 25; i++) {
        const good = await database.bounded.openStatement(INSERT, ["good", i]);
        await good.commit();
        expect(await failure(database.bounded.openStatement(INSERT, ["again", i]))).to.include({
          code: "23505",
        });
      }
      expect(await texts()).to.have.length(25);
    });

    // The embedded database has no statement that waits without keeping its process, and its clients are processes of the node.
    if (engine === "embedded") return;

    it("that takes too long was not sent, as far as anybody has to know", async () => {
      const error = await failure(
        database.bounded.openStatement(
          "insert into bounded_test select $1, 't' from pg_sleep(3)",
          [1],
        ),
      );
      expect(error).to.include({ code: "DB_UNAVAILABLE" });
      expect(error.details).to.include({ isSent: false });
      await sleep(3_500);
      expect(await texts()).to.deep.equal([]);
    });

    it("whose connection breaks before the commit is in doubt, and not there", async () => {
      const one = await database.bounded.openStatement(INSERT, ["t", 1]);
      await database.query(
        "select pg_terminate_backend(pid) from pg_stat_activity where state = 'idle in transaction'",
      );
      const error = await failure(one.commit());
      expect(error).to.include({ code: "DB_UNAVAILABLE" });
      expect(error.details.isSent).to.not.equal(false);
      expect(await texts()).to.deep.equal([]);
    });

    it("that nobody ends is ended by the server", async () => {
      const one = await database.bounded.openStatement(INSERT, ["t", 1]);
      await sleep(LIMIT_SECONDS * 1000 + 500);
      // The key is free again.
      await database.query("insert into bounded_test values (1, 'other')");
      expect(await failure(one.commit())).to.include({ code: "DB_UNAVAILABLE" });
      expect(await texts()).to.deep.equal(["other"]);
    });
  });
}
