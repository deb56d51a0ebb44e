/**
 * C-FIND on a large archive: generated rows in a native PostgreSQL, the usual queries, time and plan of each.
 *
 *   node bench/query-scale.ts [studies = 100000]     two series a study, five instances a series; --plans for plans
 */
import { configSchema } from "../src/config/schema.ts";
import { type Database, openDatabase } from "../src/db/database.ts";
import { migrate } from "../src/db/migrate.ts";
import { silentLogger } from "../src/kernel/log.ts";
import { dataSetOf, PLAIN, type Values } from "../test/support/data-sets.ts";
import { startNativePostgres } from "../test/support/native-postgres.ts";
import { temporaryFolder } from "../test/support/node-under-test.ts";
import { type Asked, ask } from "../test/support/query-database.ts";

const studies = Number(process.argv[2] ?? 100_000);
const withPlans = process.argv.includes("--plans");
const RELATIONAL = { ...PLAIN, relational: true };

const FAMILIES = ["smith", "muller", "yamada", "garcia", "ivanov", "dupont", "rossi", "kim"];

async function generate(database: Database): Promise<void> {
  const family = `(array['${FAMILIES.join("','")}'])[1 + n % ${FAMILIES.length}] || (n % 997)`;
  await database.query(
    `insert into study (study_instance_uid, patient_id, patient_id_issuer, patient_name, patient_birth_date, patient_sex,
       study_date, study_time, accession_number, study_id, study_description, referring_physician_name,
       first_received_at, query_attributes)
     select '1.2.840.99.' || n, 'P' || n / 2, 'H', ${family} || '^given' || n / 2, '19700101', 'F',
       to_char(date '2010-01-01' + n % 5000, 'YYYYMMDD'), '101112', 'A' || n, n::text, 'CT Thorax ' || n % 100, 'Doc^' || n % 50,
       now(), jsonb_build_object('00080080', jsonb_build_array('Hospital'), 'search', jsonb_build_object(
         '00100010', jsonb_build_array(${family} || '^given' || n / 2), '00080030', jsonb_build_array('101112.000000'),
         '00080090', jsonb_build_array('doc^' || n % 50)))
     from generate_series(1, $1::int) n`,
    [studies],
  );
  await database.query(
    `insert into series select '1.2.840.99.' || n || '.' || k, '1.2.840.99.' || n, case when k = 1 then 'CT' else 'SR' end, k::text,
       'Axial ' || n % 1000, 'CHEST', '', 'Maker', 'Model', 'delivered', null, 1, now(), false, now(), now(), 5,
       jsonb_build_object('00181030', jsonb_build_array('Protocol'), '00400275', jsonb_build_array(
         jsonb_build_object('00401001', jsonb_build_array('RP' || n))))
     from generate_series(1, $1::int) n, generate_series(1, 2) k`,
    [studies],
  );
  await database.query(
    `insert into instance select '1.2.840.99.' || n || '.' || k || '.' || i, '1.2.840.99.' || n || '.' || k,
       '1.2.840.10008.5.1.4.1.1.2', '1.2.840.10008.1.2.1', i::text, '', '512\\512', n || '/' || k || '/' || i, 1, '\\x00', 1, 'CT', now(),
       jsonb_build_object('00080008', jsonb_build_array('ORIGINAL', 'PRIMARY', 'AXIAL'), '00280100', jsonb_build_array('16'),
         '00080022', jsonb_build_array('20200101'), 'search', jsonb_build_object('00080022', jsonb_build_array('20200101')))
     from generate_series(1, $1::int) n, generate_series(1, 2) k, generate_series(1, 5) i`,
    [studies],
  );
  await database.query("analyze");
}

const LIST = {
  StudyInstanceUID: "",
  PatientName: "",
  PatientID: "",
  StudyDate: "",
  StudyTime: "",
  AccessionNumber: "",
  ModalitiesInStudy: "",
  StudyDescription: "",
  NumberOfStudyRelatedSeries: "",
  NumberOfStudyRelatedInstances: "",
} satisfies Values;
const middle = Math.trunc(studies / 2);

const QUERIES: readonly (readonly [
  title: string,
  level: string,
  keys: Values,
  negotiated?: typeof PLAIN,
])[] = [
  ["patient ID", "STUDY", { ...LIST, PatientID: `P${middle}` }],
  ["patient ID prefix", "STUDY", { ...LIST, PatientID: "P123*" }],
  ["accession number", "STUDY", { ...LIST, AccessionNumber: `A${middle}` }],
  ["study UID", "STUDY", { ...LIST, StudyInstanceUID: `1.2.840.99.${middle}` }],
  ["name prefix", "STUDY", { ...LIST, PatientName: "Yamada12*" }],
  ["name, whole", "STUDY", { ...LIST, PatientName: "Kim5^Given" }],
  ["name, inner", "STUDY", { ...LIST, PatientName: "*^given1234" }],
  [
    "name, fuzzy",
    "STUDY",
    { ...LIST, PatientName: "given1234 kim" },
    { ...PLAIN, fuzzyNames: true },
  ],
  ["one day of CT", "STUDY", { ...LIST, StudyDate: "20200101", ModalitiesInStudy: "CT" }],
  ["a month", "STUDY", { ...LIST, StudyDate: "20200101-20200131" }],
  ["modality that is nowhere", "STUDY", { ...LIST, ModalitiesInStudy: "US" }],
  ["description, inner", "STUDY", { ...LIST, StudyDescription: "*nothing like it*" }],
  ["everything, to the limit", "STUDY", LIST],
  [
    "every patient, to the limit",
    "PATIENT",
    { PatientID: "", PatientName: "", NumberOfPatientRelatedInstances: "" },
  ],
  [
    "patient by name",
    "PATIENT",
    { PatientID: "", PatientName: "rossi77*", NumberOfPatientRelatedStudies: "" },
  ],
  [
    "series of a study",
    "SERIES",
    { StudyInstanceUID: `1.2.840.99.${middle}`, SeriesInstanceUID: "", Modality: "" },
  ],
  [
    "images of a series",
    "IMAGE",
    {
      StudyInstanceUID: `1.2.840.99.${middle}`,
      SeriesInstanceUID: `1.2.840.99.${middle}.1`,
      SOPInstanceUID: "",
      Rows: "",
    },
  ],
  ["SOP classes of a day", "STUDY", { ...LIST, StudyDate: "20200101", SOPClassesInStudy: "" }],
  [
    "relational: images of a patient",
    "IMAGE",
    { PatientID: `P${middle}`, SOPInstanceUID: "" },
    RELATIONAL,
  ],
  ["relational: one instance", "IMAGE", { SOPInstanceUID: `1.2.840.99.${middle}.1.3` }, RELATIONAL],
  [
    "relational: studies by a procedure ID in a sequence",
    "STUDY",
    { ...LIST, RequestAttributesSequence: [{ RequestedProcedureID: `RP${middle}` }] },
    RELATIONAL,
  ],
  [
    "relational: images by a value that is nowhere",
    "IMAGE",
    { SOPInstanceUID: "", ImageType: "DERIVED" },
    RELATIONAL,
  ],
  ["relational: every image, to the limit", "IMAGE", { SOPInstanceUID: "" }, RELATIONAL],
];

const native = await startNativePostgres();
if (native === undefined) throw new Error("native PostgreSQL is needed (CONTRIBUTING.md)");
const database = await openDatabase({
  config: configSchema.parse({ database: { url: await native.freshDatabase() } }).database,
  dataDir: temporaryFolder(),
  log: silentLogger(),
});
try {
  await migrate(database);
  await generate(database);
  console.log(
    `PostgreSQL ${database.serverVersion}: ${studies} studies, ${studies * 2} series, ${studies * 10} instances`,
  );
  for (const [title, level, keys, negotiated = PLAIN] of QUERIES) {
    const first: { text: string; values: readonly unknown[] }[] = [];
    const watched = {
      query: (text: string, values: readonly unknown[] = []) => {
        if (first.length === 0) first.push({ text, values });
        return database.query(text, values);
      },
    } as Database;
    const times: number[] = [];
    let asked: Asked | undefined;
    for (let run = 0; run < 3; run++) {
      const start = performance.now();
      asked = await ask(watched, {
        identifier: dataSetOf({ ...keys, QueryRetrieveLevel: level }),
        model: level === "PATIENT" ? "PATIENT_ROOT" : "STUDY_ROOT",
        negotiated:
          level === "STUDY" || level === "PATIENT"
            ? negotiated
            : { ...negotiated, relational: true },
        limit: 5000,
      });
      times.push(performance.now() - start);
    }
    if (asked?.code === "QUERY_INVALID") throw new Error(`${title}: ${asked.error}`);
    const median = times.sort((a, b) => a - b)[1]!;
    console.log(
      `${median.toFixed(1).padStart(9)} ms  ${String(asked!.matches.length).padStart(5)}  ${title}`,
    );
    const { rows } = await database.query<{ "QUERY PLAN": string }>(
      `explain ${first[0]!.text}`,
      first[0]!.values,
    );
    const plan = rows.map((row) => row["QUERY PLAN"]);
    if (withPlans) console.log(plan.join("\n"));
    else
      console.log(
        `              ${[...new Set(plan.flatMap((line) => /(?:Index|Bitmap|Seq)[^(]*(?= \()/.exec(line) ?? []))].map((one) => one.trim()).join("; ")}`,
      );
  }
} finally {
  await database.close();
  await native.stop();
}
