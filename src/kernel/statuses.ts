/**
 * What each error code means outside: DIMSE status, HTTP status, exit code, retry class. One table, so
 * that the conformance statement, the API documents and the CLI cannot disagree.
 *
 * Sources: PS3.4 B.2.3 (C-STORE), C.4.1.1.4 (C-FIND), C.4.2.1.5 (C-MOVE), C.4.3.1.4 (C-GET); PS3.7 Annex C; sysexits(3) for exit codes.
 */
import type { ErrorCode } from "./errors.ts";

/**
 * - `transient`: the far side surely did not take it; retry with back-off.
 * - `ambiguous`: it may have; retry because C-STORE is idempotent by SOP Instance UID.
 * - `permanent`: retrying cannot help; park it and show it.
 */
export type RetryClass = "transient" | "ambiguous" | "permanent";

export interface StatusRow {
  /** C-STORE-RSP status. */
  readonly store: number;
  /** C-FIND-RSP status. */
  readonly find: number;
  readonly http: number;
  readonly exit: number;
  readonly retry: RetryClass;
  /** One line for the conformance statement. */
  readonly meaning: string;
}

/** DIMSE statuses that are not errors of ours. PS3.7 Annex C, PS3.4 C.4.1.1.4. */
export const DIMSE = {
  success: 0x0000,
  pending: 0xff00,
  pendingWarning: 0xff01,
  cancel: 0xfe00,
  noSuchInstance: 0x0112,
  noSuchEventType: 0x0113,
  invalidArgument: 0x0115,
  invalidInstance: 0x0117,
  noSuchClass: 0x0118,
  classInstanceConflict: 0x0119,
  sopClassNotSupported: 0x0122,
  noSuchAction: 0x0123,
  notAuthorized: 0x0124,
  unrecognizedOperation: 0x0211,
  /** Sub-operations complete, one or more failures or warnings. PS3.4 Table C.4-2. */
  subOperationsWarning: 0xb000,
  /** Out of resources: unable to perform sub-operations; also when all of them failed. PS3.4 C.4.2.3.1. */
  subOperationsFailed: 0xa702,
  processingFailure: 0x0110,
  duplicateSopInstance: 0x0111,
  resourceLimitation: 0x0213,
} as const;

const row = (
  store: number,
  find: number,
  http: number,
  exit: number,
  retry: RetryClass,
  meaning: string,
): StatusRow => ({ store, find, http, exit, retry, meaning });

// Columns: C-STORE, C-FIND, HTTP, exit, retry class, meaning.
export const STATUSES: Readonly<Record<ErrorCode, StatusRow>> = {
  DATASET_UNREADABLE: row(0xc000, 0xc000, 422, 65, "permanent", "data set cannot be parsed"),
  DATASET_INCOMPLETE: row(
    0xc001,
    0xc001,
    422,
    65,
    "permanent",
    "data set is truncated or lacks a required attribute",
  ),
  SOP_MISMATCH: row(
    0xa900,
    0xa900,
    422,
    65,
    "permanent",
    "data set does not match the SOP Class or Instance UID of the command",
  ),
  SERIES_CONFLICT: row(
    0xa900,
    0xa900,
    409,
    65,
    "permanent",
    "series or study UID is already in use by another study or patient",
  ),
  DUPLICATE_INSTANCE: row(
    0x0111,
    0xc003,
    409,
    65,
    "permanent",
    "same SOP Instance UID, other bytes: the first is kept",
  ),
  // PS3.4 Table B.2-1 leaves Cxxx as the only failures without a fixed cause; 0111H is taken for a success by some senders.
  DUPLICATE_REJECTED: row(
    0xc111,
    0xc003,
    409,
    65,
    "permanent",
    "same SOP Instance UID, other bytes: refused by archive.duplicates",
  ),
  INSTANCE_TOO_LARGE: row(
    0xa701,
    0xa701,
    413,
    65,
    "permanent",
    "instance is larger than the configured limit",
  ),
  STORAGE_FULL: row(0xa700, 0xa700, 507, 69, "transient", "no space to keep the instance"),
  DB_UNAVAILABLE: row(0xa700, 0xa700, 503, 69, "transient", "database is away"),
  SHUTTING_DOWN: row(0xa700, 0xa700, 503, 69, "transient", "node is stopping"),
  QUERY_INVALID: row(0xa900, 0xa900, 400, 64, "permanent", "identifier does not fit the SOP class"),
  QUERY_CANCELLED: row(
    0xc003,
    0xfe00,
    499,
    69,
    "permanent",
    "query was cancelled by the requestor",
  ),
  RETRIEVE_LIMIT: row(
    0xc003,
    0xc003,
    413,
    65,
    "permanent",
    "more instances than one retrieve may send: ask for less at a time",
  ),
  DESTINATION_UNKNOWN: row(
    0xc003,
    0xc003,
    404,
    64,
    "permanent",
    "move destination is no peer that can be called",
  ),
  QUERY_LIMIT: row(
    0xc003,
    0xa700,
    413,
    65,
    "permanent",
    "more matches than the configured limit: those up to it were given",
  ),
  QUERY_TOO_SLOW: row(
    0xc003,
    0xa700,
    504,
    69,
    "permanent",
    "a statement of the query took longer than the configured limit",
  ),
  NOT_AUTHORIZED: row(0x0124, 0x0124, 403, 77, "permanent", "peer may not do this"),
  NOT_FOUND: row(0xc003, 0xc003, 404, 65, "permanent", "no such object"),
  BAD_REQUEST: row(0xc003, 0xc003, 400, 64, "permanent", "request is malformed"),
  NOT_A_VOLUME: row(0xc003, 0xc003, 422, 65, "permanent", "series cannot be turned into a volume"),
  MODEL_INVALID: row(0xc002, 0xc002, 503, 65, "permanent", "model bundle is broken"),
  MODEL_NOT_READY: row(0xc002, 0xc002, 503, 69, "transient", "no model is ready"),
  MODEL_OUTPUT_INVALID: row(0xc002, 0xc002, 500, 70, "permanent", "model gave an unusable vector"),
  MODEL_OUT_OF_MEMORY: row(
    0xc002,
    0xc002,
    503,
    69,
    "permanent",
    "there is not enough memory for the model",
  ),
  MODEL_NOT_APPLICABLE: row(
    0xc002,
    0xc002,
    422,
    65,
    "permanent",
    "no model is made for such a volume",
  ),
  PEER_UNREACHABLE: row(0xc003, 0xc003, 502, 69, "transient", "peer cannot be reached"),
  PEER_BUSY: row(0xc003, 0xc003, 502, 69, "transient", "peer is busy"),
  PEER_TIMEOUT: row(0xc003, 0xc003, 504, 69, "ambiguous", "peer did not answer in time"),
  PEER_CLOSED: row(
    0xc003,
    0xc003,
    502,
    69,
    "ambiguous",
    "peer closed the association before answering",
  ),
  PEER_REFUSED: row(0xc003, 0xc003, 502, 69, "permanent", "peer refused"),
  DATA_DIR_IN_USE: row(
    0xa700,
    0xa700,
    503,
    69,
    "permanent",
    "another process owns the data folder",
  ),
  CONFIG_INVALID: row(0xc003, 0xc003, 500, 78, "permanent", "configuration is invalid"),
  USAGE: row(0xc003, 0xc003, 400, 64, "permanent", "command line is wrong"),
  UNAVAILABLE: row(0xa700, 0xa700, 503, 69, "transient", "a needed service is away"),
  INTERNAL: row(0x0110, 0xc003, 500, 70, "permanent", "a bug in Kindred"),
};

/** Statuses of the DIMSE-N services where they are not 0110H (processing failure). PS3.7 10.1.1.1.8, 10.1.4.1.10. */
const NORMALIZED: Readonly<Partial<Record<ErrorCode, number>>> = {
  DATASET_UNREADABLE: DIMSE.invalidArgument,
  DATASET_INCOMPLETE: DIMSE.invalidArgument,
  BAD_REQUEST: DIMSE.invalidArgument,
  INSTANCE_TOO_LARGE: DIMSE.resourceLimitation,
  STORAGE_FULL: DIMSE.resourceLimitation,
  DB_UNAVAILABLE: DIMSE.resourceLimitation,
  SHUTTING_DOWN: DIMSE.resourceLimitation,
  UNAVAILABLE: DIMSE.resourceLimitation,
  NOT_AUTHORIZED: DIMSE.notAuthorized,
  NOT_FOUND: DIMSE.noSuchInstance,
};

/** N-ACTION-RSP and N-EVENT-REPORT-RSP status of an error. */
export function normalizedStatusOf(code: ErrorCode): number {
  return NORMALIZED[code] ?? DIMSE.processingFailure;
}

/** Where a C-MOVE-RSP or C-GET-RSP says something else than a C-FIND-RSP. PS3.4 Tables C.4-2 and C.4-3. */
const RETRIEVE_STATUSES: Readonly<Partial<Record<ErrorCode, number>>> = {
  DATASET_UNREADABLE: 0xa900,
  DESTINATION_UNKNOWN: 0xa801,
  RETRIEVE_LIMIT: 0xa702,
  PEER_UNREACHABLE: 0xa702,
  STORAGE_FULL: 0xa701,
  DB_UNAVAILABLE: 0xa701,
  UNAVAILABLE: 0xa701,
  SHUTTING_DOWN: 0xa701,
};

/** Status of a retrieve that was refused before its first sub-operation. */
export function retrieveStatusOf(code: ErrorCode): number {
  return RETRIEVE_STATUSES[code] ?? STATUSES[code].find;
}

/** Four upper-case hex digits and the letter H, as the standard writes statuses: `A700H`. */
export function statusHex(status: number): string {
  return `${status.toString(16).toUpperCase().padStart(4, "0")}H`;
}
