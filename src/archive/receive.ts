/**
 * The receiving end of C-STORE. Data-set bytes go to a file as they arrive, never decoded and never encoded
 * again. Success means kept: bytes synced, row committed, in that order.
 */
import type { KeyObject } from "node:crypto";
import type { Config } from "../config/schema.ts";
import { forgetRemoved, markInstancesLost } from "../db/archive-files.ts";
import type { KeepOutcome, KeepResult, KeptInstance } from "../db/instances.ts";
import type { Queryable } from "../db/queryable.ts";
import { decodeDataSet } from "../dicom/decode.ts";
import {
  INSTANCE_HEADER_TAGS,
  type InstanceHeader,
  readInstanceHeader,
} from "../dicom/instance-header.ts";
import { encodeFileMeta } from "../dicom/part10.ts";
import { StreamScanner } from "../dicom/stream-scanner.ts";
import { TRANSFER_SYNTAXES, UID } from "../dicom/uids.ts";
import type { StoreReceiver, StoreRequest, StoreSink } from "../dimse/ports.ts";
import type { Clock } from "../kernel/clock.ts";
import { KindredError } from "../kernel/errors.ts";
import { HEADER_BYTES_MAX, HEADER_ELEMENTS_MAX } from "../kernel/limits.ts";
import type { Logger } from "../kernel/log.ts";
import type { Metrics } from "../kernel/metrics.ts";
import { createDataSetDigest } from "./data-set-digest.ts";
import type { FreeSpace } from "./free-space.ts";
import type { InstanceStore, PendingFile } from "./instance-store.ts";
import { isInDoubt, type KeepQueue } from "./keep-queue.ts";

export interface ReceiveOptions {
  readonly config: Config["archive"];
  readonly database: Queryable;
  /** Of this archive: see data-set-digest.ts. */
  readonly digestKey: KeyObject;
  readonly store: InstanceStore;
  readonly queue: KeepQueue;
  readonly space: FreeSpace;
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: Metrics;
}

/** First tag of the pixel data group: the header ends before it. */
const PIXEL_GROUP_TAG = 0x7fe00000;

/** The sink that `main.ts` hands to the DICOM listener. */
export function createStoreSink(options: ReceiveOptions): StoreSink {
  /** Instances of which more is to come or whose row is not committed yet. */
  const underWay = new Set<PendingFile>();
  return {
    async begin(request) {
      await options.space.check();
      const file = await options.store.create();
      underWay.add(file);
      const isLone = () => underWay.size === 1;
      const receiver = beginInstance(options, request, file, isLone);
      const ending = (end: () => Promise<void>) => () => end().finally(() => underWay.delete(file));
      return {
        write: receiver.write,
        complete: ending(receiver.complete),
        abort: ending(receiver.abort),
      };
    },
  };
}

function beginInstance(
  options: ReceiveOptions,
  request: StoreRequest,
  file: PendingFile,
  /** No other instance is on its way in this process. */
  isLone: () => boolean,
): StoreReceiver {
  const digest = createDataSetDigest(options.digestKey);
  const scanner = new StreamScanner({
    transferSyntaxUid: request.transferSyntaxUid,
    headerBytesMax: HEADER_BYTES_MAX,
  });
  const meta = encodeFileMeta({
    sopClassUid: request.sopClassUid,
    sopInstanceUid: request.sopInstanceUid,
    transferSyntaxUid: request.transferSyntaxUid,
    sourceAeTitle: request.association.callingAeTitle,
  });
  let sizeBytes = 0;
  let header: InstanceHeader | undefined;
  let isHeaderTried = false;
  /** While the peer sends the pixels, not between its last byte and our answer. */
  const readHeaderEarly = () => {
    const bytes = isHeaderTried ? undefined : scanner.headerBeforePixels;
    if (bytes === undefined) return;
    isHeaderTried = true;
    try {
      header = readHeader(bytes, request);
    } catch {
      // It is read again, and refused, when the data set is complete.
    }
  };
  const take = (fragment: Buffer): Promise<void> | undefined => {
    sizeBytes += fragment.length;
    if (sizeBytes > options.config.instanceBytesMax) {
      throw new KindredError(
        "INSTANCE_TOO_LARGE",
        "Instance is larger than archive.instanceBytesMax",
      );
    }
    // The write goes first: the disk works while the digest is made.
    const written = file.write(fragment);
    digest.update(fragment);
    const walked = scanner.push(fragment);
    readHeaderEarly();
    if (walked === undefined) return written;
    // Both at once: a deflated data set is walked in turns, and a failed write must find someone who waits.
    return written === undefined ? walked : Promise.all([walked, written]).then(() => undefined);
  };
  return {
    write(fragment) {
      if (file.sizeBytes > 0) return take(fragment);
      const first = file.write(meta);
      return first === undefined ? take(fragment) : first.then(() => take(fragment));
    },
    async complete() {
      try {
        const bytes = completeHeader(scanner);
        header ??= readHeader(bytes, request);
        const { durable } = await file.finish();
        const ahead = isLone() ? durable : undefined;
        if (ahead === undefined) await durable;
        const instance = {
          header,
          transferSyntaxUid: request.transferSyntaxUid,
          fileKey: file.fileKey,
          fileBytes: file.sizeBytes,
          sizeBytes,
          digest: digest.digest(),
          callingAeTitle: request.association.callingAeTitle,
          receivedAt: options.clock.now(),
        };
        await keepRow(options, file, instance, ahead);
      } catch (error) {
        // When the answer of the commit was lost the row may stand: the file stays until the queue knows.
        if (!isInDoubt(error)) await file.discard();
        throw error;
      }
      options.metrics.instanceBytesTotal.inc(sizeBytes);
    },
    abort: () => file.discard(),
  };
}

/**
 * Writes the row and settles every file that it touches.
 *
 * @param durable - the sync, where the row need not wait for its end before it is on its way
 */
async function keepRow(
  options: ReceiveOptions,
  file: PendingFile,
  instance: KeptInstance,
  durable: Promise<void> | undefined,
): Promise<void> {
  const { queue } = options;
  let result = await (durable === undefined
    ? queue.keep(instance, file.tenure)
    : queue.keepLone(instance, file.tenure, durable));
  if (result.outcome === "same" && (await isDamaged(options, result, instance)))
    result = await queue.keep(instance, file.tenure);
  const { outcome, earlierFileKey } = result;
  if (DUPLICATES.has(outcome)) reportDuplicate(options, outcome, instance);
  if (outcome === "same") return file.discard();
  if (outcome === "other" || outcome === "conflict") throw refusal(options, outcome);
  options.store.settle(instance.fileKey);
  if (earlierFileKey !== undefined) await removeEarlier(options, earlierFileKey);
}

const DUPLICATES: ReadonlySet<KeepOutcome> = new Set(["same", "other", "replaced"]);

function reportDuplicate(
  { config, log, metrics }: ReceiveOptions,
  outcome: KeepOutcome,
  instance: KeptInstance,
): void {
  const label =
    outcome === "other" ? (config.duplicates === "reject" ? "rejected" : "kept-first") : outcome;
  metrics.instanceDuplicatesTotal.inc({ outcome: label });
  if (outcome === "same") return;
  log.warn(
    {
      event: "instance.duplicate",
      instance: instance.header.sopInstanceUid,
      peer_ae: instance.callingAeTitle,
      outcome: label,
    },
    "same SOP Instance UID with other bytes",
  );
}

function refusal({ config }: ReceiveOptions, outcome: "other" | "conflict"): KindredError {
  if (outcome === "conflict")
    return new KindredError(
      "SERIES_CONFLICT",
      "The Series Instance UID already belongs to another study, or the instance to another series",
    );
  return config.duplicates === "reject"
    ? new KindredError(
        "DUPLICATE_REJECTED",
        "Same SOP Instance UID, other bytes: refused (archive.duplicates)",
      )
    : new KindredError(
        "DUPLICATE_INSTANCE",
        "Same SOP Instance UID, other bytes: the first is kept",
      );
}

/** Before bytes are thrown away as known, the file that has them is looked at; a damaged one counts as lost. */
async function isDamaged(
  { store, database, log }: ReceiveOptions,
  { earlierFileKey }: KeepResult,
  instance: KeptInstance,
): Promise<boolean> {
  if (earlierFileKey === undefined) return false;
  const size = await store.sizeOf(earlierFileKey);
  if (size !== undefined && size >= instance.sizeBytes) return false;
  log.error(
    { event: "instance.lost", instance: instance.header.sopInstanceUid },
    "the file of a kept instance is missing or short: the one that came now takes its place",
  );
  await markInstancesLost(database, [earlierFileKey]).catch((error: unknown) => {
    // Whatever became of this statement, no row names the new file.
    throw new KindredError("DB_UNAVAILABLE", "The database is away", {
      details: { isSent: false },
      cause: error,
    });
  });
  return true;
}

/** After the commit nobody reads the earlier file any more. What fails here is listed in file_removal for the next start. */
async function removeEarlier(
  { store, database, log }: ReceiveOptions,
  fileKey: string,
): Promise<void> {
  try {
    await store.remove(fileKey);
    await forgetRemoved(database, [fileKey]);
  } catch (error) {
    log.warn(
      { event: "archive.removal_failed", err: error },
      "a replaced file stays until the next start",
    );
  }
}

/** Completeness of what arrived, before anything is kept. @returns the bytes of its header */
function completeHeader(scanner: StreamScanner): Buffer {
  const scan = scanner.finish();
  if (scan.state === "truncated") {
    throw new KindredError(
      "DATASET_INCOMPLETE",
      `Data set is truncated: ${scan.reason ?? "it ends inside an element"}`,
    );
  }
  return scan.header;
}

/** The header, and whether it is what the command said. */
function readHeader(bytes: Buffer, request: StoreRequest): InstanceHeader {
  const isDeflated = TRANSFER_SYNTAXES.get(request.transferSyntaxUid)?.isDeflated === true;
  const decode = () =>
    decodeDataSet(bytes, {
      // The scanner hands out the header of a deflated data set inflated.
      transferSyntaxUid: isDeflated ? UID.explicitVrLittleEndian : request.transferSyntaxUid,
      untilTag: PIXEL_GROUP_TAG,
      tags: INSTANCE_HEADER_TAGS,
      elementsMax: HEADER_ELEMENTS_MAX,
    });
  const header = readInstanceHeader(decode(), decode);
  if (
    header.sopInstanceUid !== request.sopInstanceUid ||
    header.sopClassUid !== request.sopClassUid
  ) {
    throw new KindredError(
      "SOP_MISMATCH",
      "SOP Class or Instance UID of the data set differs from the command's",
    );
  }
  return header;
}
