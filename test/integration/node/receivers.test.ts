import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { expect } from "chai";
import { echo } from "../../../src/dimse/requestor/echo.ts";
import { ctSeries, ctUids } from "../../support/ct-series.ts";
import { freePort } from "../../support/free-port.ts";
import {
  ended,
  getJson,
  push,
  spawnNode,
  temporaryFolder,
  waitFor,
} from "../../support/node-under-test.ts";
import { associateEcho, rawPeer } from "../../support/raw-peer.ts";

const target = (port: number) => ({
  host: "127.0.0.1",
  port,
  callingAeTitle: "SENDER",
  calledAeTitle: "KINDRED",
  responseSeconds: 2,
});

/** Process ids of the receivers of a node. */
function receiversOf(parent: number): number[] {
  const children = execFileSync("ps", ["--ppid", String(parent), "-o", "pid=", "-o", "args="], {
    encoding: "utf8",
  });
  return children
    .split("\n")
    .filter((line) => line.includes("receiver-process"))
    .map((line) => Number.parseInt(line, 10));
}

describe("receiver processes on one port", function () {
  this.timeout(120_000);
  let node: Awaited<ReturnType<typeof spawnNode>>;
  const series = ["recv-a", "recv-b", "recv-c", "recv-d"].map((name) => ctSeries({ name }));

  before(async () => {
    const ports = { dicom: await freePort(), http: await freePort() };
    node = await spawnNode({ dataDir: temporaryFolder(), receivers: 2 }, ports);
  });

  after(async () => {
    node.child.kill("SIGTERM");
    expect(await ended(node.child), "exit code of a graceful stop").to.equal(0);
  });

  it("share the associations and keep every instance", async () => {
    expect(receiversOf(node.child.pid!)).to.have.length(2);
    const outcomes = await Promise.all(series.map((one) => push(node.dicom, one)));
    expect(outcomes.flat().map((one) => one.kind)).to.deep.equal(Array(48).fill("stored"));
    for (const name of ["recv-a", "recv-d"]) {
      const view = await waitFor(
        () =>
          getJson<{ instances: number; state: string }>(
            node,
            `/api/v1/series/${ctUids(name).series}`,
          ),
        (one) => one.state === "reported",
      );
      expect(view.instances).to.equal(12);
    }
  });

  it("hold the limits of the node together", async () => {
    const ports = { dicom: await freePort(), http: await freePort() };
    const extra = {
      dimse: { port: ports.dicom, receivers: 2, associationsMax: 3, releaseSeconds: 1 },
    };
    const other = await spawnNode({ dataDir: temporaryFolder(), extra }, ports);
    const peers = await Promise.all([1, 2, 3, 4, 5].map(() => rawPeer(ports.dicom)));
    const answers: (number | undefined)[] = [];
    for (const peer of peers) {
      peer.send(associateEcho());
      answers.push((await peer.next())?.type);
    }
    // A-ASSOCIATE-AC three times, then A-ASSOCIATE-RJ: whichever receiver it fell to.
    expect(answers).to.deep.equal([2, 2, 2, 3, 3]);
    peers[0]!.end();
    await waitFor(
      () => echo(target(ports.dicom)).then(() => true),
      (isAnswered) => isAnswered,
    );
    for (const peer of peers) peer.end();
    other.child.kill("SIGTERM");
    await ended(other.child);
  });

  it("add their metrics up in /metrics", async () => {
    const text = await (await fetch(`http://127.0.0.1:${node.http.port}/metrics`)).text();
    const received = /kindred_instances_received_total\{status="0000H"\} (\d+)/.exec(text)?.[1];
    expect(received).to.equal("48");
  });

  it("are replaced when one dies, and the others serve meanwhile", async () => {
    const [first] = receiversOf(node.child.pid!);
    process.kill(first!, "SIGKILL");
    // A connection dealt to the dead one before its end was seen is lost with it: the peer asks again.
    await waitFor(
      () => echo(target(node.dicom.port)).then(() => true),
      (isAnswered) => isAnswered,
    );
    const now = await waitFor(
      async () => receiversOf(node.child.pid!),
      (pids) => pids.length === 2 && !pids.includes(first!),
    );
    expect(now).to.have.length(2);
    await waitFor(
      () => fetch(`http://127.0.0.1:${node.http.port}/readyz`),
      (response) => response.status === 200,
    );
    for (let i = 0; i < 4; i++) await echo(target(node.dicom.port));
  });

  it("end with their parent, however it ends", async () => {
    const ports = { dicom: await freePort(), http: await freePort() };
    const other = await spawnNode({ dataDir: temporaryFolder(), receivers: 2 }, ports);
    const pids = receiversOf(other.child.pid!);
    expect(pids).to.have.length(2);
    other.child.kill("SIGKILL");
    await waitFor(
      async () => pids.filter((pid) => isAlive(pid)),
      (alive) => alive.length === 0,
    );
  });
});

function isAlive(pid: number): boolean {
  try {
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, "utf8"));
  } catch {
    return false;
  }
}
