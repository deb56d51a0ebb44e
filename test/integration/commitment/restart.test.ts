import { expect } from "chai";
import { uidFromName } from "../../../src/dicom/uids.ts";
import { reportToPeer } from "../../../src/dimse/commitment-requestor.ts";
import { HOLD_SECONDS } from "../../../src/dimse/ports.ts";
import { ask, startCommitmentPeer } from "../../support/commitment-peer.ts";
import { ctSeries, ctUids } from "../../support/ct-series.ts";
import { freePorts } from "../../support/free-ports.ts";
import { nativeOrSkip } from "../../support/native-postgres.ts";
import {
  ended,
  getJson,
  push,
  spawnNode,
  temporaryFolder,
  waitFor,
} from "../../support/node-under-test.ts";

const TRANSACTIONS = 12;

interface QueueAnswer {
  commitments: { asked: { state: string }[]; requested: { state: string }[] };
}
interface SeriesAnswer {
  documents: { deliveries: { state: string; committed?: boolean }[] }[];
}

for (const engine of ["embedded", "postgresql"] as const) {
  describe(`kill -9 between request and report of storage commitment, ${engine} database`, function () {
    this.timeout(180_000);
    const native = nativeOrSkip(engine);
    after(async () => native()?.stop());

    it("loses no transaction in either direction, with the peer away meanwhile", async () => {
      const [dicom, http, peerPort] = await freePorts(3);
      const ports = { dicom: dicom!, http: http! };
      const options = {
        dataDir: temporaryFolder(),
        receivers: 2,
        databaseUrl: await native()?.freshDatabase(),
        extra: {
          commitment: {
            sameAssociationSeconds: HOLD_SECONDS + 2,
            batchSeconds: 0.5,
            waitSeconds: 0,
          },
          outbound: { backoffSeconds: 1, backoffSecondsMax: 2, attemptsMax: 100 },
          peers: [
            { aeTitle: "SENDER", host: "127.0.0.1", allow: ["store"] },
            {
              aeTitle: "PEER",
              host: "127.0.0.1",
              port: peerPort,
              allow: ["commit"],
              sendReports: true,
              commit: true,
            },
          ],
        },
      };
      // Never reports before the kill: what we asked of it stays open.
      const first = await startCommitmentPeer({ port: peerPort!, judge: () => undefined });
      const node = await spawnNode(options, ports);
      first.node = node.dicom;
      const instances = ctSeries({ name: "restart", slices: 8 });
      await push(node.dicom, instances);
      await waitFor(
        async () => first.requests.flatMap((one) => one.references),
        (list) => list.length === 2,
        60,
      );
      const asked = first.requests.map((one) => ({ ...one }));
      const transactions = Array.from({ length: TRANSACTIONS }, (_, index) =>
        uidFromName(`test/restart/${index}`),
      );
      const association = await first.associate();
      for (const uid of transactions)
        expect(await ask(association, uid, instances)).to.include({ status: 0 });
      node.child.kill("SIGKILL");
      await ended(node.child);
      await first.stop();
      expect(first.reports, "nothing was reported before the kill").to.deep.equal([]);

      const again = await spawnNode(options, ports);
      try {
        const open = () =>
          getJson<QueueAnswer>(again, "/api/v1/queue").then((one) => one.commitments);
        // The holds of the process that died run out, and the peer is called in vain.
        await waitFor(open, ({ asked: list }) => list.every((one) => one.state === "due"));
        expect((await open()).asked).to.have.length(TRANSACTIONS);
        const second = await startCommitmentPeer({ port: peerPort! });
        second.node = again.dicom;
        await waitFor(open, ({ asked: list }) => list.length === 0, 60);
        expect(second.reports.map((one) => one.result.transactionUid).sort()).to.deep.equal(
          [...transactions].sort(),
        );
        expect(second.reports.every((one) => one.result.committed.length === 8)).to.equal(true);
        // The peer reports now on what it was asked before the kill.
        for (const { transactionUid, references } of asked) {
          const result = { transactionUid, committed: references, failed: [] };
          await reportToPeer(second.target(), result, "PEER");
        }
        const { documents } = await getJson<SeriesAnswer>(
          again,
          `/api/v1/series/${ctUids("restart").series}`,
        );
        expect(
          documents.map((one) =>
            one.deliveries.map(({ state, committed }) => ({ state, committed })),
          ),
        ).to.deep.equal([
          [{ state: "delivered", committed: true }],
          [{ state: "delivered", committed: true }],
        ]);
        // Longer than a hold: it is renewed while the association is waited for, so nobody else reports.
        const waiting = await second.associate();
        const uid = uidFromName("test/restart/held");
        expect(await ask(waiting, uid, instances)).to.include({ status: 0 });
        expect((await second.report(uid)).way).to.equal("same");
        await waitFor(open, ({ asked: list }) => list.length === 0);
        expect(second.reports.filter((one) => one.result.transactionUid === uid)).to.have.length(1);
        await waiting.release();
        await second.stop();
      } finally {
        again.child.kill("SIGTERM");
        expect(await ended(again.child)).to.equal(0);
      }
    });
  });
}
