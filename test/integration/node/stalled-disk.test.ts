import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { expect } from "chai";
import { type BulkInstance, sendBulk } from "../../../src/dimse/bulk-sender.ts";
import { filesOf } from "../../support/archive-under-test.ts";
import { ctSeries } from "../../support/ct-series.ts";
import { freePort } from "../../support/free-port.ts";
import { type EchoWatcher, isLate, watchEcho } from "../../support/hostile/echo-watcher.ts";
import { nodeFigures } from "../../support/hostile/process-figures.ts";
import { ended, spawnNode } from "../../support/node-under-test.ts";
import { type StallingDisk, stallingDisk } from "../../support/stalling-disk.ts";

/** `KINDRED_STALL_SECONDS=30` for the run that docs/robustness.md records. */
const STALL_SECONDS = Number(process.env.KINDRED_STALL_SECONDS ?? 10);
/** All below the stall: while the disk is what is waited for, no peer is late. */
const TIMERS = { artimSeconds: 4, idleSeconds: 4, messageSeconds: 4 };
/** Sparse, and more than is sent: a full disk is another test. */
const DISK_MEGABYTES = 8_192;
const ASSOCIATIONS = 6;
const SETTLE_MS = 1_000;
const RESIDENT_MB_MAX = 100;
const ECHO_MS_MAX = 3_000;
/** Short ones, many: whether a process is caught in a write depends on the moment. */
const SHORT_STALLS = 12;
const SHORT_STALL_MS = 2_000;
const SHORT_SIZE = { slices: 10, rows: 512 };
const SHORT_ECHO_MS_MAX = 1_000;
/** Preamble, prefix and the group length of the file meta information. PS3.10 7.1. */
const META_AT = 144;

describe("a disk that stalls", function () {
  this.timeout((STALL_SECONDS + 120) * 1000);
  let disk: StallingDisk | undefined;
  let node: Awaited<ReturnType<typeof spawnNode>>;
  let watcher: EchoWatcher;
  const acknowledged: BulkInstance[] = [];
  const refused: unknown[] = [];

  before(async function () {
    disk = stallingDisk(DISK_MEGABYTES);
    if (disk === undefined) {
      console.log("      SKIPPED: no file system can be mounted and frozen here");
      this.skip();
    }
    const ports = { dicom: await freePort(), http: await freePort() };
    const extra = {
      dimse: { port: ports.dicom, receivers: 2, releaseSeconds: 1, ...TIMERS },
      archive: { freeBytesMin: 0 },
      log: { level: "warn" },
      peers: [
        { aeTitle: "SENDER", host: "127.0.0.1", allow: ["store"] },
        { aeTitle: "WATCHER", host: "127.0.0.9", allow: ["query"] },
      ],
    };
    node = await spawnNode(
      { dataDir: join(disk.folder, "data"), quietSeconds: 3_600, extra },
      ports,
    );
    watcher = watchEcho(node.dicom, () => nodeFigures(node.child.pid!).pids);
  });
  after(async () => {
    if (disk === undefined) return;
    await watcher?.stop();
    node?.child.kill("SIGTERM");
    if (node !== undefined) await ended(node.child);
    disk.remove();
  });

  /** Small images on most associations, objects of eight megabytes on the others. */
  const mixed = (association: number) =>
    association < 4 ? { slices: 10, rows: 256 } : { slices: 2, rows: 2_048 };

  async function send(name: string, size: { slices: number; rows: number }): Promise<void> {
    const instances = ctSeries({ name, ...size });
    await sendBulk(
      {
        ...node.dicom,
        callingAeTitle: "SENDER",
        calledAeTitle: "KINDRED",
        responseSeconds: STALL_SECONDS + 60,
      },
      instances.slice(0, 1),
      instances,
      (outcome, index) => {
        if (outcome.kind === "stored") acknowledged.push(instances[index]!);
        else refused.push(outcome);
      },
    );
  }

  it("holds up who stores, answers an echo, ends no association, and loses nothing", async () => {
    const residentMb = () => nodeFigures(node.child.pid!).residentMb;
    let isOver = false;
    const senders = Promise.all(
      Array.from({ length: ASSOCIATIONS }, async (_, association) => {
        for (let round = 0; !isOver; round++)
          await send(`stall-${association}-${round}`, mixed(association));
      }),
    );
    await sleep(3_000);
    const [residentBefore, echoesBefore] = [residentMb(), watcher.reports.length];
    disk!.stall();
    await sleep(SETTLE_MS);
    const acknowledgedBefore = acknowledged.length;
    await sleep(STALL_SECONDS * 1000 - SETTLE_MS);
    const [residentAfter, acknowledgedAfter] = [residentMb(), acknowledged.length];
    disk!.goOn();
    await sleep(2_000);
    isOver = true;
    await senders;
    const echoes = watcher.reports.slice(echoesBefore);

    expect(acknowledgedBefore).to.be.greaterThan(0);
    expect(acknowledgedAfter, "nothing is acknowledged that the disk has not").to.equal(
      acknowledgedBefore,
    );
    expect(acknowledged.length).to.be.greaterThan(acknowledgedAfter);
    expect(refused).to.deep.equal([]);
    expect(new Set(echoes.map((one) => one.kind)).size, "both kinds of echo").to.equal(2);
    expect(echoes.filter((one) => isLate(one, ECHO_MS_MAX))).to.deep.equal([]);
    expect(residentAfter).to.be.at.most(residentBefore + RESIDENT_MB_MAX);
    const longest = Math.max(...echoes.map((one) => one.milliseconds));
    console.log(
      `      ${STALL_SECONDS} s: ${echoes.length} echoes, longest ${Math.round(longest)} ms; resident ${residentBefore} to ${residentAfter} MB; ${acknowledged.length} instances`,
    );
  });

  it("catches no process in a write, whenever it stalls", async () => {
    const echoesBefore = watcher.reports.length;
    let isOver = false;
    const senders = Promise.all(
      Array.from({ length: ASSOCIATIONS }, async (_, association) => {
        for (let round = 0; !isOver; round++)
          await send(`short-${association}-${round}`, SHORT_SIZE);
      }),
    );
    for (let stall = 0; stall < SHORT_STALLS; stall++) {
      await sleep(500 + Math.random() * 500);
      disk!.stall();
      await sleep(SHORT_STALL_MS);
      disk!.goOn();
    }
    isOver = true;
    await senders;
    const echoes = watcher.reports.slice(echoesBefore);
    expect(refused).to.deep.equal([]);
    expect(echoes.length).to.be.greaterThan(SHORT_STALLS);
    expect(echoes.filter((one) => isLate(one, SHORT_ECHO_MS_MAX))).to.deep.equal([]);
  });

  it("has every acknowledged instance, bit for bit", () => {
    const digest = (bytes: Buffer) => createHash("sha256").update(bytes).digest("hex");
    const keys = filesOf(join(disk!.folder, "data"));
    const kept = keys.map((key) => {
      const file = readFileSync(join(disk!.folder, "data", "instances", `${key}.dcm`));
      return digest(file.subarray(META_AT + file.readUInt32LE(META_AT - 4)));
    });
    expect(kept.sort()).to.deep.equal(acknowledged.map((one) => digest(one.dataSet)).sort());
  });
});
