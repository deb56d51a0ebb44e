/** How associations are accepted, refused, bounded and aborted; and what is fixed in this node. */
import { describeSetting } from "../../config/describe.ts";
import type { Config } from "../../config/schema.ts";
import { knownCharacterSets } from "../../dicom/character-set.ts";
import { UID } from "../../dicom/uids.ts";
import { REJECTIONS } from "../../dimse/rejections.ts";
import { TLS_CIPHERS, TLS_CURVES } from "../../dimse/tls.ts";
import { ABORT_OCCASIONS, ABORT_REASON, ABORT_SOURCE } from "../../dimse/upper-layer/pdu.ts";
import * as limits from "../../kernel/limits.ts";
import {
  IMPLEMENTATION_CLASS_UID,
  IMPLEMENTATION_VERSION_NAME,
  VERSION,
} from "../../kernel/version.ts";
import { code, markdownTable } from "./table.ts";

export function productTable(): string {
  return markdownTable(
    ["", ""],
    [
      ["product", "Kindred"],
      ["version", VERSION],
      ["Implementation Class UID", code(IMPLEMENTATION_CLASS_UID)],
      ["Implementation Version Name", code(IMPLEMENTATION_VERSION_NAME)],
      ["application context", code(UID.applicationContext)],
    ],
  );
}

/** Settings as they are here, with the words of the configuration reference. */
function settingsTable(config: Config, paths: readonly string[]): string {
  const rows = paths.map((path) => {
    const { value, meaning } = describeSetting(config, path);
    return [code(path), value, meaning];
  });
  return markdownTable(["setting", "value", "meaning"], rows);
}

export function associationSettingsTable(config: Config): string {
  return settingsTable(config, [
    "dimse.maxPduBytes",
    "dimse.associationsMax",
    "dimse.associationsPerPeerMax",
    "dimse.associationsPerMinute",
    "dimse.receivers",
    "dimse.allowUnknownPeers",
  ]);
}

export function timersTable(config: Config): string {
  return settingsTable(config, [
    "dimse.artimSeconds",
    "dimse.idleSeconds",
    "dimse.messageSeconds",
    "dimse.writeSeconds",
    "dimse.userSeconds",
    "dimse.releaseSeconds",
    "outbound.responseSeconds",
    "outbound.backoffSeconds",
    "outbound.backoffSecondsMax",
    "database.statementSeconds",
    "series.quietSeconds",
    "series.ceilingSeconds",
  ]);
}

export function serviceLimitsTable(config: Config): string {
  return settingsTable(config, [
    "archive.instanceBytesMax",
    "archive.freeBytesMin",
    "archive.duplicates",
    "dimse.pendingMatchesMax",
    "dimse.retrieveInstancesMax",
    "dimse.retrievePendingSeconds",
    "dimse.movesPerDestinationMax",
    "search.answers",
    "search.samePatient",
    "search.rankCarrier",
    "outbound.attemptsMax",
    "outbound.ambiguousAttemptsMax",
  ]);
}

export function commitmentSettingsTable(config: Config): string {
  return settingsTable(config, [
    "commitment.referencesMax",
    "commitment.sameAssociationSeconds",
    "commitment.batchSeconds",
    "commitment.waitSeconds",
    "commitment.reportHours",
    "commitment.roundsMax",
    "commitment.keepDays",
  ]);
}

/** Ceilings that no setting moves. */
export function ceilingsTable(): string {
  const rows: readonly (readonly [string, number])[] = [
    ["A-ASSOCIATE PDU, bytes", limits.ASSOCIATE_PDU_BYTES_MAX],
    ["presentation contexts of an association", limits.PRESENTATION_CONTEXTS_MAX],
    ["transfer syntaxes of a presentation context", limits.TRANSFER_SYNTAXES_MAX],
    ["Maximum Length of a peer, at least, bytes (0 is no limit)", limits.PEER_PDU_BYTES_MIN],
    ["user identity, bytes", limits.USER_IDENTITY_BYTES_MAX],
    ["command set, bytes", limits.COMMAND_SET_BYTES_MAX],
    ["identifier, bytes", limits.IDENTIFIER_BYTES_MAX],
    ["sequences within sequences of an identifier", limits.IDENTIFIER_DEPTH_MAX],
    ["header of a stored data set that is indexed, bytes", limits.HEADER_BYTES_MAX],
    ["sequences within sequences of a stored data set", limits.SEQUENCE_DEPTH_MAX],
    ["answers to a similarity query", limits.SIMILAR_ANSWERS_MAX],
    ["connections that have no association yet", limits.WAITING_CONNECTIONS_MAX],
    ["the same, from one address", limits.WAITING_CONNECTIONS_PER_ADDRESS_MAX],
  ];
  return markdownTable(
    ["what", "limit"],
    rows.map(([what, limit]) => [what, limit.toLocaleString("en-US")]),
  );
}

const RESULT = { 1: "1 rejected-permanent", 2: "2 rejected-transient" } as const;
const SOURCE = {
  1: "1 service-user",
  2: "2 service-provider (ACSE)",
  3: "3 service-provider (presentation related)",
} as const;

export function rejectionsTable(): string {
  const rows = Object.entries(REJECTIONS).map(([why, { result, source, reason, meaning }]) => [
    RESULT[result],
    SOURCE[source],
    String(reason),
    meaning,
    code(why),
  ]);
  return markdownTable(
    ["result", "source", "reason", "when", "`reason` in log and metric"],
    rows.sort((a, b) => a.slice(0, 3).join().localeCompare(b.slice(0, 3).join())),
  );
}

export function abortsTable(): string {
  const provider = Object.entries(ABORT_OCCASIONS).map(([name, when]) => [
    `${ABORT_SOURCE.provider} service-provider`,
    String(ABORT_REASON[name as keyof typeof ABORT_REASON]),
    when,
  ]);
  return markdownTable(
    ["source", "reason", "sent for"],
    [
      [
        `${ABORT_SOURCE.user} service-user`,
        String(ABORT_REASON.notSpecified),
        "a timer that ran out, a node that stops, a peer that gave up its request, an event before the association that may not come",
      ],
      ...provider,
    ],
  );
}

export function portsTable({ dimse }: Config): string {
  const port = (value: number | null) => (value === null ? "off" : String(value));
  return markdownTable(
    ["TCP port", "address", "setting"],
    [
      [port(dimse.port), dimse.host, "`dimse.port`: DICOM without TLS"],
      [port(dimse.tls.port), dimse.host, "`dimse.tls.port`: DICOM with TLS"],
    ],
  );
}

export function tlsTable({ dimse }: Config): string {
  return markdownTable(
    ["", ""],
    [
      ["versions", dimse.tls.minVersion === "TLSv1.3" ? "TLS 1.3" : "TLS 1.3, TLS 1.2"],
      ["cipher suites, first choice first", TLS_CIPHERS.join(", ")],
      ["key exchange groups", TLS_CURVES.join(", ")],
      ["a caller without a certificate", dimse.tls.requireClientCertificate ? "refused" : "taken"],
      ["revocation lists", dimse.tls.crlFile === undefined ? "none set" : "checked"],
      ["users that may be proven", String(dimse.users.length)],
    ],
  );
}

/** The peers of this site and what each may do. Nothing in it is secret. */
export function peersTable({ peers }: Config): string {
  if (peers.length === 0) return "No peer is configured: every calling AE title is rejected.";
  const rows = peers.map((peer) => [
    peer.aeTitle,
    [peer.host].flat().join(", "),
    peer.port === undefined ? "not called" : String(peer.port),
    [...(peer.echo ? ["echo"] : []), ...peer.allow.filter((one) => one !== "echo")].join(", "),
    [
      ...(peer.tls ? ["TLS"] : []),
      ...(peer.certificateName === undefined
        ? []
        : [`certificate ${[peer.certificateName].flat().join(" or ")}`]),
      ...(peer.requireUser ? ["a proven user"] : []),
    ].join(", "),
    [
      ...(peer.sendReports ? ["gets our reports"] : []),
      ...(peer.commit ? ["is asked to commit them"] : []),
      ...(peer.retrieveFrom ? ["Retrieve AE Title of similar studies"] : []),
      ...(peer.strictPending ? ["FF01H for keys that are not supported"] : []),
    ].join(", "),
  ]);
  return markdownTable(
    ["AE title", "calls from", "called at port", "may", "must show", "otherwise"],
    rows,
  );
}

export function characterSetsTable(): string {
  const { plain, extended } = knownCharacterSets();
  return markdownTable(
    ["", "Specific Character Set"],
    [
      ["read, without code extensions", `none, ${plain.join(", ")}`],
      ["read, with code extensions", extended.join(", ")],
      ["read, anything else", "as Latin-1; the bytes kept are never changed"],
      ["written, in query answers and documents", "ISO_IR 192"],
      ["sent on, in retrieve", "as received"],
    ],
  );
}
