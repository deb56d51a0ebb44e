import { connect } from "node:net";
import { join } from "node:path";
import { expect } from "chai";
import pg from "pg";
import { configSchema } from "../../../src/config/schema.ts";
import { type Database, openDatabase } from "../../../src/db/database.ts";
import { silentLogger } from "../../../src/kernel/log.ts";
import { temporaryFolder } from "../../support/node-under-test.ts";

describe("the embedded database under several connections", function () {
  this.timeout(60_000);
  const dataDir = temporaryFolder();
  const { database: config } = configSchema.parse({});
  const log = silentLogger();
  let owner: Database;
  let others: Database[];

  before(async () => {
    owner = await openDatabase({ config, dataDir, log, connectionsMax: 8 });
    const { socketFolder } = owner;
    others = await Promise.all(
      [1, 2, 3].map(() => openDatabase({ config, dataDir, log, socketFolder })),
    );
    await owner.query("create table counter (name text primary key, n integer not null)");
  });

  after(async () => {
    for (const other of others) await other.close();
    await owner.close();
  });

  it("gives each the answer to its own statement, also when another's fails", async () => {
    const long = "x".repeat(300_000);
    const work = async (db: Database, mine: number) => {
      for (let i = 0; i < 100; i++) {
        // Texts, parameter counts and lengths differ, and one in ten is refused.
        if (i % 10 === mine) {
          const failed = await db
            .query("select 1 / $1::integer", [0])
            .catch((error: unknown) => error);
          expect((failed as { code: string }).code).to.equal("22012");
        }
        const filler = ", 1".repeat(mine);
        const { rows } = await db.query<{ who: number; size: number }>(
          `select $1::integer as who, length($2) as size${filler}`,
          [mine * 1000 + i, long.slice(0, i * 3000)],
        );
        expect(rows).to.have.length(1);
        expect(rows[0]).to.include({ who: mine * 1000 + i, size: i * 3000 });
      }
    };
    await Promise.all([owner, ...others].map(work));
  });

  it("keeps the transactions of different connections apart", async () => {
    await owner.query("insert into counter values ('shared', 0)");
    const add = (db: Database) =>
      db.transaction(async (tx) => {
        const { rows } = await tx.query<{ n: number }>(
          "select n from counter where name = 'shared'",
        );
        await tx.query("update counter set n = $1 where name = 'shared'", [rows[0]!.n + 1]);
      });
    const all = [owner, ...others].flatMap((db) => Array.from({ length: 20 }, () => add(db)));
    await Promise.all(all);
    const { rows } = await owner.query<{ n: number }>("select n from counter");
    expect(rows).to.deep.equal([{ n: 80 }]);
  });

  it("rolls back what a broken connection left open, and serves the others", async () => {
    const client = new pg.Client({
      host: owner.socketFolder!,
      port: 5432,
      user: "postgres",
      database: "postgres",
    });
    client.on("error", () => undefined);
    await client.connect();
    await client.query("begin");
    await client.query("insert into counter values ('lost', 1)");
    (
      client as unknown as { connection: { stream: { destroy(): void } } }
    ).connection.stream.destroy();
    const { rows } = await others[0]!.query("select 1 from counter where name = 'lost'");
    expect(rows).to.deep.equal([]);
  });

  it("drops a connection that speaks something else", async () => {
    const socket = connect(join(owner.socketFolder!, ".s.PGSQL.5432"));
    socket.write(Buffer.from("GET / HTTP/1.1\r\n\r\n"));
    await new Promise((resolve) => socket.once("close", resolve));
    await owner.check();
  });
});
