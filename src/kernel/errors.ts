/**
 * The one error class. `code` is API: it never changes meaning and is never reused; what a code means on
 * the wire (DIMSE status, HTTP status, exit code, retry class) stands in `statuses.ts`, nowhere else.
 * Messages and details are for operators and must hold no patient data.
 */

/** Stable error codes; the meaning of each on every outside surface is in `statuses.ts`. */
export type ErrorCode =
  | "DATASET_UNREADABLE"
  | "DATASET_INCOMPLETE"
  | "SOP_MISMATCH"
  | "SERIES_CONFLICT"
  | "DUPLICATE_INSTANCE"
  | "DUPLICATE_REJECTED"
  | "INSTANCE_TOO_LARGE"
  | "STORAGE_FULL"
  | "DB_UNAVAILABLE"
  | "SHUTTING_DOWN"
  | "QUERY_INVALID"
  | "QUERY_CANCELLED"
  | "QUERY_LIMIT"
  | "QUERY_TOO_SLOW"
  | "RETRIEVE_LIMIT"
  | "DESTINATION_UNKNOWN"
  | "NOT_AUTHORIZED"
  | "NOT_FOUND"
  | "BAD_REQUEST"
  | "NOT_A_VOLUME"
  | "MODEL_INVALID"
  | "MODEL_NOT_READY"
  | "MODEL_OUTPUT_INVALID"
  | "MODEL_OUT_OF_MEMORY"
  | "MODEL_NOT_APPLICABLE"
  | "PEER_UNREACHABLE"
  | "PEER_BUSY"
  | "PEER_TIMEOUT"
  | "PEER_CLOSED"
  | "PEER_REFUSED"
  | "DATA_DIR_IN_USE"
  | "CONFIG_INVALID"
  | "USAGE"
  | "UNAVAILABLE"
  | "INTERNAL";

/** Scalar facts about an error, safe to log: sizes, counts, tags, status codes. Never patient data. */
export type ErrorDetails = Readonly<Record<string, string | number | boolean | undefined>>;

/** Every error that Kindred raises on purpose. */
export class KindredError extends Error {
  readonly code: ErrorCode;
  readonly details: ErrorDetails;

  /**
   * @param code - stable code, see {@link ErrorCode}
   * @param message - one sentence for an operator that says what to do; no patient data
   */
  constructor(
    code: ErrorCode,
    message: string,
    options: { details?: ErrorDetails; cause?: unknown } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = "KindredError";
    this.code = code;
    this.details = options.details ?? {};
  }
}

/** The code of any thrown value; `INTERNAL` for everything we did not raise on purpose. */
export function codeOf(error: unknown): ErrorCode {
  return error instanceof KindredError ? error.code : "INTERNAL";
}

/** The message of any thrown value. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
