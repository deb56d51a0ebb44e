/** /api/v1/series, /api/v1/studies, /api/v1/queue: what the node holds and what became of it. */
import type { FastifyInstance } from "fastify";
import { commitmentsOf, openRequests } from "../db/commitment-requests.ts";
import { openCommitments } from "../db/commitments.ts";
import { deliveriesOf, documentsOf, openDeliveries } from "../db/documents.ts";
import { modelsOf } from "../db/embeddings.ts";
import { type FindingRun, findingsOf } from "../db/findings.ts";
import { instancesOfSeries } from "../db/instances.ts";
import { modelSkipsOf } from "../db/model-skips.ts";
import { countSeriesByState, findSeries, type SeriesRow, seriesOfStudy } from "../db/series.ts";
import { listStudies } from "../db/studies.ts";
import { pictureOf, type VolumeRow, volumesOf } from "../db/volumes.ts";
import { isValidUid } from "../dicom/uids.ts";
import { KindredError } from "../kernel/errors.ts";
import type { VolumeVerdict } from "../volume/types.ts";
import type { ApiOptions } from "./server.ts";

const PAGE_MAX = 500;
/** More than any series makes. */
const ORDINAL_MAX = 100_000;

export function seriesRoutes(app: FastifyInstance, options: ApiOptions): void {
  const { database } = options;
  app.get<{ Params: { uid: string } }>("/api/v1/series/:uid", async (request) =>
    describeSeries(options, await requireSeries(options, request.params.uid)),
  );
  app.get<{ Params: { uid: string; ordinal: string } }>(
    "/api/v1/series/:uid/volumes/:ordinal/picture.png",
    async (request, reply) => {
      const { uid, ordinal } = request.params;
      const series = await requireSeries(options, uid);
      const at = { seriesInstanceUid: uid, revision: series.revision };
      const number = wholeNumber(ordinal, "ordinal", 1, ORDINAL_MAX, 1);
      const picture = await pictureOf(database, at, number);
      if (picture === undefined)
        throw new KindredError("NOT_FOUND", "The series has no picture of such a volume");
      return reply.type("image/png").send(picture);
    },
  );
  app.get<{ Params: { uid: string } }>("/api/v1/series/:uid/instances", async (request) => {
    const { series_instance_uid: seriesInstanceUid, revision } = await requireSeries(
      options,
      request.params.uid,
    );
    const instances = await instancesOfSeries(database, seriesInstanceUid, revision);
    return {
      seriesInstanceUid,
      revision,
      instances: instances.map((one) => ({
        sopInstanceUid: one.sop_instance_uid,
        sopClassUid: one.sop_class_uid,
        transferSyntaxUid: one.transfer_syntax_uid,
        bytes: one.size_bytes,
        fileKey: one.file_key,
      })),
    };
  });
  app.post<{ Params: { uid: string } }>("/api/v1/series/:uid/complete", async (request, reply) => {
    const series = await requireSeries(options, request.params.uid);
    const isClosed = await options.completion.closeNow(series.series_instance_uid);
    const now = await requireSeries(options, request.params.uid);
    return reply.code(isClosed ? 202 : 200).send(await describeSeries(options, now));
  });
  app.get<{ Querystring: { limit?: string; offset?: string } }>(
    "/api/v1/studies",
    async (request) => {
      const limit = wholeNumber(request.query.limit, "limit", 1, PAGE_MAX, 50);
      const offset = wholeNumber(request.query.offset, "offset", 0, 1_000_000_000, 0);
      const rows = await listStudies(database, { limit, offset });
      const studies = [];
      for (const row of rows) {
        const series = await seriesOfStudy(database, row.study_instance_uid);
        studies.push({
          studyInstanceUid: row.study_instance_uid,
          patientId: row.patient_id,
          patientName: row.patient_name,
          studyDate: row.study_date,
          studyDescription: row.study_description,
          accessionNumber: row.accession_number,
          instances: row.instance_count,
          series: series.map((one) => ({
            seriesInstanceUid: one.series_instance_uid,
            modality: one.modality,
            description: one.series_description,
            instances: one.instance_count,
            state: one.state,
            reason: one.reason,
            revision: one.revision,
          })),
        });
      }
      return { limit, offset, studies };
    },
  );
  app.get("/api/v1/queue", async () => ({
    jobs: await options.queue.counts(),
    failedJobs: await options.queue.failed(50),
    series: await countSeriesByState(database),
    deliveries: (await openDeliveries(database, 200)).map((row) => ({
      sopInstanceUid: row.sop_instance_uid,
      seriesInstanceUid: row.series_instance_uid,
      title: row.title,
      peer: row.peer,
      state: row.state,
      attempts: row.attempts,
      lastError: row.last_error,
    })),
    commitments: {
      /** Peers asked us: their results that are not reported. */
      asked: (await openCommitments(database, 200)).map((row) => ({
        peer: row.peer,
        state: row.state,
        references: row.references,
        attempts: row.attempts,
        lastError: row.last_error,
        at: row.requested_at,
      })),
      /** We ask peers: requests without a result. */
      requested: (await openRequests(database, 200)).map((row) => ({
        peer: row.peer,
        state: row.state,
        references: row.references,
        attempts: row.attempts,
        lastError: row.last_error,
        at: row.created_at,
      })),
    },
  }));
}

/** A whole number in a query string. @throws KindredError `BAD_REQUEST` with the range */
export function wholeNumber(
  text: string | undefined,
  name: string,
  minimum: number,
  maximum: number,
  fallback: number,
): number {
  if (text === undefined) return fallback;
  const value = /^\d{1,10}$/.test(text) ? Number(text) : Number.NaN;
  if (!(value >= minimum && value <= maximum)) {
    throw new KindredError(
      "BAD_REQUEST",
      `${name} must be a whole number from ${minimum} to ${maximum}`,
    );
  }
  return value;
}

async function requireSeries(options: ApiOptions, uid: string): Promise<SeriesRow> {
  if (!isValidUid(uid)) throw new KindredError("BAD_REQUEST", "SeriesInstanceUID must be a UID");
  const series = await findSeries(options.database, uid);
  if (series === undefined) throw new KindredError("NOT_FOUND", "No such series here");
  return series;
}

function picturePath(series: SeriesRow, volume: VolumeRow<VolumeVerdict>): string | null {
  if (!volume.has_picture) return null;
  return `/api/v1/series/${series.series_instance_uid}/volumes/${volume.ordinal}/picture.png`;
}

/** What one model says of one volume; nothing of it is verified. */
function describeFindings(run: FindingRun) {
  return {
    model: { id: run.modelId, version: run.modelVersion, bundleDigest: run.bundleDigest },
    volume: run.ordinal,
    notice: "Research only, not verified. Not for diagnostic use.",
    guard: run.guard,
    withheld: run.statement,
    problems: run.problems,
    values: run.findings,
  };
}

async function describeSeries(options: ApiOptions, series: SeriesRow) {
  const { database } = options;
  const at = { seriesInstanceUid: series.series_instance_uid, revision: series.revision };
  const volumes = await volumesOf<VolumeVerdict>(database, at);
  const deliveries = await deliveriesOf(database, at);
  const documents = await documentsOf(database, at);
  const commitments = await commitmentsOf(
    database,
    documents.map((one) => one.sop_instance_uid),
  );
  /** Only where the peer is asked for storage commitment. */
  const committed = (document: string, peer: string) => {
    const found = commitments.find((one) => one.sop_instance_uid === document && one.peer === peer);
    return found === undefined ? {} : { committed: found.state === "committed" };
  };
  return {
    seriesInstanceUid: series.series_instance_uid,
    studyInstanceUid: series.study_instance_uid,
    revision: series.revision,
    state: series.state,
    reason: series.reason,
    modality: series.modality,
    instances: series.instance_count,
    verdict: volumes[0]?.verdict ?? null,
    axisCodes: volumes[0]?.axis_codes ?? null,
    picture: volumes[0] === undefined ? null : picturePath(series, volumes[0]),
    ...(volumes.length > 1
      ? {
          volumes: volumes.map((one) => ({
            ordinal: one.ordinal,
            label: one.label,
            instances: one.instance_count,
            verdict: one.verdict,
            axisCodes: one.axis_codes,
            picture: picturePath(series, one),
          })),
        }
      : {}),
    models: await modelsOf(database, at),
    skippedModels: (await modelSkipsOf(database, at)).map(({ modelId, ...skip }) => ({
      id: modelId,
      ...skip,
    })),
    findings: (await findingsOf(database, at)).map(describeFindings),
    documents: documents.map((document) => ({
      sopInstanceUid: document.sop_instance_uid,
      sopClassUid: document.sop_class_uid,
      title: document.title,
      textLines: document.text_lines,
      deliveries: deliveries
        .filter((delivery) => delivery.sop_instance_uid === document.sop_instance_uid)
        .map((delivery) => ({
          peer: delivery.peer,
          state: delivery.state,
          attempts: delivery.attempts,
          lastError: delivery.last_error,
          ...committed(document.sop_instance_uid, delivery.peer),
        })),
    })),
  };
}
