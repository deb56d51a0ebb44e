/** The conformance statement: a document whose marked regions are filled from the code and a configuration. */
import type { Config } from "../../config/schema.ts";
import { KindredError } from "../../kernel/errors.ts";
import * as association from "./association-tables.ts";
import * as query from "./query-tables.ts";
import * as report from "./report-tables.ts";
import * as services from "./service-tables.ts";
import * as statuses from "./status-tables.ts";
import { markdownTable } from "./table.ts";

/** Every table by the name of its region. */
const TABLES: Readonly<Record<string, (config: Config) => string>> = {
  product: association.productTable,
  "network-services": services.networkServicesTable,
  "application-entities": (config) =>
    markdownTable(
      ["AE title", "what for"],
      services.aeTitlesOf(config).map(({ title, purpose }) => [title, purpose]),
    ),
  "accepted-contexts": services.acceptedContextsTable,
  "proposed-contexts": services.proposedContextsTable,
  roles: services.rolesTable,
  "extended-negotiation": services.extendedNegotiationTable,
  "storage-classes": services.storageClassesTable,
  "transfer-syntaxes": services.transferSyntaxesTable,
  "association-settings": association.associationSettingsTable,
  timers: association.timersTable,
  "service-limits": association.serviceLimitsTable,
  ceilings: association.ceilingsTable,
  rejections: association.rejectionsTable,
  aborts: association.abortsTable,
  ports: association.portsTable,
  tls: association.tlsTable,
  peers: association.peersTable,
  "character-sets": association.characterSetsTable,
  "query-keys": query.queryKeysTable,
  "retrieve-keys": query.retrieveKeysTable,
  "report-attributes": report.reportAttributesTable,
  "measurement-tree": () => report.contentTreeTable("measurement"),
  "text-tree": () => report.contentTreeTable("text"),
  codes: report.codesTable,
  "private-codes": report.privateCodesTable,
  "echo-statuses": statuses.echoStatusesTable,
  "store-statuses": statuses.storeStatusesTable,
  "find-statuses": statuses.findStatusesTable,
  "retrieve-statuses": statuses.retrieveStatusesTable,
  "action-statuses": statuses.actionStatusesTable,
  "event-statuses": statuses.eventStatusesTable,
  "failure-reasons": statuses.failureReasonsTable,
  "commitment-settings": association.commitmentSettingsTable,
  "store-answers": statuses.storeAnswersTable,
};

const REGION = /^<!-- table:([a-z0-9-]+) -->\n(?:[\s\S]*?\n)??<!-- \/table -->$/gm;
const MARK = /^<!-- \/?table/gm;

export const TABLE_NAMES: readonly string[] = Object.keys(TABLES);

/**
 * The document with every region `<!-- table:NAME -->` … `<!-- /table -->` filled anew.
 *
 * @throws KindredError `BAD_REQUEST` for a region that is not closed or has a name that no table has
 */
export function fillStatement(document: string, config: Config): string {
  const regions = [...document.matchAll(REGION)].length;
  const marks = [...document.matchAll(MARK)].length;
  if (regions === 0 || marks !== 2 * regions)
    throw new KindredError(
      "BAD_REQUEST",
      "The document has no marked region, or one that is not closed by <!-- /table -->",
    );
  return document.replace(REGION, (_region, name: string) => {
    const table = TABLES[name];
    if (table === undefined)
      throw new KindredError("BAD_REQUEST", `There is no table ${name}: ${TABLE_NAMES.join(", ")}`);
    return `<!-- table:${name} -->\n\n${table(config)}\n\n<!-- /table -->`;
  });
}

/** Without the marks, for people who only read it. */
export function withoutMarks(document: string): string {
  return document.replace(/^<!-- \/?table.*-->\n\n?/gm, "");
}
