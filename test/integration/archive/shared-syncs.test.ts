import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { fstatSync, readdirSync } from "node:fs";
import { expect } from "chai";
import { openSharedSyncs, type SharedSyncs } from "../../../src/archive/shared-syncs.ts";

const MODULE = new URL("../../../src/archive/shared-syncs.ts", import.meta.url);
/** Obeys its standard input: `set`, `clear`, `look` (answers on its output). */
const CHILD = `
import { syncFlag } from ${JSON.stringify(MODULE.href)};
const flag = syncFlag({ fd: 4, slot: Number(process.argv[1]), slots: 3 });
process.stdin.setEncoding("utf8").on("data", (order) => {
  if (order !== "look") flag.set(order === "set");
  process.stdout.write(String(flag.isAnySet()));
});
`;

describe("syncs told from process to process", function () {
  this.timeout(30_000);
  let shared: SharedSyncs;
  const children: ChildProcess[] = [];
  before(function () {
    const opened = openSharedSyncs(3);
    if (opened === undefined) {
      console.log("      SKIPPED: this machine has no memory as a file system");
      return this.skip();
    }
    shared = opened;
  });
  afterEach(() => {
    for (const child of children.splice(0)) child.kill("SIGKILL");
  });
  after(() => shared?.close());

  function start(slot: number): ChildProcess {
    const child = spawn(
      process.execPath,
      ["--input-type=module-typescript", "--eval", CHILD, String(slot)],
      { stdio: ["pipe", "pipe", "inherit", "ipc", shared.fd] },
    );
    children.push(child);
    return child;
  }

  async function order(child: ChildProcess, text: "set" | "clear" | "look"): Promise<boolean> {
    child.stdin!.write(text);
    const [answer] = (await once(child.stdout!, "data")) as [Buffer];
    return String(answer) === "true";
  }

  it("are seen by each as soon as one has begun, until the last has ended", async () => {
    const [first, second, node] = [start(1), start(2), shared.flagOf(0)];
    expect(await order(first, "look")).to.equal(false);
    await order(first, "set");
    expect([await order(second, "look"), node.isAnySet()]).to.deep.equal([true, true]);
    node.set(true);
    await order(first, "clear");
    expect([await order(second, "look"), node.isAnySet()]).to.deep.equal([true, true]);
    node.set(false);
    expect([await order(second, "look"), node.isAnySet()]).to.deep.equal([false, false]);
  });

  it("of a process that was killed stay until its parent ends them", async () => {
    const child = start(1);
    await order(child, "set");
    child.kill("SIGKILL");
    await once(child, "exit");
    expect(shared.flagOf(0).isAnySet()).to.equal(true);
    shared.flagOf(1).set(false);
    expect(shared.flagOf(0).isAnySet()).to.equal(false);
  });

  it("leave no name behind, and a flag of a closed file touches no other file", () => {
    const own = openSharedSyncs(2)!;
    const flag = own.flagOf(1);
    expect(readdirSync("/dev/shm").filter((name) => name.startsWith("kindred-"))).to.deep.equal([]);
    own.close();
    own.close();
    expect(() => fstatSync(own.fd)).to.throw("EBADF");
    flag.set(true);
    expect(flag.isAnySet()).to.equal(false);
  });
});
