import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import { type Config, configSchema } from "../../../src/config/schema.ts";
import { type Database, openDatabase } from "../../../src/db/database.ts";
import { findDelivery, saveDocument } from "../../../src/db/documents.ts";
import { migrate } from "../../../src/db/migrate.ts";
import { DataSet } from "../../../src/dicom/data-set.ts";
import { encodeDataSet } from "../../../src/dicom/encode.ts";
import { encodeFileMeta } from "../../../src/dicom/part10.ts";
import { TAG } from "../../../src/dicom/tags.ts";
import { SOP_CLASS, UID } from "../../../src/dicom/uids.ts";
import { systemClock } from "../../../src/kernel/clock.ts";
import { codeOf } from "../../../src/kernel/errors.ts";
import { silentLogger } from "../../../src/kernel/log.ts";
import { createMetrics } from "../../../src/kernel/metrics.ts";
import { STATUSES } from "../../../src/kernel/statuses.ts";
import { sendDocument } from "../../../src/outbound/send.ts";
import { temporaryFolder } from "../../support/node-under-test.ts";
import {
  response,
  type Script,
  type ScriptedPeer,
  scriptedPeer,
} from "../../support/scripted-peer.ts";

const AMBIGUOUS_MAX = 3;
const series = { seriesInstanceUid: "1.2.3", revision: 1 };

describe("the outbox and what a peer makes of a document", function () {
  this.timeout(60_000);
  const folder = temporaryFolder();
  let database: Database;
  let peer: ScriptedPeer | undefined;
  let count = 0;

  before(async () => {
    const config = configSchema.parse({}).database;
    database = await openDatabase({ config, dataDir: folder, log: silentLogger() });
    await migrate(database);
    await database.query(
      `insert into study (study_instance_uid, patient_id, patient_id_issuer, patient_name, patient_birth_date,
         patient_sex, study_date, study_time, accession_number, study_id, study_description,
         referring_physician_name, first_received_at)
       values ('1.2', '', '', '', '', '', '', '', '', '', '', '', now())`,
    );
    await database.query(
      `insert into series (series_instance_uid, study_instance_uid, modality, series_number, series_description,
         body_part_examined, frame_of_reference_uid, manufacturer, model_name, state, revision,
         revision_opened_at, first_received_at, last_received_at, instance_count)
       values ('1.2.3', '1.2', 'CT', '', '', '', '', '', '', 'reported', 1, now(), now(), now(), 1)`,
    );
  });

  after(async () => {
    await database.close();
    rmSync(folder, { recursive: true, force: true });
  });

  afterEach(async () => {
    await peer?.stop();
    peer = undefined;
  });

  const pathOf = (fileKey: string) => join(folder, "documents", `${fileKey}.dcm`);

  async function document(hasFile = true): Promise<string> {
    const sopInstanceUid = `2.25.${++count}`;
    const instance = {
      sopClassUid: SOP_CLASS.basicTextSr,
      sopInstanceUid,
      transferSyntaxUid: UID.explicitVrLittleEndian,
    };
    const dataSet = new DataSet()
      .setString(TAG.SOPClassUID, "UI", instance.sopClassUid)
      .setString(TAG.SOPInstanceUID, "UI", sopInstanceUid);
    mkdirSync(join(folder, "documents"), { recursive: true });
    if (hasFile)
      writeFileSync(
        pathOf(sopInstanceUid),
        Buffer.concat([
          encodeFileMeta(instance),
          encodeDataSet(dataSet, UID.explicitVrLittleEndian),
        ]),
      );
    await saveDocument(
      database,
      series,
      {
        ...instance,
        kind: `text-${count}`,
        title: "Report",
        fileKey: sopInstanceUid,
        sizeBytes: 1,
        textLines: [],
        createdAt: new Date(),
      },
      ["PACS"],
    );
    return sopInstanceUid;
  }

  function configFor(port: number): Config {
    return configSchema.parse({
      outbound: { responseSeconds: 0.5, ambiguousAttemptsMax: AMBIGUOUS_MAX },
      peers: [{ aeTitle: "PACS", host: "127.0.0.1", port, sendReports: true }],
    });
  }

  /** One attempt: the retry class that the queue reads from the error, or undefined when it is not to come back. */
  async function send(sopInstanceUid: string, port: number, isLastAttempt = false) {
    const options = {
      config: configFor(port),
      database,
      pathOf,
      clock: systemClock,
      log: silentLogger(),
      metrics: createMetrics(),
    };
    const thrown = await sendDocument(
      options,
      { sopInstanceUid, peer: "PACS" },
      isLastAttempt,
    ).then(
      () => undefined,
      (error: unknown) => STATUSES[codeOf(error)].retry,
    );
    const delivery = await findDelivery(database, sopInstanceUid, "PACS");
    return { thrown, state: delivery!.state, error: delivery!.last_error, delivery: delivery! };
  }

  const answers =
    (status: number): Script =>
    async (visitor) => {
      await visitor.accept();
      visitor.send(response(await visitor.request(), { status }));
      await visitor.release();
    };

  it("brings a document back while the peer is out of resources, and delivers it then", async () => {
    const uid = await document();
    let status = 0xa700;
    peer = await scriptedPeer((visitor) => answers(status)(visitor));
    const first = await send(uid, peer.port);
    expect(first).to.include({ thrown: "transient", state: "pending" });
    expect(first.error).to.match(/A700H, out of resources/);
    status = 0;
    expect(await send(uid, peer.port)).to.include({
      thrown: undefined,
      state: "delivered",
      error: null,
    });
  });

  it("parks a document that the peer refuses, at once", async () => {
    const uid = await document();
    peer = await scriptedPeer(answers(0xa900));
    expect(await send(uid, peer.port)).to.include({ thrown: undefined, state: "failed" });
  });

  it("parks a document whose SOP class the peer does not take", async () => {
    const uid = await document();
    peer = await scriptedPeer(async (visitor) => {
      await visitor.accept({ result: 3 });
      await visitor.release();
    });
    const sent = await send(uid, peer.port);
    expect(sent).to.include({ thrown: undefined, state: "failed" });
    expect(sent.error).to.match(/SOP class not supported/);
  });

  it("counts a duplicate as delivered", async () => {
    const uid = await document();
    peer = await scriptedPeer(answers(0x0111));
    expect(await send(uid, peer.port)).to.include({ thrown: undefined, state: "delivered" });
  });

  it("parks after as many attempts that may have arrived as are allowed", async () => {
    const uid = await document();
    peer = await scriptedPeer(async (visitor) => {
      await visitor.accept();
      await visitor.request();
      visitor.socket.destroy();
    });
    for (let attempt = 1; attempt < AMBIGUOUS_MAX; attempt++)
      expect(await send(uid, peer.port)).to.include({ thrown: "ambiguous", state: "pending" });
    expect(await send(uid, peer.port)).to.include({ thrown: undefined, state: "failed" });
  });

  it("does not count attempts against it that cannot have arrived", async () => {
    const uid = await document();
    peer = await scriptedPeer(async ({ socket }) => void socket.destroy());
    for (let attempt = 0; attempt < AMBIGUOUS_MAX + 1; attempt++)
      expect(await send(uid, peer.port)).to.include({ thrown: "transient", state: "pending" });
    const { delivery } = await send(uid, peer.port, true);
    expect(delivery).to.include({
      state: "failed",
      attempts: AMBIGUOUS_MAX + 2,
      ambiguous_attempts: 0,
    });
  });

  it("parks a document whose file is gone, and says so", async () => {
    const uid = await document(false);
    peer = await scriptedPeer(answers(0));
    const sent = await send(uid, peer.port);
    expect(sent).to.include({ thrown: undefined, state: "failed" });
    expect(sent.error).to.match(/cannot be read \(ENOENT\)/);
  });

  it("delivers the series when its last document is there, not before", async () => {
    const state = async () =>
      (await database.query<{ state: string }>("select state from series")).rows[0]!.state;
    await database.query("update delivery set state = 'delivered'");
    await database.query("update series set state = 'reported'");
    const uids = [await document(), await document()];
    peer = await scriptedPeer(answers(0));
    await send(uids[0]!, peer.port);
    expect(await state()).to.equal("reported");
    await send(uids[1]!, peer.port);
    expect(await state()).to.equal("delivered");
  });
});
