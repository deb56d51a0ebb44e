/** The stages after reconstruction, and the API, with a series that makes several volumes: two accepted, one refused. */
import { existsSync } from "node:fs";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect } from "chai";
import { configSchema } from "../../../src/config/schema.ts";
import type { Database } from "../../../src/db/database.ts";
import { documentsOf } from "../../../src/db/documents.ts";
import { findSpace, tableOf } from "../../../src/db/embeddings.ts";
import { findSeries, moveSeries, type SeriesState } from "../../../src/db/series.ts";
import { pictureOf, saveVolumes, usedInstances, volumesOf } from "../../../src/db/volumes.ts";
import type { DataSet } from "../../../src/dicom/data-set.ts";
import { decodeDataSet } from "../../../src/dicom/decode.ts";
import { decodeFileMeta } from "../../../src/dicom/part10.ts";
import { SOP_CLASS } from "../../../src/dicom/uids.ts";
import { discoverBundles } from "../../../src/encoder/bundle.ts";
import { createEncoder, type Encoder } from "../../../src/encoder/encoder.ts";
import { silentLogger } from "../../../src/kernel/log.ts";
import { createMetrics } from "../../../src/kernel/metrics.ts";
import { embedSeries } from "../../../src/pipeline/embed-series.ts";
import type { StageOptions } from "../../../src/pipeline/pipeline.ts";
import { createQueue } from "../../../src/pipeline/queue.ts";
import { tensorPrefix } from "../../../src/pipeline/reconstruct-series.ts";
import { tensorFile } from "../../../src/pipeline/reconstruct-task.ts";
import { createReconstructor } from "../../../src/pipeline/reconstructor.ts";
import { reportSeries } from "../../../src/pipeline/report-series.ts";
import type { VolumeVerdict } from "../../../src/volume/types.ts";
import { openTestArchive, type TestArchive } from "../../support/archive-under-test.ts";
import { temporaryFolder } from "../../support/node-under-test.ts";
import { ENGINES, keepValues, openQueryDatabase } from "../../support/query-database.ts";

const NOW = new Date(1_700_000_000_000);
const SERIES = "1.2.1.1";
const INSTANCES = 9;
const uid = (instance: number) => `${SERIES}.${instance}`;
const PICTURE = Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 0, 255);

const accepted: VolumeVerdict = {
  outcome: "corrected",
  findings: [{ code: "GAP_BRIDGED", value: 10, unit: "mm", message: "One gap was bridged." }],
  spacingMm: [5, 1, 1],
  sizeVoxels: [4, 48, 48],
  tiltDegrees: 0,
};
const refused: VolumeVerdict = {
  outcome: "refused",
  // A header may hold anything; PostgreSQL does not.
  findings: [
    { code: "TOO_FEW_SLICES", value: 1, unit: "1", message: "Too few\u0000 slices \ud800." },
  ],
  spacingMm: null,
  sizeVoxels: null,
  tiltDegrees: null,
};
const row = (ordinal: number, label: string, instances: readonly number[]) => ({
  ordinal,
  label,
  verdict: accepted,
  sopInstanceUids: instances.map(uid),
  keyInstance: {
    sopInstanceUid: uid(instances[0]!),
    sopClassUid: SOP_CLASS.ctImageStorage,
    rows: 48,
    columns: 48,
  },
  axisCodes: "LPS",
  picture: PICTURE,
});
const nothing = {
  ordinal: 3,
  label: "kernel C\u0000",
  verdict: refused,
  sopInstanceUids: [],
  keyInstance: null,
  axisCodes: null,
  picture: null,
};

for (const engine of ENGINES) {
  describe(`a series of several volumes on the ${engine} database`, function () {
    this.timeout(120_000);
    let database: Database;
    let encoder: Encoder;
    let archive: TestArchive;
    let stage: StageOptions;
    let close = async () => {};
    const dataDir = temporaryFolder();
    const enqueued: string[] = [];

    before(async function () {
      const opened = await openQueryDatabase(engine);
      if (opened === undefined) return this.skip();
      ({ database, close } = opened);
      const config = configSchema.parse({});
      const log = silentLogger();
      const metrics = createMetrics();
      const models = fileURLToPath(new URL("../../../models/", import.meta.url));
      const bundles = await discoverBundles([models], config.encoder.models);
      encoder = createEncoder({ config: config.encoder, bundles, log, metrics });
      await encoder.start();
      archive = await openTestArchive({ database: database.bounded, dataDir, isOwner: false });
      const clock = { now: () => NOW };
      const note = (kind: string) => async () => void enqueued.push(kind);
      stage = {
        ...{ config, dataDir, database, encoder, log, metrics, clock },
        store: archive.store,
        queue: createQueue({ database, log, metrics, clock }),
        reconstructor: createReconstructor(),
        next: {
          reconstruct: note("reconstruct"),
          embed: note("embed"),
          report: note("report"),
          send: note("send"),
        },
      };
      for (let instance = 1; instance <= INSTANCES; instance++)
        await keepValues(
          database,
          { study: 1, series: 1, instance },
          { Modality: "CT", PatientID: "P1" },
        );
    });
    after(async () => {
      await stage?.reconstructor.stop();
      await encoder?.stop();
      await archive?.close();
      await close();
    });

    /** As the reconstruction leaves it. */
    const reconstructed = async (
      at: { seriesInstanceUid: string; revision: number },
      volumes: Parameters<typeof saveVolumes>[2],
      from: SeriesState,
    ) => {
      await database.transaction(async (tx) => {
        await saveVolumes(tx, at, volumes, NOW);
        await moveSeries(tx, at, [from], "reconstructed");
      });
      await mkdir(join(dataDir, "work"), { recursive: true });
      const files: string[] = [];
      for (const { bundleDigest, profile } of encoder.profiles()) {
        const voxels = profile.shape.reduce((product, side) => product * side, 1);
        for (const one of volumes.filter(({ keyInstance }) => keyInstance !== null)) {
          const prefix = tensorPrefix(dataDir, at, bundleDigest, profile.id);
          const file = tensorFile(prefix, one.ordinal);
          const tensor = Float32Array.from({ length: voxels }, (_, i) =>
            Math.sin(i * (0.001 + one.ordinal * 0.01)),
          );
          await writeFile(file, new Uint8Array(tensor.buffer));
          files.push(file);
        }
      }
      return files;
    };
    const embedded = async () => {
      const space = (await findSpace(database, encoder.profiles()[0]!.modelId))!;
      const { rows } = await database.query<{ ordinal: number; revision: number; e: string }>(
        `select ordinal, revision, e::text as e from ${tableOf(space)} order by ordinal`,
      );
      return rows;
    };
    const revisionNow = async () => (await findSeries(database, SERIES))!;

    it("keeps each volume with label, slices, verdict and picture, cleaned of what cannot be kept", async () => {
      const at = { seriesInstanceUid: SERIES, revision: (await revisionNow()).revision };
      // An earlier run of the same revision made more.
      await saveVolumes(
        database,
        at,
        [1, 2, 3, 4].map((i) => row(i, "old", [1])),
        NOW,
      );
      await saveVolumes(database, at, [row(1, "A", [5, 4]), row(2, "B", [3, 4]), nothing], NOW);
      const rows = await volumesOf<VolumeVerdict>(database, at);
      expect(rows.map((one) => [one.ordinal, one.label, one.instance_count])).to.deep.equal([
        [1, "A", 2],
        [2, "B", 2],
        [3, "kernel C", 0],
      ]);
      expect(rows.map((one) => one.has_picture)).to.deep.equal([true, true, false]);
      expect(rows[2]!.verdict.findings[0]!.message).to.equal("Too few slices \ufffd.");
      expect(await usedInstances(database, at)).to.deep.equal([5, 4, 3].map(uid));
      expect(new Uint8Array((await pictureOf(database, at, 2))!)).to.deep.equal(PICTURE);
      for (const ordinal of [3, 9])
        expect(await pictureOf(database, at, ordinal)).to.equal(undefined);
    });

    it("embeds each accepted volume and removes their tensor files", async () => {
      const series = await revisionNow();
      const at = { seriesInstanceUid: SERIES, revision: series.revision };
      const volumes = [row(1, "kernel A", [5, 4, 3, 2]), row(2, "kernel B", [6, 7]), nothing];
      const files = await reconstructed(at, volumes, series.state);
      await embedSeries(stage, at, 1);
      expect((await revisionNow()).state).to.equal("embedded");
      const rows = await embedded();
      expect(rows.map((one) => [one.ordinal, one.revision])).to.deep.equal([
        [1, at.revision],
        [2, at.revision],
      ]);
      expect(rows[0]!.e, "each has a vector of its own").not.to.equal(rows[1]!.e);
      expect(files.length).to.equal(2 * encoder.profiles().length);
      expect(files.filter((file) => existsSync(file))).to.deep.equal([]);
      expect(enqueued).to.deep.equal(["report"]);
    });

    it("reports about the main volume, lists the others, and names the slices used as evidence", async () => {
      const at = { seriesInstanceUid: SERIES, revision: (await revisionNow()).revision };
      await reportSeries(stage, at);
      const documents = await documentsOf(database, at);
      expect(documents.length).to.equal(2);
      for (const document of documents) {
        const text = (document.text_lines as string[]).join("\n");
        for (const words of [
          "The series makes 3 volumes; this report is about the first (kernel A).",
          "GAP_BRIDGED = 10 mm: One gap was bridged.",
          "Images:    9 received, 4 used",
          "Volume 2 (kernel B): usable after correction, 4 × 48 × 48 voxels of 5 × 1 × 1 mm, 2 images",
          "Volume 3 (kernel C): not usable, nothing was computed",
        ])
          expect(text).to.include(words);
        const bytes = await readFile(archive.store.pathOf(document.file_key));
        const { dataSetOffset, transferSyntaxUid } = decodeFileMeta(bytes);
        const report = decodeDataSet(bytes.subarray(dataSetOffset), { transferSyntaxUid });
        expect(evidenceOf(report)).to.deep.equal([5, 4, 3, 2, 6, 7].map(uid));
      }
    });

    it("forgets the second volume when a later revision makes one only", async () => {
      const late = { study: 1, series: 1, instance: INSTANCES + 1 };
      await keepValues(database, late, { Modality: "CT", PatientID: "P1" });
      const series = await revisionNow();
      const at = { seriesInstanceUid: SERIES, revision: series.revision };
      await reconstructed(at, [row(1, "", [1, 2, 3])], series.state);
      await embedSeries(stage, at, 1);
      const rows = await embedded();
      expect(rows.map((one) => [one.ordinal, one.revision])).to.deep.equal([[1, at.revision]]);
    });

    it("goes back to the reconstruction when a tensor file of one volume is gone", async () => {
      const late = { study: 1, series: 1, instance: INSTANCES + 2 };
      await keepValues(database, late, { Modality: "CT", PatientID: "P1" });
      const series = await revisionNow();
      const at = { seriesInstanceUid: SERIES, revision: series.revision };
      await reconstructed(at, [row(1, "", [1, 2])], series.state);
      await saveVolumes(database, at, [row(1, "", [1, 2]), row(2, "", [3, 4])], NOW);
      enqueued.length = 0;
      await embedSeries(stage, at, 1);
      expect([(await revisionNow()).state, ...enqueued]).to.deep.equal(["complete", "reconstruct"]);
    });
  });
}

/** Current Requested Procedure Evidence Sequence: SOP Instance UIDs in their order. PS3.3 C.17.2.3. */
function evidenceOf(report: DataSet): string[] {
  return report
    .items(0x0040a375)
    .flatMap((study) => study.items(0x00081115))
    .flatMap((series) => series.items(0x00081199))
    .map((reference) => reference.string(0x00081155) ?? "");
}
