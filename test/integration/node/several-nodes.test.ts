import { type ChildProcess, execFile, execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect } from "chai";
import { pathOfKey } from "../../../src/archive/instance-folders.ts";
import type { Role } from "../../../src/config/schema.ts";
import type { Database } from "../../../src/db/database.ts";
import { uidFromName } from "../../../src/dicom/uids.ts";
import { type BulkInstance, sendBulk } from "../../../src/dimse/bulk-sender.ts";
import { find } from "../../../src/dimse/requestor/find.ts";
import { openTestDatabase } from "../../support/archive-under-test.ts";
import { ask, startCommitmentPeer } from "../../support/commitment-peer.ts";
import { ctSeries, ctUids } from "../../support/ct-series.ts";
import { freePorts } from "../../support/free-ports.ts";
import { nativeOrSkip } from "../../support/native-postgres.ts";
import {
  cleanEnvironment,
  ended,
  getJson,
  push,
  spawnNode,
  temporaryFolder,
  waitFor,
} from "../../support/node-under-test.ts";
import { startTcpBalancer, type TcpBalancer } from "../../support/tcp-balancer.ts";

const CLI = new URL("../../../src/cli.ts", import.meta.url).pathname;

type RunningNode = Awaited<ReturnType<typeof spawnNode>>;

/** One place in a cluster: the same ports, role and name at each start. */
interface Place {
  readonly ports: { readonly dicom: number; readonly http: number };
  start(): Promise<RunningNode>;
}

function place(
  at: { dataDir: string; url: string },
  ports: Place["ports"],
  node: { role: Role; name?: string },
  quietSeconds: number,
  peerPort?: number,
): Place {
  return {
    ports,
    start: () =>
      spawnNode(
        {
          dataDir: at.dataDir,
          databaseUrl: at.url,
          quietSeconds,
          extra: {
            node,
            dimse: {
              port: ports.dicom,
              receivers: node.role === "receiver" ? 2 : 1,
              releaseSeconds: 1,
              artimSeconds: 1,
              proxyFrom: ["127.0.0.1"],
            },
            // The worker reports, on an association of its own.
            commitment: { sameAssociationSeconds: 0 },
            peers: [
              { aeTitle: "SENDER", host: "127.0.0.1", allow: ["store", "query", "similar"] },
              ...(peerPort === undefined
                ? []
                : [{ aeTitle: "PEER", host: "127.0.0.1", port: peerPort, allow: ["commit"] }]),
            ],
          },
        },
        ports,
        { detached: true },
      ),
  };
}

async function stop(node: RunningNode): Promise<void> {
  node.child.kill("SIGTERM");
  expect(await ended(node.child), node.output().slice(-2_000)).to.equal(0);
}

/** With every process of it. */
async function killWhole({ child }: { child: ChildProcess }): Promise<void> {
  process.kill(-child.pid!, "SIGKILL");
  await ended(child);
}

function receiverProcesses(node: RunningNode): number[] {
  const text = execFileSync("ps", ["--ppid", String(node.child.pid), "-o", "pid=", "-o", "args="], {
    encoding: "utf8",
  });
  const lines = text.split("\n").filter((line) => line.includes("receiver-process"));
  return lines.map((line) => Number.parseInt(line, 10));
}

describe("several nodes on one archive", function () {
  this.timeout(400_000);
  const native = nativeOrSkip("postgresql");
  let at: { dataDir: string; url: string };
  let balancer: TcpBalancer;
  let ports: number[];

  beforeEach(async () => {
    at = { dataDir: temporaryFolder(), url: await native()!.freshDatabase() };
    ports = await freePorts(4);
    balancer = await startTcpBalancer([ports[0]!, ports[2]!]);
  });
  afterEach(() => balancer?.stop());
  after(() => native()?.stop());

  const target = (calledAeTitle = "KINDRED") => ({
    host: "127.0.0.1",
    port: balancer.port,
    callingAeTitle: "SENDER",
    calledAeTitle,
    responseSeconds: 20,
  });
  const places = (role: "all" | "worker", quietSeconds: number, peerPort?: number) => ({
    owner: place(at, { dicom: ports[0]!, http: ports[1]! }, { role }, quietSeconds, peerPort),
    receiver: place(
      at,
      { dicom: ports[2]!, http: ports[3]! },
      { role: "receiver", name: "second" },
      quietSeconds,
      peerPort,
    ),
  });

  it("a worker and a receiver do the whole road: what one takes the other reports, and both say their role", async () => {
    const peer = await startCommitmentPeer();
    peer.node = { host: "127.0.0.1", port: balancer.port };
    const { owner, receiver } = places("worker", 0.5, peer.port);
    // In this order: a receiver waits until the schema and the archive are there.
    const starting = receiver.start();
    const [worker, front] = await Promise.all([owner.start(), starting]);
    for (const [node, role] of [
      [worker, "worker"],
      [front, "receiver"],
    ] as const)
      expect(await getJson(node, "/readyz")).to.deep.include({ role, status: "ok" });
    for (const [name, core] of [
      ["nodes-a", 10],
      ["nodes-b", 11],
    ] as const) {
      const outcomes = await push(
        { host: "127.0.0.1", port: balancer.port },
        ctSeries({ name, core }),
      );
      expect(outcomes.map(({ kind }) => kind)).to.deep.equal(outcomes.map(() => "stored"));
      await waitFor(
        () => getJson<{ state: string }>(worker, `/api/v1/series/${ctUids(name).series}`),
        ({ state }) => state === "reported",
        90,
      );
    }
    expect(balancer.given.get(ports[0]!), "the worker does not listen").to.equal(0);
    const { matches } = await find(target("SIMILAR"), {
      level: "STUDY",
      keys: { StudyInstanceUID: ctUids("nodes-a").study, StudyDescription: "" },
    });
    expect(matches.map((one) => one.StudyInstanceUID)).to.deep.equal([ctUids("nodes-b").study]);
    const association = await peer.associate();
    const transaction = uidFromName("test/nodes/commitment");
    const references = ctSeries({ name: "nodes-a" });
    expect(await ask(association, transaction, references)).to.include({ status: 0 });
    const { result, way } = await peer.report(transaction);
    expect(way).to.equal("new");
    expect(result.committed).to.have.length(references.length);
    await association.release();
    await peer.stop();
    const metrics = await fetch(`http://127.0.0.1:${front.http.port}/metrics`);
    expect(await metrics.text()).to.include('kindred_instances_received_total{status="0000H"} 24');
    const api = await fetch(`http://127.0.0.1:${front.http.port}/api/v1/queue`);
    expect(api.status).to.equal(404);
    await stop(front);
    await stop(worker);
  });

  it("each sees at once what the other took", async () => {
    const { owner, receiver } = places("all", 3_600);
    const first = await owner.start();
    const second = await receiver.start();
    const held = async (port: number, name: string) => {
      const { study, series } = ctUids(name);
      const { matches } = await find(
        { ...target(), port },
        {
          level: "IMAGE",
          keys: { StudyInstanceUID: study, SeriesInstanceUID: series, SOPInstanceUID: "" },
        },
      );
      return matches.length;
    };
    const direct = await startTcpBalancer([ports[0]!]);
    const other = await startTcpBalancer([ports[2]!]);
    await push({ host: "127.0.0.1", port: direct.port }, ctSeries({ name: "seen-a", slices: 5 }));
    expect(await held(other.port, "seen-a")).to.equal(5);
    await push({ host: "127.0.0.1", port: other.port }, ctSeries({ name: "seen-b", slices: 5 }));
    expect(await held(direct.port, "seen-b")).to.equal(5);
    // One series over both at once.
    const shared = ctSeries({ name: "seen-c", slices: 20 });
    const outcomes = await Promise.all([
      push({ host: "127.0.0.1", port: direct.port }, shared.slice(0, 12)),
      push({ host: "127.0.0.1", port: other.port }, shared.slice(8)),
    ]);
    expect(outcomes.flat().every(({ kind }) => kind === "stored")).to.equal(true);
    const row = await getJson<{ instances: number }>(
      first,
      `/api/v1/series/${ctUids("seen-c").series}`,
    );
    expect(row.instances).to.equal(20);
    await direct.stop();
    await other.stop();
    await stop(second);
    await stop(first);
    expect(readdirSync(`${at.dataDir}/open`)).to.deep.equal([]);
  });

  it("refuses another folder, a repair beside a node, and ends a node whose place is taken", async () => {
    const { owner, receiver } = places("all", 3_600);
    const first = await owner.start();
    const second = await receiver.start();
    const kindred = (args: readonly string[], dataDir = at.dataDir) =>
      promisify(execFile)(
        process.execPath,
        [CLI, ...args, "--set", `dataDir=${dataDir}`, "--set", `database.url=${at.url}`],
        { env: cleanEnvironment(), timeout: 60_000 },
      ).then(
        ({ stdout }) => ({ code: 0, text: stdout }),
        (error: { code: number; stderr: string }) => ({ code: error.code, text: error.stderr }),
      );
    const doctor = await kindred(["doctor", "--set", "node.role=receiver"]);
    expect(doctor.text).to.match(/✔ role: receiver/);
    expect(doctor.text).to.match(
      /✔ node owner: role all on .*✔ node receiver-second: role receiver/s,
    );

    const other = temporaryFolder();
    writeFileSync(join(other, "archive.json"), '{"epoch":1,"isClean":true,"name":"other"}');
    const elsewhere = await kindred(["serve", "--role", "receiver"], other);
    expect(elsewhere).to.deep.include({ code: 69 });
    expect(elsewhere.text).to.include("is of another archive than the database");
    // The same name beside it, on this machine.
    const twice = await kindred(["serve", "--role", "receiver", "--set", "node.name=second"]);
    expect(twice).to.deep.include({ code: 69 });

    await stop(first);
    const repair = await kindred(["doctor", "--repair"]);
    expect(repair).to.deep.include({ code: 69 });
    expect(repair.text).to.include("receiver-second");

    const database = await openTestDatabase({ url: at.url });
    await database.query("update archive_node set run = 'another' where node = 'receiver-second'");
    await database.close();
    expect(await ended(second.child)).to.equal(69);
    expect(second.output()).to.include("Another node has taken the place of this one");
  });

  it("kills at random moments under load: nothing acknowledged is lost, nothing is left over", async () => {
    const { owner, receiver } = places("all", 3_600);
    let first = await owner.start();
    let second = await receiver.start();
    const load = startLoad(target());
    const someTime = () =>
      new Promise((resolve) => setTimeout(resolve, 300 + Math.random() * 1_500));
    const events: Record<string, () => Promise<void>> = {
      "the owner is killed": async () => {
        await killWhole(first);
        await someTime();
        first = await owner.start();
      },
      "the owner is stopped": async () => {
        first.child.kill("SIGTERM");
        await ended(first.child);
        first = await owner.start();
      },
      "the receiver node is killed": async () => {
        await killWhole(second);
        await someTime();
        second = await receiver.start();
      },
      "one receiver process is killed": async () => {
        const [pid] = receiverProcesses(second);
        if (pid !== undefined) process.kill(pid, "SIGKILL");
      },
      "both are killed": async () => {
        await Promise.all([killWhole(first), killWhole(second)]);
        [second, first] = await Promise.all([receiver.start(), owner.start()]);
      },
    };
    const order = [...Object.keys(events), ...Object.keys(events)].sort(() => Math.random() - 0.5);
    const counts: string[] = [];
    for (const name of order) {
      await someTime();
      const before = load.acknowledged.size;
      await events[name]!();
      counts.push(`${name} (+${load.acknowledged.size - before})`);
    }
    await someTime();
    await load.stop();
    // Its process is another one by now, and what it had without a row is gone without a start.
    await waitFor(
      async () => receiverProcesses(second).length,
      (count) => count === 2,
    );
    await stop(second);
    await stop(first);
    first = await owner.start();
    await stop(first);
    console.log(`      ${load.acknowledged.size} acknowledged: ${counts.join(", ")}`);
    const database = await openTestDatabase({ url: at.url });
    try {
      expect(await lostOf(database, at.dataDir, load.acknowledged)).to.deep.equal([]);
      expect(await filesWithoutRow(database, at.dataDir)).to.deep.equal([]);
      expect(readdirSync(`${at.dataDir}/open`)).to.deep.equal([]);
      const { rows } = await database.query("select 1 from instance where lost_at is not null");
      expect(rows).to.have.length(0);
    } finally {
      await database.close();
    }
    expect(load.acknowledged.size).to.be.greaterThan(500);
  });

  it("what a killed receiver process left is mended while its node goes on", async () => {
    const { owner, receiver } = places("worker", 3_600);
    const first = await owner.start();
    const second = await receiver.start();
    const load = startLoad(target(), 64);
    await waitFor(
      async () => load.acknowledged.size,
      (count) => count > 50,
    );
    const marks = () => readdirSync(`${at.dataDir}/open`);
    const before = marks();
    const pids = receiverProcesses(second);
    for (const pid of pids) process.kill(pid, "SIGKILL");
    await load.stop();
    await waitFor(
      async () => marks().filter((mark) => before.includes(mark)),
      (left) => left.length === 0,
    );
    const database = await openTestDatabase({ url: at.url });
    // New receivers make none ahead before the first instance comes.
    await waitFor(
      () => filesWithoutRow(database, at.dataDir),
      (left) => left.length === 0,
    );
    expect(await lostOf(database, at.dataDir, load.acknowledged)).to.deep.equal([]);
    await database.close();
    await stop(second);
    await stop(first);
  });
});

/** Pushes series after series over four associations, again and again when one is cut. */
function startLoad(target: Parameters<typeof sendBulk>[0], rows = 32) {
  /** SOP Instance UID → digest of the data set. */
  const acknowledged = new Map<string, string>();
  let isRunning = true;
  const note = (instance: BulkInstance) =>
    acknowledged.set(
      instance.sopInstanceUid,
      createHash("sha256").update(instance.dataSet).digest("hex"),
    );
  const lanes = [0, 1, 2, 3].map(async (lane) => {
    for (let n = 0; isRunning; n++) {
      const instances = ctSeries({ name: `load-${lane}-${n}`, slices: 40, rows });
      function* whileRunning() {
        for (const one of instances) if (isRunning) yield one;
      }
      await sendBulk(target, instances.slice(0, 1), whileRunning(), ({ kind }, index) => {
        if (kind === "stored") note(instances[index]!);
      }).catch(() => new Promise((resolve) => setTimeout(resolve, 100)));
    }
  });
  return {
    acknowledged,
    async stop() {
      isRunning = false;
      await Promise.all(lanes);
    },
  };
}

async function lostOf(
  database: Database,
  dataDir: string,
  acknowledged: ReadonlyMap<string, string>,
): Promise<string[]> {
  const { rows } = await database.query<{ uid: string; file_key: string; size_bytes: number }>(
    "select sop_instance_uid as uid, file_key, size_bytes from instance where lost_at is null",
  );
  const byUid = new Map(rows.map((row) => [row.uid, row]));
  return [...acknowledged].flatMap(([uid, digest]) => {
    const row = byUid.get(uid);
    if (row === undefined) return [`${uid} has no row`];
    const file = readFileSync(pathOfKey(`${dataDir}/instances`, row.file_key));
    const found = createHash("sha256").update(file.subarray(-row.size_bytes)).digest("hex");
    return found === digest ? [] : [`${uid} has other bytes`];
  });
}

/** Empty ones as well. */
async function filesWithoutRow(database: Database, dataDir: string): Promise<string[]> {
  const files = readdirSync(`${dataDir}/instances`, { recursive: true, encoding: "utf8" });
  const { rows } = await database.query<{ file_key: string }>("select file_key from instance");
  const named = new Set(rows.map((row) => `${row.file_key}.dcm`));
  return files.filter((name) => name.endsWith(".dcm") && !named.has(name));
}
