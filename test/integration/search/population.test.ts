/** Random populations and random keys: the databases answer what a naive matcher does. */
import { expect } from "chai";
import fc from "fast-check";
import type { Database } from "../../../src/db/database.ts";
import { TAG, vrOf } from "../../../src/dicom/tags.ts";
import { UNIQUE_KEY } from "../../../src/search/attributes.ts";
import { dataSetOf, PLAIN, type Values } from "../../support/data-sets.ts";
import { ask, ENGINES, keepValues, openQueryDatabase } from "../../support/query-database.ts";
import { matchesKey } from "./naive-matcher.ts";

const LEVELS = ["PATIENT", "STUDY", "SERIES", "IMAGE"] as const;
type Level = (typeof LEVELS)[number];
type Keyword = keyof typeof TAG;
type Record_ = Partial<Record<Keyword, string>>;

const FIELDS: Readonly<Record<Level, readonly Keyword[]>> = {
  PATIENT: ["PatientName", "PatientID", "IssuerOfPatientID", "PatientBirthDate", "PatientSex"],
  STUDY: ["StudyDate", "StudyTime", "StudyDescription", "AccessionNumber", "PatientAge"],
  SERIES: ["Modality", "SeriesNumber", "SeriesTime", "ProtocolName", "OperatorsName"],
  IMAGE: ["InstanceNumber", "ContentTime", "ImageType"],
};

const name = fc
  .tuple(
    fc.constantFrom("", "Ana", "ÄNNA", "anna", "Bo", "B(o"),
    fc.constantFrom("", "^Bo", "^bö", "^Ana^C", "^^D"),
    fc.constantFrom("", "", "=山田^太郎", "=山^太=やま"),
  )
  .map((parts) => parts.join(""));
const time = fc.constantFrom("", "10", "1011", "101112", "101112.5", "101112.52", "235959", "18");
const text = fc
  .array(fc.constantFrom("a", "A", "b", "%", "_", "?", "*", "é", " ", "'", "["), { maxLength: 4 })
  .map((characters) => characters.join("").trim());
const date = fc.constantFrom("", "20240101", "20240102", "20240131", "20231231");
const code = fc.constantFrom("", "CT", "MR", "M", "O");
const number = fc.constantFrom("", "1", "01", "2", "10");

const VALUE: Readonly<Partial<Record<Keyword, fc.Arbitrary<string>>>> = {
  PatientName: name,
  PatientID: fc.constantFrom("", "P1", "P2", "p1"),
  IssuerOfPatientID: fc.constantFrom("", "H1", "H2"),
  PatientBirthDate: date,
  PatientSex: code,
  StudyDate: date,
  StudyTime: time,
  StudyDescription: text,
  AccessionNumber: text,
  PatientAge: fc.constantFrom("", "036Y", "001D"),
  Modality: code,
  SeriesNumber: number,
  SeriesTime: time,
  ProtocolName: text,
  OperatorsName: fc.tuple(name, name).map((names) => names.filter((one) => one).join("\\")),
  InstanceNumber: number,
  ContentTime: time,
  ImageType: fc.tuple(code, code).map((codes) => codes.join("\\").replace(/^\\|\\$/g, "")),
};

const wild = (values: fc.Arbitrary<string>) =>
  fc.tuple(values, fc.nat(), fc.constantFrom("", "", "*", "?", "**")).map(([value, at, mark]) => {
    const place = at % (value.length + 1);
    return value.slice(0, place) + mark + value.slice(mark === "" ? place : place + 1);
  });
const range = (values: fc.Arbitrary<string>) =>
  fc
    .tuple(values, values, fc.boolean())
    .map(([a, b, isRange]) => (isRange && (a !== "" || b !== "") ? `${a}-${b}` : a))
    .filter((key) => {
      const [from = "", to = ""] = key.split("-");
      return (
        !key.includes("-") || from === "" || to === "" || from.padEnd(6, "0") <= to.padEnd(6, "0")
      );
    });

function keyFor(keyword: Keyword): fc.Arbitrary<string> {
  const values = VALUE[keyword]!;
  const vr = vrOf(TAG[keyword]);
  if (vr === "DA" || vr === "TM") return range(values);
  if (vr === "IS" || vr === "AS") return values;
  return wild(values.map((value) => value.split("\\")[0]!));
}

const record = (level: Level) =>
  fc.record(
    Object.fromEntries(FIELDS[level].map((one) => [one, VALUE[one]!])),
  ) as fc.Arbitrary<Record_>;

interface Instance {
  readonly values: Record_;
  readonly uids: Readonly<Record<Level, string>>;
}

/** Writes a population: every study is one patient's, every patient has one set of values for its ID and issuer. */
async function populate(database: Database, seed: number): Promise<Instance[]> {
  const sample = <T>(arbitrary: fc.Arbitrary<T>, count: number, salt: number) =>
    fc.sample(arbitrary, { numRuns: count, seed: seed + salt });
  const patients = sample(record("PATIENT"), 14, 1);
  const instances: Instance[] = [];
  for (const [study, values] of sample(record("STUDY"), 28, 2).entries()) {
    const patient = patients[study % patients.length]!;
    for (const [series, seriesValues] of sample(
      record("SERIES"),
      1 + (study % 3),
      100 + study,
    ).entries()) {
      const images = sample(
        record("IMAGE"),
        1 + ((study + series) % 2),
        1000 + study * 10 + series,
      );
      for (const [image, imageValues] of images.entries()) {
        const all = { ...patient, ...values, ...seriesValues, ...imageValues };
        const of = { study: study + 1, series: series + 1, instance: image + 1 };
        await keepValues(database, of, all as Values);
        instances.push({
          values: all,
          uids: {
            PATIENT:
              all.PatientID === ""
                ? `study ${study}`
                : `${all.PatientID} of ${all.IssuerOfPatientID}`,
            STUDY: `1.2.${of.study}`,
            SERIES: `1.2.${of.study}.${of.series}`,
            IMAGE: `1.2.${of.study}.${of.series}.${of.instance}`,
          },
        });
      }
    }
  }
  return instances;
}

/** An entity matches when one of its instances matches every key. */
function naive(
  population: readonly Instance[],
  level: Level,
  keys: Record_,
  modalities?: string,
): string[] {
  const found = population.filter(({ values, uids }) => {
    const ofStudy = population.filter((one) => one.uids.STUDY === uids.STUDY);
    const inStudy = ofStudy.map((one) => one.values.Modality ?? "");
    if (modalities !== undefined && !matchesKey("CS", inStudy, modalities)) return false;
    return Object.entries(keys).every(([keyword, key]) => {
      const value = values[keyword as Keyword] ?? "";
      return matchesKey(vrOf(TAG[keyword as Keyword]), value.split("\\"), key);
    });
  });
  return [...new Set(found.map((one) => one.uids[level]))].sort();
}

const keysOf = (levels: readonly Level[]) => {
  const keywords = levels.flatMap((level) => FIELDS[level]);
  return fc
    .uniqueArray(fc.constantFrom(...keywords), { minLength: 1, maxLength: 3 })
    .chain((chosen) => fc.record(Object.fromEntries(chosen.map((one) => [one, keyFor(one)]))))
    .map((keys) => keys as Record_);
};

for (const engine of ENGINES) {
  describe(`random queries on the ${engine} database`, () => {
    let database: Database;
    let close = async () => {};
    let population: Instance[];

    before(async function () {
      const opened = await openQueryDatabase(engine);
      if (opened === undefined) return this.skip();
      ({ database, close } = opened);
      population = await populate(database, 20_240_607);
    });
    after(() => close());

    const answered = async (level: Level, keys: Record_, isRelational: boolean) => {
      const asked = await ask(database, {
        identifier: dataSetOf({
          PatientID: "",
          IssuerOfPatientID: "",
          StudyInstanceUID: "",
          SeriesInstanceUID: "",
          SOPInstanceUID: "",
          ...keys,
          QueryRetrieveLevel: level,
        } as Values),
        model: "PATIENT_ROOT",
        negotiated: { ...PLAIN, relational: isRelational },
      });
      if (asked.error !== undefined) throw new Error(asked.error);
      const ids = asked.matches.map((match) =>
        level === "PATIENT"
          ? `${match.string(TAG.PatientID)} of ${match.string(TAG.IssuerOfPatientID)}`
          : match.string(UNIQUE_KEY[level])!,
      );
      return ids.sort();
    };

    for (const level of LEVELS) {
      it(`answers relational queries at ${level} as the naive matcher does`, async () => {
        await fc.assert(
          fc.asyncProperty(
            keysOf(LEVELS),
            fc.option(wild(code), { nil: undefined }),
            async (keys, modalities) => {
              const all =
                modalities === undefined ? keys : { ...keys, ModalitiesInStudy: modalities };
              const expected = naive(population, level, keys, modalities);
              const got = await answered(level, all, true);
              // A study without Patient ID is a patient of its own, whose answer cannot say which.
              const named = (ids: readonly string[]) =>
                ids.filter((id) => !/^(study \d+| of .*)$/.test(id));
              expect(named(got)).to.deep.equal(named(expected));
              expect(got.length).to.equal(expected.length);
            },
          ),
          { numRuns: 120 },
        );
      });
    }

    it("answers hierarchical queries at PATIENT as the naive matcher does", async () => {
      await fc.assert(
        fc.asyncProperty(keysOf(["PATIENT"]), async (keys) => {
          const got = await answered("PATIENT", keys, false);
          expect(got.length).to.equal(naive(population, "PATIENT", keys).length);
        }),
        { numRuns: 60 },
      );
    });
  });
}
