import { expect } from "chai";
import { configSchema } from "../../../src/config/schema.ts";
import { SOP_CLASS, UID, uidFromName } from "../../../src/dicom/uids.ts";
import { createDimseListener, type DimseListener } from "../../../src/dimse/listener.ts";
import type { StoredInstance } from "../../../src/dimse/ports.ts";
import { moveDestination } from "../../../src/dimse/services/move-destination.ts";
import { createRetrieveService } from "../../../src/dimse/services/retrieve.ts";
import { createTurns } from "../../../src/dimse/services/turns.ts";
import { silentLogger } from "../../../src/kernel/log.ts";
import { createMetrics } from "../../../src/kernel/metrics.ts";
import {
  associatePeer,
  encodeRetrieveRequest,
  retrieveIdentifier,
} from "../../support/dimse-peer.ts";
import {
  type ScriptedDestination,
  startScriptedDestination,
} from "../../support/scripted-destination.ts";

const PAIRS = 300;

/** Instances in memory, each of a transfer syntax of its own. */
function instances(count: number): StoredInstance[] {
  return Array.from({ length: count }, (_, n) => ({
    sopClassUid: SOP_CLASS.ctImageStorage,
    sopInstanceUid: uidFromName(`instance ${n}`),
    transferSyntaxUid: `1.2.3.${n % PAIRS}`,
    open: async () => ({
      sizeBytes: 4,
      close: async () => undefined,
      async *pieces() {
        yield Buffer.from([n, n >>> 8, 0, 0]);
      },
    }),
  }));
}

describe("retrieve at its limits", () => {
  let destination: ScriptedDestination;
  let listener: DimseListener;
  let port: number;
  const metrics = createMetrics();

  before(async () => {
    destination = await startScriptedDestination();
    const config = configSchema.parse({
      dimse: { port: 0, releaseSeconds: 1, retrievePendingSeconds: 600 },
      peers: [
        { aeTitle: "READER", host: "127.0.0.1", allow: ["retrieve"] },
        { aeTitle: "FAR", host: "127.0.0.1", port: destination.port, allow: [] },
      ],
    });
    listener = createDimseListener({
      config: config.dimse,
      peers: config.peers,
      log: silentLogger(),
      metrics,
      store: { begin: () => Promise.reject(new Error("not here")) },
      find: {
        // biome-ignore lint/correctness/useYield: nothing to find here
        async *find() {
          return {};
        },
      },
      retrieve: createRetrieveService({
        config: config.dimse,
        source: { find: async () => instances(2 * PAIRS) },
        turns: createTurns(2, () => undefined),
        destinationOf: (aeTitle) => moveDestination(config, aeTitle, undefined),
        log: silentLogger(),
        metrics,
      }),
    });
    ({ port } = await listener.start());
  });
  after(async () => {
    await listener.stop();
    await destination.stop();
  });

  it("more pairs than one association can propose go over several, one after the other", async () => {
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
    await peer.send(
      1,
      encodeRetrieveRequest(request),
      retrieveIdentifier("STUDY", { study: "1.2" }),
    );
    const pending = await peer.next();
    expect(pending?.command.status).to.equal(0xff00);
    // The next Pending response is due in ten minutes.
    const final = await peer.next();
    expect(final?.command.status).to.equal(0);
    expect(final?.counts.completed).to.equal(2 * PAIRS);
    expect(destination.requests.map((one) => one.contexts.length)).to.deep.equal([128, 128, 44]);
    const associations = destination.received.map((one) => one.association);
    expect(associations).to.deep.equal(associations.toSorted());
    for (const one of destination.received) {
      const n = one.dataSet[0]! + one.dataSet[1]! * 256;
      expect(one.command.affectedSopInstanceUid).to.equal(uidFromName(`instance ${n}`));
      expect(one.transferSyntaxUid).to.equal(`1.2.3.${n % PAIRS}`);
    }
    const text = await metrics.registry.metrics();
    expect(text).to.include(
      `kindred_sub_operations_total{command="C-MOVE",outcome="completed"} ${2 * PAIRS}`,
    );
    await peer.release();
  });
});
