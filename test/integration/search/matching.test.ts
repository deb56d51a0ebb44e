/** Every matching type of PS3.4 C.2.2.2, evaluated by the databases on a small population. */
import { expect } from "chai";
import type { Database } from "../../../src/db/database.ts";
import { TAG } from "../../../src/dicom/tags.ts";
import type { QueryNegotiation } from "../../../src/dimse/ports.ts";
import { dataSetOf, PLAIN, type Values } from "../../support/data-sets.ts";
import { ask, ENGINES, keepValues, openQueryDatabase } from "../../support/query-database.ts";

const CODES = (value: string, meaning: string) => ({
  CodeValue: value,
  CodingSchemeDesignator: "99T",
  CodeMeaning: meaning,
});

/** Study number → its values; the first instance of each names patient and study. */
const STUDIES: Readonly<Record<number, Values>> = {
  1: {
    PatientName: "Yamada^Tarou=山田^太郎=やまだ^たろう",
    PatientID: "P1",
    IssuerOfPatientID: "HOSP",
    PatientBirthDate: "19700101",
    PatientSex: "M",
    StudyDate: "20060705",
    StudyTime: "10",
    AccessionNumber: "A-100%",
    StudyID: "1",
    StudyDescription: "CT Thorax",
    ReferringPhysicianName: "Müller^Jörg\\Dupont^Éric",
    PatientAge: "036Y",
    Modality: "CT",
    SeriesNumber: "05",
    InstanceNumber: "7",
    Rows: 512,
    ProcedureCodeSequence: [CODES("T1", "Thorax"), CODES("A1", "Abdomen")],
    RequestAttributesSequence: [
      {
        ScheduledProcedureStepID: "SPS1",
        RequestedProcedureID: "RP1",
        ScheduledProtocolCodeSequence: [CODES("X1", "Protocol one")],
      },
      { ScheduledProcedureStepID: "SPS2", RequestedProcedureID: "RP2" },
    ],
    OtherPatientIDs: "ALT1\\ALT2",
  },
  2: {
    PatientName: "Hong^Gildong=洪^吉洞=홍^길동",
    PatientID: "P2",
    PatientBirthDate: "19800202",
    PatientSex: "F",
    StudyDate: "20060706",
    StudyTime: "1011",
    AccessionNumber: "A_200",
    StudyDescription: "ct thorax",
    Modality: "MR",
    SeriesNumber: "6",
    InstanceNumber: "8",
    Rows: 256,
    RequestAttributesSequence: [{ ScheduledProcedureStepID: "SPS1", RequestedProcedureID: "RP2" }],
    SeriesDate: "20060706",
    SeriesTime: "235959.5",
  },
  3: {
    PatientName: "Äneas^Rüdiger",
    PatientID: "P3",
    StudyDate: "20060707",
    StudyTime: "101112.5",
    AccessionNumber: "A\\300",
    StudyDescription: "Kopf (nativ) [1]",
    Modality: "CT",
    AcquisitionDateTime: "20060707101112.5+0200",
  },
  4: {
    PatientName: "Buc^Jérôme",
    PatientID: "P3",
    IssuerOfPatientID: "OTHER",
    StudyDate: "20060708",
    StudyTime: "180000.000001",
    StudyDescription: "Abdomen",
    Modality: "CT",
  },
  5: { PatientName: "", PatientID: "", StudyDate: "", StudyTime: "", Modality: "OT" },
};

type Case = readonly [
  keys: Values,
  studies: readonly number[],
  negotiated?: Partial<QueryNegotiation>,
];

const ALL = [1, 2, 3, 4, 5];
const RELATIONAL = { relational: true };
const COMBINED = { dateTime: true };
const FUZZY = { fuzzyNames: true };

const CASES: Readonly<Record<string, readonly Case[]>> = {
  "universal (C.2.2.2.3)": [
    [{}, ALL],
    [{ PatientName: "", PatientID: "*", StudyDate: "", AccessionNumber: "**" }, ALL],
    [{ StudyDate: "*", StudyTime: "*" }, ALL],
  ],
  "single value (C.2.2.2.1)": [
    [{ PatientID: "P3" }, [3, 4]],
    [{ PatientID: "P3", IssuerOfPatientID: "OTHER" }, [4]],
    [{ PatientID: " P1 " }, [1]],
    [{ PatientID: "p1" }, []],
    [{ StudyDescription: "CT Thorax" }, [1]],
    [{ StudyDescription: "CT" }, []],
    [{ PatientSex: "m" }, [1]],
    [{ PatientAge: "036Y" }, [1]],
    [{ OtherPatientIDs: "ALT2" }, [1]],
    [{ OtherPatientIDs: "ALT3" }, []],
    [{ PatientID: "P1\\P2" }, [1, 2]],
    [{ AccessionNumber: "x' or 1=1 --" }, []],
  ],
  "wild card (C.2.2.2.4)": [
    [{ StudyDescription: "CT*" }, [1]],
    [{ StudyDescription: "*t ?horax" }, [2]],
    [{ StudyDescription: "*(nativ) [?]" }, [3]],
    [{ StudyDescription: "?bdomen" }, [4]],
    [{ StudyDescription: "?Abdomen" }, []],
    [{ AccessionNumber: "A-100%" }, [1]],
    [{ AccessionNumber: "A?100%*" }, [1]],
    [{ AccessionNumber: "A%*" }, []],
    [{ AccessionNumber: "?_2*" }, [2]],
    [{ AccessionNumber: "?_1*" }, []],
    [{ PatientID: "P?" }, [1, 2, 3, 4]],
    [{ ModalitiesInStudy: "C*" }, [1, 3, 4]],
  ],
  "person names": [
    [{ PatientName: "yamada^TAROU" }, [1]],
    [{ PatientName: "Yamada" }, []],
    [{ PatientName: "Yamada^" }, []],
    [{ PatientName: "Yamada^Tarou^^" }, [1]],
    [{ PatientName: "yam*" }, [1]],
    [{ PatientName: "*tarou" }, [1]],
    [{ PatientName: "*^*" }, ALL],
    [{ PatientName: "^" }, ALL],
    [{ PatientName: "yamada^*" }, [1]],
    [{ PatientName: "yamada^tarou^*" }, [1]],
    [{ PatientName: "yamad?^*^*" }, [1]],
    [{ PatientName: "yama?^*" }, []],
    [{ PatientName: "^tarou" }, []],
    [{ PatientName: "yamada^tarou^^*" }, [1]],
    [{ PatientName: "yamada^^*" }, []],
    [{ PatientName: "yamada?tarou" }, []],
    [{ PatientName: "*^t*" }, [1]],
    [{ PatientName: "*^y*" }, []],
    [{ PatientName: "y*^tarou" }, [1]],
    [{ PatientName: "*a*d*a" }, []],
    [{ PatientName: "山田*" }, [1]],
    [{ PatientName: "山田^太郎" }, [1]],
    [{ PatientName: "*^太?" }, [1]],
    [{ PatientName: "やまだ^たろう" }, [1]],
    [{ PatientName: "やまた^たろう" }, []],
    [{ PatientName: "홍*" }, [2]],
    [{ PatientName: "호*" }, []],
    [{ PatientName: "=山田*" }, [1]],
    [{ PatientName: "山田*=" }, []],
    [{ PatientName: "Yamada*=*=やまだ^たろう" }, [1]],
    [{ PatientName: "Hong*=山田*" }, []],
    [{ PatientName: "aneas^rudiger" }, [3]],
    [{ PatientName: "ÄNEAS^RÜDIGER" }, [3]],
    [{ PatientName: "A\u0308neas^R*" }, [3]],
    [{ PatientName: "buc^jerome\\aneas*" }, [3, 4]],
    [{ PatientName: "B.c*" }, []],
    [{ PatientName: "(a|b)*" }, []],
    [{ ReferringPhysicianName: "dupont^eric" }, [1]],
    [{ ReferringPhysicianName: "muller*" }, [1]],
    [{ ReferringPhysicianName: "mueller*" }, []],
  ],
  "fuzzy person names (C.5.1.1 byte 3)": [
    [{ PatientName: "tarou yam" }, [1], FUZZY],
    [{ PatientName: "Gildong^Hong" }, [2], FUZZY],
    [{ PatientName: "JER" }, [4], FUZZY],
    [{ PatientName: "rome" }, [], FUZZY],
    [{ PatientName: "太郎" }, [1], FUZZY],
    [{ PatientName: "*" }, ALL, FUZZY],
  ],
  "list of UID (C.2.2.2.2)": [
    [{ StudyInstanceUID: "1.2.1" }, [1]],
    [{ StudyInstanceUID: "1.2.1\\1.2.4\\1.2.99" }, [1, 4]],
    [{ SOPClassesInStudy: "1.2.840.10008.5.1.4.1.1.2" }, ALL],
    [{ SOPClassesInStudy: "1.2.840.10008.5.1.4.1.1.4" }, []],
  ],
  "dates (C.2.2.2.5.1)": [
    [{ StudyDate: "20060706" }, [2]],
    [{ StudyDate: "20060706-20060707" }, [2, 3]],
    [{ StudyDate: "20060706 - 20060707" }, [2, 3]],
    [{ StudyDate: "20060707-" }, [3, 4]],
    [{ StudyDate: "-20060705" }, [1]],
    [{ StudyDate: "2006.07.06" }, [2]],
    [{ PatientBirthDate: "1970.01.01-19791231" }, [1]],
  ],
  "times (C.2.2.2.5.2, PS3.5 6.2)": [
    [{ StudyTime: "10" }, [1, 2, 3]],
    [{ StudyTime: "1000" }, [1]],
    [{ StudyTime: "1011" }, [2, 3]],
    [{ StudyTime: "101112" }, [3]],
    [{ StudyTime: "101112.5" }, [3]],
    [{ StudyTime: "101112.50" }, [3]],
    [{ StudyTime: "101112.51" }, []],
    [{ StudyTime: "10:11:12" }, [3]],
    [{ StudyTime: "10-1011" }, [1, 2, 3]],
    [{ StudyTime: "-1010" }, [1]],
    [{ StudyTime: "1011-" }, [2, 3, 4]],
    [{ StudyTime: "18" }, [4]],
    [{ StudyTime: "-180000" }, [1, 2, 3, 4]],
    [{ StudyTime: "-180000.0" }, [1, 2, 3, 4]],
    [{ StudyTime: "-180000.000000" }, [1, 2, 3]],
  ],
  "dates with times": [
    [{ StudyDate: "20060705-20060707", StudyTime: "1011-1800" }, [2, 3]],
    [{ StudyDate: "20060705-20060707", StudyTime: "1011-1800" }, [2, 3], COMBINED],
    [{ StudyDate: "20060705-20060708", StudyTime: "1000-0900" }, [1, 2, 3], COMBINED],
    [{ StudyDate: "20060705-20060708", StudyTime: "1001-18" }, [2, 3, 4], COMBINED],
    [{ StudyDate: "20060706-", StudyTime: "1012-" }, [3, 4], COMBINED],
    [{ StudyDate: "-20060706", StudyTime: "-1011" }, [1, 2], COMBINED],
    [{ StudyDate: "20060706-", StudyTime: "-1011" }, [2, 3], COMBINED],
    [{ StudyDate: "20060706", StudyTime: "10" }, [2], COMBINED],
    [{ StudyDate: "20060706-20060706", StudyTime: "10-11" }, [2], COMBINED],
  ],
  "sequences (C.2.2.2.6)": [
    [{ ProcedureCodeSequence: [] }, ALL],
    [{ ProcedureCodeSequence: [{}] }, ALL],
    [{ ProcedureCodeSequence: [{ CodeValue: "" }] }, ALL],
    [{ ProcedureCodeSequence: [{ CodeValue: "T1" }] }, [1]],
    [{ ProcedureCodeSequence: [{ CodeValue: "T1", CodeMeaning: "Thor*" }] }, [1]],
    [{ ProcedureCodeSequence: [{ CodeValue: "T1", CodeMeaning: "Abdomen" }] }, []],
  ],
  "keys of lower levels in a relational query": [
    [{ Modality: "CT" }, [1, 3, 4], RELATIONAL],
    [{ Modality: "CT" }, ALL],
    [{ SeriesNumber: "5" }, [1], RELATIONAL],
    [{ SeriesNumber: "+006" }, [2], RELATIONAL],
    [{ Rows: 256 }, [2], RELATIONAL],
    [{ Modality: "CT", Rows: 256 }, [], RELATIONAL],
    [{ InstanceNumber: "7\\8" }, [1, 2], RELATIONAL],
    [{ SOPInstanceUID: "1.2.4.1.1" }, [4], RELATIONAL],
    [{ SeriesDate: "20060706", SeriesTime: "2359" }, [2], RELATIONAL],
    [{ RequestAttributesSequence: [{ ScheduledProcedureStepID: "SPS1" }] }, [1, 2], RELATIONAL],
    [
      {
        RequestAttributesSequence: [
          { ScheduledProcedureStepID: "SPS1", RequestedProcedureID: "RP2" },
        ],
      },
      [2],
      RELATIONAL,
    ],
    [
      {
        RequestAttributesSequence: [
          {
            ScheduledProcedureStepID: "SPS?",
            ScheduledProtocolCodeSequence: [{ CodeValue: "X1" }],
          },
        ],
      },
      [1],
      RELATIONAL,
    ],
    [{ AcquisitionDateTime: "200607070811+0000" }, [3], RELATIONAL],
    [{ AcquisitionDateTime: "20060707101112.5+0200" }, [3], RELATIONAL],
    [{ AcquisitionDateTime: "20060707101112.5-0200" }, [], RELATIONAL],
    [{ AcquisitionDateTime: "200607070800+0000-200607070900+0000" }, [3], RELATIONAL],
    [{ AcquisitionDateTime: "-200607070800+0000" }, [], RELATIONAL],
  ],
};

const REFUSED: readonly (readonly [Values, RegExp])[] = [
  [{ StudyDate: "yesterday" }, /^StudyDate is neither/],
  [{ StudyDate: "-" }, /^StudyDate/],
  [{ StudyDate: "20060230" }, /^StudyDate/],
  [{ StudyDate: "2006070*" }, /^StudyDate/],
  [{ StudyDate: "20060707-20060706" }, /from earlier to later/],
  [{ StudyDate: "20060706-20060707-" }, /^StudyDate/],
  [{ StudyTime: "1" }, /^StudyTime/],
  [{ StudyTime: "2400" }, /^StudyTime/],
  [{ StudyTime: "2200-0600" }, /^StudyTime/],
  [{ StudyDate: "20060706-20060706", StudyTime: "2200-0600" }, /^StudyTime/],
  [{ StudyInstanceUID: "1.2.x" }, /^StudyInstanceUID is not a UID/],
  [{ StudyInstanceUID: "1.2.*" }, /^StudyInstanceUID/],
  [{ StudyDescription: "a*".repeat(20) }, /^StudyDescription has more than 16 wildcards/],
  [{ PatientName: "a=b=c=d" }, /^PatientName has more than three/],
  [{ PatientID: Array(70).fill("A").join("\\") }, /^PatientID has too many values/],
  [{ StudyDescription: "x".repeat(2000) }, /^StudyDescription is too long/],
  [{ ProcedureCodeSequence: [{}, {}] }, /^ProcedureCodeSequence must hold one item/],
];

for (const engine of ENGINES) {
  describe(`matching on the ${engine} database`, () => {
    let database: Database;
    let close = async () => {};

    before(async function () {
      const opened = await openQueryDatabase(engine);
      if (opened === undefined) return this.skip();
      ({ database, close } = opened);
      for (const [study, values] of Object.entries(STUDIES))
        await keepValues(database, { study: Number(study), series: 1, instance: 1 }, values);
    });
    after(() => close());

    const studies = async (keys: Values, negotiated: Partial<QueryNegotiation> = {}) => {
      const identifier = dataSetOf({ StudyInstanceUID: "", ...keys, QueryRetrieveLevel: "STUDY" });
      const asked = await ask(database, { identifier, negotiated: { ...PLAIN, ...negotiated } });
      if (asked.error !== undefined) throw new Error(asked.error);
      return asked.matches
        .map((match) => Number(match.string(TAG.StudyInstanceUID)!.slice(4)))
        .sort();
    };

    for (const [title, cases] of Object.entries(CASES)) {
      describe(title, () => {
        for (const [keys, expected, negotiated] of cases) {
          const what = `${JSON.stringify(keys)}${negotiated === undefined ? "" : ` ${Object.keys(negotiated)}`}`;
          it(`${what} finds ${expected.join(", ") || "nothing"}`, async () => {
            expect(await studies(keys, negotiated)).to.deep.equal([...expected]);
          });
        }
      });
    }

    for (const [keys, message] of REFUSED) {
      it(`${JSON.stringify(keys).slice(0, 60)} is refused`, async () => {
        const identifier = dataSetOf({ ...keys, QueryRetrieveLevel: "STUDY" });
        const asked = await ask(database, { identifier });
        expect(asked.code).to.equal("QUERY_INVALID");
        expect(asked.error).to.match(message);
      });
    }
  });
}
