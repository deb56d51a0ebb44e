import { expect } from "chai";
import { SOP_CLASS, UID } from "../../../src/dicom/uids.ts";
import { ctSeries, ctUids } from "../../support/ct-series.ts";
import {
  associatePeer,
  encodeRetrieveRequest,
  retrieveIdentifier,
} from "../../support/dimse-peer.ts";
import { freePort } from "../../support/free-port.ts";
import { ended, push, spawnNode, temporaryFolder, waitFor } from "../../support/node-under-test.ts";
import { startScriptedDestination } from "../../support/scripted-destination.ts";

const MOVES = 5;
const SLICES = 3;

describe("retrieve by several receivers", function () {
  this.timeout(120_000);

  it("keeps to the moves that one destination gets at once, over all of them", async () => {
    const far = await startScriptedDestination();
    const node = await spawnNode(
      {
        dataDir: temporaryFolder(),
        receivers: 2,
        quietSeconds: 3600,
        extra: {
          peers: [
            { aeTitle: "SENDER", host: "127.0.0.1" },
            { aeTitle: "READER", host: "127.0.0.1", allow: ["retrieve"] },
            { aeTitle: "FAR", host: "127.0.0.1", port: far.port, allow: [] },
          ],
        },
      },
      { dicom: await freePort(), http: await freePort() },
    );
    try {
      await push(node.dicom, ctSeries({ name: "shared", slices: SLICES }));
      const metrics = async () =>
        (await fetch(`http://127.0.0.1:${node.http.port}/metrics`)).text();
      const gate = Promise.withResolvers<void>();
      far.script = {
        async act() {
          await gate.promise;
          return 0;
        },
      };
      const finals = Array.from({ length: MOVES }, () => move(node.dicom.port));
      await waitFor(metrics, (text) => text.includes("kindred_moves_waiting 3"));
      expect(far.requests).to.have.length(2);
      gate.resolve();
      expect(await Promise.all(finals)).to.deep.equal(Array(MOVES).fill(SLICES));
      expect(far.received).to.have.length(MOVES * SLICES);
      expect(await metrics())
        .to.include("kindred_moves_waiting 0")
        .and.include(
          `kindred_sub_operations_total{command="C-MOVE",outcome="completed"} ${MOVES * SLICES}`,
        );
    } finally {
      node.child.kill("SIGTERM");
      expect(await ended(node.child)).to.equal(0);
      await far.stop();
    }
  });
});

/** @returns the completed sub-operations of the final response */
async function move(port: number): Promise<number | undefined> {
  const peer = await associatePeer({
    port,
    callingAeTitle: "READER",
    contexts: [
      {
        id: 1,
        abstractSyntax: SOP_CLASS.studyRootMove,
        transferSyntaxes: [UID.explicitVrLittleEndian],
      },
    ],
  });
  const request = { sopClassUid: SOP_CLASS.studyRootMove, messageId: 1, destination: "FAR" };
  const identifier = retrieveIdentifier("STUDY", { study: ctUids("shared").study });
  await peer.send(1, encodeRetrieveRequest(request), identifier);
  let last = await peer.next();
  while (last?.command.status === 0xff00) last = await peer.next();
  await peer.release();
  return last?.counts.completed;
}
