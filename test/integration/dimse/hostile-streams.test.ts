import { expect } from "chai";
import { type EchoWatcher, isLate, watchEcho } from "../../support/hostile/echo-watcher.ts";
import { faultKinds } from "../../support/hostile/faults.ts";
import {
  type NodeUnderAttack,
  startNodeUnderAttack,
} from "../../support/hostile/node-under-attack.ts";
import type { ProcessFigures } from "../../support/hostile/process-figures.ts";
import { runStreams } from "../../support/hostile/run-streams.ts";
import {
  HOSTILE_CLASSES,
  type HostileStream,
  hostileStream,
  hostileStreams,
} from "../../support/hostile-streams.ts";
import { requireTool } from "../../support/tools.ts";

const CONCURRENCY = 16;
/** A hang, not a busy machine: `npm run bench:hostile` asks for one second. */
const HANG_MS = 5_000;
/** What the heaps may differ by from one collection to the next. */
const IN_USE_MB_MAX = 100;
/** Two receivers hold open the files that they made ahead, up to sixteen each. */
const DESCRIPTORS_MAX = 2 * 16 + 2;
/** Resident memory also has what allocators keep for later. */
const RESIDENT_MB_MAX = 400;

/** Streams that a node once took badly. The class and what it did: */
const KNOWN_BAD: readonly string[] = [
  // Held for ever once the peer went on talking after its rejection, abort or release.
  "rejected-then-talks/c/32",
  "aborted-then-talks/a/35",
  "released-then-talks/a/36",
  // Aborted with the wrong source before an association.
  "other-protocol/c/9",
  "pdu-out-of-state/c/6",
  // Accepted storage in "../../x" as transfer syntax.
  "context-storage-syntaxes/c/13",
  "context-64-kb-of-syntaxes/c/196",
  "mutated-numbers/c/83",
  // Took "\tHOSTILE" for HOSTILE.
  "ae-titles/c/21",
  "ae-titles/c/104",
  // NUL in a key became a database error.
  "find-texts/c/61",
  "find-texts/c/483",
  // Answered an operation that had not been named.
  "command-garbage/c/163",
  // Empty fragments kept a message alive, or in memory, without limit.
  "pdv-empty-drip/b/1",
  "pdv-empty-flood/b/0",
  // Blocked the event loop for one to twenty seconds.
  "store-deflated-bomb/a/55",
  "store-tiny-elements/b/0",
  "store-tiny-items/b/1",
  // A command set that came byte by byte was over its limit.
  "tls-mutated/a/208",
  // Took the first of many Transaction UIDs.
  "commitment-structure/b/260",
  // Called a peer's response without status a fault of the node.
  "get-lying-answer/a/4",
  // Locked other peers out.
  "flood-of-silence/b/0",
];

describe("hostile streams against a node in a process of its own", function () {
  this.timeout(240_000);
  let node: NodeUnderAttack;
  let watcher: EchoWatcher;
  let first: ProcessFigures;
  let firstInUseMb: number;

  before(async function () {
    requireTool(this, "openssl");
    node = await startNodeUnderAttack();
    watcher = watchEcho(node.target, () => node.figures().pids);
  });
  after(async () => {
    await watcher?.stop();
    if (node !== undefined) expect(await node.stop(), "exit code on SIGTERM").to.equal(0);
  });

  const violations = async (streams: Iterable<HostileStream>) => {
    const result = await runStreams({ target: node.target, streams, concurrency: CONCURRENCY })
      .done;
    return result.violations.map((one) => `${one.stream}: ${one.did}, wanted ${one.wants}`);
  };

  it("has classes enough, each under one name", () => {
    expect(new Set(HOSTILE_CLASSES.map((one) => one.name)).size)
      .to.equal(HOSTILE_CLASSES.length)
      .and.greaterThan(24);
  });
  it("makes the same stream from the same name", () => {
    for (const { name, make } of hostileStreams("same", 40, [
      "mutated-bytes",
      "ae-titles",
      "find-texts",
    ]))
      expect(hostileStream(name).make()).to.deep.equal(make());
  });
  it("takes the streams that it once took badly", async () => {
    expect(await violations(KNOWN_BAD.map(hostileStream))).to.deep.equal([]);
  });
  it("takes every class as the standard wants", async () => {
    expect(await violations(hostileStreams("kindred", 500))).to.deep.equal([]);
    first = await node.settledFigures();
    firstInUseMb = await node.inUseMb();
  });
  it("takes streams that nobody has seen before", async () => {
    const seed = process.env.KINDRED_HOSTILE_SEED ?? String(Date.now());
    console.log(`      seed ${seed} (KINDRED_HOSTILE_SEED=${seed} plays it again)`);
    expect(await violations(hostileStreams(seed, 250))).to.deep.equal([]);
  });
  it("answered another peer's echo throughout", () => {
    expect(watcher.reports.length).to.be.greaterThan(5);
    expect(watcher.reports.filter((one) => isLate(one, HANG_MS))).to.deep.equal([]);
  });
  it("leaked neither descriptors nor memory", async () => {
    const last = await node.settledFigures();
    // A process that died and was started again would have another id.
    expect(last.pids).to.deep.equal(first.pids);
    expect(last.descriptors).to.be.at.most(first.descriptors + DESCRIPTORS_MAX);
    expect(await node.inUseMb()).to.be.at.most(firstInUseMb + IN_USE_MB_MAX);
    expect(last.residentMb).to.be.at.most(first.residentMb + RESIDENT_MB_MAX);
  });
  it("logged no fault of its own", () => {
    expect(node.child.exitCode).to.equal(null);
    expect(faultKinds(node.errors())).to.deep.equal([]);
  });
});
