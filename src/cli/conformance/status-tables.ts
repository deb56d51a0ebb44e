/**
 * The statuses of each service. Which errors can come up in a service is listed here; what each is called outside is
 * read from the one status table, so that this statement cannot say another number than the node does.
 */
import { meaningOfStatus } from "../../dimse/requestor/peer-status.ts";
import { classifyStoreStatus } from "../../dimse/requestor/store-outcome.ts";
import { COMMITMENT_FAULTS } from "../../dimse/services/commitment.ts";
import type { ErrorCode } from "../../kernel/errors.ts";
import {
  DIMSE,
  normalizedStatusOf,
  retrieveStatusOf,
  STATUSES,
  statusHex,
} from "../../kernel/statuses.ts";
import { markdownTable } from "./table.ts";

/** A status: what it means, and what the node did or does. */
type Row = readonly [status: number, meaning: string, behaviour: string];

const HEAD = ["status", "meaning", "behaviour"];
const NOT_OFFERED: Row = [
  DIMSE.unrecognizedOperation,
  "the operation is not offered on this context",
  "the message is read and dropped; the association goes on",
];

function statusTable(rows: readonly Row[]): string {
  return markdownTable(
    HEAD,
    rows.map(([status, meaning, behaviour]) => [statusHex(status), meaning, behaviour]),
  );
}

const ofError = (
  statusOf: (code: ErrorCode) => number,
  /** With a meaning where the general one does not fit the service. */
  list: readonly (readonly [ErrorCode, behaviour: string, meaning?: string])[],
): Row[] =>
  list.map(([code, behaviour, meaning = STATUSES[code].meaning]) => [
    statusOf(code),
    meaning,
    behaviour,
  ]);

export function echoStatusesTable(): string {
  return statusTable([[DIMSE.success, "success", "the association goes on"], NOT_OFFERED]);
}

const NOTHING_KEPT = "nothing is kept";

export function storeStatusesTable(): string {
  return statusTable([
    [
      DIMSE.success,
      "kept",
      "the bytes are synced to disk and the row is committed before this is sent; the same bytes sent again get it too",
    ],
    ...ofError(
      (code) => STATUSES[code].store,
      [
        ["DUPLICATE_INSTANCE", "the new bytes are dropped, and the difference is logged"],
        ["DUPLICATE_REJECTED", "the new bytes are dropped"],
        ["DATASET_UNREADABLE", NOTHING_KEPT],
        ["DATASET_INCOMPLETE", NOTHING_KEPT],
        ["SOP_MISMATCH", NOTHING_KEPT],
        ["SERIES_CONFLICT", NOTHING_KEPT],
        ["INSTANCE_TOO_LARGE", "the rest is read and dropped; nothing is kept"],
        ["STORAGE_FULL", "nothing is kept; sending again later helps"],
        ["DB_UNAVAILABLE", "nothing is acknowledged; sending again later helps"],
        ["UNAVAILABLE", "nothing is acknowledged; sending again later helps"],
        ["SHUTTING_DOWN", "nothing is acknowledged; sending again later helps"],
        ["INTERNAL", "nothing is acknowledged; the cause is in the log"],
      ],
    ),
    NOT_OFFERED,
  ]);
}

export function findStatusesTable(): string {
  return statusTable([
    [
      DIMSE.success,
      "all matches were sent",
      "with an Error Comment when there was nothing to go by",
    ],
    [DIMSE.pending, "a match", "its identifier comes with it"],
    [
      DIMSE.pendingWarning,
      "a match; an optional key is not supported",
      "only to peers set `strictPending`; others get FF00H",
    ],
    ...ofError(
      (code) => STATUSES[code].find,
      [
        ["QUERY_CANCELLED", "no more matches; looked at between two matches"],
        ["QUERY_LIMIT", "the matches up to the limit were sent before it"],
        ["QUERY_TOO_SLOW", "the matches before it stand; `database.querySeconds`"],
        ["QUERY_INVALID", "the Error Comment names the key and what is wrong, never its value"],
        ["DATASET_UNREADABLE", "nothing was looked for"],
        ["MODEL_NOT_READY", "similarity and text queries only"],
        ["DB_UNAVAILABLE", "asking again later helps"],
        ["INTERNAL", "the cause is in the log"],
      ],
    ),
    NOT_OFFERED,
  ]);
}

/** C-MOVE and C-GET. */
export function retrieveStatusesTable(): string {
  return statusTable([
    [DIMSE.success, "every sub-operation completed", "also when nothing matches: no sub-operation"],
    [
      DIMSE.pending,
      "sub-operations go on",
      "with the four counts; after each, or every `dimse.retrievePendingSeconds`",
    ],
    [
      DIMSE.subOperationsWarning,
      "some sub-operations failed, or were stored with a warning",
      "Failed SOP Instance UID List when any failed; Error Comment with the most frequent cause",
    ],
    [
      DIMSE.subOperationsFailed,
      "every sub-operation failed",
      "Failed SOP Instance UID List; Error Comment with the most frequent cause",
    ],
    [DIMSE.cancel, "cancelled", "what was sent stays sent; the counts say what remains"],
    ...ofError(retrieveStatusOf, [
      ["DESTINATION_UNKNOWN", "C-MOVE only; nothing is sent"],
      ["RETRIEVE_LIMIT", "more than `dimse.retrieveInstancesMax`; nothing is sent"],
      ["QUERY_INVALID", "nothing is sent; the Error Comment names the key"],
      ["DATASET_UNREADABLE", "nothing is sent"],
      ["DB_UNAVAILABLE", "nothing is sent; asking again later helps"],
      ["INTERNAL", "the cause is in the log"],
    ]),
    NOT_OFFERED,
  ]);
}

const faults = (...names: readonly (keyof typeof COMMITMENT_FAULTS)[]): Row[] =>
  names.map((name) => {
    const { status, comment } = COMMITMENT_FAULTS[name];
    return [status, comment, "nothing is taken"];
  });

/** N-ACTION of a peer that asks for storage commitment. */
export function actionStatusesTable(): string {
  return statusTable([
    [DIMSE.success, "taken", "the request is committed to the database before this is sent"],
    ...faults("sopClass", "sopInstanceUid", "sopInstance", "actionType"),
    ...ofError(normalizedStatusOf, [
      ["DATASET_UNREADABLE", "nothing is taken"],
      ["BAD_REQUEST", "Transaction UID or references are missing, or the UID has other references"],
      ["NOT_AUTHORIZED", "the peer is not allowed `commit`"],
      [
        "INSTANCE_TOO_LARGE",
        "nothing is taken: ask in parts",
        "more than `commitment.referencesMax` references",
      ],
      ["DB_UNAVAILABLE", "nothing is taken; asking again later helps"],
      ["INTERNAL", "the cause is in the log"],
    ]),
    NOT_OFFERED,
  ]);
}

/** N-EVENT-REPORT of a peer that we asked. */
export function eventStatusesTable(): string {
  return statusTable([
    [DIMSE.success, "taken", "what is not committed is sent again"],
    ...faults("sopClass", "sopInstanceUid", "sopInstance", "eventType"),
    ...ofError(normalizedStatusOf, [
      ["DATASET_UNREADABLE", "nothing changes"],
      ["BAD_REQUEST", "nothing changes; so is a transaction that this peer was not asked"],
      ["INSTANCE_TOO_LARGE", "nothing changes", "more than `commitment.referencesMax` references"],
      ["DB_UNAVAILABLE", "nothing changes; reporting again later helps"],
      ["INTERNAL", "the cause is in the log"],
    ]),
  ]);
}

/** Failure Reason (0008,1197) of a reference that is not committed. PS3.3 C.14.1.1. */
export function failureReasonsTable(): string {
  return markdownTable(
    ["Failure Reason", "meaning"],
    [
      [statusHex(DIMSE.noSuchInstance), "it is not kept here, or its file is lost"],
      [statusHex(DIMSE.classInstanceConflict), "it is kept with another SOP class"],
      [statusHex(DIMSE.processingFailure), "its file is damaged or cannot be read"],
    ],
  );
}

/** What a peer's answer to our C-STORE makes of the document: by asking the code that decides it. */
export function storeAnswersTable(): string {
  const answers = [
    0x0000, 0x0001, 0x0107, 0x0111, 0x0116, 0xb000, 0xb006, 0xb007, 0xa700, 0x0213, 0x0110, 0x0112,
    0x0117, 0x0122, 0x0124, 0x0211, 0xa900, 0xc000,
  ];
  const rows = answers.map((status) => {
    const { code } = classifyStoreStatus(status);
    const state = code === undefined ? "delivered" : retryText(code);
    return [statusHex(status), meaningOfStatus(status).text, state];
  });
  const broken = (
    [
      ["the association is rejected for now", "PEER_BUSY"],
      ["the association is rejected permanently", "PEER_REFUSED"],
      ["no presentation context is accepted", "PEER_REFUSED"],
      ["no connection", "PEER_UNREACHABLE"],
      ["no answer after the request was out", "PEER_TIMEOUT"],
      ["the association broke after the request was out", "PEER_CLOSED"],
    ] as const
  ).map(([what, code]) => ["none", what, retryText(code)]);
  return markdownTable(["status", "meaning", "the document is"], [...rows, ...broken]);
}

function retryText(code: ErrorCode): string {
  switch (STATUSES[code].retry) {
    case "transient":
      return "sent again, `outbound.attemptsMax` times";
    case "ambiguous":
      return "sent again, `outbound.ambiguousAttemptsMax` times";
    case "permanent":
      return "parked, and shown by `kindred queue`";
  }
}
