import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import { SOP_CLASS } from "../../../src/dicom/uids.ts";
import type { Node } from "../../../src/main.ts";
import { ctSeries, ctUids } from "../../support/ct-series.ts";
import { freePorts } from "../../support/free-ports.ts";
import {
  getJson,
  push,
  startTestNode,
  temporaryFolder,
  waitFor,
} from "../../support/node-under-test.ts";
import { requireTool } from "../../support/tools.ts";

interface SeriesAnswer {
  documents: { sopInstanceUid: string; deliveries: { state: string; committed?: boolean }[] }[];
}
interface OrthancReport {
  Status: "Pending" | "Success" | "Failure";
  RemoteAET: string;
  Success: { SOPInstanceUID: string }[];
  Failures: { SOPInstanceUID: string; FailureReason: number }[];
}

describe("storage commitment with Orthanc", function () {
  this.timeout(120_000);
  let node: Node;
  let log: string[];
  let orthanc: ChildProcess;
  let api: string;

  before(async function () {
    requireTool(this, "Orthanc");
    const [kindredPort, dicomPort, httpPort] = (await freePorts(3)) as [number, number, number];
    const folder = temporaryFolder();
    const file = join(folder, "orthanc.json");
    writeFileSync(
      file,
      JSON.stringify({
        Name: "conformance",
        StorageDirectory: join(folder, "storage"),
        IndexDirectory: join(folder, "storage"),
        DicomAet: "ORTHANC",
        DicomPort: dicomPort,
        HttpPort: httpPort,
        RemoteAccessAllowed: false,
        AuthenticationEnabled: false,
        DicomAlwaysAllowStore: true,
        DicomModalities: { kindred: { AET: "KINDRED", Host: "127.0.0.1", Port: kindredPort } },
        Plugins: [],
      }),
    );
    orthanc = spawn("Orthanc", [file], {
      env: { ...process.env, TCP_NODELAY: "1" },
      stdio: "ignore",
    });
    api = `http://127.0.0.1:${httpPort}`;
    await waitFor(
      () => fetch(`${api}/system`),
      (response) => response.ok,
    );
    ({ node, log } = await startTestNode({
      extra: {
        dimse: { port: kindredPort, receivers: 0, releaseSeconds: 1, artimSeconds: 1 },
        commitment: { sameAssociationSeconds: 0.5, batchSeconds: 0.5, waitSeconds: 0 },
        outbound: { backoffSeconds: 1 },
        peers: [
          { aeTitle: "SENDER", host: "127.0.0.1", allow: ["store"] },
          {
            aeTitle: "ORTHANC",
            host: "127.0.0.1",
            port: dicomPort,
            allow: ["commit"],
            sendReports: true,
            commit: true,
          },
        ],
      },
    }));
  });
  after(async () => {
    await node?.stop();
    if (orthanc === undefined || orthanc.exitCode !== null) return;
    orthanc.kill();
    await once(orthanc, "close");
  });

  const committed = () =>
    waitFor(
      () => getJson<SeriesAnswer>(node, `/api/v1/series/${ctUids("orthanc").series}`),
      (one) =>
        one.documents.length === 2 &&
        one.documents.every(({ deliveries }) => deliveries[0]?.committed === true),
    );

  async function askKindred(references: readonly (readonly [string, string])[]) {
    const response = await fetch(`${api}/modalities/kindred/storage-commitment`, {
      method: "POST",
      body: JSON.stringify({ DicomInstances: references }),
    });
    const { Path } = (await response.json()) as { Path: string };
    return waitFor(
      async () => (await (await fetch(`${api}${Path}`)).json()) as OrthancReport,
      (report) => report.Status !== "Pending",
    );
  }

  it("as SCU it gets the result of what we keep, and of what we do not", async () => {
    const instances = ctSeries({ name: "orthanc" });
    await push(node.dicom, instances);
    const kept = instances.map((one) => [one.sopClassUid, one.sopInstanceUid] as const);
    const success = await askKindred(kept);
    expect(success).to.include({ Status: "Success", RemoteAET: "KINDRED" });
    expect(success.Success.map((one) => one.SOPInstanceUID).sort()).to.deep.equal(
      kept.map(([, uid]) => uid).sort(),
    );
    const failure = await askKindred([kept[0]!, [SOP_CLASS.ctImageStorage, "1.2.3.4"]]);
    expect(failure.Status).to.equal("Failure");
    expect(failure.Success.map((one) => one.SOPInstanceUID)).to.deep.equal([kept[0]![1]]);
    expect(failure.Failures).to.have.length(1);
    expect(failure.Failures[0]).to.include({ SOPInstanceUID: "1.2.3.4", FailureReason: 0x0112 });
  });

  it("as SCP it commits the reports that we sent, on an association of its own", async () => {
    const { documents } = await committed();
    expect(documents.every((one) => one.deliveries[0]!.state === "delivered")).to.equal(true);
    const stored = (await (await fetch(`${api}/instances?expand`)).json()) as {
      MainDicomTags: { SOPInstanceUID: string };
    }[];
    expect(stored.map((one) => one.MainDicomTags.SOPInstanceUID).sort()).to.deep.equal(
      documents.map((one) => one.sopInstanceUid).sort(),
    );
    expect(log.some((line) => line.includes('"commitment.result"'))).to.equal(true);
  });

  it("what it lost after we sent it is sent again", async () => {
    const { documents } = await committed();
    // Its answer to a second request says that the object is gone.
    const all = (await (await fetch(`${api}/instances`)).json()) as string[];
    for (const id of all) await fetch(`${api}/instances/${id}`, { method: "DELETE" });
    await node.database.query(
      "update delivery_commitment set state = 'due', updated_at = now(), rounds = 0",
    );
    await waitFor(
      async () => (await (await fetch(`${api}/instances`)).json()) as string[],
      (list) => list.length === documents.length,
    );
    await committed();
  });
});
