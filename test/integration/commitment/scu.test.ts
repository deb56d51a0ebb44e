import { expect } from "chai";
import { configSchema } from "../../../src/config/schema.ts";
import { reportToPeer } from "../../../src/dimse/commitment-requestor.ts";
import type { CommitmentRequest, CommitmentResult } from "../../../src/dimse/ports.ts";
import { KindredError } from "../../../src/kernel/errors.ts";
import { silentLogger } from "../../../src/kernel/log.ts";
import type { Node } from "../../../src/main.ts";
import { endOverdueRequests } from "../../../src/outbound/commitment.ts";
import { type CommitmentPeer, startCommitmentPeer } from "../../support/commitment-peer.ts";
import { ctSeries, ctUids } from "../../support/ct-series.ts";
import { nativeOrSkip } from "../../support/native-postgres.ts";
import { getJson, push, startTestNode, waitFor } from "../../support/node-under-test.ts";

interface SeriesAnswer {
  state: string;
  documents: {
    sopInstanceUid: string;
    deliveries: {
      peer: string;
      state: string;
      attempts: number;
      lastError: string | null;
      committed?: boolean;
    }[];
  }[];
}
interface QueueAnswer {
  commitments: { requested: { state: string; lastError: string | null; references: number }[] };
}

const all = (request: CommitmentRequest): CommitmentResult => ({
  transactionUid: request.transactionUid,
  committed: request.references,
  failed: [],
});
const none = (request: CommitmentRequest): CommitmentResult => ({
  transactionUid: request.transactionUid,
  committed: [],
  failed: request.references.map((one) => ({ ...one, reason: 0x0110 })),
});

/** What the PACS of the running test says to a request; undefined: it never reports. */
type Judge = (request: CommitmentRequest) => CommitmentResult | undefined;

for (const engine of ["embedded", "postgresql"] as const) {
  describe(`storage commitment as SCU on the ${engine} database`, () => {
    const native = nativeOrSkip(engine);
    let node: Node;
    let log: string[];
    let pacs: CommitmentPeer;
    /** Reports on new associations only. */
    let slow: CommitmentPeer;
    /** Is not asked. */
    let plain: CommitmentPeer;
    let judge: Judge = all;

    before(async () => {
      const asked = { host: "127.0.0.1", allow: [], sendReports: true, commit: true };
      pacs = await startCommitmentPeer({ aeTitle: "PACS", judge: (request) => judge(request) });
      slow = await startCommitmentPeer({ aeTitle: "SLOW", sameAssociationSeconds: 0 });
      plain = await startCommitmentPeer({ aeTitle: "PLAIN" });
      ({ node, log } = await startTestNode({
        databaseUrl: await native()?.freshDatabase(),
        extra: {
          commitment: { batchSeconds: 0.5, waitSeconds: 1, roundsMax: 3 },
          outbound: { backoffSeconds: 1, attemptsMax: 3, responseSeconds: 5 },
          peers: [
            { aeTitle: "SENDER", host: "127.0.0.1", allow: ["store"] },
            { ...asked, aeTitle: "PACS", port: pacs.port },
            { ...asked, aeTitle: "SLOW", port: slow.port },
            { ...asked, aeTitle: "PLAIN", port: plain.port, commit: false },
          ],
        },
      }));
      pacs.node = node.dicom;
      slow.node = node.dicom;
    });
    after(async () => {
      await node?.stop();
      await pacs?.stop();
      await slow?.stop();
      await plain?.stop();
      await native()?.stop();
    });

    const series = (name: string) =>
      getJson<SeriesAnswer>(node, `/api/v1/series/${ctUids(name).series}`);
    const deliveries = async (name: string, peer = "PACS") =>
      (await series(name)).documents.flatMap((document) =>
        document.deliveries.filter((one) => one.peer === peer),
      );
    const committed = (name: string, peer = "PACS") =>
      waitFor(
        () => deliveries(name, peer),
        (list) => list.length === 2 && list.every((one) => one.committed === true),
      );
    const requested = async () =>
      (await getJson<QueueAnswer>(node, "/api/v1/queue")).commitments.requested;
    /** Both documents of a series that was pushed after so many requests are in requests that the PACS took. */
    const askedSince = (before: number) =>
      waitFor(requested, (list) => {
        const references = pacs.requests.slice(before).flatMap((one) => one.references);
        return references.length === 2 && list.every((one) => one.state === "asked");
      });
    const sentTo = (peer: CommitmentPeer, documents: SeriesAnswer["documents"]) =>
      documents.map((one) => peer.stored.get(one.sopInstanceUid));

    it("asks for both documents, and takes the report wherever it comes", async () => {
      judge = all;
      await push(node.dicom, ctSeries({ name: "sent" }));
      const done = await committed("sent");
      await committed("sent", "SLOW");
      expect(done.every((one) => one.state === "delivered" && one.attempts === 1)).to.equal(true);
      const { documents } = await waitFor(
        () => series("sent"),
        (one) => one.state === "delivered",
      );
      for (const peer of [pacs, slow]) {
        const named = peer.requests.flatMap((one) => one.references);
        expect(named.map((one) => one.sopInstanceUid).sort(), "each asked for once").to.deep.equal(
          documents.map((one) => one.sopInstanceUid).sort(),
        );
      }
      const unasked = await deliveries("sent", "PLAIN");
      expect(unasked.some((one) => "committed" in one)).to.equal(false);
      expect(plain.requests).to.deep.equal([]);
      await waitFor(requested, (list) => list.length === 0);
      expect(log.some((line) => line.includes('"commitment.result"'))).to.equal(true);
    });

    it("sends again what is not committed, and asks again", async () => {
      let rounds = 0;
      judge = (request) => (++rounds === 1 ? none(request) : all(request));
      await push(node.dicom, ctSeries({ name: "lost" }));
      const done = await committed("lost");
      expect(done.every((one) => one.state === "delivered" && one.attempts === 2)).to.equal(true);
      const { state, documents } = await series("lost");
      expect(state).to.equal("delivered");
      expect(sentTo(pacs, documents)).to.deep.equal([2, 2]);
      expect(sentTo(slow, documents), "only to the peer that lost it").to.deep.equal([1, 1]);
      const transactions = pacs.requests.map((one) => one.transactionUid);
      expect(new Set(transactions).size).to.equal(transactions.length);
    });

    it("parks what the peer never commits, with its reason", async () => {
      judge = none;
      await push(node.dicom, ctSeries({ name: "never" }));
      const parked = await waitFor(
        () => deliveries("never"),
        (list) => list.length === 2 && list.every((one) => one.state === "failed"),
      );
      for (const one of parked) {
        expect(one).to.include({ committed: false, attempts: 3 });
        expect(one.lastError).to.equal("The peer does not commit the object (0110H)");
      }
      const { state, documents } = await series("never");
      expect(sentTo(pacs, documents)).to.deep.equal([3, 3]);
      expect(state).to.equal("reported");
    });

    it("refuses a report on a transaction it did not ask of that peer, and changes nothing", async () => {
      judge = () => undefined;
      const before = pacs.requests.length;
      await push(node.dicom, ctSeries({ name: "silent" }));
      await askedSince(before);
      const result = all(pacs.requests[before]!);
      const report = (by: CommitmentPeer, transactionUid: string) =>
        reportToPeer(by.target(), { ...result, transactionUid }, "PACS").then(
          () => "taken",
          (error: unknown) => (error instanceof KindredError ? error.message : String(error)),
        );
      expect(await report(pacs, "1.2.3.4.5")).to.include("0115H");
      expect(await report(slow, result.transactionUid), "another peer").to.include("0115H");
      expect((await deliveries("silent")).map((one) => one.committed)).to.deep.equal([
        false,
        false,
      ]);
      const metrics = await fetch(`http://${node.http.host}:${node.http.port}/metrics`);
      expect(await metrics.text())
        .to.include('results_total{peer="PACS",outcome="unknown transaction"} 1\n')
        .and.include('results_total{peer="SLOW",outcome="unknown transaction"} 1\n');
    });

    it("ends a transaction without a report, asks again, and takes the late one", async () => {
      const [first] = await requested();
      expect(first).to.include({ state: "asked" });
      const asked = pacs.requests.length;
      judge = all;
      await endOverdueRequests({
        config: configSchema.parse({ commitment: { reportHours: 1, roundsMax: 3 } }),
        database: node.database,
        clock: { now: () => new Date(Date.now() + 2 * 3_600_000) },
        log: silentLogger(),
      });
      const { rows } = await node.database.query<{ last_error: string }>(
        "select last_error from commitment_request where state = 'failed'",
      );
      expect(new Set(rows.map((one) => one.last_error))).to.deep.equal(
        new Set(["The peer did not report in time"]),
      );
      // The clock of that call was ahead: the documents wait until then, so they are put to now.
      await node.database.query(
        "update delivery_commitment set updated_at = now() where state = 'due'",
      );
      await committed("silent");
      expect(pacs.requests.length).to.be.greaterThan(asked);
      await waitFor(requested, (list) => list.length === 0);
      const late = pacs.requests[asked - 1]!;
      await reportToPeer(pacs.target(), none(late), "PACS");
      await reportToPeer(pacs.target(), all(pacs.requests[asked]!), "PACS");
      expect((await deliveries("silent")).map((one) => one.committed)).to.deep.equal([true, true]);
    });

    it("takes a report that comes after it gave up", async () => {
      judge = () => undefined;
      const before = pacs.requests.length;
      await push(node.dicom, ctSeries({ name: "late" }));
      await askedSince(before);
      await endOverdueRequests({
        config: configSchema.parse({ commitment: { reportHours: 1, roundsMax: 1 } }),
        database: node.database,
        clock: { now: () => new Date(Date.now() + 2 * 3_600_000) },
        log: silentLogger(),
      });
      expect((await requested())[0]).to.include({
        state: "failed",
        lastError: "The peer did not report in time",
      });
      for (const request of pacs.requests.slice(before))
        await reportToPeer(pacs.target(), all(request), "PACS");
      await committed("late");
    });

    it("gives up on a peer that refuses its requests, each with another transaction", async () => {
      judge = () => {
        throw new KindredError("BAD_REQUEST", "not today");
      };
      const before = pacs.requests.length;
      await push(node.dicom, ctSeries({ name: "refused" }));
      const last = await waitFor(requested, (list) =>
        list.some((one) => one.state === "failed" && pacs.requests.length >= before + 3),
      );
      expect(last.find((one) => one.state === "failed")!.lastError).to.equal(
        "The peer refused storage commitment (0115H)",
      );
      const states = await deliveries("refused");
      expect(states.map((one) => `${one.state} ${one.committed}`)).to.deep.equal([
        "delivered false",
        "delivered false",
      ]);
      const asked = pacs.requests.slice(before);
      expect(new Set(asked.map((one) => one.transactionUid)).size).to.equal(asked.length);
    });
  });
}
