import { createHash } from "node:crypto";
import { readdirSync, rmSync, truncateSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import { SOP_CLASS, UID } from "../../../src/dicom/uids.ts";
import type { BulkInstance } from "../../../src/dimse/bulk-sender.ts";
import { encodeResponse } from "../../../src/dimse/command-set.ts";
import type { Node } from "../../../src/main.ts";
import { ctSeries, ctUids } from "../../support/ct-series.ts";
import {
  associatePeer,
  type DimsePeer,
  encodeCancel,
  encodeRetrieveRequest,
  failedUidsOf,
  type Message,
  retrieveIdentifier,
} from "../../support/dimse-peer.ts";
import { nativeOrSkip } from "../../support/native-postgres.ts";
import { push, startTestNode, temporaryFolder, waitFor } from "../../support/node-under-test.ts";
import {
  type ScriptedDestination,
  startScriptedDestination,
} from "../../support/scripted-destination.ts";

const MOVE = SOP_CLASS.studyRootMove;
const GET = SOP_CLASS.studyRootGet;
const CT = SOP_CLASS.ctImageStorage;
const NOTHING = {
  remaining: undefined,
  completed: undefined,
  failed: undefined,
  warning: undefined,
};
const SLICES = 10;

const digest = (bytes: Buffer) => createHash("sha256").update(bytes).digest("hex");
const digests = (instances: readonly { dataSet: Buffer }[]) =>
  instances.map((one) => digest(one.dataSet));
const uidsOf = (instances: readonly BulkInstance[]) => instances.map((one) => one.sopInstanceUid);

for (const engine of ["embedded", "postgresql"] as const) {
  describe(`retrieve on the ${engine} database`, () => {
    const dataDir = temporaryFolder();
    const one = ctSeries({ name: "move-one", slices: SLICES });
    const two = ctSeries({ name: "move-two", slices: 3, patientId: "P-move-one" });
    const { study, series } = ctUids("move-one");
    const native = nativeOrSkip(engine);
    let node: Node;
    let log: string[];
    let near: ScriptedDestination;
    let far: ScriptedDestination;
    const peers: DimsePeer[] = [];

    before(async () => {
      [near, far] = [await startScriptedDestination(), await startScriptedDestination()];
      const called = { host: "127.0.0.1", allow: [] };
      ({ node, log } = await startTestNode({
        dataDir,
        databaseUrl: await native()?.freshDatabase(),
        quietSeconds: 3600,
        extra: {
          outbound: { responseSeconds: 3 },
          peers: [
            { aeTitle: "SENDER", host: "127.0.0.1" },
            { aeTitle: "READER", host: "127.0.0.1", allow: ["query", "retrieve"] },
            { aeTitle: "NEAR", port: near.port, ...called },
            { aeTitle: "FAR", port: far.port, ...called },
            { aeTitle: "CLOSED", port: 1, ...called },
            { aeTitle: "RANGE", port: near.port, allow: [], host: "127.0.0.0/8" },
          ],
        },
      }));
      // Sent backwards: what comes back is in the order of instance number.
      await push(node.dicom, one.toReversed());
      await push(node.dicom, two);
    });
    after(async () => {
      await node?.stop();
      await near?.stop();
      await far?.stop();
      await native()?.stop();
    });
    afterEach(() => {
      for (const peer of peers.splice(0)) peer.abort();
      near?.reset();
      far?.reset();
    });

    async function associate(sopClassUid: string = MOVE, relational = false): Promise<DimsePeer> {
      const peer = await associatePeer({
        port: node.dicom.port,
        callingAeTitle: "READER",
        contexts: [
          { id: 1, abstractSyntax: sopClassUid, transferSyntaxes: [UID.explicitVrLittleEndian] },
        ],
        user: relational ? { extended: [{ sopClassUid, information: Buffer.of(1) }] } : {},
      });
      peers.push(peer);
      return peer;
    }

    async function ask(
      peer: DimsePeer,
      identifier: Buffer,
      destination = "NEAR",
      sopClassUid: string = MOVE,
    ): Promise<void> {
      await peer.send(
        1,
        encodeRetrieveRequest({ sopClassUid, messageId: 7, destination }),
        identifier,
      );
    }

    /** All responses up to the final one. */
    async function responses(peer: DimsePeer): Promise<Message[]> {
      const all: Message[] = [];
      for (;;) {
        const message = await peer.next();
        if (message === undefined)
          throw new Error("the association ended before the final response");
        all.push(message);
        if (message.command.status !== 0xff00) return all;
      }
    }

    async function move(
      identifier: Buffer,
      destination?: string,
      sopClassUid: string = MOVE,
      relational = false,
    ): Promise<Message> {
      const peer = await associate(sopClassUid, relational);
      await ask(peer, identifier, destination, sopClassUid);
      const final = (await responses(peer)).at(-1)!;
      await peer.release();
      return final;
    }

    const wholeStudy = () => retrieveIdentifier("STUDY", { study });

    describe("C-MOVE", () => {
      it("sends the bytes that came in, in order, and says who asked", async () => {
        const peer = await associate();
        await ask(peer, wholeStudy());
        const all = await responses(peer);
        expect(all.map((message) => message.command.status)).to.deep.equal([
          ...one.map(() => 0xff00),
          0,
        ]);
        expect(all.slice(0, -1).map((message) => message.counts)).to.deep.equal(
          one.map((_, index) => ({
            remaining: SLICES - 1 - index,
            completed: index + 1,
            failed: 0,
            warning: 0,
          })),
        );
        expect(all.at(-1)!.counts).to.deep.equal({
          remaining: undefined,
          completed: SLICES,
          failed: 0,
          warning: 0,
        });
        expect(all.at(-1)!.command.hasDataSet).to.equal(false);
        expect(digests(near.received)).to.deep.equal(digests(one));
        expect(near.requests).to.have.length(1);
        expect(near.requests[0]!.callingAeTitle).to.equal("KINDRED");
        expect(near.requests[0]!.calledAeTitle).to.equal("NEAR");
        expect(near.received[0]!.command.moveOriginator).to.deep.equal({
          aeTitle: "READER",
          messageId: 7,
        });
      });

      const both = () => [...uidsOf(one), ...uidsOf(two)].sort();
      const sent = () => near.received.map((got) => got.command.affectedSopInstanceUid).sort();

      it("retrieves by each level, and by lists of UIDs at the level", async () => {
        const patient = "P-move-one";
        const PR = SOP_CLASS.patientRootMove;
        await move(retrieveIdentifier("PATIENT", { patient }), "NEAR", PR);
        expect(sent()).to.deep.equal(both());
        near.reset();
        await move(retrieveIdentifier("STUDY", { study: [study, ctUids("move-two").study] }));
        expect(sent()).to.deep.equal(both());
        near.reset();
        await move(retrieveIdentifier("SERIES", { patient, study, series }), "NEAR", PR);
        expect(sent()).to.deep.equal(uidsOf(one).sort());
        near.reset();
        const instance = [uidsOf(one)[4]!, uidsOf(one)[2]!];
        await move(retrieveIdentifier("IMAGE", { study, series, instance }));
        expect(near.received.map((got) => got.command.affectedSopInstanceUid)).to.deep.equal(
          instance.toReversed(),
        );
      });

      it("joins the keys: a series of another study, or a study of another patient, is nothing", async () => {
        const other = ctUids("move-two").study;
        for (const final of [
          await move(retrieveIdentifier("SERIES", { study: other, series })),
          await move(
            retrieveIdentifier("STUDY", { patient: "P-other", study }),
            "NEAR",
            SOP_CLASS.patientRootMove,
          ),
        ]) {
          expect(final.command.status).to.equal(0);
          expect(final.counts).to.deep.equal({
            remaining: undefined,
            completed: 0,
            failed: 0,
            warning: 0,
          });
        }
        expect(near.requests).to.have.length(0);
      });

      it("takes relational keys when they were negotiated, and only then", async () => {
        const identifier = retrieveIdentifier("SERIES", { series });
        expect((await move(identifier)).command.status).to.equal(0xa900);
        expect((await move(identifier, "NEAR", MOVE, true)).command.status).to.equal(0);
        expect(sent()).to.deep.equal(uidsOf(one).sort());
      });

      const refused: [string, () => Buffer, string, number, RegExp][] = [
        ["an unknown destination", wholeStudy, "NOBODY", 0xa801, /no peer/],
        ["a destination in other letters", wholeStudy, "near", 0xa801, /no peer/],
        ["our own AE title", wholeStudy, "KINDRED", 0xa801, /no peer/],
        ["a peer known by a range only", wholeStudy, "RANGE", 0xa801, /no peer/],
        ["a peer without a port", wholeStudy, "READER", 0xa801, /no peer/],
        [
          "level PATIENT in Study Root",
          () => retrieveIdentifier("PATIENT", { patient: "P" }),
          "NEAR",
          0xa900,
          /Level must be/,
        ],
        [
          "no unique key",
          () => retrieveIdentifier("STUDY", {}),
          "NEAR",
          0xa900,
          /StudyInstanceUID/,
        ],
        [
          "a key that is no UID",
          () => retrieveIdentifier("STUDY", { study: "1.2.*" }),
          "NEAR",
          0xa900,
          /UIDs only/,
        ],
        ["an identifier that is none", () => Buffer.from("what is this?"), "NEAR", 0xa900, /./],
      ];
      for (const [what, identifier, destination, status, comment] of refused) {
        it(`refuses ${what} with ${status.toString(16)}`, async () => {
          const final = await move(identifier(), destination);
          expect(final.command.status).to.equal(status);
          expect(final.command.errorComment).to.match(comment);
          expect(final.counts).to.deep.equal(NOTHING);
          expect(final.command.hasDataSet).to.equal(false);
        });
      }

      it("counts failures and warnings of the destination, and names the failed instances", async () => {
        near.script = { act: (index) => [0, 0xb000, 0xa700, 0x0111, 0xc123][index] ?? 0 };
        const final = await move(wholeStudy());
        expect(final.command.status).to.equal(0xb000);
        expect(final.counts).to.deep.equal({
          remaining: undefined,
          completed: SLICES - 4,
          failed: 2,
          warning: 2,
        });
        expect(failedUidsOf(final)).to.deep.equal([uidsOf(one)[2], uidsOf(one)[4]]);
      });

      it("answers A702H when all failed", async () => {
        near.script = { act: () => 0xa700 };
        const final = await move(wholeStudy());
        expect(final.command.status).to.equal(0xa702);
        expect(final.command.errorComment).to.equal("10 failed: destination out of resources");
        expect(failedUidsOf(final)).to.deep.equal(uidsOf(one));
      });

      it("fails what the destination takes no presentation context for, and reads no file of it", async () => {
        near.script = { accepts: () => false };
        const final = await move(wholeStudy());
        expect(final.command.status).to.equal(0xa702);
        expect(final.command.errorComment).to.equal(
          "10 failed: SOP class or transfer syntax not accepted",
        );
        expect(near.received).to.have.length(0);
      });

      it("fails all when the destination is away or rejects the association", async () => {
        const away = await move(wholeStudy(), "CLOSED");
        expect(away.command.status).to.equal(0xa702);
        expect(away.counts.failed).to.equal(SLICES);
        expect(away.command.errorComment).to.equal("10 failed: destination cannot be reached");
        near.script = { rejects: () => ({ result: 1, reason: 7 }) };
        const rejected = await move(wholeStudy());
        expect(rejected.command.errorComment).to.equal(
          "10 failed: destination rejected the association",
        );
        expect(near.requests).to.have.length(1);
      });

      it("goes on over a new association when the destination aborts in the middle", async () => {
        near.script = { act: (index) => (index === 2 ? "abort" : 0) };
        const final = await move(wholeStudy());
        expect(final.command.status).to.equal(0xb000);
        expect(final.counts).to.include({ completed: SLICES - 1, failed: 1 });
        expect(failedUidsOf(final)).to.deep.equal([uidsOf(one)[2]]);
        expect(near.requests).to.have.length(2);
      });

      it("gives up a destination that aborts whatever it gets", async () => {
        near.script = { act: () => "abort" };
        const final = await move(wholeStudy());
        expect(final.command.status).to.equal(0xa702);
        expect(near.requests).to.have.length(1);
      });

      it("times out a destination that does not answer", async () => {
        near.script = { act: (index) => (index === 1 ? "stall" : 0) };
        const final = await move(wholeStudy());
        expect(final.command.status).to.equal(0xb000);
        expect(final.counts).to.include({ completed: 1, failed: SLICES - 1 });
        expect(final.command.errorComment).to.equal("9 failed: destination did not answer in time");
      });

      it("ends with FE00H on C-CANCEL during a sub-operation that does not end", async () => {
        const peer = await associate();
        near.script = {
          async act(index) {
            if (index !== 3) return 0;
            await peer.send(1, encodeCancel(7));
            return "stall";
          },
        };
        await ask(peer, wholeStudy());
        const final = (await responses(peer)).at(-1)!;
        expect(final.command.status).to.equal(0xfe00);
        expect(final.counts).to.deep.equal({
          remaining: SLICES - 4,
          completed: 3,
          failed: 1,
          warning: 0,
        });
        expect(final.command.errorComment).to.equal("1 failed: interrupted by cancel");
        expect(failedUidsOf(final)).to.deep.equal([uidsOf(one)[3]]);
        expect(near.received).to.have.length(4);
      });

      it("a C-CANCEL of another message changes nothing", async () => {
        const peer = await associate();
        near.script = {
          async act(index) {
            if (index === 3) await peer.send(1, encodeCancel(8));
            return 0;
          },
        };
        await ask(peer, wholeStudy());
        expect((await responses(peer)).at(-1)!.counts).to.include({ completed: SLICES });
      });

      it("stops when the requestor aborts", async () => {
        const peer = await associate();
        let isAborted = false;
        near.script = {
          act(index) {
            if (index === 2) {
              peer.abort();
              isAborted = true;
              return "stall";
            }
            return 0;
          },
        };
        await ask(peer, wholeStudy());
        await waitFor(
          async () => log.filter((line) => line.includes('"outcome":"association ended"')),
          (lines) => isAborted && lines.length > 0,
        );
        expect(near.received).to.have.length(3);
      });

      it("serves several destinations at once, and no more than two moves to one of them", async () => {
        const gate = Promise.withResolvers<void>();
        near.script = {
          async act() {
            await gate.promise;
            return 0;
          },
        };
        const waiting = Array.from({ length: 4 }, async () => {
          const peer = await associate();
          await ask(peer, wholeStudy());
          return responses(peer);
        });
        // NEAR is held; FAR is served all the same.
        const other = await move(wholeStudy(), "FAR");
        expect(other.command.status).to.equal(0);
        expect(digests(far.received)).to.deep.equal(digests(one));
        await waitFor(
          async () => near.received.length,
          (held) => held === 2,
        );
        expect(near.requests).to.have.length(2);
        gate.resolve();
        for (const all of await Promise.all(waiting)) {
          expect(all.at(-1)!.command.status).to.equal(0);
          expect(all.at(-1)!.counts.completed).to.equal(SLICES);
        }
        expect(near.received).to.have.length(4 * SLICES);
      });

      it("counts a lost and a shortened file as failed, and logs no patient", async () => {
        const lost = ctSeries({ name: `lost-${engine}`, slices: 4 });
        await push(node.dicom, lost);
        const keyOf = async (index: number) =>
          (
            await node.database.query<{ file_key: string }>(
              "select file_key from instance where sop_instance_uid = $1",
              [uidsOf(lost)[index]],
            )
          ).rows[0]!.file_key;
        const files = readdirSync(join(dataDir, "instances"), { recursive: true }) as string[];
        const pathOf = (key: string) =>
          join(dataDir, "instances", files.find((name) => name.includes(key))!);
        rmSync(pathOf(await keyOf(1)));
        truncateSync(pathOf(await keyOf(2)), 2_000);
        const final = await move(
          retrieveIdentifier("STUDY", { study: ctUids(`lost-${engine}`).study }),
        );
        expect(final.command.status).to.equal(0xb000);
        expect(final.counts).to.include({ completed: 2, failed: 2 });
        expect(final.command.errorComment).to.equal("2 failed: stored file cannot be read");
        expect(failedUidsOf(final)).to.deep.equal([uidsOf(lost)[1], uidsOf(lost)[2]]);
        expect(near.requests).to.have.length(1);
        expect(log.filter((line) => line.includes("retrieve.file_unreadable"))).to.have.length(2);
        expect(log.join("")).not.to.match(/Secret|P-move-one/);
      });
    });

    describe("C-GET", () => {
      async function associateGet(
        transferSyntaxes: readonly string[] = [UID.explicitVrLittleEndian],
        isScp = true,
      ): Promise<DimsePeer> {
        const peer = await associatePeer({
          port: node.dicom.port,
          callingAeTitle: "READER",
          contexts: [
            { id: 1, abstractSyntax: GET, transferSyntaxes: [UID.explicitVrLittleEndian] },
            { id: 3, abstractSyntax: CT, transferSyntaxes },
          ],
          user: { roles: isScp ? [{ sopClassUid: CT, scuRole: false, scpRole: true }] : [] },
        });
        peers.push(peer);
        return peer;
      }

      async function get(
        peer: DimsePeer,
        onStore: (index: number) => Promise<number> = async () => 0,
      ): Promise<{ stored: Message[]; final: Message; pending: Message[] }> {
        await peer.send(1, encodeRetrieveRequest({ sopClassUid: GET, messageId: 9 }), wholeStudy());
        const stored: Message[] = [];
        const pending: Message[] = [];
        for (;;) {
          const message = await peer.next();
          if (message === undefined) throw new Error("the association ended");
          if (message.contextId === 3) {
            const status = await onStore(stored.push(message) - 1);
            await peer.send(3, encodeResponse(message.command, { status }));
          } else if (message.command.status === 0xff00) pending.push(message);
          else return { stored, final: message, pending };
        }
      }

      it("sends the bytes that came in on the association that asked", async () => {
        const peer = await associateGet();
        const { stored, final, pending } = await get(peer);
        expect(digests(stored)).to.deep.equal(digests(one));
        expect(final.command.status).to.equal(0);
        expect(final.counts).to.include({ completed: SLICES, failed: 0, warning: 0 });
        expect(pending).to.have.length(SLICES);
        await peer.release();
      });

      it("fails what it has no context or no role for", async () => {
        for (const peer of [
          await associateGet([UID.implicitVrLittleEndian]),
          await associateGet(undefined, false),
        ]) {
          const { stored, final } = await get(peer);
          expect(stored).to.have.length(0);
          expect(final.command.status).to.equal(0xa702);
          expect(final.counts).to.include({ completed: 0, failed: SLICES });
          expect(failedUidsOf(final)).to.deep.equal(uidsOf(one));
        }
      });

      it("counts the answers", async () => {
        const peer = await associateGet();
        const { final } = await get(peer, async (index) => (index === 2 ? 0xa700 : 0));
        expect(final.command.status).to.equal(0xb000);
        expect(final.counts).to.include({ completed: SLICES - 1, failed: 1 });
        expect(failedUidsOf(final)).to.deep.equal([uidsOf(one)[2]]);
      });

      it("ends with FE00H on C-CANCEL, exactly after the running sub-operation", async () => {
        const peer = await associateGet();
        const { stored, final } = await get(peer, async (index) => {
          if (index === 3) await peer.send(1, encodeCancel(9));
          return 0;
        });
        expect(stored).to.have.length(4);
        expect(final.command.status).to.equal(0xfe00);
        expect(final.counts).to.deep.equal({
          remaining: SLICES - 4,
          completed: 4,
          failed: 0,
          warning: 0,
        });
      });
    });
  });
}
