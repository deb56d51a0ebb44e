/** A node's database as after a million instances, without their files: what receiving costs then. */
import { mkdirSync } from "node:fs";
import { configSchema } from "../src/config/schema.ts";
import { openDatabase } from "../src/db/database.ts";
import { migrate } from "../src/db/migrate.ts";
import { silentLogger } from "../src/kernel/log.ts";

const INSTANCES_PER_SERIES = 200;
const SERIES_PER_STUDY = 2;
/** Rows of one statement: the embedded engine keeps a statement's changes in memory. */
const BATCH_ROWS = 50_000;

/** A UID of a row as senders make them: no order, like `2.25.` and a random number. PS3.5 B.2. */
const uid = (kind: string, number: string) =>
  `'2.25.' || ('x' || substr(md5('${kind}' || (${number})::text), 1, 15))::bit(60)::bigint::text
     || ('x' || substr(md5('more ${kind}' || (${number})::text), 1, 15))::bit(60)::bigint::text`;

/**
 * Migrates the embedded database of `dataDir` and inserts the rows; the node must not run.
 *
 * @param isEmptied - the rows are removed again: what stays is an empty store whose log files were used before and whose
 *   tables were analyzed, as those of the filled one, so that the two differ in their rows alone
 */
export async function fillDatabase(
  dataDir: string,
  instances: number,
  isEmptied = false,
): Promise<void> {
  mkdirSync(dataDir, { recursive: true, mode: 0o700 });
  const config = configSchema.parse({});
  const database = await openDatabase({ config: config.database, dataDir, log: silentLogger() });
  try {
    await migrate(database);
    const series = Math.ceil(instances / INSTANCES_PER_SERIES);
    const studies = Math.ceil(series / SERIES_PER_STUDY);
    await database.query(
      `insert into study (study_instance_uid, patient_id, patient_id_issuer, patient_name, patient_birth_date, patient_sex,
         study_date, study_time, accession_number, study_id, study_description, referring_physician_name,
         first_received_at)
       select ${uid("study", "n")}, 'P' || n, '', 'Filled^' || n, '19700101', 'O', '20200101',
         '101010', 'A' || n, '1', 'Chest', '', now() from generate_series(0, $1::int - 1) n`,
      [studies],
    );
    await database.query(
      `insert into series (series_instance_uid, study_instance_uid, modality, series_number, series_description,
         body_part_examined, frame_of_reference_uid, manufacturer, model_name, state, reason, revision,
         revision_opened_at, has_patient_conflict, first_received_at, last_received_at, instance_count)
       select ${uid("series", "n")}, ${uid("study", `n / ${SERIES_PER_STUDY}`)}, 'CT', '2',
         'Axial', 'CHEST', '1.2.3.' || n, 'Filled', 'Filled', 'delivered', null, 1, now(), false, now(), now(), $2
         from generate_series(0, $1::int - 1) n`,
      [series, INSTANCES_PER_SERIES],
    );
    for (let from = 0; from < instances; from += BATCH_ROWS) {
      await database.query(
        `insert into instance (sop_instance_uid, series_instance_uid, sop_class_uid, transfer_syntax_uid,
           instance_number, number_of_frames, rows_columns, file_key, size_bytes, digest, revision, calling_ae_title,
           received_at)
         select ${uid("instance", "n")}, ${uid("series", `n / ${INSTANCES_PER_SERIES}`)},
           '1.2.840.10008.5.1.4.1.1.2', '1.2.840.10008.1.2.1', (n % ${INSTANCES_PER_SERIES})::text, '', '512\\512',
           gen_random_uuid()::text, 526000, decode(md5(n::text) || md5('x' || n::text), 'hex'), 1, 'FILLED', now()
           from generate_series($1::int, $2::int - 1) n`,
        [from, Math.min(from + BATCH_ROWS, instances)],
      );
    }
    if (isEmptied) await database.query("truncate study, series, instance cascade");
    for (const table of ["study", "series", "instance"])
      await database.query(`vacuum analyze ${table}`);
  } finally {
    await database.close();
  }
}
