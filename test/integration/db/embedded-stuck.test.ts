import { expect } from "chai";
import pg from "pg";
import { type EmbeddedServer, startEmbedded } from "../../../src/db/embedded.ts";
import { createLogger } from "../../../src/kernel/log.ts";
import { temporaryFolder } from "../../support/node-under-test.ts";

describe("the embedded database when a statement spins", function () {
  this.timeout(60_000);
  const lines: string[] = [];
  const log = createLogger(
    { level: "error", identifiers: "hash" },
    { write: (line) => void lines.push(line) },
  );
  const events = () => lines.map((line) => (JSON.parse(line) as { event: string }).event);
  let server: EmbeddedServer;

  const ask = async (text: string): Promise<unknown> => {
    const client = new pg.Client({ host: server.socketFolder, user: "postgres", port: 5432 });
    client.on("error", () => undefined);
    try {
      await client.connect();
      return (await client.query(text)).rows;
    } finally {
      await client.end().catch(() => undefined);
    }
  };

  before(async () => {
    const options = { connectionsMax: 4, sync: true, busyMsMax: 3_000 };
    server = await startEmbedded(temporaryFolder(), log, options);
  });

  after(() => server.stop());

  it("is left alone while statements end, however many there are", async () => {
    await ask("create table kept (n integer)");
    const until = performance.now() + 4_000;
    while (performance.now() < until)
      await ask("insert into kept select count(*) from generate_series(1, 300000)");
    expect(events()).to.deep.equal([]);
  });

  it("is started again, and has lost nothing that it acknowledged", async () => {
    const { length } = (await ask("select n from kept")) as unknown[];
    const spun = await ask("select count(*) from generate_series(1, 1000000000000)").catch(
      (error: unknown) => error,
    );
    expect(spun).to.be.an.instanceOf(Error);
    expect(events()[0]).to.equal("database.stuck");
    let again: unknown;
    for (let tries = 0; again === undefined && tries < 100; tries++) {
      again = await ask("select n from kept").catch(() => undefined);
      if (again === undefined) await new Promise((resolve) => setTimeout(resolve, 200));
    }
    expect(again).to.have.length(length);
    expect(events()).to.deep.equal(["database.stuck", "database.exited"]);
  });
});
