/** What a C-FIND answers: levels, counts, sequences, pages, limits. PS3.4 C.4.1. */
import { expect } from "chai";
import { configSchema } from "../../../src/config/schema.ts";
import type { Database } from "../../../src/db/database.ts";
import type { DataSet } from "../../../src/dicom/data-set.ts";
import { encodeDataSet } from "../../../src/dicom/encode.ts";
import { keywordOf, TAG } from "../../../src/dicom/tags.ts";
import { SOP_CLASS, UID } from "../../../src/dicom/uids.ts";
import { codeOf } from "../../../src/kernel/errors.ts";
import { createMetrics } from "../../../src/kernel/metrics.ts";
import { NO_TEXTS } from "../../../src/receiver/shared-texts.ts";
import { attributeRows, LEVELS } from "../../../src/search/attributes.ts";
import { createFindSource } from "../../../src/search/find-source.ts";
import { dataSetOf, PLAIN, type Values } from "../../support/data-sets.ts";
import { ask, ENGINES, keepValues, openQueryDatabase } from "../../support/query-database.ts";

const RELATIONAL = { ...PLAIN, relational: true };
const CODE = { CodeValue: "T1", CodingSchemeDesignator: "99T", CodeMeaning: "Thorax" };
const MANY = 1300;

/** One patient of two studies, the same ID at another issuer, two studies without ID, and one with many series. */
async function populate(database: Database): Promise<void> {
  const ann = { PatientName: "Doe^Ann", PatientID: "P1", IssuerOfPatientID: "H1", PatientSex: "F" };
  const first = {
    ...ann,
    StudyDate: "20240101",
    PatientComments: "kept \\ as it is",
    ProcedureCodeSequence: [
      CODE,
      { CodeValue: "A1", CodingSchemeDesignator: "99T", CodeMeaning: "Abdomen" },
    ],
    Modality: "CT",
    SeriesNumber: "2",
    RequestAttributesSequence: [
      { RequestedProcedureID: "RP1", ScheduledProtocolCodeSequence: [CODE] },
    ],
  };
  const image = { Rows: 512, Columns: 256, BitsAllocated: 16, ImageType: "ORIGINAL\\PRIMARY" };
  await keepValues(
    database,
    { study: 1, series: 1, instance: 1 },
    { ...first, ...image, InstanceNumber: "10" },
  );
  await keepValues(
    database,
    { study: 1, series: 1, instance: 2 },
    { ...first, ...image, InstanceNumber: "9" },
  );
  await keepValues(
    database,
    { study: 1, series: 2, instance: 1 },
    { ...first, Modality: "SR", SeriesNumber: "10", SOPClassUID: SOP_CLASS.comprehensiveSr },
  );
  await keepValues(
    database,
    { study: 2, series: 1, instance: 1 },
    { ...ann, PatientName: "Roe^Ann", StudyDate: "20240202", Modality: "MR" },
  );
  await keepValues(
    database,
    { study: 3, series: 1, instance: 1 },
    { PatientName: "Other^One", PatientID: "P1", IssuerOfPatientID: "H2", Modality: "CT" },
  );
  for (const study of [4, 5])
    await keepValues(
      database,
      { study, series: 1, instance: 1 },
      { PatientName: "Nameless", PatientID: "", Modality: "OT" },
    );
  await database.query(
    `insert into series select '1.2.5.' || n, study_instance_uid, modality, n::text, series_description, body_part_examined,
       frame_of_reference_uid, manufacturer, model_name, state, reason, revision, revision_opened_at, has_patient_conflict,
       first_received_at, last_received_at, instance_count, query_attributes
     from series, generate_series(2, $1::int) n where series_instance_uid = '1.2.5.1'`,
    [MANY],
  );
}

for (const engine of ENGINES) {
  describe(`answers on the ${engine} database`, () => {
    let database: Database;
    let close = async () => {};

    before(async function () {
      const opened = await openQueryDatabase(engine);
      if (opened === undefined) return this.skip();
      ({ database, close } = opened);
      await populate(database);
    });
    after(() => close());

    const query = (level: string, keys: Values, rest: Partial<Parameters<typeof ask>[1]> = {}) =>
      ask(database, { identifier: dataSetOf({ ...keys, QueryRetrieveLevel: level }), ...rest });
    const patients = (keys: Values) => query("PATIENT", keys, { model: "PATIENT_ROOT" });
    const texts = (matches: readonly DataSet[], tag: number) =>
      matches.map((one) => one.strings(tag).join("\\"));

    it("hold the requested attributes that are supported, and what the standard adds", async () => {
      const { matches } = await query("STUDY", {
        StudyInstanceUID: "1.2.1",
        PatientSex: "",
        AccessionNumber: "",
        QueryRetrieveView: "CLASSIC",
        TransferSyntaxUID: "",
        Modality: "",
      });
      expect(matches).to.have.length(1);
      expect([...matches[0]!.elements.keys()].map(keywordOf)).to.have.members([
        "SpecificCharacterSet",
        "QueryRetrieveLevel",
        "RetrieveAETitle",
        "InstanceAvailability",
        "StudyInstanceUID",
        "PatientSex",
        "AccessionNumber",
      ]);
      expect(matches[0]!.string(TAG.AccessionNumber)).to.equal("");
      expect(matches[0]!.string(TAG.SpecificCharacterSet)).to.equal("ISO_IR 192");
      expect(matches[0]!.string(TAG.RetrieveAETitle)).to.equal("KINDRED");
    });

    it("give every attribute of the table in its VR, and can be encoded", async () => {
      const all = Object.fromEntries(
        attributeRows().map((row) => [row.keyword, row.vr === "SQ" ? [] : ""]),
      );
      for (const level of ["STUDY", "SERIES", "IMAGE"] as const) {
        const { matches, error } = await query(level, all as Values, {
          negotiated: RELATIONAL,
          limit: 5000,
        });
        expect(error).to.equal(undefined);
        for (const match of matches.slice(0, 5)) {
          for (const row of attributeRows()) {
            const vr = match.get(row.tag)?.vr;
            if (vr !== undefined) expect(vr, row.keyword).to.equal(row.vr);
          }
          encodeDataSet(match, UID.implicitVrLittleEndian);
        }
        const upTo = LEVELS.slice(0, LEVELS.indexOf(level) + 1);
        const isCounted = (row: { keyword: string }) =>
          /^Number\w+Related|InStudy$/.test(row.keyword);
        const expected = attributeRows().filter(
          (row) => row.level === level || (upTo.includes(row.level) && !isCounted(row)),
        );
        for (const row of expected) expect(matches[0]!.has(row.tag), row.keyword).to.equal(true);
        expect(matches[0]!.elements.size).to.equal(expected.length + 4);
      }
    });

    it("tell patients apart by ID and issuer, and name each by its newest study", async () => {
      const { matches } = await patients({
        PatientID: "",
        IssuerOfPatientID: "",
        PatientName: "",
        NumberOfPatientRelatedStudies: "",
        NumberOfPatientRelatedSeries: "",
        NumberOfPatientRelatedInstances: "",
      });
      const row = (one: DataSet) =>
        [
          TAG.PatientID,
          TAG.IssuerOfPatientID,
          TAG.PatientName,
          TAG.NumberOfPatientRelatedStudies,
          TAG.NumberOfPatientRelatedSeries,
          TAG.NumberOfPatientRelatedInstances,
        ]
          .map((tag) => one.string(tag))
          .join("|");
      expect(matches.map(row)).to.have.members([
        "||Nameless|1|1|1",
        `||Nameless|1|${MANY}|${MANY}`,
        "P1|H1|Roe^Ann|2|3|4",
        "P1|H2|Other^One|1|1|1",
      ]);
    });

    it("count and list what belongs to a study", async () => {
      const { matches } = await query("STUDY", {
        StudyInstanceUID: "1.2.1",
        ModalitiesInStudy: "",
        SOPClassesInStudy: "",
        NumberOfStudyRelatedSeries: "",
        NumberOfStudyRelatedInstances: "",
        PatientComments: "",
      });
      expect(matches[0]!.strings(TAG.ModalitiesInStudy)).to.deep.equal(["CT", "SR"]);
      expect(matches[0]!.strings(TAG.SOPClassesInStudy)).to.deep.equal([
        SOP_CLASS.ctImageStorage,
        SOP_CLASS.comprehensiveSr,
      ]);
      expect(matches[0]!.integer(TAG.NumberOfStudyRelatedSeries)).to.equal(2);
      expect(matches[0]!.integer(TAG.NumberOfStudyRelatedInstances)).to.equal(3);
      expect(matches[0]!.string(TAG.PatientComments)).to.equal("kept \\ as it is");
    });

    it("match a study by any modality in it and still list all", async () => {
      const { matches } = await query("STUDY", {
        StudyInstanceUID: "",
        ModalitiesInStudy: "SR\\MR",
      });
      expect(texts(matches, TAG.ModalitiesInStudy)).to.have.members(["CT\\SR", "MR"]);
    });

    it("hold sequences as sequences: all of it, only what was named, only the items that match", async () => {
      const sequence = async (value: readonly Values[]) => {
        const { matches } = await query("STUDY", {
          StudyInstanceUID: "1.2.1",
          ProcedureCodeSequence: value,
        });
        return matches.flatMap((match) =>
          match.items(TAG.ProcedureCodeSequence).map((item) =>
            [...item.elements.keys()]
              .sort()
              .map((tag) => item.string(tag))
              .join(" "),
          ),
        );
      };
      const all = ["T1 99T Thorax", "A1 99T Abdomen"];
      expect(await sequence([])).to.deep.equal(all);
      expect(await sequence([{}])).to.deep.equal(all);
      expect(await sequence([{ CodeMeaning: "" }])).to.deep.equal(["Thorax", "Abdomen"]);
      expect(await sequence([{ CodeMeaning: "", CodeValue: "A*" }])).to.deep.equal(["A1 Abdomen"]);
      const { matches } = await query("SERIES", {
        StudyInstanceUID: "1.2.1",
        SeriesInstanceUID: "1.2.1.1",
        RequestAttributesSequence: [{ ScheduledProtocolCodeSequence: [{ CodeMeaning: "" }] }],
      });
      const [item] = matches[0]!.items(TAG.RequestAttributesSequence);
      expect([...item!.elements.keys()]).to.deep.equal([TAG.ScheduledProtocolCodeSequence]);
      const [code] = item!.items(TAG.ScheduledProtocolCodeSequence);
      expect([...code!.elements.values()].map((one) => one.tag)).to.deep.equal([TAG.CodeMeaning]);
      expect(code!.string(TAG.CodeMeaning)).to.equal("Thorax");
    });

    it("hold binary attributes in binary", async () => {
      const { matches } = await query("IMAGE", {
        StudyInstanceUID: "1.2.1",
        SeriesInstanceUID: "1.2.1.1",
        InstanceNumber: "",
        Rows: "",
        Columns: 256,
        BitsAllocated: "",
        ImageType: "",
      });
      expect(texts(matches, TAG.InstanceNumber)).to.deep.equal(["9", "10"]);
      for (const match of matches) {
        expect(
          [TAG.Rows, TAG.Columns, TAG.BitsAllocated].map((tag) => match.integer(tag)),
        ).to.deep.equal([512, 256, 16]);
        expect(match.strings(TAG.ImageType)).to.deep.equal(["ORIGINAL", "PRIMARY"]);
      }
    });

    for (const [level, keys, model] of [
      ["SERIES", { SeriesInstanceUID: "" }, "STUDY_ROOT"],
      ["SERIES", { StudyInstanceUID: "1.2.1\\1.2.2" }, "STUDY_ROOT"],
      ["IMAGE", { StudyInstanceUID: "1.2.1" }, "STUDY_ROOT"],
      ["STUDY", { StudyInstanceUID: "1.2.1" }, "PATIENT_ROOT"],
      ["STUDY", { PatientID: "P*" }, "PATIENT_ROOT"],
      ["PATIENT", { PatientID: "P1" }, "STUDY_ROOT"],
      ["FRAME", {}, "STUDY_ROOT"],
    ] as const) {
      it(`are refused at ${level} of ${model} for ${JSON.stringify(keys)} unless it is relational`, async () => {
        expect((await query(level, keys, { model })).code).to.equal("QUERY_INVALID");
        const isLevel = level !== "FRAME" && !(level === "PATIENT" && model === "STUDY_ROOT");
        const asked = await query(level, keys, { model, negotiated: RELATIONAL, limit: 5000 });
        expect(asked.code).to.equal(isLevel ? undefined : "QUERY_INVALID");
      });
    }

    it("come for every level of a relational query", async () => {
      const count = async (level: string, keys: Values) =>
        (await query(level, keys, { model: "PATIENT_ROOT", negotiated: RELATIONAL })).matches
          .length;
      expect(await count("PATIENT", { Modality: "CT" })).to.equal(2);
      expect(await count("STUDY", { PatientID: "P1", IssuerOfPatientID: "H1" })).to.equal(2);
      expect(await count("SERIES", { PatientID: "P1", IssuerOfPatientID: "H1" })).to.equal(3);
      expect(await count("IMAGE", { PatientName: "doe^ann" })).to.equal(3);
      expect(await count("PATIENT", { Modality: "SR", InstanceNumber: "10" })).to.equal(0);
    });

    it("come in pages, each once and in order, from short statements", async () => {
      const statements: string[] = [];
      const counted = {
        query: (text: string, values?: readonly unknown[]) => {
          statements.push(text);
          return database.query(text, values);
        },
      } as Database;
      const identifier = dataSetOf({
        QueryRetrieveLevel: "SERIES",
        StudyInstanceUID: "1.2.5",
        SeriesNumber: "",
      });
      const { matches } = await ask(counted, { identifier, limit: 2000 });
      const numbers = matches.map((match) => match.integer(TAG.SeriesNumber));
      expect(numbers.filter((one) => one !== undefined)).to.deep.equal(
        Array.from({ length: MANY - 1 }, (_, index) => index + 2),
      );
      expect(matches).to.have.length(MANY);
      expect(statements).to.have.length(4);
      const all = await ask(counted, {
        identifier: dataSetOf({ QueryRetrieveLevel: "SERIES", SeriesInstanceUID: "" }),
        negotiated: RELATIONAL,
        limit: 2000,
      });
      expect(new Set(texts(all.matches, TAG.SeriesInstanceUID)).size).to.equal(MANY + 5);
    });

    for (const limit of [1, 63, 64, 65, 600]) {
      it(`end with QUERY_LIMIT after ${limit} when there are more`, async () => {
        const asked = await query("SERIES", { StudyInstanceUID: "1.2.5" }, { limit });
        expect(asked.matches).to.have.length(limit);
        expect(asked.code).to.equal("QUERY_LIMIT");
        expect(asked.error).to.include(String(limit)).and.have.length.below(65);
      });
    }

    it("end with success when the limit is just enough", async () => {
      const asked = await query("SERIES", { StudyInstanceUID: "1.2.5" }, { limit: MANY });
      expect(asked.code).to.equal(undefined);
      expect(asked.matches).to.have.length(MANY);
    });

    it("end at a cancel, and the database is asked no more", async () => {
      const statements: string[] = [];
      const counted = {
        query: (text: string, values?: readonly unknown[]) => {
          statements.push(text);
          return database.query(text, values);
        },
      } as Database;
      const source = createFindSource({
        config: configSchema.parse({}),
        database: counted,
        texts: NO_TEXTS,
        clock: { now: () => new Date(0) },
        metrics: createMetrics(),
      });
      const controller = new AbortController();
      const association = {
        id: "1",
        callingAeTitle: "ANY",
        calledAeTitle: "KINDRED",
        remoteAddress: "127.0.0.1",
        isKnownPeer: false,
        permissions: ["query"],
      } as const;
      const identifier = dataSetOf({ QueryRetrieveLevel: "SERIES", StudyInstanceUID: "1.2.5" });
      const request = { association, model: "STUDY_ROOT", identifier, negotiated: PLAIN } as const;
      const found = source.find(request, controller.signal);
      for (let given = 0; given < 3; given++) expect((await found.next()).done).to.equal(false);
      controller.abort();
      const error = await found.next().then(() => undefined, codeOf);
      expect(error).to.equal("QUERY_CANCELLED");
      expect(statements).to.have.length(1);
    });

    it("tell whether an optional key was not supported", async () => {
      const warns = async (keys: Values, negotiated = PLAIN) =>
        (await query("STUDY", { StudyInstanceUID: "1.2.1", ...keys }, { negotiated })).warnings;
      expect(
        await warns({ PatientName: "", ProcedureCodeSequence: [{ CodeValue: "T1" }] }),
      ).to.deep.equal([false]);
      expect(await warns({ TransferSyntaxUID: "" })).to.deep.equal([true]);
      expect(await warns({ Modality: "CT" })).to.deep.equal([true]);
      expect(await warns({ Modality: "CT" }, RELATIONAL)).to.deep.equal([false]);
      expect(await warns({ NumberOfStudyRelatedInstances: "" })).to.deep.equal([false]);
      expect(await warns({ NumberOfStudyRelatedInstances: "3" })).to.deep.equal([true]);
      expect(await warns({ ProcedureCodeSequence: [{ PatientID: "" }] })).to.deep.equal([true]);
    });
  });
}
