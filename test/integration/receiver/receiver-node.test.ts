import { fork } from "node:child_process";
import { once } from "node:events";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import {
  compileReceiver,
  RECEIVER_FILE,
  RECEIVER_NODE_OPTIONS,
  receiverEnvironment,
} from "../../../src/receiver/receiver-node.ts";
import { temporaryFolder } from "../../support/node-under-test.ts";

/** A receiver from its start to its end: its answer says that it is loaded. */
async function startAndEnd(dataDir: string): Promise<void> {
  const child = fork(RECEIVER_FILE, [], {
    execArgv: [...RECEIVER_NODE_OPTIONS],
    env: { ...process.env, ...receiverEnvironment(dataDir) },
  });
  child.send({ type: "metrics", id: 1 });
  await once(child, "message");
  child.disconnect();
  await once(child, "exit");
}

const compiled = (dataDir: string) =>
  readdirSync(join(dataDir, "cache"), { recursive: true, encoding: "utf8" }).sort();

describe("the compile cache of receivers", function () {
  this.timeout(60_000);

  it("is filled before the first of them starts: none strips types or compiles for itself", async () => {
    const dataDir = temporaryFolder();
    await compileReceiver(dataDir);
    const before = compiled(dataDir);
    expect(before).to.have.length.above(100);
    await startAndEnd(dataDir);
    expect(compiled(dataDir)).to.deep.equal(before);
  });

  it("may be missing: a receiver starts all the same", async () => {
    await compileReceiver("/dev/null/nowhere");
    await startAndEnd("/dev/null/nowhere");
  });
});
