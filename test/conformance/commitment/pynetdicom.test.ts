import { type ChildProcessWithoutNullStreams, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { expect } from "chai";
import { SOP_CLASS, uidFromName } from "../../../src/dicom/uids.ts";
import type { Node } from "../../../src/main.ts";
import { ctSeries, ctUids } from "../../support/ct-series.ts";
import { freePorts } from "../../support/free-ports.ts";
import { getJson, push, startTestNode, waitFor } from "../../support/node-under-test.ts";

const python = new URL("../../../.cache/py/bin/python", import.meta.url).pathname;
const script = new URL("pynetdicom_peer.py", import.meta.url).pathname;
const COMMITMENT_INSTANCE = "1.2.840.10008.1.20.1.1";

interface Said {
  event: string;
  [name: string]: unknown;
}
interface SeriesAnswer {
  documents: { deliveries: { peer: string; state: string; committed?: boolean }[] }[];
}

function requirePynetdicom(context: Mocha.Context): void {
  if (spawnSync(python, ["-c", "import pynetdicom"]).status === 0) return;
  if (process.env.KINDRED_REQUIRE_TOOLS === "1")
    throw new Error("pynetdicom is required and not there (test/requirements.txt)");
  console.log("      SKIPPED: pynetdicom is not installed (CONTRIBUTING.md says how)");
  context.skip();
}

/** Starts the script; `said` grows by what it says. */
function start(args: readonly string[]): { child: ChildProcessWithoutNullStreams; said: Said[] } {
  const child = spawn(python, [script, ...args], { env: { ...process.env, TCP_NODELAY: "1" } });
  const said: Said[] = [];
  let text = "";
  child.stdout.on("data", (data) => {
    text += data;
    const lines = text.split("\n");
    text = lines.pop()!;
    said.push(...lines.map((line) => JSON.parse(line) as Said));
  });
  child.stderr.pipe(process.stderr);
  return { child, said };
}

describe("storage commitment with pynetdicom", function () {
  this.timeout(120_000);
  let node: Node;
  const ports = { scu: 0, same: 0, new: 0 };

  before(async function () {
    requirePynetdicom(this);
    [ports.scu, ports.same, ports.new] = (await freePorts(3)) as [number, number, number];
    const asked = { host: "127.0.0.1", allow: [], sendReports: true, commit: true };
    ({ node } = await startTestNode({
      extra: {
        commitment: { sameAssociationSeconds: 0.5, batchSeconds: 0.5, waitSeconds: 2 },
        peers: [
          { aeTitle: "SENDER", host: "127.0.0.1", allow: ["store"] },
          { aeTitle: "PYSCU", host: "127.0.0.1", port: ports.scu, allow: ["commit"] },
          { ...asked, aeTitle: "PYSAME", port: ports.same },
          { ...asked, aeTitle: "PYNEW", port: ports.new },
        ],
      },
    }));
  });
  after(() => node?.stop());

  for (const way of ["same", "new"] as const) {
    it(`as SCU it takes our report on ${way === "same" ? "the same" : "a new"} association`, async () => {
      const instances = ctSeries({ name: "kept", slices: 3 });
      await push(node.dicom, instances);
      const kept = instances.map((one) => [one.sopClassUid, one.sopInstanceUid]);
      const absent = [SOP_CLASS.ctImageStorage, "1.2.3.4"];
      const uid = uidFromName(`test/pynetdicom/${way}`);
      const { child, said } = start([
        "scu",
        String(node.dicom.port),
        String(ports.scu),
        way,
        uid,
        ...[...kept, absent].map((one) => one.join(":")),
      ]);
      expect((await once(child, "close"))[0], JSON.stringify(said)).to.equal(0);
      expect(said[0]).to.deep.equal({ event: "answer", status: 0, comment: null });
      expect(said.slice(1)).to.deep.equal([
        {
          event: "report",
          // Who requested the association on which the report came.
          mode: way === "same" ? "requestor" : "acceptor",
          type: 2,
          sop: [SOP_CLASS.storageCommitmentPush, COMMITMENT_INSTANCE],
          roles: way === "same" ? {} : { [SOP_CLASS.storageCommitmentPush]: [false, true] },
          transaction: uid,
          retrieve: "KINDRED",
          committed: kept,
          failed: [[...absent, 0x0112]],
        },
      ]);
    });
  }

  it("as SCP it reports on the same and on a new association, and our deliveries are committed", async () => {
    const peers = (["same", "new"] as const).map((way) => ({
      way,
      title: `PY${way.toUpperCase()}`,
      ...start(["scp", String(ports[way]), String(node.dicom.port), way, `PY${way.toUpperCase()}`]),
    }));
    try {
      for (const { said } of peers)
        await waitFor(
          async () => said,
          (list) => list.some((one) => one.event === "listening"),
        );
      await push(node.dicom, ctSeries({ name: "sent" }));
      const { documents } = await waitFor(
        () => getJson<SeriesAnswer>(node, `/api/v1/series/${ctUids("sent").series}`),
        (one) =>
          one.documents.length === 2 &&
          one.documents.every(
            ({ deliveries }) =>
              deliveries.length === 2 && deliveries.every((to) => to.committed === true),
          ),
      );
      for (const { deliveries } of documents)
        expect(deliveries.map((to) => `${to.peer} ${to.state}`)).to.deep.equal([
          "PYNEW delivered",
          "PYSAME delivered",
        ]);
      for (const { way, said } of peers) {
        const of = (event: string) => said.filter((one) => one.event === event);
        const reported = await waitFor(
          async () => of("reported"),
          (list) => list.length === of("asked").length,
        );
        for (const one of reported)
          expect(one).to.include({ status: 0, mode: way === "same" ? "acceptor" : "requestor" });
        // On its own association it was granted the SCP role and nothing else.
        for (const one of of("associated")) expect(one).to.include({ scp: true, scu: false });
        expect(of("associated")).to.have.length(way === "same" ? 0 : of("asked").length);
        const named = of("asked").flatMap((one) => one.committed as string[][]);
        expect(named.map(([, uid]) => uid).sort()).to.deep.equal(
          of("stored")
            .map((one) => one.instance)
            .sort(),
        );
      }
    } finally {
      for (const { child } of peers) {
        child.stdin.end();
        await once(child, "close");
      }
    }
  });
});
