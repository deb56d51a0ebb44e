import { expect } from "chai";
import { archiveNodes } from "../../../src/db/archive-nodes.ts";
import type { Database } from "../../../src/db/database.ts";
import { lockDataDir } from "../../../src/db/lock.ts";
import { claimNode, lockOf, OWNER, REPAIR } from "../../../src/db/node-claim.ts";
import { codeOf, messageOf } from "../../../src/kernel/errors.ts";
import { silentLogger } from "../../../src/kernel/log.ts";
import { openTestDatabase } from "../../support/archive-under-test.ts";
import { nativeOrSkip } from "../../support/native-postgres.ts";
import { temporaryFolder, waitFor } from "../../support/node-under-test.ts";

describe("who may use an archive", function () {
  this.timeout(120_000);
  const native = nativeOrSkip("postgresql");
  let database: Database;
  let dataDir: string;
  before(async () => {
    database = await openTestDatabase({ url: await native()!.freshDatabase() });
  });
  after(async () => {
    await database?.close();
    await native()?.stop();
  });
  beforeEach(async () => {
    dataDir = temporaryFolder();
    await database.query("delete from archive_node");
  });

  const claim = (node: string, waitSeconds = 0) =>
    claimNode({ database, dataDir, node, role: node, log: silentLogger(), waitSeconds });
  /** The row of a node that runs on another machine. */
  const elsewhere = (node: string, run: string, seenSecondsAgo: number) =>
    database.query(
      `insert into archive_node (node, role, run, host, process_id, scope, seen_at)
       values ($1, 'all', $2, 'other-host', 4711, 'another machine', now() - make_interval(secs => $3))`,
      [node, run, seenSecondsAgo],
    );
  const refusal = (node: string) =>
    claim(node).then(
      () => "claimed",
      (error: unknown) => `${codeOf(error)} ${messageOf(error)}`,
    );

  it("refuses an owner beside one that lives on another machine, and says who it is", async () => {
    await elsewhere(OWNER, "a", 3);
    expect(await refusal(OWNER)).to.match(/^DATA_DIR_IN_USE .*process 4711 on other-host/);
    const receiver = await claim("receiver-a");
    await receiver.release();
    expect((await archiveNodes(database)).map((one) => one.run)).to.deep.equal(["a"]);
  });

  it("takes over from an owner that has not been seen for long, and waits for one that may be dead", async () => {
    await elsewhere(OWNER, "a", 60);
    await (await claim(OWNER)).release();
    await elsewhere(OWNER, "b", 14);
    const second = await claim(OWNER, 10);
    expect((await archiveNodes(database)).map((one) => one.role)).to.deep.equal([OWNER]);
    await second.release();
    expect(await archiveNodes(database)).to.deep.equal([]);
  });

  it("takes over at once on the same machine, where the lock tells that the other is dead", async () => {
    const first = await claim("receiver-a");
    // As after kill -9: the row stays, the lock does not.
    const lock = await lockDataDir(dataDir, lockOf("receiver-a"));
    const second = await claim("receiver-a");
    expect(await archiveNodes(database)).to.have.length(1);
    await lock.release();
    expect(codeOf(await first.displaced)).to.equal("DATA_DIR_IN_USE");
    await first.release();
    expect(await archiveNodes(database), "the second has its row still").to.have.length(1);
    await second.release();
  });

  it("leaves the lock alone of a node that it looks at: that one may be starting just then", async () => {
    // As after kill -9 of both, which come back at the same time.
    const killed = await claim("receiver-b");
    let isStarting = true;
    let starts = 0;
    const starting = (async () => {
      for (; isStarting; starts++)
        await (await lockDataDir(dataDir, lockOf("receiver-b"))).release();
    })();
    starting.catch(() => undefined);
    for (let looks = 0; looks < 100; looks++) await (await claim("receiver-a")).release();
    isStarting = false;
    await starting;
    expect(starts).to.be.greaterThan(100);
    await killed.release();
  });

  it("lets nobody repair beside any node, and no node begin beside a repair", async () => {
    await elsewhere("receiver-far", "a", 3);
    expect(await refusal(REPAIR)).to.match(/^DATA_DIR_IN_USE .*receiver-far/);
    await database.query("delete from archive_node");

    const lock = await lockDataDir(dataDir, lockOf("receiver-near"));
    const near = await claim("receiver-near");
    expect(await refusal(REPAIR)).to.match(/^DATA_DIR_IN_USE .*receiver-near/);
    await lock.release();
    // Killed: its row stays, and does not hinder.
    const repairLock = await lockDataDir(dataDir, lockOf(REPAIR));
    const repair = await claim(REPAIR);
    await near.release();
    expect(await refusal("receiver-b")).to.match(/^DATA_DIR_IN_USE .*role repair/);
    await repair.release();
    await repairLock.release();
    await (await claim("receiver-b")).release();
  });

  it("gives a name to one of many that ask at the same time", async () => {
    await elsewhere(OWNER, "a", 60);
    const folders = Array.from({ length: 6 }, () => temporaryFolder());
    const claims = await Promise.allSettled(
      folders.map((folder) =>
        claimNode({
          database,
          dataDir: folder,
          node: OWNER,
          role: "all",
          log: silentLogger(),
          waitSeconds: 0,
        }),
      ),
    );
    const taken = claims.filter((one) => one.status === "fulfilled");
    expect(taken).to.have.length(1);
    for (const one of taken) await one.value.release();
  });

  it("keeps its row in sight while it lives", async () => {
    const one = await claim("receiver-a");
    await database.query("update archive_node set seen_at = now() - interval '20 seconds'");
    await waitFor(
      () => archiveNodes(database),
      ([row]) => row?.is_alive === true,
    );
    await one.release();
  });
});
