import { rmSync, truncateSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import { pathOfKey } from "../../../src/archive/instance-folders.ts";
import { SOP_CLASS, UID, uidFromName } from "../../../src/dicom/uids.ts";
import { encodeActionInformation } from "../../../src/dimse/commitment-information.ts";
import type { InstanceReference } from "../../../src/dimse/ports.ts";
import type { Node } from "../../../src/main.ts";
import {
  type ActionChange,
  ask,
  type CommitmentPeer,
  startCommitmentPeer,
} from "../../support/commitment-peer.ts";
import { ctSeries } from "../../support/ct-series.ts";
import { nativeOrSkip } from "../../support/native-postgres.ts";
import {
  getJson,
  push,
  startTestNode,
  temporaryFolder,
  waitFor,
} from "../../support/node-under-test.ts";

interface QueueAnswer {
  commitments: {
    asked: {
      peer: string;
      state: string;
      attempts: number;
      references: number;
      lastError: string;
    }[];
  };
}

const transaction = (name: string) => uidFromName(`test/transaction/${name}`);
const references = (name: string, slices = 4): InstanceReference[] =>
  ctSeries({ name, slices }).map(({ sopClassUid, sopInstanceUid }) => ({
    sopClassUid,
    sopInstanceUid,
  }));

for (const engine of ["embedded", "postgresql"] as const) {
  describe(`storage commitment as SCP on the ${engine} database`, () => {
    let node: Node;
    let log: string[];
    let peer: CommitmentPeer;
    const dataDir = temporaryFolder();
    const native = nativeOrSkip(engine);
    const open = async () => (await getJson<QueueAnswer>(node, "/api/v1/queue")).commitments.asked;
    const isTold = () => waitFor(open, (list) => list.length === 0);

    before(async () => {
      peer = await startCommitmentPeer();
      ({ node, log } = await startTestNode({
        dataDir,
        databaseUrl: await native()?.freshDatabase(),
        extra: {
          commitment: { sameAssociationSeconds: 0.3, referencesMax: 6_000 },
          outbound: { backoffSeconds: 1, attemptsMax: 3, responseSeconds: 5 },
          peers: [
            { aeTitle: "SENDER", host: "127.0.0.1", allow: ["store", "query"] },
            { aeTitle: "PEER", host: "127.0.0.1", port: peer.port, allow: ["commit"] },
            { aeTitle: "AWAY", host: "127.0.0.1", port: 1, allow: ["commit"] },
            { aeTitle: "DEAF", host: "127.0.0.1", allow: ["commit"] },
          ],
        },
      }));
      peer.node = node.dicom;
      await push(node.dicom, ctSeries({ name: "kept", slices: 4 }));
    });
    after(async () => {
      await node?.stop();
      await peer?.stop();
      await native()?.stop();
    });

    it("reports on the same association when the peer leaves it open", async () => {
      const association = await peer.associate();
      const uid = transaction("same");
      expect(await ask(association, uid, references("kept"))).to.include({ status: 0 });
      const { result, way } = await peer.report(uid);
      expect(way).to.equal("same");
      expect(result).to.deep.equal({
        transactionUid: uid,
        committed: references("kept"),
        failed: [],
      });
      await isTold();
      await association.release();
      expect(peer.reports.filter((one) => one.result.transactionUid === uid)).to.have.length(1);
    });

    it("calls the peer with the roles reversed when it released", async () => {
      const association = await peer.associate();
      const uid = transaction("new");
      expect(await ask(association, uid, references("kept"))).to.include({ status: 0 });
      await association.release();
      const { result, way } = await peer.report(uid);
      expect(way).to.equal("new");
      expect(result.committed).to.deep.equal(references("kept"));
      await isTold();
    });

    it("says which references are not kept, and why", async () => {
      await push(node.dicom, ctSeries({ name: "damaged", slices: 4 }));
      const damaged = references("damaged");
      const fileOf = async (uid: string) => {
        const { rows } = await node.database.query<{ file_key: string }>(
          "select file_key from instance where sop_instance_uid = $1",
          [uid],
        );
        return pathOfKey(join(dataDir, "instances"), rows[0]!.file_key);
      };
      rmSync(await fileOf(damaged[1]!.sopInstanceUid));
      truncateSync(await fileOf(damaged[2]!.sopInstanceUid), 1_000);
      const other = {
        sopClassUid: SOP_CLASS.enhancedCtImageStorage,
        sopInstanceUid: damaged[3]!.sopInstanceUid,
      };
      const absent = { sopClassUid: SOP_CLASS.ctImageStorage, sopInstanceUid: "1.2.3" };
      const association = await peer.associate();
      const uid = transaction("failures");
      await ask(association, uid, [damaged[0]!, damaged[1]!, damaged[2]!, other, absent]);
      const { result } = await peer.report(uid);
      await association.release();
      expect(result.committed).to.deep.equal([damaged[0]]);
      expect(result.failed).to.deep.equal([
        { ...damaged[1]!, reason: 0x0112 },
        { ...damaged[2]!, reason: 0x0110 },
        { ...other, reason: 0x0119 },
        { ...absent, reason: 0x0112 },
      ]);
      expect(log.filter((line) => line.includes("archive.damaged"))).to.have.length(2);
    });

    it("answers the same transaction the same again, and refuses its UID for another", async () => {
      const uid = transaction("again");
      const late = references("late");
      const association = await peer.associate();
      await ask(association, uid, late);
      const first = await peer.report(uid);
      expect(first.result.failed).to.have.length(4);
      await push(node.dicom, ctSeries({ name: "late", slices: 4 }));
      expect(await ask(association, uid, [...late].reverse())).to.include({ status: 0 });
      const second = await peer.report(uid, 2);
      expect(second.result).to.deep.equal(first.result);
      const refused = await ask(association, uid, references("kept"));
      expect(refused.status).to.equal(0x0115);
      expect(refused.comment).to.include("Transaction UID is in use");
      expect(await ask(association, transaction("afresh"), late)).to.include({ status: 0 });
      expect((await peer.report(transaction("afresh"))).result.failed).to.deep.equal([]);
      await association.release();
    });

    it("takes thousands of references, and refuses more than the limit with 0213H", async () => {
      const many = Array.from({ length: 5_000 }, (_, index) => ({
        sopClassUid: SOP_CLASS.ctImageStorage,
        sopInstanceUid: `1.2.840.99999.123456789.123456789.123456789.${index}`,
      }));
      const all = [...references("kept"), ...many];
      const association = await peer.associate();
      const uid = transaction("many");
      expect(await ask(association, uid, all)).to.include({ status: 0 });
      const { result } = await peer.report(uid);
      expect(result.committed).to.deep.equal(references("kept"));
      expect(result.failed).to.have.length(5_000);
      const over = [
        ...many,
        ...many.map((one) => ({ ...one, sopInstanceUid: `${one.sopInstanceUid}.1` })),
      ];
      const refused = await ask(association, transaction("over"), over);
      expect(refused).to.deep.equal({
        status: 0x0213,
        comment: "Too many references: ask in several requests",
      });
      await association.release();
    });

    const faults: [string, number, ActionChange][] = [
      ["another SOP class", 0x0118, { sopClassUid: SOP_CLASS.verification }],
      ["another SOP instance", 0x0112, { sopInstanceUid: "1.2.840.10008.1.20.1.2" }],
      ["an instance that is no UID", 0x0117, { sopInstanceUid: "1..2" }],
      ["another action type", 0x0123, { actionTypeId: 2 }],
      ["no data set to speak of", 0x0115, { information: Buffer.alloc(0) }],
      ["bytes that are no data set", 0x0115, { information: Buffer.from("what is this?!") }],
      [
        "no references",
        0x0115,
        {
          information: encodeActionInformation(
            { transactionUid: "1.2.3", references: [] },
            UID.explicitVrLittleEndian,
          ),
        },
      ],
      [
        "a transaction that is no UID",
        0x0115,
        {
          information: encodeActionInformation(
            { transactionUid: "'; drop table commitment; --", references: references("kept") },
            UID.explicitVrLittleEndian,
          ),
        },
      ],
    ];
    it("answers every fault with its status and a comment, and goes on", async () => {
      const association = await peer.associate();
      for (const [title, status, change] of faults) {
        const answer = await ask(association, transaction(title), references("kept"), change);
        expect(answer.status, title).to.equal(status);
        expect(answer.comment, title).not.to.equal("");
      }
      const uid = transaction("after the faults");
      expect(await ask(association, uid, references("kept"))).to.include({ status: 0 });
      await peer.report(uid);
      await association.release();
      await isTold();
    });

    it("parks the result of a peer that cannot be called, and shows it", async () => {
      for (const aeTitle of ["AWAY", "DEAF"]) {
        const away = await startCommitmentPeer({ aeTitle });
        away.node = node.dicom;
        const association = await away.associate();
        const uid = transaction(aeTitle);
        expect(await ask(association, uid, references("kept"))).to.include({ status: 0 });
        await association.release();
        const [parked] = await waitFor(open, (list) => list[0]?.state === "failed");
        expect(parked).to.include({ peer: aeTitle, attempts: 3, references: 4 });
        expect(parked!.lastError).to.match(/cannot be reached|not configured with a host and port/);
        // Asked again it is open again, and this time the peer waits for it.
        const again = await away.associate();
        expect(await ask(again, uid, references("kept"))).to.include({ status: 0 });
        expect((await away.report(uid)).way).to.equal("same");
        await isTold();
        await again.release();
        await away.stop();
      }
    });

    it("counts without naming anybody's instances", async () => {
      const metrics = await fetch(`http://${node.http.host}:${node.http.port}/metrics`).then(
        (one) => one.text(),
      );
      expect(metrics).to.match(
        /kindred_commitment_reports_total\{peer="PEER",way="new association",outcome="reported"\} 1\n/,
      );
      expect(metrics).to.match(/kindred_commitment_references_total\{outcome="committed"\} [1-9]/);
      expect(metrics).to.match(
        /kindred_dimse_requests_total\{command="N-ACTION",status="0213H"\} 1\n/,
      );
      expect(log.join("")).not.to.include(references("kept")[0]!.sopInstanceUid);
    });
  });
}
