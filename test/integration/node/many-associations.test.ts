import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import { type BulkInstance, storeInstance } from "../../../src/dimse/bulk-sender.ts";
import {
  type RequestedAssociation,
  requestAssociation,
} from "../../../src/dimse/requestor-association.ts";
import { KindredError } from "../../../src/kernel/errors.ts";
import { filesOf } from "../../support/archive-under-test.ts";
import { ctSeries } from "../../support/ct-series.ts";
import { freePort } from "../../support/free-port.ts";
import { type EchoWatcher, watchEcho } from "../../support/hostile/echo-watcher.ts";
import { nodeFigures } from "../../support/hostile/process-figures.ts";
import { ended, spawnNode, temporaryFolder } from "../../support/node-under-test.ts";

const ASSOCIATIONS = 300;
const EACH = 3;
const RECEIVERS = 2;
const ATTEMPTS_MAX = 200;
/** Of dimse.associationsPerPeerMax. */
const PER_PEER_DEFAULT = 16;
/** Preamble, prefix and the group length of the file meta information. PS3.10 7.1. */
const META_AT = 144;
const PEERS = [
  { aeTitle: "SENDER", host: "127.0.0.1", allow: ["store"] },
  { aeTitle: "WATCHER", host: "127.0.0.9", allow: ["query"] },
];

describe("300 associations at once", function () {
  this.timeout(180_000);
  let node: Awaited<ReturnType<typeof spawnNode>>;
  let watcher: EchoWatcher;
  let dataDir: string;

  async function start(limits: object): Promise<void> {
    const ports = { dicom: await freePort(), http: await freePort() };
    dataDir = temporaryFolder();
    const dimse = { port: ports.dicom, receivers: RECEIVERS, releaseSeconds: 1, ...limits };
    node = await spawnNode(
      { dataDir, quietSeconds: 3600, extra: { dimse, peers: PEERS, log: { level: "warn" } } },
      ports,
    );
    watcher = watchEcho(node.dicom, () => nodeFigures(node.child.pid!).pids);
  }
  afterEach(async () => {
    await watcher.stop();
    node.child.kill("SIGTERM");
    expect(await ended(node.child), "exit code of a graceful stop").to.equal(0);
  });

  const partsOf = (name: string) =>
    Array.from({ length: ASSOCIATIONS }, (_, index) =>
      ctSeries({ name: `${name}-${index}`, slices: EACH, rows: 16 }),
    );
  const associate = ([first]: readonly BulkInstance[]) =>
    requestAssociation(
      { ...node.dicom, callingAeTitle: "SENDER", calledAeTitle: "KINDRED", responseSeconds: 60 },
      [
        {
          abstractSyntax: first!.sopClassUid,
          transferSyntaxes: [first!.transferSyntaxUid],
        },
      ],
    );
  async function store(association: RequestedAssociation, instances: readonly BulkInstance[]) {
    const statuses: (number | undefined)[] = [];
    for (const one of instances) statuses.push(await storeInstance(association.responder, one));
    await association.release();
    return statuses;
  }

  /** Every data set that was sent lies in the archive once, bit for bit, and nothing else does. */
  function expectKept(parts: readonly (readonly BulkInstance[])[]): void {
    const digest = (bytes: Buffer) => createHash("sha256").update(bytes).digest("hex");
    const sent = parts.flat().map((one) => digest(one.dataSet));
    const keys = filesOf(dataDir);
    const kept = keys.map((key) => {
      const file = readFileSync(join(dataDir, "instances", `${key}.dcm`));
      return digest(file.subarray(META_AT + file.readUInt32LE(META_AT - 4)));
    });
    expect(kept.sort()).to.deep.equal(sent.sort());
  }

  async function counted(metric: string): Promise<Record<string, number>> {
    const { host, port } = node.http;
    const text = await (await fetch(`http://${host}:${port}/metrics`)).text();
    const found: Record<string, number> = {};
    for (const [, reason, value] of text.matchAll(
      new RegExp(`^kindred_${metric}\\{reason="([^"]+)"\\} (\\d+)$`, "gm"),
    ))
      found[reason!] = Number(value);
    return found;
  }

  function expectEchoes(): void {
    // How many depends on how long the load lasts: a second on a fast machine.
    expect(watcher.reports.length).to.be.greaterThan(0);
    expect(watcher.reports.filter((one) => one.fault !== undefined)).to.deep.equal([]);
  }

  it("are all open together, keep all they store, and leave room for an echo when the limits allow them", async () => {
    await start({ associationsMax: 400, associationsPerPeerMax: 400 });
    const parts = partsOf("many");
    const associations = await Promise.all(parts.map(associate));
    const statuses = await Promise.all(
      associations.map((association, index) => store(association, parts[index]!)),
    );
    expect(statuses.flat()).to.deep.equal(Array(ASSOCIATIONS * EACH).fill(0));
    expectKept(parts);
    expect(await counted("association_rejects_total")).to.deep.equal({});
    expect(await counted("connection_refusals_total")).to.deep.equal({});
    expectEchoes();
  });

  it("are served, rejected or closed by the default limits, and who calls again loses nothing", async () => {
    await start({});
    const parts = partsOf("some");
    const answers = await Promise.allSettled(parts.map(associate));
    const open = answers.filter((one) => one.status === "fulfilled").map((one) => one.value);
    const errors = answers
      .filter((one) => one.status === "rejected")
      .map(({ reason }) => reason as KindredError);
    const rejected = errors.filter((one) => one.code === "PEER_BUSY");
    const closed = errors.filter((one) => one.code !== "PEER_BUSY");

    // A receiver whose node does not answer within a second goes by its own count.
    expect(open.length).to.be.within(PER_PEER_DEFAULT, PER_PEER_DEFAULT * RECEIVERS);
    // Transient, service provider (presentation related), local limit exceeded. PS3.8 Table 9-21.
    expect(new Set(rejected.map((one) => one.message.match(/\(.*\)/)?.[0]))).to.deep.equal(
      new Set(["(result 2, source 3, reason 2)"]),
    );
    for (const one of closed) expect(one.code).to.be.oneOf(["PEER_CLOSED", "PEER_UNREACHABLE"]);
    expect(await counted("association_rejects_total")).to.deep.equal({
      "associations-from-address": rejected.length,
    });
    expect(await counted("connection_refusals_total")).to.deep.equal(
      closed.length === 0 ? {} : { "connections-from-address": closed.length },
    );
    for (const one of open) await one.release();

    const statuses = await Promise.all(parts.map(untilServed));
    expect(statuses.flat()).to.deep.equal(Array(ASSOCIATIONS * EACH).fill(0));
    expectKept(parts);
    expectEchoes();
  });

  /** What an honest sender does: transient answers and closed connections are tried again later. */
  async function untilServed(instances: readonly BulkInstance[]) {
    for (let attempt = 1; ; attempt++) {
      try {
        return await store(await associate(instances), instances);
      } catch (error) {
        if (!(error instanceof KindredError) || attempt === ATTEMPTS_MAX) throw error;
        await new Promise((resolve) => setTimeout(resolve, 100 + Math.random() * 900));
      }
    }
  }
});
