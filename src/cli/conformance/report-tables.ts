/** The documents that this node writes, listed from documents that it has just written. */
import type { DataSet } from "../../dicom/data-set.ts";
import { decodeDataSet } from "../../dicom/decode.ts";
import { decodeFileMeta } from "../../dicom/part10.ts";
import { formatTag, keywordOf, TAG } from "../../dicom/tags.ts";
import { KindredError } from "../../kernel/errors.ts";
import { buildReports } from "../../report/build-reports.ts";
import { CODE, CONCEPT, type Code, PRIVATE_SCHEME, unitsWritten } from "../../report/codes.ts";
import type { ReportKind } from "../../report/input.ts";
import { sampleReport } from "./sample-report.ts";
import { markdownTable } from "./table.ts";

const SOURCE = "source study";
/** Where the value of each attribute of a document comes from. The content tree has a table of its own. */
const SOURCES: Readonly<Record<string, string>> = {
  SpecificCharacterSet: "`ISO_IR 192`",
  InstanceCreationDate: "when the document was made",
  InstanceCreationTime: "when the document was made",
  SOPClassUID: "of the document",
  SOPInstanceUID: "always the same for a series, its revision, the model and the template version",
  StudyDate: SOURCE,
  StudyTime: SOURCE,
  AccessionNumber: `${SOURCE}; empty when it is not valid`,
  ReferringPhysicianName: SOURCE,
  StudyDescription: SOURCE,
  PatientName: SOURCE,
  PatientID: `${SOURCE}, unchanged`,
  IssuerOfPatientID: `${SOURCE}, unchanged; absent when it has none`,
  PatientBirthDate: `${SOURCE}; empty when it is not a date`,
  PatientSex: `${SOURCE}; empty when it is not M, F or O`,
  StudyInstanceUID: `${SOURCE}, unchanged`,
  StudyID: SOURCE,
  SeriesDate: "when the document was made",
  SeriesTime: "when the document was made",
  ContentDate: "when the document was made",
  ContentTime: "when the document was made",
  Modality: "`SR`",
  Manufacturer: "`Kindred`",
  ManufacturerModelName: "`Kindred`",
  DeviceSerialNumber: "of this installation",
  SoftwareVersions: "version of Kindred",
  ContributingEquipmentSequence:
    "scanner of the source series (109101, DCM), and the model (109102, DCM) when one ran",
  SeriesDescription: "warning that it is AI and not verified, and the kind of document",
  SeriesInstanceUID: "as SOP Instance UID; each document has a series of its own",
  SeriesNumber: "9001 and above, so that viewers open the images first",
  InstanceNumber: "`1`",
  ReferencedPerformedProcedureStepSequence: "empty",
  PerformedProcedureCodeSequence: "empty",
  ObservationDateTime: "when the volume was analysed, with its offset from UTC",
  CompletionFlag: "`COMPLETE`",
  VerificationFlag: "`UNVERIFIED`",
  PreliminaryFlag: "`PRELIMINARY`",
  CurrentRequestedProcedureEvidenceSequence:
    "the images that the volume was made of, the key image first; 10,000 at most",
  CodingSchemeIdentificationSequence: "the private coding scheme; in the measurement document only",
  ValueType: "content tree",
  ConceptNameCodeSequence: "content tree",
  ContinuityOfContent: "content tree",
  ContentTemplateSequence: "content tree",
  ContentSequence: "content tree",
};

interface WrittenDocument {
  readonly kind: ReportKind;
  readonly dataSet: DataSet;
}

function writtenDocuments(): WrittenDocument[] {
  return buildReports(sampleReport()).map(({ kind, bytes }) => {
    const { dataSetOffset, transferSyntaxUid } = decodeFileMeta(bytes);
    return { kind, dataSet: decodeDataSet(bytes.subarray(dataSetOffset), { transferSyntaxUid }) };
  });
}

/** Attributes of both documents. @throws KindredError `INTERNAL` when the source of one is not written down here */
export function reportAttributesTable(): string {
  const documents = writtenDocuments();
  const tags = new Set(documents.flatMap(({ dataSet }) => [...dataSet.elements.keys()]));
  const rows = [...tags]
    .sort((a, b) => a - b)
    .map((tag) => {
      const keyword = keywordOf(tag);
      const source = SOURCES[keyword];
      if (source === undefined)
        throw new KindredError("INTERNAL", `The source of ${keyword} is not in the statement`);
      const holders = documents.filter(({ dataSet }) => dataSet.has(tag));
      const vr = holders[0]!.dataSet.get(tag)!.vr;
      const isInBoth = holders.length === documents.length;
      const where = isInBoth ? "both" : holders.map(({ kind }) => kind).join();
      return [formatTag(tag), keyword, vr, where, source];
    });
  return markdownTable(["tag", "keyword", "VR", "document", "value from"], rows);
}

/** Of the content tree. PS3.3 C.17.3, C.18.8. */
const TREE = {
  MappingResource: 0x00080105,
  RelationshipType: 0x0040a010,
  ValueType: 0x0040a040,
  ContentTemplateSequence: 0x0040a504,
  ContentSequence: 0x0040a730,
  TemplateIdentifier: 0x0040db00,
} as const;

export function contentTreeTable(kind: ReportKind): string {
  const document = writtenDocuments().find((one) => one.kind === kind)!;
  const rows: string[][] = [];
  const walk = (item: DataSet, depth: number) => {
    const concept = item.get(TAG.ConceptNameCodeSequence)?.items?.[0];
    const template = item.get(TREE.ContentTemplateSequence)?.items?.[0];
    rows.push([
      `${"> ".repeat(depth)}${item.string(TREE.RelationshipType) ?? "(root)"}`,
      item.string(TREE.ValueType) ?? "",
      concept === undefined ? "" : shownCode(codeOf(concept)),
      template === undefined
        ? ""
        : `TID ${template.string(TREE.TemplateIdentifier)} (${template.string(TREE.MappingResource)})`,
    ]);
    for (const child of item.get(TREE.ContentSequence)?.items ?? []) walk(child, depth + 1);
  };
  walk(document.dataSet, 0);
  // Items that repeat (scores, texts) stand once.
  const once = rows.filter((row, at) => at === 0 || row.join() !== rows[at - 1]!.join());
  return markdownTable(["relationship", "value type", "concept name", "template"], once);
}

function codeOf(item: DataSet): Code {
  return {
    value: item.string(TAG.CodeValue) ?? "",
    scheme: item.string(TAG.CodingSchemeDesignator) ?? "",
    meaning: item.string(TAG.CodeMeaning) ?? "",
  };
}

const shownCode = ({ value, scheme, meaning }: Code) => `(${value}, ${scheme}, "${meaning}")`;

function allCodes(): Code[] {
  const { verdicts, ...others } = CODE;
  return [...Object.values(CONCEPT), ...Object.values(others), ...Object.values(verdicts)];
}

export function codesTable(): string {
  const rows = allCodes()
    .filter(({ scheme }) => scheme !== PRIVATE_SCHEME.designator)
    .map(({ value, scheme, meaning }) => [scheme, value, meaning]);
  const units = unitsWritten().map(({ value, scheme, meaning }) => [scheme, value, meaning]);
  return markdownTable(["coding scheme", "code value", "code meaning"], [...rows, ...units]);
}

export function privateCodesTable(): string {
  const rows = allCodes()
    .filter(({ scheme }) => scheme === PRIVATE_SCHEME.designator)
    .map(({ value, meaning }) => [value, meaning]);
  return markdownTable([`code value (${PRIVATE_SCHEME.designator})`, "code meaning"], rows);
}
