/** A database with instances to query, without network: rows are written as the archive writes them. */
import { createHash } from "node:crypto";
import { configSchema } from "../../src/config/schema.ts";
import { beginWriterEpoch } from "../../src/db/archive-files.ts";
import { type Database, openDatabase } from "../../src/db/database.ts";
import { keepInstances } from "../../src/db/instances.ts";
import { migrate } from "../../src/db/migrate.ts";
import type { DataSet } from "../../src/dicom/data-set.ts";
import { readInstanceHeader } from "../../src/dicom/instance-header.ts";
import { SOP_CLASS, UID } from "../../src/dicom/uids.ts";
import { codeOf, messageOf } from "../../src/kernel/errors.ts";
import { silentLogger } from "../../src/kernel/log.ts";
import { type StandardQuery, standardQuery } from "../../src/search/standard-query.ts";
import { dataSetOf, PLAIN, type Values } from "./data-sets.ts";
import { startNativePostgres } from "./native-postgres.ts";
import { temporaryFolder } from "./node-under-test.ts";

export const ENGINES = ["embedded", "postgresql"] as const;

/** An empty, migrated database; undefined where there is no native PostgreSQL and none is required. */
export async function openQueryDatabase(
  engine: (typeof ENGINES)[number],
): Promise<{ database: Database; close(): Promise<void> } | undefined> {
  const native = engine === "postgresql" ? await startNativePostgres() : undefined;
  if (engine === "postgresql" && native === undefined) {
    if (process.env.KINDRED_REQUIRE_NATIVE_PG === "1")
      throw new Error("native PostgreSQL is required and not there");
    console.log("      SKIPPED: no native PostgreSQL with pgvector (CONTRIBUTING.md says how)");
    return undefined;
  }
  const url = await native?.freshDatabase();
  const database = await openDatabase({
    config: configSchema.parse({ database: url === undefined ? {} : { url } }).database,
    dataDir: temporaryFolder(),
    log: silentLogger(),
  });
  await migrate(database);
  return {
    database,
    async close() {
      await database.close();
      await native?.stop();
    },
  };
}

/** Writes the rows of one instance. */
export async function keep(database: Database, dataSet: DataSet): Promise<void> {
  const header = readInstanceHeader(dataSet);
  const writer = "test";
  const { epoch } = await beginWriterEpoch(database, writer);
  const [result] = await keepInstances(database, { writer, epoch }, "keep-first", [
    {
      header,
      transferSyntaxUid: UID.explicitVrLittleEndian,
      fileKey: `test/${header.sopInstanceUid}`,
      fileBytes: 1,
      sizeBytes: 1,
      digest: createHash("sha256").update(header.sopInstanceUid).digest(),
      callingAeTitle: "TEST",
      receivedAt: new Date(1_700_000_000_000),
    },
  ]);
  if (result?.outcome !== "kept")
    throw new Error(`an instance of the population was not kept: ${result?.outcome}`);
}

/** Keeps an instance with these values; the UIDs are made of short numbers, the rest has no default. */
export function keepValues(
  database: Database,
  uids: { study: number; series: number; instance: number },
  values: Values,
): Promise<void> {
  return keep(
    database,
    dataSetOf({
      SOPClassUID: SOP_CLASS.ctImageStorage,
      StudyInstanceUID: `1.2.${uids.study}`,
      SeriesInstanceUID: `1.2.${uids.study}.${uids.series}`,
      SOPInstanceUID: `1.2.${uids.study}.${uids.series}.${uids.instance}`,
      ...values,
    }),
  );
}

export interface Asked {
  readonly matches: DataSet[];
  readonly warnings: boolean[];
  /** Code and message when it ended with an error. */
  readonly error?: string;
  readonly code?: string;
}

/** Runs a standard query to its end. */
export async function ask(
  database: Database,
  query: Partial<Omit<StandardQuery, "identifier">> & { identifier: DataSet },
): Promise<Asked> {
  const matches: DataSet[] = [];
  const warnings: boolean[] = [];
  try {
    const found = standardQuery(database, {
      model: "STUDY_ROOT",
      negotiated: PLAIN,
      retrieveAeTitle: "KINDRED",
      limit: 1000,
      ...query,
    });
    for await (const match of found) {
      matches.push(match.identifier);
      warnings.push(match.isWarning);
    }
  } catch (error) {
    return { matches, warnings, error: messageOf(error), code: codeOf(error) };
  }
  return { matches, warnings };
}
