/**
 * The plain C-FIND on what the node holds: strictly standard, no decoration. PS3.4 C.4.1, C.6.1, C.6.2. Answers are
 * read in pages, each a short statement that begins after the last answer before it (keyset paging): no transaction
 * and no connection is held while the peer reads.
 */
import type { Queryable } from "../db/queryable.ts";
import type { DataSet } from "../dicom/data-set.ts";
import { TAG } from "../dicom/tags.ts";
import { isValidUid } from "../dicom/uids.ts";
import type {
  FindMatch,
  FindResult,
  InformationModel,
  QueryNegotiation,
  QueryRetrieveLevel,
} from "../dimse/ports.ts";
import { KindredError } from "../kernel/errors.ts";
import { answer, answerColumns, hasUnsupportedKeys } from "./answers.ts";
import {
  ALIAS_OF,
  LEVELS,
  LONE_STUDY,
  QUERY_ATTRIBUTES,
  type QueryAttribute,
  UNIQUE_KEY,
} from "./attributes.ts";
import { and, bind, type Condition, within } from "./condition.ts";
import { type KeyCondition, matchingConditions } from "./matching-keys.ts";
import { hasWildcard } from "./text-keys.ts";

/** The first page is small, so that the first answer comes soon. */
const FIRST_PAGE_ROWS = 64;
const PAGE_ROWS = 512;

export interface StandardQuery {
  readonly identifier: DataSet;
  readonly model: InformationModel;
  readonly negotiated: QueryNegotiation;
  readonly retrieveAeTitle: string;
  /** Matches given at most. */
  readonly limit: number;
}

/** The level asked for, checked against the information model. */
export function levelOf(identifier: DataSet, model: InformationModel): QueryRetrieveLevel {
  const level = identifier.string(TAG.QueryRetrieveLevel)?.trim() as QueryRetrieveLevel | undefined;
  const isKnown = level !== undefined && LEVELS.includes(level);
  if (!isKnown || (level === "PATIENT" && model === "STUDY_ROOT")) {
    throw new KindredError(
      "QUERY_INVALID",
      `Query/Retrieve Level must be ${model === "STUDY_ROOT" ? "" : "PATIENT, "}STUDY, SERIES or IMAGE`,
    );
  }
  return level;
}

/**
 * Runs the query.
 *
 * @returns identifiers that hold exactly the requested, supported attributes
 * @throws KindredError `QUERY_INVALID` when a key cannot be matched, or a unique key above the level is missing in a
 *   query that is not relational; `QUERY_LIMIT` after `limit` matches when there are more
 */
export async function* standardQuery(
  db: Queryable,
  query: StandardQuery,
): AsyncGenerator<FindMatch, FindResult> {
  const { identifier, negotiated, limit } = query;
  const level = levelOf(identifier, query.model);
  if (!negotiated.relational) requireUpperKeys(identifier, query.model, level);
  const isAbove = (one: { level: QueryRetrieveLevel }) =>
    LEVELS.indexOf(one.level) <= LEVELS.indexOf(level);
  const keys = negotiated.relational ? QUERY_ATTRIBUTES : QUERY_ATTRIBUTES.filter(isAbove);
  const wanted = keys.filter(
    (one) => isAbove(one) && identifier.has(one.tag) && (one.level === level || isStored(one)),
  );
  const conditions = matchingConditions(keys, identifier, negotiated);
  const isWarning = hasUnsupportedKeys(
    identifier,
    wanted,
    conditions.map((one) => one.attribute),
  );
  const order = orderOf(level, identifier);
  let after: readonly unknown[] | undefined;
  for (let given = 0; ; ) {
    const rowsMax = Math.min(given === 0 ? FIRST_PAGE_ROWS : PAGE_ROWS, limit - given + 1);
    const values: unknown[] = [];
    const columns = answerColumns(wanted, identifier, values);
    const where = [
      ...whereOf(level, conditions).map((condition) => bind(condition, values)),
      ...(after === undefined ? [] : [afterSql(order, after, values)]),
    ];
    const { rows } = await db.query(statement(level, columns, where, order, rowsMax), values);
    for (const row of rows) {
      if (++given > limit) {
        throw new KindredError(
          "QUERY_LIMIT",
          `More than ${limit} matches; those were given: narrow the query`,
        );
      }
      yield { identifier: answer(row, wanted, { ...query, level }), isWarning };
    }
    const last = rows.at(-1);
    if (last === undefined || rows.length < rowsMax) return {};
    after = order.columns.map((_, index) => last[`o${index}`]);
  }
}

/** What is counted or listed is answered at its own level only: below, each answer would count it once more. */
function isStored(attribute: QueryAttribute): boolean {
  return attribute.source.kind === "column" || attribute.source.kind === "document";
}

/** The order in which pages are read: unique, and never changed by what arrives meanwhile. */
interface Order {
  readonly columns: readonly string[];
  readonly isDescending: boolean;
}

function orderOf(level: QueryRetrieveLevel, identifier: DataSet): Order {
  const ascending = (...columns: string[]): Order => ({ columns, isDescending: false });
  switch (level) {
    case "PATIENT":
      return ascending("s.patient_id", "s.patient_id_issuer", LONE_STUDY);
    case "STUDY":
      return { columns: ["s.study_date", "s.study_instance_uid"], isDescending: true };
    case "SERIES":
      return isOneUid(identifier, TAG.StudyInstanceUID)
        ? ascending("length(r.series_number)", "r.series_number", "r.series_instance_uid")
        : ascending("r.series_instance_uid");
    case "IMAGE":
      return isOneUid(identifier, TAG.SeriesInstanceUID)
        ? ascending("length(i.instance_number)", "i.instance_number", "i.sop_instance_uid")
        : ascending("i.sop_instance_uid");
  }
}

function afterSql(order: Order, after: readonly unknown[], values: unknown[]): string {
  const placeholders = after.map((value) => `$${values.push(value)}`);
  const [columns, places] = [order.columns.join(", "), placeholders.join(", ")];
  return `(${columns}) ${order.isDescending ? "<" : ">"} (${places})`;
}

const FROM: Readonly<Record<QueryRetrieveLevel, string>> = {
  PATIENT: "study s",
  STUDY: "study s",
  SERIES: "study s join series r on r.study_instance_uid = s.study_instance_uid",
  IMAGE: `study s join series r on r.study_instance_uid = s.study_instance_uid
    join instance i on i.series_instance_uid = r.series_instance_uid`,
};

function statement(
  level: QueryRetrieveLevel,
  columns: readonly string[],
  where: readonly string[],
  order: Order,
  rowsMax: number,
): string {
  const direction = order.isDescending ? " desc" : "";
  const orderBy = order.columns.map((column) => `${column}${direction}`).join(", ");
  const filter = where.length === 0 ? "" : `where ${where.join(" and ")}`;
  const selected = [...order.columns.map((column, index) => `${column} as o${index}`), ...columns];
  const limit = `limit ${Math.trunc(rowsMax)}`;
  if (level !== "PATIENT")
    return `select ${selected.join(", ")} from ${FROM[level]} ${filter} order by ${orderBy} ${limit}`;
  // One row a patient, the newest of the studies that match; what is counted is counted after the page is cut.
  return `select ${selected.join(", ")} from (select distinct on (${orderBy}) s.* from study s ${filter}
    order by ${orderBy}, s.study_date desc, s.study_instance_uid desc ${limit}) s order by ${orderBy}`;
}

/**
 * The conditions on a row of the level. Keys of lower levels (relational queries only) must all match along one
 * path from the row down: one series, one instance of it.
 */
function whereOf(level: QueryRetrieveLevel, conditions: readonly KeyCondition[]): Condition[] {
  const own = { PATIENT: ["s"], STUDY: ["s"], SERIES: ["s", "r"], IMAGE: ["s", "r", "i"] }[level];
  const isOwn = (one: KeyCondition) => own.includes(ALIAS_OF[one.attribute.level]);
  const parts = conditions.filter(isOwn).map(({ condition }) => within("(", condition, ")"));
  const lower = conditions.filter((one) => !isOwn(one));
  if (lower.length === 0) return parts;
  const hasImage = lower.some((one) => one.attribute.level === "IMAGE");
  const path =
    level === "SERIES"
      ? "instance i where i.series_instance_uid = r.series_instance_uid"
      : `series r ${hasImage ? "join instance i on i.series_instance_uid = r.series_instance_uid" : ""}
         where r.study_instance_uid = s.study_instance_uid`;
  const all = and(lower.map(({ condition }) => within("(", condition, ")")));
  return [...parts, within(`exists (select 1 from ${path} and `, all, ")")];
}

function isOneUid(identifier: DataSet, tag: number): boolean {
  const values = identifier.strings(tag);
  return values.length === 1 && isValidUid(values[0]!);
}

/** Hierarchical search: one value of each unique key above the level. PS3.4 C.4.1.2.1, C.4.1.3.2.1. */
function requireUpperKeys(
  identifier: DataSet,
  model: InformationModel,
  level: QueryRetrieveLevel,
): void {
  const first = model === "PATIENT_ROOT" ? 0 : 1;
  for (const upper of LEVELS.slice(first, LEVELS.indexOf(level))) {
    const values = identifier.strings(UNIQUE_KEY[upper]).map((value) => value.trim());
    const isSingle = values.length === 1 && values[0] !== "" && !hasWildcard(values[0]!);
    if (!isSingle) {
      throw new KindredError(
        "QUERY_INVALID",
        `One value of the unique key of level ${upper} is needed at level ${level}`,
      );
    }
  }
}
