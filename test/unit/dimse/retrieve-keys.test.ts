import { expect } from "chai";
import { DataSet } from "../../../src/dicom/data-set.ts";
import { TAG } from "../../../src/dicom/tags.ts";
import type { InformationModel } from "../../../src/dimse/ports.ts";
import { retrieveKeysOf } from "../../../src/dimse/services/retrieve-keys.ts";
import { KindredError } from "../../../src/kernel/errors.ts";

type Keys = Partial<Record<"level" | "patient" | "study" | "series" | "instance", string>>;

function identifier(keys: Keys): DataSet {
  const set = new DataSet();
  if (keys.level !== undefined) set.setString(TAG.QueryRetrieveLevel, "CS", keys.level);
  if (keys.patient !== undefined) set.setString(TAG.PatientID, "LO", keys.patient);
  if (keys.study !== undefined) set.setString(TAG.StudyInstanceUID, "UI", keys.study);
  if (keys.series !== undefined) set.setString(TAG.SeriesInstanceUID, "UI", keys.series);
  if (keys.instance !== undefined) set.setString(TAG.SOPInstanceUID, "UI", keys.instance);
  return set;
}

const keys = (given: Keys, model: InformationModel = "STUDY_ROOT", isRelational = false) =>
  retrieveKeysOf(identifier(given), model, isRelational);

describe("the identifier of a retrieve", () => {
  const taken: [string, ReturnType<typeof keys>, object][] = [
    [
      "a patient",
      keys({ level: "PATIENT", patient: " P 1 " }, "PATIENT_ROOT"),
      { level: "PATIENT", patientId: "P 1", studyInstanceUids: undefined },
    ],
    [
      "a list of studies, each once",
      keys({ level: "STUDY", study: "1.2\\1.3\\1.2" }),
      { level: "STUDY", studyInstanceUids: ["1.2", "1.3"], patientId: undefined },
    ],
    [
      "a study of a patient",
      keys({ level: "STUDY", patient: "P", study: "1.2" }, "PATIENT_ROOT"),
      { patientId: "P", studyInstanceUids: ["1.2"] },
    ],
    [
      "Patient ID in Study Root is no key",
      keys({ level: "STUDY", patient: "P*", study: "1.2" }),
      { patientId: undefined, studyInstanceUids: ["1.2"] },
    ],
    [
      "a list of series",
      keys({ level: "SERIES ", study: "1.2", series: "1.3\\1.4" }),
      { studyInstanceUids: ["1.2"], seriesInstanceUids: ["1.3", "1.4"] },
    ],
    [
      "instances",
      keys({ level: "IMAGE", study: "1.2", series: "1.3", instance: "1.4" }),
      { studyInstanceUids: ["1.2"], seriesInstanceUids: ["1.3"], sopInstanceUids: ["1.4"] },
    ],
    [
      "unique keys below the level are not looked at",
      keys({ level: "STUDY", study: "1.2", series: "1.3", instance: "*" }),
      { studyInstanceUids: ["1.2"], seriesInstanceUids: undefined, sopInstanceUids: undefined },
    ],
    [
      "relational: the key of the level alone",
      keys({ level: "IMAGE", instance: "1.4\\1.5" }, "PATIENT_ROOT", true),
      { patientId: undefined, seriesInstanceUids: undefined, sopInstanceUids: ["1.4", "1.5"] },
    ],
    [
      "relational: a list above the level",
      keys({ level: "SERIES", study: "1.2\\1.3", series: "1.4" }, "STUDY_ROOT", true),
      { studyInstanceUids: ["1.2", "1.3"], seriesInstanceUids: ["1.4"] },
    ],
  ];
  for (const [what, found, wanted] of taken)
    it(`takes ${what}`, () => expect(found).to.deep.include(wanted));

  const refused: [string, Keys, InformationModel, boolean, RegExp][] = [
    ["no level", { study: "1.2" }, "STUDY_ROOT", false, /STUDY, SERIES or IMAGE/],
    ["an unknown level", { level: "FRAME", study: "1.2" }, "PATIENT_ROOT", false, /PATIENT, STUDY/],
    ["PATIENT in Study Root", { level: "PATIENT", patient: "P" }, "STUDY_ROOT", false, /Level/],
    [
      "no key of the level",
      { level: "STUDY", study: "" },
      "STUDY_ROOT",
      false,
      /needed at level STUDY/,
    ],
    [
      "relational without the key of the level",
      { level: "SERIES", study: "1.2" },
      "STUDY_ROOT",
      true,
      /SeriesInstanceUID is needed/,
    ],
    [
      "no key above",
      { level: "SERIES", series: "1.3" },
      "STUDY_ROOT",
      false,
      /StudyInstanceUID is needed/,
    ],
    [
      "no patient in Patient Root",
      { level: "STUDY", study: "1.3" },
      "PATIENT_ROOT",
      false,
      /PatientID is needed/,
    ],
    [
      "a list above the level",
      { level: "SERIES", study: "1.2\\1.3", series: "1.4" },
      "STUDY_ROOT",
      false,
      /must be one value/,
    ],
    [
      "a list of patients",
      { level: "PATIENT", patient: "P\\Q" },
      "PATIENT_ROOT",
      true,
      /must be one value/,
    ],
    [
      "a patient with a wildcard",
      { level: "PATIENT", patient: "P*" },
      "PATIENT_ROOT",
      false,
      /wildcards/,
    ],
    ["a UID with a wildcard", { level: "STUDY", study: "1.2.*" }, "STUDY_ROOT", false, /UIDs only/],
    [
      "an empty UID in a list",
      { level: "STUDY", study: "1.2\\\\1.3" },
      "STUDY_ROOT",
      false,
      /UIDs only/,
    ],
  ];
  for (const [what, given, model, isRelational, message] of refused) {
    it(`refuses ${what}`, () => {
      expect(() => keys(given, model, isRelational))
        .to.throw(KindredError, message)
        .with.property("code", "QUERY_INVALID");
    });
  }

  it("says everything in the 64 characters of an Error Comment", () => {
    for (const [, given, model, isRelational] of refused) {
      try {
        keys(given, model, isRelational);
      } catch (error) {
        expect((error as Error).message.length).to.be.at.most(64);
      }
    }
  });
});
