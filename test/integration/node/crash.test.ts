import { spawn } from "node:child_process";
import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import { startStandInPacs } from "../../../src/cli/demo/stand-in-pacs.ts";
import { lockDataDir } from "../../../src/db/lock.ts";
import { type BulkInstance, sendBulk } from "../../../src/dimse/bulk-sender.ts";
import { find } from "../../../src/dimse/requestor/find.ts";
import { ctSeries, ctUids } from "../../support/ct-series.ts";
import { freePort } from "../../support/free-port.ts";
import {
  cleanEnvironment,
  ended,
  getJson,
  push,
  settings,
  spawnNode,
  temporaryFolder,
  waitFor,
} from "../../support/node-under-test.ts";

interface SeriesAnswer {
  state: string;
  instances: number;
  revision: number;
  documents: { deliveries: { state: string }[] }[];
}

const SLICES = 200;

describe("kill -9", function () {
  this.timeout(240_000);
  // The moment is another one in each run; the title tells which.
  const killAt = 10 + Math.floor(Math.random() * (SLICES - 20));
  const killAfterMs = Math.floor(Math.random() * 1_500);

  it(`in the middle of a push (after ${killAt} of ${SLICES}): every acknowledged instance is kept, and one set of reports delivered`, async () => {
    const pacs = await startStandInPacs(temporaryFolder(), 0);
    const ports = { dicom: await freePort(), http: await freePort() };
    // The series is closed by the test alone, however slow the machine is.
    const options = { dataDir: temporaryFolder(), pacsPort: pacs.port, quietSeconds: 3_600 };
    const instances = ctSeries({ name: "crash", slices: SLICES });
    const first = await spawnNode(options, ports);
    const acknowledged = await pushUntilKilled(first, instances, killAt);
    expect(acknowledged.length).to.be.within(killAt, SLICES - 1);
    const second = await spawnNode(options, ports);
    try {
      const kept = await instancesHeld(second);
      expect(kept).to.include.members(acknowledged);
      // One more may have been committed whose answer the peer never got.
      expect(kept.length).to.be.within(acknowledged.length, acknowledged.length + 1);
      const outcomes = await push(second.dicom, instances);
      expect(outcomes.map((one) => one.status)).to.deep.equal(instances.map(() => 0));
      const done = await completed(second, "crash");
      expect(done).to.include({ revision: 1, instances: SLICES });
      expectOneSetDelivered(done);
      expect(pacs.files).to.have.length(2);
    } finally {
      second.child.kill("SIGTERM");
      expect(await ended(second.child)).to.equal(0);
      await pacs.listener.stop();
    }
  });

  it(`while a series is processed (after ${killAfterMs} ms): the work goes on after the restart, once`, async () => {
    const pacs = await startStandInPacs(temporaryFolder(), 0);
    const ports = { dicom: await freePort(), http: await freePort() };
    const options = { dataDir: temporaryFolder(), pacsPort: pacs.port, quietSeconds: 3_600 };
    const first = await spawnNode(options, ports);
    await push(first.dicom, ctSeries({ name: "work" }));
    await fetch(completeUrl(first, "work"), { method: "POST" });
    await new Promise((later) => setTimeout(later, killAfterMs));
    first.child.kill("SIGKILL");
    await ended(first.child);
    const second = await spawnNode(options, ports);
    try {
      const done = await completed(second, "work");
      expect(done).to.include({ revision: 1, instances: 12 });
      expectOneSetDelivered(done);
      // A send whose answer was lost is sent again, as the same instance.
      expect(new Set(pacs.files).size).to.equal(2);
    } finally {
      second.child.kill("SIGTERM");
      expect(await ended(second.child)).to.equal(0);
      await pacs.listener.stop();
    }
  });

  it("refuses a second process on the same data folder with exit 69 and says who owns it", async () => {
    const dataDir = temporaryFolder();
    const ports = { dicom: await freePort(), http: await freePort() };
    const first = await spawnNode({ dataDir }, ports);
    const other = await import("node:child_process");
    const cli = new URL("../../../src/cli.ts", import.meta.url).pathname;
    const result = other.spawnSync(
      process.execPath,
      [
        cli,
        "serve",
        "--set",
        `dataDir=${dataDir}`,
        "--set",
        "dimse.port=0",
        "--set",
        "http.port=0",
      ],
      { encoding: "utf8", timeout: 60_000, env: cleanEnvironment() },
    );
    expect(result.status).to.equal(69);
    expect(result.stderr).to.include(`process ${first.child.pid}`).and.include("KINDRED_DATA_DIR");
    first.child.kill("SIGTERM");
    expect(await ended(first.child)).to.equal(0);
  });
});

describe("SIGTERM while the node starts", function () {
  this.timeout(120_000);

  for (const waitMs of [100, 2_000]) {
    it(`ends it in order with exit 0, and frees the data folder (after ${waitMs} ms)`, async () => {
      const ports = { dicom: await freePort(), http: await freePort() };
      const dataDir = temporaryFolder();
      const file = join(dataDir, "config.json");
      writeFileSync(file, JSON.stringify(settings({ dataDir }, ports)));
      const cli = new URL("../../../src/cli.ts", import.meta.url).pathname;
      const child = spawn(process.execPath, [cli, "serve", "--config", file], {
        env: cleanEnvironment(),
        stdio: ["ignore", "pipe", "inherit"],
      });
      // The data folder is ours and the database is being made; before that nothing was begun.
      await waitFor(
        async () => existsSync(join(dataDir, "db")),
        (exists) => exists,
      );
      await new Promise((later) => setTimeout(later, waitMs));
      child.kill("SIGTERM");
      expect(await ended(child)).to.equal(0);
      const lock = await lockDataDir(dataDir);
      await lock.release();
    });
  }
});

type RunningNode = Awaited<ReturnType<typeof spawnNode>>;

/** Kills the node when that many instances are acknowledged; gives the SOP Instance UIDs that were. */
async function pushUntilKilled(
  node: RunningNode,
  instances: readonly BulkInstance[],
  killAt: number,
): Promise<string[]> {
  const acknowledged: string[] = [];
  const target = {
    ...node.dicom,
    callingAeTitle: "SENDER",
    calledAeTitle: "KINDRED",
    responseSeconds: 20,
  };
  function* untilKilled() {
    for (const instance of instances) {
      if (acknowledged.length === killAt) node.child.kill("SIGKILL");
      yield instance;
    }
  }
  const outcome = await sendBulk(
    target,
    instances.slice(0, 1),
    untilKilled(),
    ({ kind }, index) => {
      if (kind === "stored") acknowledged.push(instances[index]!.sopInstanceUid);
    },
  ).catch(() => "cut");
  expect(outcome).to.equal("cut");
  await ended(node.child);
  return acknowledged;
}

/** SOP Instance UIDs of the series, by C-FIND at IMAGE level. */
async function instancesHeld(node: RunningNode): Promise<string[]> {
  const { study, series } = ctUids("crash");
  const { matches } = await find(
    { ...node.dicom, callingAeTitle: "SENDER", calledAeTitle: "KINDRED", responseSeconds: 20 },
    {
      level: "IMAGE",
      keys: { StudyInstanceUID: study, SeriesInstanceUID: series, SOPInstanceUID: "" },
    },
  );
  return matches.map((one) => one.SOPInstanceUID!);
}

function completeUrl(node: RunningNode, name: string): string {
  return `http://${node.http.host}:${node.http.port}/api/v1/series/${ctUids(name).series}/complete`;
}

/** Closes the series (again: that is nothing when it is closed) and waits until its reports are delivered. */
async function completed(node: RunningNode, name: string): Promise<SeriesAnswer> {
  await fetch(completeUrl(node, name), { method: "POST" });
  return waitFor(
    () => getJson<SeriesAnswer>(node, `/api/v1/series/${ctUids(name).series}`),
    (one) => one.state === "delivered",
    90,
  );
}

function expectOneSetDelivered(series: SeriesAnswer): void {
  expect(series.documents.map((one) => one.deliveries.map(({ state }) => state))).to.deep.equal([
    ["delivered"],
    ["delivered"],
  ]);
}
